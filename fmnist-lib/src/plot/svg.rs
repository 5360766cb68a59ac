//! An SVG backend for plotters.
//!
//! plotters has one, but it positions on whole pixels, writes an element for each dash, and makes
//! an image a bitmap that browsers blur.

use std::convert::Infallible;
use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use plotters::style::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};

use super::canvas::{Canvas, PX, em_and_baseline};
use super::picture::Picture;
use crate::support::table::escape;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// Writes elements to a string; the end tag is up to the caller.
pub(super) struct Svg<'a> {
    out: &'a mut String,
    size: (u32, u32),
    /// The beginning of the path that ends the document, to which dashes like it are added.
    path: String,
}

impl<'a> Svg<'a> {
    /// `size` is in drawing units.
    pub(super) fn new(out: &'a mut String, size: (u32, u32), title: &str) -> Self {
        let (w, h) = size;
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
             viewBox=\"0 0 {w} {h}\" role=\"img\" font-family=\"Helvetica, Arial, sans-serif\">\n\
             <title>{}</title>\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n",
            w / PX as u32,
            h / PX as u32,
            escape(title),
        );
        Self {
            out,
            size,
            path: String::new(),
        }
    }

    fn element(&mut self, element: std::fmt::Arguments) {
        self.path.clear();
        let _ = self.out.write_fmt(element);
        self.out.push('\n');
    }
}

/// `name="#rrggbb"`, with the opacity where it is not full.
fn paint(name: &str, BackendColor { alpha, rgb }: BackendColor) -> String {
    let (r, g, b) = rgb;
    let mut paint = format!("{name}=\"#{r:02x}{g:02x}{b:02x}\"");
    if alpha < 1.0 {
        let _ = write!(paint, " {name}-opacity=\"{alpha}\"");
    }
    paint
}

fn fill_or_stroke<S: BackendStyle>(style: &S, fill: bool) -> String {
    if fill {
        paint("fill", style.color())
    } else {
        format!(
            "fill=\"none\" {} stroke-width=\"{}\"",
            paint("stroke", style.color()),
            style.stroke_width()
        )
    }
}

fn points(path: impl IntoIterator<Item = BackendCoord>) -> String {
    let points: Vec<_> = path.into_iter().map(|(x, y)| format!("{x},{y}")).collect();
    points.join(" ")
}

impl DrawingBackend for Svg<'_> {
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
        let paint = paint("fill", color);
        self.element(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"1\" height=\"1\" {paint}/>"
        ));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.element(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" {}/>",
            right - x,
            bottom - y,
            fill_or_stroke(style, fill)
        ));
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        const END: &str = "\"/>\n";
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        let begin = format!(
            "<path {} stroke-linejoin=\"round\" d=\"",
            fill_or_stroke(style, false)
        );
        if begin == self.path {
            self.out.truncate(self.out.len() - END.len());
        } else {
            self.out.push_str(&begin);
            self.path = begin;
        }
        let _ = write!(self.out, "M{}{END}", points(path));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.element(format_args!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {}/>",
            fill_or_stroke(style, fill)
        ));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.element(format_args!(
            "<polygon points=\"{}\" {}/>",
            points(path),
            fill_or_stroke(style, true)
        ));
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
        let (em, below) = em_and_baseline(style);
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Center => "middle",
            HPos::Right => "end",
        };
        let turn = match style.transform() {
            FontTransform::None => String::new(),
            FontTransform::Rotate90 => format!(" transform=\"rotate(90 {x} {y})\""),
            FontTransform::Rotate180 => format!(" transform=\"rotate(180 {x} {y})\""),
            FontTransform::Rotate270 => format!(" transform=\"rotate(270 {x} {y})\""),
        };
        // The length makes the layout hold whatever font the reader has.
        self.element(format_args!(
            "<text x=\"{x}\" y=\"{:.0}\" font-size=\"{em:.0}\" text-anchor=\"{anchor}\" \
             textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" {}{turn}>{}</text>",
            f64::from(y) + below,
            right - left,
            paint("fill", style.color()),
            escape(text)
        ));
        Ok(())
    }
}

impl Canvas for Svg<'_> {
    fn draw_image(&mut self, (x, y): (i32, i32), picture: &Picture<'_>, zoom: i32) {
        let (width, height) = picture.size();
        let (width, height) = (width * zoom, height * zoom);
        let image = STANDARD.encode(picture.png());
        self.element(format_args!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{image}\"/>"
        ));
    }
}
