//! The confusion matrix as a heat map.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Figure;
use super::canvas::{Area, Canvas, Drawn, INK, MUTED, PX, centred, text};
use super::figure::Content;
use crate::{CLASS_NAMES, CLASSES, ConfusionMatrix};

const CELL: (i32, i32) = (64, 40);
const LEFT: i32 = 106;
const TOP: i32 = 46;

/// How many images of each class (rows) were taken for which (columns).
///
/// The darker a cell, the larger its share of the images of its true class.
pub fn confusion(matrix: &ConfusionMatrix) -> Figure {
    Figure(Content::Confusion(Matrix(Box::new(matrix.clone()))))
}

#[derive(Clone, Debug)]
pub(super) struct Matrix(Box<ConfusionMatrix>);

impl Matrix {
    pub(super) fn size(&self) -> (i32, i32) {
        let side = CLASSES as i32;
        (LEFT + side * CELL.0 + 16, TOP + side * CELL.1 + 56)
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let (w, h) = (CELL.0 * PX, CELL.1 * PX);
        let (left, top) = (LEFT * PX, TOP * PX);
        let side = CLASSES as i32;
        let (right, bottom) = (left + side * w, top + side * h);
        let end = text(12, INK).pos(Pos::new(HPos::Right, VPos::Center));

        for (row, counts) in self.0.counts().iter().enumerate() {
            let total: usize = counts.iter().sum();
            let y = top + row as i32 * h;
            area.draw_text(CLASS_NAMES[row], &end, (left - 8 * PX, y + h / 2))?;
            for (column, &count) in counts.iter().enumerate() {
                let x = left + column as i32 * w;
                let share = count as f64 / total.max(1) as f64;
                let cell = Rectangle::new([(x, y), (x + w, y + h)], shade(share).filled());
                area.draw(&cell)?;
                let ink = match count {
                    0 => RGBColor(0xb0, 0xb0, 0xb0),
                    _ if share > 0.45 => WHITE,
                    _ => INK,
                };
                let middle = (x + w / 2, y + h / 2);
                area.draw_text(&count.to_string(), &centred(text(13, ink)), middle)?;
            }
        }
        for i in 0..=side {
            let (x, y) = (left + i * w, top + i * h);
            let line = RGBColor(0xd0, 0xd0, 0xd0).stroke_width(PX as u32 / 2);
            area.draw(&PathElement::new([(x, top), (x, bottom)], line))?;
            area.draw(&PathElement::new([(left, y), (right, y)], line))?;
        }
        for (column, name) in CLASS_NAMES.iter().enumerate() {
            let x = left + column as i32 * w + w / 2;
            area.draw_text(name, &centred(text(11, INK)), (x, bottom + 14 * PX))?;
        }

        let title = centred(text(14, INK));
        let middle = (left + right) / 2;
        area.draw_text("predicted class", &title, (middle, bottom + 38 * PX))?;
        area.draw_text(
            "true class",
            &title.transform(FontTransform::Rotate270),
            (16 * PX, (top + bottom) / 2),
        )?;
        area.draw_text(
            &self.to_string(),
            &centred(text(13, MUTED)),
            (middle, 24 * PX),
        )
    }
}

/// White for 0 to dark blue for 1: its lightness falls steadily, so it reads in grey as well.
fn shade(share: f64) -> RGBColor {
    let mix =
        |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))) as u8;
    RGBColor(mix(255, 8), mix(255, 64), mix(255, 129))
}

/// The accuracy and what was mistaken most often.
impl std::fmt::Display for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let counts = self.0.counts();
        let total: usize = counts.as_flattened().iter().sum();
        if total == 0 {
            return f.write_str("confusion matrix of no images");
        }
        write!(
            f,
            "{:.2} % of {total} images right",
            100.0 * self.0.accuracy()
        )?;
        let mistakes = (0..CLASSES)
            .flat_map(|row| (0..CLASSES).map(move |column| (row, column)))
            .filter(|(row, column)| row != column);
        match mistakes.max_by_key(|&(row, column)| counts[row][column]) {
            Some((row, column)) if counts[row][column] > 0 => write!(
                f,
                "; most often mistaken: {} for {}, {} times",
                CLASS_NAMES[row], CLASS_NAMES[column], counts[row][column]
            ),
            _ => Ok(()),
        }
    }
}
