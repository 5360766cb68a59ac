//! A bitmap backend for plotters, and PNG.

use std::convert::Infallible;

use plotters::style::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::canvas::{Canvas, PX, em_and_baseline};
use super::picture::Picture;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// RGB at one pixel per drawing unit; shapes come from plotters' rasteriser.
pub(super) struct Bitmap<'a> {
    rgb: &'a mut [u8],
    size: (u32, u32),
}

impl<'a> Bitmap<'a> {
    /// `rgb` holds width × height × 3 bytes.
    pub(super) fn new(rgb: &'a mut [u8], size: (u32, u32)) -> Self {
        rgb.fill(255);
        Self { rgb, size }
    }
}

impl DrawingBackend for Bitmap<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        let (w, h) = self.size;
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return Ok(());
        };
        if x < w && y < h {
            let at = 3 * (y as usize * w as usize + x as usize);
            let (r, g, b) = color.rgb;
            for (old, new) in self.rgb[at..at + 3].iter_mut().zip([r, g, b]) {
                let mixed = f64::from(*old) + color.alpha * (f64::from(new) - f64::from(*old));
                *old = mixed.round() as u8;
            }
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let ((left, _), (right, _)) = style
            .layout_box(text)
            .map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?;
        let shift = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => (left - right) / 2,
            HPos::Right => left - right,
        };
        let (_, below) = em_and_baseline(style);
        // plotters puts the baseline half a line below the position that it is given.
        let down = (below - style.size() / 2.0).round() as i32;
        let turn = style.transform();
        style
            .draw(text, (shift, down), |dx, dy, color| {
                let (dx, dy) = turn.transform(dx, dy);
                self.draw_pixel((x + dx, y + dy), color)
            })
            .map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?
    }
}

impl Canvas for Bitmap<'_> {
    fn draw_image(&mut self, (x, y): (i32, i32), picture: &Picture<'_>, zoom: i32) {
        let (width, height) = picture.size();
        for row in 0..height * zoom {
            for column in 0..width * zoom {
                let rgb = picture.pixel((column / zoom) as usize, (row / zoom) as usize);
                let color = BackendColor { alpha: 1.0, rgb };
                let Ok(()) = self.draw_pixel((x + column, y + row), color) else {
                    return;
                };
            }
        }
    }
}

/// Averages squares of `factor`×`factor` pixels, which divide `size`: this is what smooths edges.
pub(super) fn shrink(rgb: &[u8], (w, h): (usize, usize), factor: usize) -> Vec<u8> {
    debug_assert!((PX as usize).is_multiple_of(factor));
    let area = factor * factor;
    let mean = |x: usize, y: usize, channel: usize| {
        let sum: usize = (0..area)
            .map(|i| (y * factor + i / factor, x * factor + i % factor))
            .map(|(row, column)| usize::from(rgb[3 * (row * w + column) + channel]))
            .sum();
        ((sum + area / 2) / area) as u8
    };
    let mean = &mean;
    (0..h / factor)
        .flat_map(|y| (0..w / factor).flat_map(move |x| (0..3).map(move |c| mean(x, y, c))))
        .collect()
}

/// `pixels` as a PNG file, 8 bits per channel.
pub(super) fn encode(pixels: &[u8], (w, h): (usize, usize), color: png::ColorType) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, w as u32, h as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .expect("a vector takes all bytes, and their number fits the size");
    file
}
