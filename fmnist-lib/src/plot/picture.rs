//! An image, to be drawn.

use std::convert::Infallible;

use plotters::element::{Drawable, PointCollection};
use plotters_backend::DrawingErrorKind;

use super::bitmap::encode;
use super::canvas::{Area, Canvas, Drawn};
use crate::data::Dataset;

/// One image: grey where it has one channel, in colour where it has three. Of any other number of
/// channels, the first is drawn.
pub(crate) struct Picture<'a> {
    pixels: &'a [u8],
    shape: [usize; 3],
}

impl<'a> Picture<'a> {
    /// Image `index` of `dataset`.
    pub(crate) fn new(dataset: &'a Dataset, index: usize) -> Self {
        Self {
            pixels: dataset.image(index),
            shape: dataset.shape(),
        }
    }

    /// Of pixels row by row; `shape` is height, width and channels.
    pub(super) fn of(pixels: &'a [u8], shape: [usize; 3]) -> Self {
        Self { pixels, shape }
    }

    /// Draws it with its upper left corner at `corner`, each pixel enlarged to `zoom` units.
    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>, corner: (i32, i32), zoom: i32) -> Drawn {
        area.draw(&Placed(corner, self, zoom))
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (i32, i32) {
        (self.shape[1] as i32, self.shape[0] as i32)
    }

    pub(super) fn pixel(&self, x: usize, y: usize) -> (u8, u8, u8) {
        let [_, width, channels] = self.shape;
        match self.pixels[(y * width + x) * channels..][..channels] {
            [red, green, blue] => (red, green, blue),
            [grey, ..] => (grey, grey, grey),
            [] => (0, 0, 0),
        }
    }

    /// As a PNG file.
    pub(crate) fn png(&self) -> Vec<u8> {
        let [height, width, channels] = self.shape;
        let color = match channels {
            3 => png::ColorType::Rgb,
            _ => png::ColorType::Grayscale,
        };
        let pixels: Vec<u8> = match channels {
            1 | 3 => self.pixels.to_vec(),
            _ => self.pixels.iter().step_by(channels).copied().collect(),
        };
        encode(&pixels, (width, height), color)
    }
}

/// An image by the place of its upper left corner, and its enlargement.
struct Placed<'a>((i32, i32), &'a Picture<'a>, i32);

impl<'a> PointCollection<'a, (i32, i32)> for &'a Placed<'_> {
    type Point = &'a (i32, i32);
    type IntoIter = std::iter::Once<Self::Point>;

    fn point_iter(self) -> Self::IntoIter {
        std::iter::once(&self.0)
    }
}

impl<C: Canvas> Drawable<C> for Placed<'_> {
    fn draw<I: Iterator<Item = (i32, i32)>>(
        &self,
        mut corner: I,
        canvas: &mut C,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if let Some(at) = corner.next() {
            canvas.draw_image(at, self.1, self.2);
        }
        Ok(())
    }
}
