//! How values show themselves when a notebook cell ends with their name: as a picture or a table,
//! and as text where there is neither.
//!
//! evcxr calls `evcxr_display` for the value of a cell, where it has such a method.

use base64::{Engine, engine::general_purpose::STANDARD};
use candle_core::Tensor;

use crate::display::emit;
use crate::model::thousands;
use crate::plot::{self, Figure, thumbnail};
use crate::table::{Table, escape};
use crate::{
    CLASS_NAMES, Comparison, ConfusionMatrix, Dataset, Evaluation, FashionMnist, History, Model,
    Result, Run, Summary, SweepResults,
};

impl Figure {
    /// Shows the figure as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        if let Err(error) = self.show_by(emit) {
            emit(&[("text/plain", &format!("{self}\n{error}"))]);
        }
    }

    /// Hands `show` the figure in every format that a notebook may want to keep.
    pub(crate) fn show_by(&self, show: impl FnOnce(&[(&str, &str)])) -> Result<()> {
        // JupyterLab prefers the SVG, but shows it only in notebooks it trusts, which leaves out
        // those just downloaded: they get the PNG, small, at the size of the page.
        show(&[
            ("image/svg+xml", &self.to_svg()?),
            ("image/png", &STANDARD.encode(self.png(1)?)),
            ("text/plain", &self.to_string()),
        ]);
        Ok(())
    }
}

impl ConfusionMatrix {
    /// Shows the matrix as the value of a notebook cell: [`plot::confusion`].
    pub fn evcxr_display(&self) {
        plot::confusion(self).evcxr_display();
    }
}

impl Comparison {
    /// Shows the table as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        let table = self.to_string();
        emit(&[("text/markdown", &table), ("text/plain", &table)]);
    }
}

impl Evaluation {
    /// Shows loss and accuracy as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        emit(&[("text/plain", &self.to_string())]);
    }
}

impl History {
    /// Shows a table of the epochs as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        emit(&[
            ("text/html", &self.table().to_html()),
            ("text/plain", &self.to_string()),
        ]);
    }
}

impl Run {
    /// Shows why training ended, and its epochs, as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        let html = format!("<p>{}</p>{}", self.ended, self.history.table().to_html());
        let text = format!("{}\n{}", self.ended, self.history);
        emit(&[("text/html", &html), ("text/plain", &text)]);
    }
}

impl SweepResults {
    /// Shows one line per trial as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        emit(&[
            ("text/html", &self.to_html()),
            ("text/plain", &self.to_string()),
        ]);
    }
}

impl Summary {
    /// Shows the table of layers as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        emit(&[
            ("text/html", &self.to_html()),
            ("text/plain", &self.to_string()),
        ]);
    }

    fn to_html(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let shape: Vec<String> = row.output_shape.iter().map(usize::to_string).collect();
            [
                format!("{} ({})", escape(&row.name), escape(&row.kind)),
                shape.join(" × "),
                thousands(row.parameters),
            ]
        });
        let table = Table::new(["Layer", "Output", "Parameters"], rows.collect());
        format!(
            "<p><b>{}</b>: {} parameters</p>{}",
            escape(&self.model),
            thousands(self.parameters()),
            table.to_html()
        )
    }
}

impl Model {
    /// Shows the layers, and what training has reached, as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        let history = self.history();
        let state = match history.last() {
            None => "Not trained yet.".to_owned(),
            Some(last) => format!(
                "Trained for {} epochs: {}.",
                history.epochs.len(),
                last.measures()
            ),
        };
        match self.spec().summary() {
            Ok(summary) => emit(&[
                ("text/html", &format!("{}<p>{state}</p>", summary.to_html())),
                ("text/plain", &format!("{summary}\n{state}")),
            ]),
            Err(error) => emit(&[("text/plain", &error.to_string())]),
        }
    }
}

impl Dataset {
    /// Shows how many images there are of each class, and one of each, as the value of a notebook
    /// cell.
    pub fn evcxr_display(&self) {
        show_images(&[("images", self)]);
    }
}

impl FashionMnist {
    /// Shows how many images there are of each class, and one of each, as the value of a notebook
    /// cell.
    pub fn evcxr_display(&self) {
        show_images(&[("train", &self.train), ("test", &self.test)]);
    }
}

fn show_images(parts: &[(&str, &Dataset)]) {
    let counts = parts.iter().map(|(name, data)| {
        let mut count = [0; CLASS_NAMES.len()];
        (data.labels().iter()).for_each(|&label| count[usize::from(label)] += 1);
        (*name, data.len(), count)
    });
    let counts: Vec<_> = counts.collect();
    let text: Vec<String> = counts
        .iter()
        .map(|(name, total, _)| format!("{name}: {}", thousands(*total)))
        .collect();
    let text = format!("{}, of 28×28 pixels, in 10 classes", text.join(", "));
    let rows = CLASS_NAMES.iter().enumerate().map(|(class, name)| {
        let of_class = |counts: &(&str, usize, [usize; 10])| thousands(counts.2[class]);
        let numbers: Vec<String> = counts.iter().map(of_class).collect();
        let examples = parts[0].1;
        let first = (examples.labels().iter()).position(|&label| usize::from(label) == class);
        let picture = first.map_or_else(String::new, |index| {
            let png = STANDARD.encode(thumbnail(examples.image(index)));
            format!("<img alt=\"{name}\" src=\"data:image/png;base64,{png}\" width=\"42\">")
        });
        [format!("{class} {name}"), picture, numbers.join(" / ")]
    });
    let names: Vec<&str> = counts.iter().map(|counts| counts.0).collect();
    let table = Table::new(["class", "the first", &names.join(" / ")], rows.collect());
    emit(&[
        ("text/html", &format!("<p>{text}</p>{}", table.to_html())),
        ("text/plain", &text),
    ]);
}

/// Lets a tensor show itself when a notebook cell ends with its name; `use fmnist_lib::*` is enough.
pub trait ShowTensor {
    /// Shows values, shape and type as the value of a notebook cell.
    fn evcxr_display(&self);
}

impl ShowTensor for Tensor {
    fn evcxr_display(&self) {
        emit(&[("text/plain", &self.to_string())]);
    }
}
