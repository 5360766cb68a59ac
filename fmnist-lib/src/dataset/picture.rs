//! Pictures of the user's own, made to look as those of Fashion-MNIST do.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageReader, Luma};

use super::{Dataset, PIXELS, SIDE};
use crate::{Error, Result};

impl Dataset {
    /// Reads pictures (PNG, JPEG, PGM or PPM), each with the label of what it shows, 0 to 9.
    ///
    /// They are made as Fashion-MNIST was made: grey, scaled to fit into 28×28 and centred, bright on
    /// black. A picture whose edge is bright is taken to have a bright background, and inverted;
    /// what is transparent is background. Networks know clothes photographed alone, from the front,
    /// filling the picture; shoes point to the left.
    ///
    /// ```no_run
    /// use fmnist_lib::*;
    ///
    /// let model = Model::load("my-model.safetensors")?;
    /// let mine = Dataset::from_pictures(&[("shirt.jpg", 6), ("boot.png", 9)])?;
    /// plot::predictions(&mine, &[0, 1], &predict(&model, &mine)?.classes)?.save("mine.png")?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read, [`Error::Data`] when it is no picture,
    /// [`Error::Invalid`] when a label is above 9.
    pub fn from_pictures(pictures: &[(impl AsRef<Path>, u8)]) -> Result<Self> {
        let mut images = Vec::with_capacity(pictures.len() * PIXELS);
        for (path, _) in pictures {
            images.extend(read(path.as_ref())?.into_raw());
        }
        Self::new(images, pictures.iter().map(|(_, label)| *label).collect())
    }
}

fn read(path: &Path) -> Result<GrayImage> {
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(Error::io("read", path))?;
    let picture = reader.decode().map_err(|problem| Error::Data {
        origin: path.display().to_string(),
        problem: format!("not a picture that can be read ({problem}); save it as PNG or JPEG"),
    })?;

    // Behind what is transparent lies the white of a page.
    let pixels = picture.to_luma_alpha8();
    let mut grey = GrayImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [value, alpha] = pixels.get_pixel(x, y).0.map(u32::from);
        Luma([((value * alpha + 255 * (255 - alpha)) / 255) as u8])
    });
    if has_bright_edge(&grey) {
        imageops::invert(&mut grey);
    }

    let side = SIDE as u32;
    let longest = grey.width().max(grey.height()).max(1);
    let scaled = |length: u32| {
        let share = f64::from(length) / f64::from(longest);
        ((share * SIDE as f64).round() as u32).clamp(1, side)
    };
    let (width, height) = (scaled(grey.width()), scaled(grey.height()));
    let small = imageops::resize(&grey, width, height, FilterType::Triangle);
    let mut centred = GrayImage::new(side, side);
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    imageops::replace(&mut centred, &small, left.into(), top.into());
    Ok(centred)
}

fn has_bright_edge(grey: &GrayImage) -> bool {
    let (right, bottom) = (
        grey.width().saturating_sub(1),
        grey.height().saturating_sub(1),
    );
    let edge = grey
        .enumerate_pixels()
        .filter(|&(x, y, _)| x == 0 || y == 0 || x == right || y == bottom);
    let (count, sum) = edge.fold((0_u64, 0_u64), |(count, sum), (_, _, pixel)| {
        (count + 1, sum + u64::from(pixel.0[0]))
    });
    2 * sum > 255 * count
}
