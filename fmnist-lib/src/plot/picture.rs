//! An image of a dataset, to be drawn.

use super::bitmap::encode;
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
