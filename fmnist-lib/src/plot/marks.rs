//! Marked points on a chart, and where to put their labels.

use plotters::prelude::*;

use super::canvas::{Area, Canvas, Drawn, PX, centred, text, width};
use super::legend::DOT;

type Place = (i32, i32);

/// A point with its label, in drawing units.
pub(super) struct Mark {
    pub(super) at: Place,
    pub(super) label: String,
    pub(super) color: RGBColor,
}

/// Draws a dot for each mark, and its label where it hides least of the `curves` and of the labels
/// before it; a thin line leads to a label further off.
pub(super) fn draw<C: Canvas>(area: &Area<C>, marks: &[Mark], curves: &[Vec<Place>]) -> Drawn {
    let mut ink: Vec<_> = curves.iter().flat_map(|curve| along(curve)).collect();
    // Dots of other runs are worth more than a bit of curve.
    let dots = curves.iter().filter(|curve| curve.len() == 1);
    let dots = dots
        .flatten()
        .copied()
        .chain(marks.iter().map(|mark| mark.at));
    ink.extend(dots.flat_map(|dot| [dot; 10]));
    let mut labels = Vec::new();
    for mark in marks {
        let style = centred(text(12, darker(mark.color)));
        let half = (width(&mark.label, &style) / 2 + 2 * PX, 8 * PX);
        if let Some(centre) = best_place(mark.at, half, area.dim_in_pixel(), &ink) {
            ink.extend(grid(centre, half));
            labels.push((mark, centre, half, style));
        }
    }
    for (mark, centre, _, _) in &labels {
        if (mark.at.1 - centre.1).abs() > 24 * PX {
            let leader = mark.color.stroke_width(PX as u32);
            area.draw(&PathElement::new([mark.at, *centre], leader))?;
        }
    }
    for Mark { at, color, .. } in marks {
        area.draw(&Circle::new(*at, DOT + 6, WHITE.filled()))?;
        area.draw(&Circle::new(*at, DOT, color.filled()))?;
    }
    for (mark, (x, y), half, style) in labels {
        let corners = [(x - half.0, y - half.1), (x + half.0, y + half.1)];
        area.draw(&Rectangle::new(corners, WHITE.mix(0.85).filled()))?;
        area.draw_text(&mark.label, &style, (x, y))?;
    }
    Ok(())
}

/// The centre, within `size`, for a label that reaches `half` as far to each side: near, and with
/// little `ink` under it.
fn best_place(at: Place, half: Place, size: (u32, u32), ink: &[Place]) -> Option<Place> {
    let inside = |&(x, y): &Place| {
        (half.0..=size.0 as i32 - half.0).contains(&x)
            && (half.1..=size.1 as i32 - half.1).contains(&y)
    };
    let cost = |&(x, y): &Place| {
        let under = |&&(px, py): &&Place| (px - x).abs() <= half.0 && (py - y).abs() <= half.1;
        ink.iter().filter(under).count() + ((y - at.1).abs() / (5 * PX)) as usize
    };
    let beside = half.0 + DOT + PX;
    let above_or_below = [15, -15, 30, -30, 45, -45, 60, -60, 80, -80]
        .into_iter()
        .flat_map(|dy| [0, -half.0, half.0].map(|dx| (at.0 + dx, at.1 - dy * PX)));
    [(at.0 + beside, at.1), (at.0 - beside, at.1)]
        .into_iter()
        .chain(above_or_below)
        .filter(inside)
        .min_by_key(cost)
}

/// Points all over a label, dense enough that the next one keeps away.
fn grid((x, y): Place, half: Place) -> impl Iterator<Item = Place> {
    (-8..=8).flat_map(move |i| (-8..=8).map(move |j| (x + i * half.0 / 8, y + j * half.1 / 8)))
}

/// Points about two pixels apart on a polyline.
fn along(path: &[Place]) -> impl Iterator<Item = Place> {
    path.windows(2).flat_map(|ends| {
        let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
        let steps = ((x1 - x0).abs().max((y1 - y0).abs()) / (2 * PX)).max(1);
        (0..steps).map(move |i| (x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps))
    })
}

/// A colour of the palette, dark enough for text.
pub(super) fn darker(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let half = |channel: u8| (u16::from(channel) * 11 / 20) as u8;
    RGBColor(half(r), half(g), half(b))
}
