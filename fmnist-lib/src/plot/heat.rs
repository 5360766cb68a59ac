//! Heat maps over the pictures that they explain.

use std::fmt;

use plotters::prelude::RGBColor;

use super::Figure;
use super::canvas::{Area, Canvas, Drawn, INK, MUTED, PX, brightness, centred, text, width};
use super::figure::Content;
use super::picture::Picture;
use super::shades::{BAR, Shades, mixed};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::explain::HeatMaps;
use crate::support::table::counted;

const COLUMNS: usize = 8;
/// 20 rows.
const MOST: usize = 160;
/// What the longer side of an image is enlarged to, in pixels of the page.
const PICTURE: i32 = 84;
const MARGIN: i32 = 14;

/// Each picture, and below it the same under its map: what is bright matters most, what is dark does not. Each map has its own
/// scale, from 0 to its largest value; a map of fewer rows and columns than the picture is interpolated. Below stand the
/// picture's class and the one whose score the map explains, and where the map is 0 everywhere, that nothing speaks for it.
///
/// # Errors
/// When there are more than 160 images, or the maps are not of these images.
pub fn heat_maps(images: &Dataset, maps: &HeatMaps) -> Result<Figure> {
    let values = &maps.values;
    let fits = values.rank() == 3 && values.dims()[0] == images.len() && values.elem_count() > 0;
    let known = |&class: &u8| usize::from(class) < images.classes();
    if !fits || maps.classes.len() != images.len() || !maps.classes.iter().all(known) {
        return Err(Error::Invalid(format!(
            "there are maps of the shape {:?} for {}: give the images that they were made of, as to grad_cam",
            values.dims(),
            counted(images.len(), "image")
        )));
    }
    if images.len() > MOST {
        return Err(Error::Invalid(format!(
            "{} images are too many for one figure: choose at most {MOST}",
            images.len()
        )));
    }
    let [height, width, _] = images.shape();
    let maps_of: Vec<Vec<Vec<f32>>> = values.to_vec3()?;
    let pictures = maps_of.iter().enumerate().map(|(at, map)| {
        let values = enlarged(map, height, width);
        covered(&Picture::new(images, at), &values)
    });
    Ok(Figure(Content::Heat(Heat {
        covered: pictures.collect(),
        images: images.clone(),
        classes: maps.classes.clone(),
        empty: maps_of.iter().map(|map| is_empty(map)).collect(),
    })))
}

/// Whether a map tells of no place at all.
fn is_empty(map: &[Vec<f32>]) -> bool {
    map.iter().flatten().all(|value| *value == 0.0)
}

/// A map at the size of the picture, by bilinear interpolation between the middles of its places.
fn enlarged(map: &[Vec<f32>], height: usize, width: usize) -> Vec<f32> {
    // For a pixel, the two places around it and the part of the second.
    let around = |pixel: usize, pixels: usize, places: usize| {
        let at = (pixel as f32 + 0.5) * places as f32 / pixels as f32 - 0.5;
        let at = at.clamp(0.0, (places - 1) as f32);
        (at as usize, (at as usize + 1).min(places - 1), at.fract())
    };
    let value = |y: usize, x: usize| {
        let (above, below, down) = around(y, height, map.len());
        let (left, right, across) = around(x, width, map[0].len());
        let row = |row: &[f32]| row[left] + across * (row[right] - row[left]);
        row(&map[above]) + down * (row(&map[below]) - row(&map[above]))
    };
    (0..height)
        .flat_map(|y| (0..width).map(move |x| value(y, x)))
        .collect()
}

/// The picture in grey under the colours of `values`, three bytes for each pixel.
fn covered(picture: &Picture<'_>, values: &[f32]) -> Vec<u8> {
    let (width, _) = picture.size();
    let scale = Shades::of(values);
    let Shades::Heat { largest } = scale else {
        return Vec::new();
    };
    let pixel = |(at, &value): (usize, &f32)| {
        let (x, y) = (at % width as usize, at / width as usize);
        let (red, green, blue) = picture.pixel(x, y);
        // No brighter than the colours of the map leave it to be.
        let light = brightness(RGBColor(red, green, blue));
        let grey = [(0.55 * light) as u8; 3];
        let share = if largest > 0.0 {
            (f64::from(value) / largest).clamp(0.0, 1.0)
        } else {
            0.0
        };
        mixed(grey, scale.color(f64::from(value)), share.sqrt() * 0.85)
    };
    values.iter().enumerate().flat_map(pixel).collect()
}

#[derive(Clone, Debug)]
pub(super) struct Heat {
    images: Dataset,
    /// Each image under its map, three bytes for each pixel.
    covered: Vec<Vec<u8>>,
    /// Whose scores are explained.
    classes: Vec<u8>,
    /// Whose maps are 0 everywhere.
    empty: Vec<bool>,
}

/// What is said of a map that is 0 everywhere: without a word, it looks like a mistake.
const NOTHING: &str = "nothing speaks for it";
/// Of a line of words below a picture.
const LINE: i32 = 15;

impl Heat {
    fn name(&self, class: u8) -> &str {
        &self.images.class_names()[usize::from(class)]
    }

    fn explained(&self, at: usize) -> String {
        format!("why {}?", self.name(self.classes[at]))
    }

    fn columns(&self) -> i32 {
        COLUMNS.min(self.images.len()) as i32
    }

    fn zoom(&self) -> i32 {
        let [height, width, _] = self.images.shape();
        (PICTURE * PX / height.max(width) as i32 / 2).max(1) * 2
    }

    /// Width and height of a picture, in pixels of the page.
    fn picture(&self) -> (i32, i32) {
        let [height, width, _] = self
            .images
            .shape()
            .map(|length| length as i32 * self.zoom() / PX);
        (width, height)
    }

    fn cell(&self) -> (i32, i32) {
        let (picture, height) = self.picture();
        let names = (0..self.classes.len()).map(|at| {
            let label = self.name(self.images.labels()[at]).to_owned();
            width(&label, &text(12, INK)).max(width(&self.explained(at), &text(12, MUTED))) / PX
        });
        let names = names.max().unwrap_or(0);
        match self.empty.contains(&true) {
            true => {
                let nothing = width(NOTHING, &text(12, MUTED)) / PX;
                (picture.max(names).max(nothing) + 20, 2 * height + 50 + LINE)
            }
            false => (picture.max(names) + 20, 2 * height + 50),
        }
    }

    pub(super) fn size(&self) -> (i32, i32) {
        let (width, height) = self.cell();
        let columns = self.columns();
        let rows = (self.images.len() as i32 + columns - 1) / columns;
        (
            (columns * width).max(BAR.0) + 2 * MARGIN,
            rows * height + 34 + 2 * MARGIN,
        )
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let (cell, (width, height)) = (self.cell(), self.picture());
        let [rows, columns, _] = self.images.shape();
        let left = (self.size().0 - self.columns() * cell.0) / 2;
        for (at, covered) in self.covered.iter().enumerate() {
            let middle = left + (at as i32 % self.columns()) * cell.0 + cell.0 / 2;
            let top = MARGIN + (at as i32 / self.columns()) * cell.1;
            let corner = ((middle - width / 2) * PX, top * PX);
            Picture::new(&self.images, at).draw(area, corner, self.zoom())?;
            let below = (corner.0, corner.1 + (height + 4) * PX);
            Picture::of(covered, [rows, columns, 3]).draw(area, below, self.zoom())?;
            let label = self.name(self.images.labels()[at]);
            let names = top + 2 * height + 4 + 12;
            area.draw_text(label, &centred(text(12, INK)), (middle * PX, names * PX))?;
            let explained = self.explained(at);
            let nothing = self.empty[at].then_some(NOTHING);
            let muted = [explained.as_str()].into_iter().chain(nothing);
            for (words, line) in muted.zip(1..) {
                let place = (middle * PX, (names + line * LINE) * PX);
                area.draw_text(words, &centred(text(12, MUTED)), place)?;
            }
        }
        let bottom = self.size().1 - MARGIN - 24;
        let left = (self.size().0 - BAR.0) / 2;
        Shades::Heat { largest: 1.0 }.draw_bar(
            area,
            (left * PX, bottom * PX),
            Some("largest of its map"),
        )
    }
}

impl fmt::Display for Heat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "heat maps of {}", counted(self.images.len(), "image"))?;
        for (at, &label) in self.images.labels().iter().enumerate().take(12) {
            write!(f, "\n{}: {}", self.name(label), self.explained(at))?;
            if self.empty[at] {
                write!(f, " {NOTHING}")?;
            }
        }
        Ok(())
    }
}
