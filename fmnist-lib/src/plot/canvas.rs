//! What all figures share: the unit of length, colours, text, and the one thing that plotters'
//! backends lack.

use std::convert::Infallible;
use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters_backend::BackendTextStyle;

use super::picture::Picture;

/// Drawing units in a pixel of the page. plotters places everything on whole units; with four of
/// them curves stay smooth when an SVG is enlarged, and averaging them smooths a PNG's edges.
pub(super) const PX: i32 = 4;

pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const MUTED: RGBColor = RGBColor(0x6b, 0x6b, 0x6b);
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(super) const VERMILLION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);

/// Okabe and Ito's palette without its yellow, which white paper swallows, and behind it three of Paul Tol's "muted" ones.
const PALETTE: [RGBColor; 10] = [
    BLUE,
    VERMILLION,
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0x99, 0x99, 0x33),
    RGBColor(0x33, 0x22, 0x88),
];

/// The colour of the run or the class with this number, from 0; they repeat after ten.
pub(super) fn color(run: usize) -> RGBColor {
    PALETTE[run % PALETTE.len()]
}

/// As bright as the eye sees it, from 0 to 255 (ITU-R BT.601).
pub(super) fn brightness(RGBColor(r, g, b): RGBColor) -> f64 {
    0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)
}

/// Black or white: what is read better on `ground`, by the contrast of WCAG 2.1. That is never below 4.5.
pub(super) fn readable_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let linear = |channel: u8| match f64::from(channel) / 255.0 {
        dark @ ..=0.04045 => dark / 12.92,
        light => ((light + 0.055) / 1.055).powf(2.4),
    };
    let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    match luminance > (1.05_f64 * 0.05).sqrt() - 0.05 {
        true => BLACK,
        false => WHITE,
    }
}

pub(super) type Drawn = Result<(), DrawingAreaErrorKind<Infallible>>;
pub(super) type Area<C> = DrawingArea<C, Shift>;

/// A backend that figures can be drawn on; it starts out white.
pub(super) trait Canvas: DrawingBackend<ErrorType = Infallible> {
    /// Draws an image, each pixel enlarged to `zoom` units.
    fn draw_image(&mut self, at: (i32, i32), picture: &Picture<'_>, zoom: i32);
}

const FAMILY: &str = "fmnist";
/// Height of a line of the font in ems: what plotters calls the size is this many ems.
const LINE: f64 = 1.121;

/// Text of `size` pixels (one em), anchored at its left, vertically centred.
pub(super) fn text(size: i32, color: RGBColor) -> TextStyle<'static> {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // Were it refused, drawing would say so: `FontUnavailable`.
        let _ = plotters::style::register_font(
            FAMILY,
            FontStyle::Normal,
            epaint_default_fonts::UBUNTU_LIGHT,
        );
    });
    FontDesc::from((FAMILY, f64::from(size * PX) * LINE))
        .color(&color)
        .pos(Pos::new(HPos::Left, VPos::Center))
}

/// `style`, centred on its position.
pub(super) fn centred(style: TextStyle<'static>) -> TextStyle<'static> {
    style.pos(Pos::new(HPos::Center, VPos::Center))
}

/// Width of `text` in drawing units; 0 where it cannot be told, for drawing it then fails anyway.
pub(super) fn width(text: &str, style: &TextStyle) -> i32 {
    style.layout_box(text).map_or(0, |(_, (right, _))| right)
}

/// Units in one em of `style`, and how far below its position the baseline lies: plotters has
/// backends guess the latter, and its own guess sets text a fifth of an em too high.
pub(super) fn em_and_baseline<S: BackendTextStyle>(style: &S) -> (f64, f64) {
    let em = style.size() / LINE;
    let capitals = 0.693 * em;
    let below = match style.anchor().v_pos {
        VPos::Top => capitals,
        VPos::Center => capitals / 2.0,
        VPos::Bottom => -0.19 * em,
    };
    (em, below)
}

/// A name fit for a legend: one line, no control characters (XML has no way to hold them), at most
/// 40 characters.
pub(super) fn clean(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect();
    if name.chars().count() <= 40 {
        return name;
    }
    name.chars().take(39).chain(['…']).collect()
}
