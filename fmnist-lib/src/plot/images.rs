//! Images in a grid, with their labels or with what a model made of them.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{Area, Canvas, Drawn, INK, PX, VERMILLION, centred, text, width};
use super::figure::Content;
use super::picture::Picture;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::support::table::counted;

/// What the longer side of an image is enlarged to, at most, in pixels of the page.
const PICTURE: i32 = 84;
const MARGIN: i32 = 12;
/// Width of the frame around a mistake, in drawing units.
const FRAME: i32 = 3 * PX;
/// At 20×20 a figure is already 2,000 pixels wide.
const MOST: usize = 20;

#[derive(Clone, Debug)]
pub(super) struct Images {
    shown: Dataset,
    /// The predicted class of each.
    predicted: Option<Vec<u8>>,
    columns: usize,
}

/// The first `columns` × `rows` images of `dataset` (or fewer, where it has fewer), each above the
/// name of its class. For others, [`Dataset::select`] them first.
///
/// # Errors
/// When `columns` or `rows` is not between 1 and 20.
pub fn image_grid(dataset: &Dataset, columns: usize, rows: usize) -> Result<Figure> {
    if ![columns, rows].iter().all(|n| (1..=MOST).contains(n)) {
        return Err(Error::Invalid(format!(
            "an image grid has 1 to {MOST} columns and rows, not {columns} by {rows}"
        )));
    }
    let shown = dataset.take(columns * rows);
    Ok(Figure(Content::Images(Images {
        columns: columns.min(shown.len()),
        shown,
        predicted: None,
    })))
}

/// The images at `indices` of `dataset`, eight in a row, each above its class; where the model
/// called it something else, a frame and a second line say so.
///
/// `predicted` holds the predicted class of every image of `dataset`, in its order.
///
/// # Errors
/// When `predicted` is not as long as `dataset` or holds a class that it does not have, an index is past the
/// end, or there are more than 160 indices.
pub fn predictions(dataset: &Dataset, indices: &[usize], predicted: &[u8]) -> Result<Figure> {
    const COLUMNS: usize = 8;
    if predicted.len() != dataset.len() {
        return Err(Error::Invalid(format!(
            "there {} {} for a dataset of {}: predict the whole of it, and choose what to show by \
             index",
            if predicted.len() == 1 { "is" } else { "are" },
            counted(predicted.len(), "prediction"),
            counted(dataset.len(), "image")
        )));
    }
    if indices.len() > COLUMNS * MOST {
        return Err(Error::Invalid(format!(
            "{} images are too many for one figure: choose at most {}",
            indices.len(),
            COLUMNS * MOST
        )));
    }
    let shown = dataset.select(indices)?;
    let predicted: Vec<_> = indices.iter().map(|&index| predicted[index]).collect();
    if let Some(class) = predicted
        .iter()
        .find(|&&class| usize::from(class) >= dataset.classes())
    {
        return Err(Error::Invalid(format!(
            "class {class} is not one of 0 to {}",
            dataset.classes() - 1
        )));
    }
    Ok(Figure(Content::Images(Images {
        columns: COLUMNS.min(shown.len()),
        shown,
        predicted: Some(predicted),
    })))
}

impl Images {
    /// Pixels of the page for one of the image.
    fn zoom(&self) -> i32 {
        let [height, width, _] = self.shown.shape();
        (PICTURE / height.max(width) as i32).max(1)
    }

    /// Width and height in pixels of the page of an image.
    fn picture(&self) -> (i32, i32) {
        let [height, width, _] = self.shown.shape();
        (width as i32 * self.zoom(), height as i32 * self.zoom())
    }

    /// The same, with its text. A small image is not closer to the next: there are names below.
    fn cell(&self) -> (i32, i32) {
        let (picture, height) = (self.picture().0.max(PICTURE), self.picture().1);
        let written = |words: &str| width(words, &text(12, INK)) / PX;
        let names = self.shown.class_names().iter();
        let name = names.map(|name| written(name)).max().unwrap_or(0);
        match self.predicted {
            Some(_) => (
                (picture + 24).max(name + written("called ") + 4),
                height + 42,
            ),
            None => ((picture + 12).max(name + 8), height + 26),
        }
    }

    pub(super) fn size(&self) -> (i32, i32) {
        if self.shown.is_empty() {
            return (400, 80);
        }
        let (w, h) = self.cell();
        let rows = self.shown.len().div_ceil(self.columns) as i32;
        (self.columns as i32 * w + 2 * MARGIN, rows * h + 2 * MARGIN)
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        if self.shown.is_empty() {
            let (w, h) = self.size();
            let words = "nothing to draw: no images";
            return area.draw_text(words, &centred(text(13, INK)), (w * PX / 2, h * PX / 2));
        }
        let (w, h) = self.cell();
        let (width, height) = self.picture();
        let names = self.shown.class_names();
        for (i, &label) in self.shown.labels().iter().enumerate() {
            let x = MARGIN + (i % self.columns) as i32 * w + w / 2;
            let y = MARGIN + (i / self.columns) as i32 * h;
            let corner = ((x - width / 2) * PX, y * PX);
            let wrong = self.wrong(i);
            if wrong.is_some() {
                let (left, top) = (corner.0 - FRAME, corner.1 - FRAME);
                let (right, bottom) = (corner.0 + width * PX, corner.1 + height * PX);
                let frame = [(left, top), (right + FRAME, bottom + FRAME)];
                area.draw(&Rectangle::new(frame, VERMILLION.filled()))?;
            }
            Picture::new(&self.shown, i).draw(area, corner, self.zoom() * PX)?;
            let below = y + height + 12;
            area.draw_text(
                &names[usize::from(label)],
                &centred(text(12, INK)),
                (x * PX, below * PX),
            )?;
            if let Some(class) = wrong {
                area.draw_text(
                    &format!("called {}", names[class]),
                    &centred(text(12, VERMILLION)),
                    (x * PX, (below + 15) * PX),
                )?;
            }
        }
        Ok(())
    }

    /// The class that image `i` was taken for, where that is not its own.
    fn wrong(&self, i: usize) -> Option<usize> {
        let class = self.predicted.as_ref()?[i];
        (class != self.shown.labels()[i]).then_some(usize::from(class))
    }
}

impl std::fmt::Display for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let count = self.shown.len();
        if self.predicted.is_some() {
            let right = count - (0..count).filter_map(|i| self.wrong(i)).count();
            return write!(f, "{right} of {} recognised", counted(count, "image"));
        }
        let names = self.shown.labels().iter().take(12);
        let names: Vec<_> = names
            .map(|&label| self.shown.class_names()[usize::from(label)].as_str())
            .collect();
        let more = if count > 12 { ", …" } else { "" };
        write!(f, "{}: {}{more}", counted(count, "image"), names.join(", "))
    }
}
