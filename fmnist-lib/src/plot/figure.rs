//! A figure, and the three ways out: the notebook, SVG, PNG.

use std::path::Path;

use plotters::prelude::IntoDrawingArea;

use super::bitmap::{Bitmap, encode, shrink};
use super::canvas::{Area, Canvas, Drawn, PX};
use super::confusion::Matrix;
use super::curves::Curves;
use super::embedding::Embedding;
use super::heat::Heat;
use super::images::Images;
use super::lines::Lines;
use super::maps::Maps;
use super::network::Network;
use super::roc::Roc;
use super::strips::Strips;
use super::svg::Svg;
use super::trials::Trials;
use crate::error::{Error, Result};
use crate::support::files::write_atomically;

/// Something to look at, with a copy of the data that it shows.
///
/// As the last expression of a notebook cell it shows itself. Elsewhere [`Figure::save`] writes it
/// to a file.
#[derive(Clone, Debug)]
pub struct Figure(pub(super) Content);

#[derive(Clone, Debug)]
pub(super) enum Content {
    Curves(Curves),
    Images(Images),
    Confusion(Matrix),
    Lines(Lines),
    Strips(Strips),
    Maps(Maps),
    Heat(Heat),
    Embedding(Embedding),
    Network(Box<Network>),
    Trials(Trials),
    Roc(Roc),
}

impl Figure {
    /// Writes the figure to `path`, as SVG or PNG by its extension. The file appears whole or not
    /// at all; one that was there is replaced.
    ///
    /// # Errors
    /// When the extension is neither `.svg` nor `.png`, the folder does not exist, or writing
    /// fails.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_to(path.as_ref())
    }

    fn write_to(&self, path: &Path) -> Result<()> {
        let extension = path.extension().map(|it| it.to_ascii_lowercase());
        let bytes = match extension.as_ref().and_then(|it| it.to_str()) {
            Some("svg") => self.to_svg()?.into_bytes(),
            Some("png") => self.to_png()?,
            _ => {
                return Err(Error::Invalid(format!(
                    "cannot tell the format of {}: end its name in .svg or .png",
                    path.display()
                )));
            }
        };
        write_atomically(path, &bytes)
    }

    /// The figure as an SVG document with a white background, 4 units to the pixel.
    ///
    /// # Errors
    /// When plotters cannot draw it.
    pub fn to_svg(&self) -> Result<String> {
        let mut svg = String::new();
        let canvas = Svg::new(&mut svg, self.size(), &self.to_string());
        self.draw(&canvas.into_drawing_area())
            .map_err(|error| Error::Plot(error.to_string()))?;
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    /// The figure as a PNG file, twice as wide and high as the SVG so that it is crisp in print.
    ///
    /// # Errors
    /// When plotters cannot draw it.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        self.png(2)
    }

    /// `scale` pixels for one of the page: a divisor of [`PX`].
    pub(crate) fn png(&self, scale: usize) -> Result<Vec<u8>> {
        let size = self.size();
        let (w, h) = (size.0 as usize, size.1 as usize);
        let mut rgb = vec![0; w * h * 3];
        self.draw(&Bitmap::new(&mut rgb, size).into_drawing_area())
            .map_err(|error| Error::Plot(error.to_string()))?;
        let rgb = shrink(&rgb, (w, h), PX as usize / scale);
        Ok(encode(&rgb, self.png_size(scale), png::ColorType::Rgb))
    }

    /// Its width and height in pixels.
    pub(crate) fn png_size(&self, scale: usize) -> (usize, usize) {
        let (w, h) = self.size();
        let factor = PX as usize / scale;
        (w as usize / factor, h as usize / factor)
    }

    /// Width and height in drawing units.
    fn size(&self) -> (u32, u32) {
        let (w, h) = match &self.0 {
            Content::Curves(curves) => curves.size(),
            Content::Images(images) => images.size(),
            Content::Confusion(matrix) => matrix.size(),
            Content::Lines(lines) => lines.size(),
            Content::Strips(strips) => strips.size(),
            Content::Maps(maps) => maps.size(),
            Content::Heat(heat) => heat.size(),
            Content::Embedding(embedding) => embedding.size(),
            Content::Network(network) => network.size(),
            Content::Trials(trials) => trials.size(),
            Content::Roc(roc) => roc.size(),
        };
        ((w * PX) as u32, (h * PX) as u32)
    }

    fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        match &self.0 {
            Content::Curves(curves) => curves.draw(area),
            Content::Images(images) => images.draw(area),
            Content::Confusion(matrix) => matrix.draw(area),
            Content::Lines(lines) => lines.draw(area),
            Content::Strips(strips) => strips.draw(area),
            Content::Maps(maps) => maps.draw(area),
            Content::Heat(heat) => heat.draw(area),
            Content::Embedding(embedding) => embedding.draw(area),
            Content::Network(network) => network.draw(area),
            Content::Trials(trials) => trials.draw(area),
            Content::Roc(roc) => roc.draw(area),
        }
    }
}

/// The figure in a few words, for terminals and screen readers.
impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match &self.0 {
            Content::Curves(curves) => curves.fmt(f),
            Content::Images(images) => images.fmt(f),
            Content::Confusion(matrix) => matrix.fmt(f),
            Content::Lines(lines) => lines.fmt(f),
            Content::Strips(strips) => strips.fmt(f),
            Content::Maps(maps) => maps.fmt(f),
            Content::Heat(heat) => heat.fmt(f),
            Content::Embedding(embedding) => embedding.fmt(f),
            Content::Network(network) => network.fmt(f),
            Content::Trials(trials) => trials.fmt(f),
            Content::Roc(roc) => roc.fmt(f),
        }
    }
}
