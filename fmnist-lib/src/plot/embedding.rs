//! Images as points in the plane.

use std::fmt;

use candle_core::{DType, Tensor};
use plotters::prelude::*;

use super::Figure;
use super::canvas::{
    Area, Canvas, Drawn, INK, MUTED, PX, brightness, centred, clean, color, text, width,
};
use super::figure::Content;
use super::marks::darker;
use super::picture::Picture;
use super::shades::mixed;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::support::table::counted;

const SIZE: (i32, i32) = (800, 640);
const MARGIN: i32 = 24;
/// What the longer side of a picture is brought to, in pixels of the page.
const PICTURE: i32 = 28;
/// The least distance of pictures, from middle to middle.
const APART: i32 = 58;
/// What the frame of a picture adds on each side, in drawing units.
const FRAME: i32 = 11 * PX / 4;
/// The least brightness of a frame.
const BRIGHT: f64 = 100.0;

/// Where an embedding such as [`Pca`](crate::Pca) or [`Tsne`](crate::Tsne) puts each image: a dot in the colour of its class, whose
/// name stands in the middle of its dots, and the pictures themselves at some of the points. Both axes have the same scale;
/// `points` has two numbers for each image (more are left aside).
///
/// # Errors
/// When `points` is not of as many rows as there are images, or a row has fewer than two numbers.
pub fn embedding(images: &Dataset, points: &Tensor) -> Result<Figure> {
    let dims = points.dims();
    if dims.len() != 2 || dims[0] != images.len() || dims[1] < 2 {
        return Err(Error::Invalid(format!(
            "an embedding of {} needs points of the shape ({}, 2), not {dims:?}",
            counted(images.len(), "image"),
            images.len()
        )));
    }
    let points = points
        .narrow(1, 0, 2)?
        .to_dtype(DType::F64)?
        .to_vec2::<f64>()?;
    Ok(Figure(Content::Embedding(Embedding {
        images: images.clone(),
        points: points.iter().map(|row| [row[0], row[1]]).collect(),
    })))
}

#[derive(Clone, Debug)]
pub(super) struct Embedding {
    images: Dataset,
    points: Vec<[f64; 2]>,
}

type Place = (i32, i32);

/// A name on its place, in drawing units.
struct Label {
    class: usize,
    middle: Place,
    half: Place,
}

impl Label {
    /// Whether what reaches `half` around `middle` would touch it.
    fn touches(&self, middle: Place, half: Place) -> bool {
        (self.middle.0 - middle.0).abs() < self.half.0 + half.0
            && (self.middle.1 - middle.1).abs() < self.half.1 + half.1
    }
}

impl Embedding {
    pub(super) fn size(&self) -> (i32, i32) {
        SIZE
    }

    /// For each image, its place in drawing units; `None` where a number is not finite.
    fn places(&self) -> Vec<Option<Place>> {
        let finite = |point: &&[f64; 2]| point.iter().all(|it| it.is_finite());
        let ends = |axis: usize| {
            let values = self.points.iter().filter(finite).map(|point| point[axis]);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let ends = [ends(0), ends(1)];
        let room = [SIZE.0, SIZE.1].map(|length| f64::from((length - 2 * MARGIN) * PX));
        let scales =
            [0, 1].map(|axis| room[axis] / (ends[axis].1 - ends[axis].0).max(f64::MIN_POSITIVE));
        let scale = scales[0].min(scales[1]);
        let place = |point: &[f64; 2]| {
            let [x, y] = [0, 1].map(|axis| {
                let (low, high) = ends[axis];
                (scale * (point[axis] - f64::midpoint(low, high))).round() as i32
            });
            (SIZE.0 * PX / 2 + x, SIZE.1 * PX / 2 - y)
        };
        self.points
            .iter()
            .map(|point| finite(&point).then(|| place(point)))
            .collect()
    }

    /// The names of the classes, each in the middle of its points or, where another one stands there, beside it.
    fn labels(&self, places: &[Option<Place>]) -> Vec<Label> {
        let mut labels: Vec<Label> = Vec::new();
        let style = text(13, INK);
        for (class, name) in self.images.class_names().iter().enumerate() {
            let own = self.images.labels().iter().zip(places);
            let own = own.filter(|(label, _)| usize::from(**label) == class);
            let own: Vec<Place> = own.filter_map(|(_, place)| *place).collect();
            let median = |axis: fn(&Place) -> i32| {
                let mut values: Vec<i32> = own.iter().map(axis).collect();
                values.sort_unstable();
                values.get(values.len() / 2).copied()
            };
            let Some(median) = median(|it| it.0).zip(median(|it| it.1)) else {
                continue;
            };
            let half = (width(&clean(name), &style) / 2 + 4 * PX, 10 * PX);
            let inside = |(x, y): Place| {
                let (right, bottom) = (SIZE.0 * PX - half.0, SIZE.1 * PX - half.1);
                (x.clamp(half.0, right.max(half.0)), y.clamp(half.1, bottom))
            };
            let around = (0..40).flat_map(|ring: usize| {
                let radius = (10 * PX) as f64 * ring as f64;
                (0..8).map(move |eighth| {
                    let turn = f64::from(eighth) * std::f64::consts::FRAC_PI_4;
                    (
                        ring,
                        ((radius * turn.cos()) as i32, (radius * turn.sin()) as i32),
                    )
                })
            });
            let hidden = |(x, y): Place| {
                let under = |it: &&Place| (it.0 - x).abs() < half.0 && (it.1 - y).abs() < half.1;
                places.iter().flatten().filter(under).count()
            };
            // A hidden twentieth of its points is worth two rings.
            let cost = |&(ring, middle): &(usize, Place)| ring + 40 * hidden(middle) / own.len();
            let free = around
                .map(|(ring, (dx, dy))| (ring, inside((median.0 + dx, median.1 + dy))))
                .filter(|(_, middle)| !labels.iter().any(|label| label.touches(*middle, half)))
                .min_by_key(cost);
            labels.push(Label {
                class,
                middle: free.map_or_else(|| inside(median), |(_, middle)| middle),
                half,
            });
        }
        labels
    }

    /// The images that are drawn: far enough from each other, and from the names.
    fn pictures(&self, places: &[Option<Place>], labels: &[Label]) -> Vec<(usize, Place)> {
        let half = PICTURE * PX / 2 + FRAME;
        let fits = |(x, y): Place| {
            (half..=SIZE.0 * PX - half).contains(&x) && (half..=SIZE.1 * PX - half).contains(&y)
        };
        let mut chosen: Vec<(usize, Place)> = Vec::new();
        for (at, place) in places.iter().enumerate() {
            let Some(place) = place.filter(|&place| fits(place)) else {
                continue;
            };
            let far = |other: Place| {
                (place.0 - other.0).abs().max((place.1 - other.1).abs()) >= APART * PX
            };
            if chosen.iter().all(|(_, other)| far(*other))
                && !labels
                    .iter()
                    .any(|label| label.touches(place, (half, half)))
            {
                chosen.push((at, place));
            }
        }
        chosen
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let places = self.places();
        let shown = places.iter().flatten().count();
        if shown == 0 {
            let words = match self.points.len() {
                0 => "nothing to draw: no images",
                _ => "nothing to draw: no point is finite",
            };
            return area.draw_text(
                words,
                &centred(text(13, MUTED)),
                (SIZE.0 * PX / 2, SIZE.1 * PX / 2),
            );
        }
        let class = |at: usize| usize::from(self.images.labels()[at]);
        // Many points are smaller, and let each other through.
        let radius = if shown > 1000 { 2 * PX } else { 3 * PX };
        for (at, place) in places.iter().enumerate() {
            if let Some(place) = place {
                area.draw(&Circle::new(
                    *place,
                    radius,
                    color(class(at)).mix(0.55).filled(),
                ))?;
            }
        }
        let labels = self.labels(&places);
        let [height, width, _] = self.images.shape();
        let zoom = (PICTURE * PX / height.max(width) as i32).max(1);
        for (at, (x, y)) in self.pictures(&places, &labels) {
            let (w, h) = (width as i32 * zoom, height as i32 * zoom);
            let corner = (x - w / 2, y - h / 2);
            // A light line between the frame and the picture, which may be as dark.
            for (frame, color) in [(FRAME, framing(color(class(at)))), (FRAME - 2 * PX, WHITE)] {
                let field = [
                    (corner.0 - frame, corner.1 - frame),
                    (corner.0 + w + frame, corner.1 + h + frame),
                ];
                area.draw(&Rectangle::new(field, color.filled()))?;
            }
            Picture::new(&self.images, at).draw(area, corner, zoom)?;
        }
        for Label {
            class,
            middle: (x, y),
            half,
        } in labels
        {
            let field = [(x - half.0, y - half.1), (x + half.0, y + half.1)];
            area.draw(&Rectangle::new(field, WHITE.mix(0.5).filled()))?;
            let style = centred(text(13, darker(color(class))));
            area.draw_text(&clean(&self.images.class_names()[class]), &style, (x, y))?;
        }
        let left_out = places.len() - shown;
        if left_out > 0 {
            let are = if left_out == 1 { "is" } else { "are" };
            let words = format!("{} not finite {are} left out", counted(left_out, "point"));
            area.draw_text(&words, &text(11, MUTED), (MARGIN * PX, (SIZE.1 - 12) * PX))?;
        }
        Ok(())
    }
}

/// The colour of a class around a picture: a dark one, which a black picture would swallow, with as much white as makes
/// it bright enough.
fn framing(color: RGBColor) -> RGBColor {
    let white = (BRIGHT - brightness(color)) / (255.0 - brightness(color));
    let RGBColor(r, g, b) = color;
    let [r, g, b] = mixed([r, g, b], [255; 3], white.max(0.0));
    RGBColor(r, g, b)
}

/// How many images of which classes.
impl fmt::Display for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.images.class_names();
        let there = (0..names.len()).filter(|&class| {
            self.images
                .labels()
                .iter()
                .any(|&label| usize::from(label) == class)
        });
        write!(
            f,
            "{} of {} as points in the plane",
            counted(self.images.len(), "image"),
            match there.count() {
                1 => "1 class".to_owned(),
                count => format!("{count} classes"),
            }
        )
    }
}
