//! Small maps in a grid, on one scale of colours.

use std::fmt;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Figure;
use super::canvas::{Area, Canvas, Drawn, INK, MUTED, PX, centred, text, width};
use super::figure::Content;
use super::picture::Picture;
use super::shades::{BAR, Shades};
use crate::data::Dataset;

/// More are not told apart.
const MOST: usize = 1024;
const MARGIN: i32 = 14;
const TITLE: i32 = 26;
const GAP: i32 = 6;
const FRAME: RGBColor = RGBColor(0xd0, 0xd0, 0xd0);
/// Height of a channel's number below its map.
const NUMBER: i32 = 13;

#[derive(Clone, Debug)]
pub(super) struct Maps {
    pub(super) title: String,
    /// In a few words.
    pub(super) text: String,
    /// What the colours mean, where one bar can say it.
    pub(super) shades: Option<Shades>,
    /// Rows and columns of a map.
    pub(super) size: [usize; 2],
    /// Map after map, three bytes for each value.
    pub(super) maps: Vec<u8>,
    /// What the maps have been made of.
    pub(super) image: Option<Dataset>,
}

/// How the maps lie, in pixels of the page.
struct Grid {
    columns: i32,
    rows: i32,
    /// Of a map's value, in drawing units.
    zoom: i32,
    /// Width and height of a map with all that belongs to it.
    cell: (i32, i32),
    numbered: bool,
}

impl Maps {
    fn count(&self) -> usize {
        self.maps.len() / self.bytes().max(1)
    }

    /// Of one map.
    fn bytes(&self) -> usize {
        self.size.iter().product::<usize>() * 3
    }

    /// With the first of them, where there are more than can be told apart.
    pub(super) fn figure(mut self) -> Figure {
        if self.count() > MOST {
            self.title = format!("{} (the first {MOST})", self.title);
            self.maps.truncate(MOST * self.bytes());
        }
        Figure(Content::Maps(self))
    }

    fn grid(&self) -> Grid {
        let count = self.count() as i32;
        // Many maps are drawn smaller.
        let (columns, side) = match count {
            ..=4 => (4, 84),
            5..=64 => (8, 60),
            65..=256 => (16, 40),
            _ => (32, 20),
        };
        let columns = columns.min(count.max(1));
        let longest = self.size[0].max(self.size[1]) as i32;
        // Even, so that each value has whole pixels in a PNG.
        let zoom = (side * PX / longest / 2).max(1) * 2;
        let numbered = side >= 40;
        let [height, width] = self.size.map(|length| (length as i32 * zoom + PX - 1) / PX);
        Grid {
            columns,
            rows: (count + columns - 1) / columns,
            zoom,
            cell: (
                width + GAP,
                height + GAP + if numbered { NUMBER } else { 0 },
            ),
            numbered,
        }
    }

    /// Of an image pixel, in drawing units.
    fn image_zoom(image: &Dataset) -> i32 {
        let [height, width, _] = image.shape();
        (84 * PX / height.max(width) as i32 / 2).max(1) * 2
    }

    /// Width that the image takes, with its name.
    fn image_width(&self) -> i32 {
        let Some(image) = &self.image else {
            return 0;
        };
        let picture = image.shape()[1] as i32 * Self::image_zoom(image) / PX;
        let name = width(
            &image.class_names()[usize::from(image.labels()[0])],
            &text(12, INK),
        ) / PX;
        picture.max(name) + 20
    }

    pub(super) fn size(&self) -> (i32, i32) {
        let grid = self.grid();
        let title = width(&self.title, &text(13, INK)) / PX;
        let maps = (grid.columns * grid.cell.0 - GAP).max(BAR.0).max(title);
        let bar = if self.shades.is_some() { 34 } else { 0 };
        let image = self.image.as_ref().map_or(0, |image| {
            image.shape()[0] as i32 * Self::image_zoom(image) / PX + 24
        });
        (
            2 * MARGIN + self.image_width() + maps,
            MARGIN + TITLE + (grid.rows * grid.cell.1).max(image) + bar + MARGIN,
        )
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let grid = self.grid();
        let left = MARGIN + self.image_width();
        let top = MARGIN + TITLE;
        area.draw_text(&self.title, &text(13, INK), (left * PX, (MARGIN + 8) * PX))?;
        if let Some(image) = &self.image {
            let zoom = Self::image_zoom(image);
            let middle = (MARGIN + (self.image_width() - 20) / 2) * PX;
            let [height, width, _] = image.shape().map(|length| length as i32 * zoom);
            Picture::new(image, 0).draw(area, (middle - width / 2, top * PX), zoom)?;
            let name = &image.class_names()[usize::from(image.labels()[0])];
            area.draw_text(
                name,
                &centred(text(12, INK)),
                (middle, top * PX + height + 12 * PX),
            )?;
        }
        let [rows, columns] = self.size;
        let number = text(10, MUTED).pos(Pos::new(HPos::Left, VPos::Center));
        for (at, map) in self.maps.chunks(self.bytes().max(1)).enumerate() {
            let (row, column) = (at as i32 / grid.columns, at as i32 % grid.columns);
            let (x, y) = (left + column * grid.cell.0, top + row * grid.cell.1);
            Picture::of(map, [rows, columns, 3]).draw(area, (x * PX, y * PX), grid.zoom)?;
            if let Some(Shades::Signed { .. }) = self.shades {
                // White maps would run into the page.
                let (right, bottom) = (
                    x * PX + columns as i32 * grid.zoom,
                    y * PX + rows as i32 * grid.zoom,
                );
                let frame = Rectangle::new(
                    [(x * PX, y * PX), (right, bottom)],
                    FRAME.stroke_width(PX as u32 / 2),
                );
                area.draw(&frame)?;
            }
            if grid.numbered {
                let below = y * PX + rows as i32 * grid.zoom + 7 * PX;
                area.draw_text(&at.to_string(), &number, (x * PX, below))?;
            }
        }
        match self.shades {
            Some(shades) => {
                let bottom = self.size().1 - MARGIN - 24;
                shades.draw_bar(area, (left * PX, bottom * PX), None)
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Maps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
