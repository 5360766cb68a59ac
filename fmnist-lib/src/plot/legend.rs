//! What the colours and lines of a chart mean, in rows above it.

use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::canvas::{Area, Canvas, Drawn, INK, PX, text, width};

const ROW: i32 = 20;
const SAMPLE: i32 = 26;
const GAP: i32 = 20;
const MARGIN: i32 = 14;

#[derive(Clone, Copy)]
pub(super) enum Sample {
    Patch(RGBColor),
    Solid(RGBColor),
    Dashed(RGBColor),
    Dot(RGBColor),
}

pub(super) struct Item {
    sample: Sample,
    text: String,
}

/// Items with their places, in pixels of the page.
pub(super) struct Legend {
    items: Vec<(i32, i32, Item)>,
    rows: i32,
}

impl Item {
    pub(super) fn new(sample: Sample, text: String) -> Self {
        Self { sample, text }
    }
}

impl Legend {
    /// Sets each group from left to right, in as many rows as it needs.
    pub(super) fn new(page: i32, groups: Vec<Vec<Item>>) -> Self {
        let mut items = Vec::new();
        let mut rows = 0;
        for group in groups.into_iter().filter(|group| !group.is_empty()) {
            let mut x = MARGIN;
            for item in group {
                let length = SAMPLE + 6 + width(&item.text, &text(12, INK)) / PX;
                if x > MARGIN && x + length > page - MARGIN {
                    (x, rows) = (MARGIN, rows + 1);
                }
                items.push((x, rows, item));
                x += length + GAP;
            }
            rows += 1;
        }
        Self { items, rows }
    }

    /// In pixels of the page, with the margin above.
    pub(super) fn height(&self) -> i32 {
        self.rows * ROW + 10
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        for (
            x,
            row,
            Item {
                sample,
                text: words,
            },
        ) in &self.items
        {
            let (left, right) = (x * PX, (x + SAMPLE) * PX);
            let y = (10 + row * ROW + ROW / 2) * PX;
            let ends = [(left, y), (right, y)];
            match *sample {
                Sample::Patch(color) => area.draw(&Rectangle::new(
                    [(left, y - 4 * PX), (right, y + 4 * PX)],
                    color.filled(),
                ))?,
                Sample::Solid(color) => area.draw(&PathElement::new(ends, line(color)))?,
                Sample::Dashed(color) => area.draw(&dashed(ends.to_vec(), color))?,
                Sample::Dot(color) => {
                    area.draw(&Circle::new(((left + right) / 2, y), DOT, color.filled()))?;
                }
            }
            area.draw_text(words, &text(12, INK), (right + 6 * PX, y))?;
        }
        Ok(())
    }
}

/// Radius of the dot that marks an epoch, in drawing units.
pub(super) const DOT: i32 = 4 * PX;

pub(super) fn line(color: RGBColor) -> ShapeStyle {
    color.stroke_width(2 * PX as u32)
}

/// The line of dashes and circles.
pub(super) fn thin(color: RGBColor) -> ShapeStyle {
    color.stroke_width(3 * PX as u32 / 2)
}

/// A dashed line, a little thinner than the solid one.
pub(super) fn dashed<P>(
    points: Vec<P>,
    color: RGBColor,
) -> DashedPathElement<std::vec::IntoIter<P>, i32>
where
    P: Clone,
{
    DashedPathElement::new(points, 6 * PX, 4 * PX, thin(color))
}
