//! Images of another size.

use image::GrayImage;
use image::imageops::{self, FilterType};
use rayon::prelude::*;

use super::Dataset;
use crate::error::{Error, Result};

/// The longest side of an image.
const MOST: usize = 4096;

impl Dataset {
    /// All images with `height`×`width` pixels, by bilinear interpolation; where that is smaller, each
    /// pixel is the mean of those that it stands for, as in Pillow's and torchvision's `resize`.
    ///
    /// # Errors
    /// When a side is 0 or above 4096.
    pub fn resized(&self, height: usize, width: usize) -> Result<Self> {
        check_sides([height, width])?;
        let [_, _, channels] = self.shape();
        let images = (self.images().par_chunks(self.pixels())).flat_map_iter(|image| {
            resize(image, self.shape(), [height, width].map(|side| side as u32))
        });
        Ok(self.with_images(images.collect(), [height, width, channels]))
    }
}

/// Refuses sizes of which no images are made.
pub(super) fn check_sides([height, width]: [usize; 2]) -> Result<()> {
    if [height, width].iter().all(|side| (1..=MOST).contains(side)) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "images can be resized to sides of 1 to {MOST} pixels, not to {height}x{width}"
    )))
}

/// A channel at a time, as a picture of its own.
fn resize(image: &[u8], from: [usize; 3], [height, width]: [u32; 2]) -> Vec<u8> {
    let [from_height, from_width, channels] = from;
    let planes: Vec<GrayImage> = (0..channels)
        .map(|channel| {
            let plane = image.iter().skip(channel).step_by(channels);
            let (w, h) = (from_width as u32, from_height as u32);
            let plane = GrayImage::from_raw(w, h, plane.copied().collect());
            imageops::resize(
                &plane.unwrap_or_default(),
                width,
                height,
                FilterType::Triangle,
            )
        })
        .collect();
    let pixels = 0..(height * width) as usize;
    pixels
        .flat_map(|pixel| planes.iter().map(move |plane| plane.as_raw()[pixel]))
        .collect()
}
