//! Numbers as colours.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Area, BLUE, Canvas, Drawn, MUTED, PX, VERMILLION, text};
use super::picture::Picture;
use crate::support::table::significant;

/// How values become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shades {
    /// 0 is black, and the largest value light yellow: matplotlib's "inferno" (van der Walt & Smith, 2015), whose lightness
    /// grows evenly.
    Heat { largest: f64 },
    /// 0 is white; what is positive is vermillion, and what is negative blue.
    Signed { largest: f64 },
}

/// From 0 to 1 in even steps.
const INFERNO: [[u8; 3]; 10] = [
    [0, 0, 4],
    [27, 12, 65],
    [74, 12, 107],
    [120, 28, 109],
    [165, 44, 96],
    [207, 68, 70],
    [237, 105, 37],
    [251, 155, 6],
    [247, 209, 61],
    [252, 255, 164],
];

/// Size of the bar that [`Shades::draw_bar`] draws, in pixels of the page.
pub(super) const BAR: (i32, i32) = (160, 10);

impl Shades {
    /// For these values: signed where one is negative. What is not finite is left aside.
    pub(super) fn of(values: &[f32]) -> Self {
        let finite = || values.iter().filter(|value| value.is_finite());
        let largest = finite().fold(0.0_f32, |most, value| most.max(value.abs()));
        let largest = f64::from(largest);
        match finite().any(|&value| value < 0.0) {
            true => Self::Signed { largest },
            false => Self::Heat { largest },
        }
    }

    fn largest(self) -> f64 {
        match self {
            Self::Heat { largest } | Self::Signed { largest } => largest,
        }
    }

    /// The colour of a value; of one that is not a number, that of 0.
    pub(super) fn color(self, value: f64) -> [u8; 3] {
        let share = match self.largest() {
            largest if largest > 0.0 => (value / largest).clamp(-1.0, 1.0),
            _ => 0.0,
        };
        let rgb = |RGBColor(red, green, blue): RGBColor| [red, green, blue];
        match self {
            Self::Heat { .. } => {
                let place = share.max(0.0) * (INFERNO.len() - 1) as f64;
                let below = (place as usize).min(INFERNO.len() - 2);
                mixed(INFERNO[below], INFERNO[below + 1], place - below as f64)
            }
            Self::Signed { .. } if share < 0.0 => mixed([255; 3], rgb(BLUE), -share),
            Self::Signed { .. } => mixed([255; 3], rgb(VERMILLION), share.max(0.0)),
        }
    }

    /// The colours of values, three bytes for each.
    pub(super) fn pixels(self, values: &[f32]) -> Vec<u8> {
        let colors = values.iter().map(|&value| self.color(f64::from(value)));
        colors.flatten().collect()
    }

    /// A bar of all colours with its left end at (x, y), in drawing units, and its ends named: by `most`, where the largest
    /// value is not one number.
    pub(super) fn draw_bar<C: Canvas>(
        self,
        area: &Area<C>,
        (x, y): (i32, i32),
        most: Option<&str>,
    ) -> Drawn {
        let (width, height) = BAR;
        let largest = self.largest();
        let most = most.map_or_else(|| significant(largest), str::to_owned);
        // The colours from one value to 1, and what stands where below them.
        let (scale, from, labels) = match self {
            Self::Heat { .. } => (
                Self::Heat { largest: 1.0 },
                0.0,
                vec![("0".to_owned(), 0, HPos::Left)],
            ),
            Self::Signed { .. } => (
                Self::Signed { largest: 1.0 },
                -1.0,
                vec![
                    (format!("−{}", significant(largest)), 0, HPos::Left),
                    ("0".to_owned(), width / 2, HPos::Center),
                ],
            ),
        };
        let cells = width / 2;
        let value = |at: i32| from + (1.0 - from) * f64::from(at) / f64::from(cells - 1);
        let row: Vec<u8> = (0..cells).flat_map(|at| scale.color(value(at))).collect();
        let shape = [(height / 2) as usize, cells as usize, 3];
        Picture::of(&row.repeat(shape[0]), shape).draw(area, (x, y), 2 * PX)?;
        let below = y + (height + 10) * PX;
        for (label, at, side) in labels.into_iter().chain([(most, width, HPos::Right)]) {
            let style = text(11, MUTED).pos(Pos::new(side, VPos::Center));
            area.draw_text(&label, &style, (x + at * PX, below))?;
        }
        Ok(())
    }
}

/// `part` of the way from one colour to another.
pub(super) fn mixed(from: [u8; 3], to: [u8; 3], part: f64) -> [u8; 3] {
    let channel = |at: usize| {
        let (from, to) = (f64::from(from[at]), f64::from(to[at]));
        (from + part * (to - from)).round() as u8
    };
    [0, 1, 2].map(channel)
}

#[cfg(test)]
mod tests {
    use super::{INFERNO, Shades};

    /// CIE 1976 L*, 0 to 100.
    fn lightness(rgb: [u8; 3]) -> f64 {
        let linear = rgb.map(|channel| match f64::from(channel) / 255.0 {
            low @ ..=0.04045 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        });
        let luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        match luminance {
            ..=0.008_856 => 903.3 * luminance,
            _ => 116.0 * luminance.cbrt() - 16.0,
        }
    }

    #[test]
    fn warmer_is_lighter_by_even_steps() {
        let lightness: Vec<f64> = INFERNO.map(lightness).into();
        assert!(lightness[0] < 0.1 && lightness[INFERNO.len() - 1] > 97.0);
        for pair in lightness.windows(2) {
            let step = pair[1] - pair[0];
            assert!((6.0..16.0).contains(&step), "{lightness:?}");
        }
    }

    #[test]
    fn colours_of_special_values() {
        let heat = Shades::of(&[0.0, 2.0, f32::NAN, f32::INFINITY]);
        assert_eq!(heat, Shades::Heat { largest: 2.0 });
        assert_eq!(heat.color(2.0), INFERNO[9]);
        assert_eq!(heat.color(9.0), INFERNO[9]);
        assert_eq!(heat.color(f64::NAN), INFERNO[0]);
        let signed = Shades::of(&[-4.0, 2.0]);
        assert_eq!(signed, Shades::Signed { largest: 4.0 });
        assert_eq!([0.0, f64::NAN].map(|it| signed.color(it)), [[255; 3]; 2]);
        assert_eq!(
            (signed.color(-4.0), signed.color(4.0)),
            ([0, 0x72, 0xb2], [0xd5, 0x5e, 0])
        );
        assert_eq!(Shades::of(&[]).color(1.0), INFERNO[0]);
    }
}
