//! Pictures of the user's own, made to look as those of Fashion-MNIST do.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, ImageReader, ImageResult};
use image::{Limits, Luma};

use super::{Dataset, PIXELS, SIDE};
use crate::error::{Error, Result};

impl Dataset {
    /// Reads pictures (PNG, JPEG, PGM or PPM), each with the label of what it shows, 0 to 9.
    ///
    /// They are made as Fashion-MNIST was made: grey, scaled to fit into 28×28 and centred, bright on
    /// black. A phone stores pictures on their side, with a note in the EXIF data: they are turned as
    /// the note says. A picture whose edge is bright is taken to have a bright background, and
    /// inverted.
    ///
    /// What is transparent is background. A picture of which a twentieth or more is transparent is
    /// taken for a cut-out, and inverted where the rest of it is dark: a white shirt and a black one
    /// both become bright on black.
    ///
    /// Networks know clothes photographed alone, from the front, filling the picture; shoes point to
    /// the left.
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
    /// [`Error::Io`] when a file cannot be read, [`Error::Data`] when it is no picture or transparent
    /// all over, [`Error::Invalid`] when a label is above 9.
    pub fn from_pictures(pictures: &[(impl AsRef<Path>, u8)]) -> Result<Self> {
        let mut images = Vec::with_capacity(pictures.len() * PIXELS);
        for (path, _) in pictures {
            images.extend(read(path.as_ref())?.into_raw());
        }
        Self::new(images, pictures.iter().map(|(_, label)| *label).collect())
    }
}

fn read(path: &Path) -> Result<GrayImage> {
    let pixels = read_picture(path)?.to_luma_alpha8();
    let page = background(&pixels).ok_or_else(|| Error::Data {
        origin: path.display().to_string(),
        problem: "all of it is transparent, so that there is nothing to see".to_owned(),
    })?;
    let mut grey = GrayImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [value, alpha] = pixels.get_pixel(x, y).0.map(u32::from);
        Luma([((value * alpha + u32::from(page) * (255 - alpha)) / 255) as u8])
    });
    if page == WHITE {
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

/// The picture at `path`, as its camera was held.
pub(super) fn read_picture(path: &Path) -> Result<DynamicImage> {
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(Error::io("read", path))?;
    let picture = reader.into_decoder().and_then(upright);
    picture.map_err(|problem| Error::Data {
        origin: path.display().to_string(),
        problem: format!("not a picture that can be read ({problem}); save it as PNG or JPEG"),
    })
}

/// Decodes a picture and turns it as its camera was held.
fn upright(mut decoder: impl ImageDecoder) -> ImageResult<DynamicImage> {
    Limits::default().reserve(decoder.total_bytes())?;
    // A damaged note about the camera is no reason to refuse a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

const BLACK: u8 = 0;
const WHITE: u8 = 255;

/// The colour behind what the picture shows, black or white; `None` where it shows nothing.
fn background(pixels: &GrayAlphaImage) -> Option<u8> {
    let (right, bottom) = (
        pixels.width().saturating_sub(1),
        pixels.height().saturating_sub(1),
    );
    let (mut all, mut edge) = (Light::default(), Light::default());
    for (x, y, pixel) in pixels.enumerate_pixels() {
        all.add(pixel.0);
        if x == 0 || y == 0 || x == right || y == bottom {
            edge.add(pixel.0);
        }
    }
    if all.opacity == 0 {
        return None;
    }
    // Less than that are the round corners of a photograph, or its soft edges.
    let cut_out = 20 * all.hidden >= all.count;
    let bright = match cut_out || edge.opacity == 0 {
        true => !all.is_bright(),
        false => edge.is_bright(),
    };
    Some(if bright { WHITE } else { BLACK })
}

/// How bright some pixels are, each as far as it can be seen.
#[derive(Default)]
struct Light {
    count: u64,
    /// Of these, how many are more transparent than not.
    hidden: u64,
    /// Sum of what alpha says, 0 to 255 each.
    opacity: u64,
    /// Sum of value times opacity.
    light: u64,
}

impl Light {
    fn add(&mut self, pixel: [u8; 2]) {
        let [value, alpha] = pixel.map(u64::from);
        self.count += 1;
        self.hidden += u64::from(alpha < 128);
        self.opacity += alpha;
        self.light += value * alpha;
    }

    fn is_bright(&self) -> bool {
        2 * self.light > 255 * self.opacity
    }
}
