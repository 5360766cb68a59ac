//! The graph of a network: its layers as boxes.

mod boxes;
mod layout;

use std::fmt;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Figure;
use super::canvas::{Area, Canvas, Drawn, INK, MUTED, PX, clean, text, width};
use super::figure::Content;
use crate::error::Result;
use crate::model::ModelSpec;
use crate::support::table::counted;
use boxes::parameters;
use layout::{Drawing, HEIGHT};

const MARGIN: i32 = 16;
const TITLE: i32 = 30;

/// The layers of a network from top to bottom, each with its name, its Keras class, the shape of what it gives for one image
/// and its number of parameters; branches stand side by side: Keras's `plot_model(show_shapes=True)`.
///
/// ```
/// use fmnist_lib::{plot, two_layer};
///
/// let figure = plot::network(&two_layer())?;
/// # let _ = figure.to_svg()?;
/// # Ok::<(), fmnist_lib::Error>(())
/// ```
///
/// # Errors
/// As for [`ModelSpec::build`]: what can be built can be drawn.
pub fn network(spec: &ModelSpec) -> Result<Figure> {
    let summary = spec.summary()?;
    Ok(Figure(Content::Network(Box::new(Network {
        title: format!(
            "{}: {}, {}",
            clean(spec.name()),
            counted(summary.rows.len(), "layer"),
            parameters(summary.parameters())
        ),
        drawing: Drawing::of(spec)?,
    }))))
}

#[derive(Clone, Debug)]
pub(super) struct Network {
    title: String,
    drawing: Drawing,
}

impl Network {
    pub(super) fn size(&self) -> (i32, i32) {
        let (graph, height) = self.drawing.size;
        let title = width(&self.title, &text(14, INK)) / PX;
        (graph.max(title) + 2 * MARGIN, height + TITLE + 2 * MARGIN)
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        area.draw_text(
            &self.title,
            &text(14, INK),
            (MARGIN * PX, (MARGIN + 8) * PX),
        )?;
        let (left, top) = (MARGIN, MARGIN + TITLE);
        let at = |(x, y): (i32, i32)| ((left + x) * PX, (top + y) * PX);
        for &[x, y, right, bottom] in &self.drawing.fields {
            let field = [at((x, y)), at((right, bottom))];
            area.draw(&Rectangle::new(field, INK.mix(0.04).filled()))?;
        }
        let line = MUTED.stroke_width(PX as u32);
        for points in &self.drawing.lines {
            let points: Vec<(i32, i32)> = points.iter().map(|&point| at(point)).collect();
            area.draw(&PathElement::new(points, line))?;
        }
        let width = self.drawing.width;
        for (x, y, _) in self.drawing.nodes.iter().skip(1) {
            let tip = x + width / 2;
            let head = [(tip, *y), (tip - 4, y - 7), (tip + 4, y - 7)];
            area.draw(&Polygon::new(head.map(at), MUTED.filled()))?;
        }
        for (x, y, node) in &self.drawing.nodes {
            let (corner, opposite) = (at((*x, *y)), at((x + width, y + HEIGHT)));
            area.draw(&Rectangle::new([corner, opposite], WHITE.filled()))?;
            area.draw(&Rectangle::new(
                [corner, opposite],
                RGBColor(0xb8, 0xb8, 0xb8).stroke_width(PX as u32),
            ))?;
            let strip = (corner.0 + 5 * PX, opposite.1);
            area.draw(&Rectangle::new([corner, strip], node.color().filled()))?;
            let (left, right) = (x + 13, x + width - 9);
            let (first, second) = (y + 14, y + 30);
            area.draw_text(&node.name, &text(13, INK), at((left, first)))?;
            area.draw_text(&node.shape, &text(11, INK), at((left, second)))?;
            for (words, y, color) in [
                (&node.what(), first, MUTED),
                (&node.parameters, second, INK),
            ] {
                if !words.is_empty() {
                    let end = text(11, color).pos(Pos::new(HPos::Right, VPos::Center));
                    area.draw_text(words, &end, at((right, y)))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}
