//! The confusion matrix as a heat map.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Figure;
use super::canvas::{Area, Canvas, Drawn, INK, MUTED, PX, centred, readable_on, text, width};
use super::figure::Content;
use crate::evaluate::ConfusionMatrix;
use crate::support::table::counted;

/// Of a cell, where there are ten classes or fewer.
const CELL: (i32, i32) = (64, 40);
/// The least, where there are many.
const LEAST: (i32, i32) = (24, 18);
const LEFT: i32 = 106;
const TOP: i32 = 46;
const BOTTOM: i32 = 56;

/// How many images of each class (rows) were taken for which (columns).
///
/// The darker a cell, the larger its share of the images of its true class.
pub fn confusion(matrix: &ConfusionMatrix) -> Figure {
    Figure(Content::Confusion(Matrix(Box::new(matrix.clone()))))
}

#[derive(Clone, Debug)]
pub(super) struct Matrix(Box<ConfusionMatrix>);

impl Matrix {
    fn classes(&self) -> i32 {
        self.0.class_names().len() as i32
    }

    /// Width and height of a cell, in pixels.
    fn cell(&self) -> (i32, i32) {
        let part = |length: i32, least| (length * 10 / self.classes().max(10)).max(least);
        (part(CELL.0, LEAST.0), part(CELL.1, LEAST.1))
    }

    /// Width of the longest name of a class, in pixels.
    fn longest(&self) -> i32 {
        let names = self.0.class_names().iter();
        names
            .map(|name| width(name, &text(12, INK)) / PX)
            .max()
            .unwrap_or(0)
    }

    /// Whether the columns' names stand on their heads, as there is no room beside each other.
    fn upright(&self) -> bool {
        self.cell() != CELL && self.longest() > self.cell().0
    }

    fn left(&self) -> i32 {
        LEFT.max(self.longest() + 40)
    }

    pub(super) fn size(&self) -> (i32, i32) {
        let (width, height) = self.cell();
        let names = if self.upright() { self.longest() } else { 0 };
        let side = self.classes();
        (
            self.left() + side * width + 16,
            TOP + side * height + BOTTOM + names,
        )
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let (width, height) = self.cell();
        let (w, h) = (width * PX, height * PX);
        let (left, top) = (self.left() * PX, TOP * PX);
        let side = self.classes();
        let names = self.0.class_names();
        let (right, bottom) = (left + side * w, top + side * h);
        let end = text(12, INK).pos(Pos::new(HPos::Right, VPos::Center));

        for (row, counts) in self.0.counts().iter().enumerate() {
            let total: usize = counts.iter().sum();
            let y = top + row as i32 * h;
            area.draw_text(&names[row], &end, (left - 8 * PX, y + h / 2))?;
            for (column, &count) in counts.iter().enumerate() {
                let x = left + column as i32 * w;
                let share = count as f64 / total.max(1) as f64;
                let ground = shade(share);
                let cell = Rectangle::new([(x, y), (x + w, y + h)], ground.filled());
                area.draw(&cell)?;
                let ink = match count {
                    0 => RGBColor(0xb0, 0xb0, 0xb0),
                    _ => readable_on(ground),
                };
                let middle = (x + w / 2, y + h / 2);
                let figures = count.to_string();
                let size = (2 * (width - 2) / figures.len() as i32).clamp(6, 13.min(height - 4));
                area.draw_text(&figures, &centred(text(size, ink)), middle)?;
            }
        }
        for i in 0..=side {
            let (x, y) = (left + i * w, top + i * h);
            let line = RGBColor(0xd0, 0xd0, 0xd0).stroke_width(PX as u32 / 2);
            area.draw(&PathElement::new([(x, top), (x, bottom)], line))?;
            area.draw(&PathElement::new([(left, y), (right, y)], line))?;
        }
        let names_end = match self.upright() {
            true => bottom + self.longest() * PX,
            false => bottom,
        };
        for (column, name) in names.iter().enumerate() {
            let x = left + column as i32 * w + w / 2;
            let (style, y) = match self.upright() {
                true => (
                    end.clone().transform(FontTransform::Rotate270),
                    bottom + 8 * PX,
                ),
                false => (centred(text(11, INK)), bottom + 14 * PX),
            };
            area.draw_text(name, &style, (x, y))?;
        }

        let title = centred(text(14, INK));
        let middle = (left + right) / 2;
        area.draw_text("predicted class", &title, (middle, names_end + 38 * PX))?;
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
        let total: usize = counts.iter().flatten().sum();
        if total == 0 {
            return f.write_str("confusion matrix of no images");
        }
        write!(
            f,
            "{:.2} % of {} right",
            100.0 * self.0.accuracy(),
            counted(total, "image")
        )?;
        let names = self.0.class_names();
        let classes = 0..names.len();
        let mistakes = (classes.clone())
            .flat_map(|row| classes.clone().map(move |column| (row, column)))
            .filter(|(row, column)| row != column);
        match mistakes.max_by_key(|&(row, column)| counts[row][column]) {
            Some((row, column)) if counts[row][column] > 0 => write!(
                f,
                "; most often mistaken: {} for {}, {}",
                names[row],
                names[column],
                counted(counts[row][column], "time")
            ),
            _ => Ok(()),
        }
    }
}
