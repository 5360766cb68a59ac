//! How values show themselves when a notebook cell ends with their name: as a picture or a table,
//! and as text where there is neither.
//!
//! evcxr calls `evcxr_display` for the value of a cell, where it has such a method.

mod show;

use std::fmt::Display;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::data::{Dataset, Shape, TrainTest};
use crate::error::Result;
use crate::evaluate::{ClassificationReport, ConfusionMatrix, Evaluation};
use crate::history::History;
use crate::model::{Model, Profile, Summary, thousands};
use crate::plot::{self, Figure, Picture};
use crate::report::Comparison;
use crate::support::display::emit;
use crate::support::table::{Table, counted, escape, plural};
use crate::sweep::{SearchResults, Shows, SweepResults};
use crate::train::{Measures, Run};

pub use show::Show;

fn show_table(html: &str, text: &impl Display) {
    emit(&[("text/html", html), ("text/plain", &text.to_string())]);
}

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

impl ClassificationReport {
    /// Shows a table of the classes as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        show_table(&self.to_html(), self);
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
        show_table(&self.table().to_html(), self);
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

impl Measures {
    /// Shows a table of the epochs as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        show_table(&self.table().map(escape).to_html(), self);
    }
}

impl SearchResults {
    /// Shows one line per trial as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        show_table(&self.to_html(), self);
    }
}

impl SweepResults {
    /// Shows one line per trial as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        show_table(&self.to_html(), self);
    }
}

impl Summary {
    /// Shows the table of layers as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        show_table(&self.to_html(), self);
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
        let (all, fixed) = (self.parameters(), self.not_trainable());
        let trained = match fixed {
            0 => String::new(),
            _ => format!(", of which {} are trained", thousands(all - fixed)),
        };
        format!(
            "<p><b>{}</b>: {} {}{trained}</p>{}",
            escape(&self.model),
            thousands(all),
            plural(all, "parameter"),
            table.to_html()
        )
    }
}

impl Profile {
    /// Shows the table of stages as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        let html = format!(
            "<p>{}</p>{}",
            escape(&self.title()),
            self.table().map(escape).to_html()
        );
        emit(&[("text/html", &html), ("text/plain", &self.to_string())]);
    }
}

impl Model {
    /// Shows the layers, what training has reached, and what is frozen, as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        let mut state = state(&self.history());
        if let Ok(frozen) = self.frozen_names()
            && !frozen.is_empty()
        {
            state += &format!(" Frozen: {}.", frozen.join(", "));
        }
        match self.summary() {
            Ok(summary) => emit(&[
                (
                    "text/html",
                    &format!("{}<p>{}</p>", summary.to_html(), escape(&state)),
                ),
                ("text/plain", &format!("{summary}\n{state}")),
            ]),
            Err(error) => emit(&[("text/plain", &error.to_string())]),
        }
    }
}

/// What training has reached.
fn state(history: &History) -> String {
    match history.last() {
        None => "Not trained yet.".to_owned(),
        Some(last) => format!(
            "Trained for {}: {}.",
            counted(history.epochs.len(), "epoch"),
            last.measures()
        ),
    }
}

impl Dataset {
    /// Shows how many images there are of each class, and one of each, as the value of a notebook
    /// cell.
    pub fn evcxr_display(&self) {
        show_images(&[("images", self)]);
    }
}

impl TrainTest {
    /// Shows how many images there are of each class, and one of each, as the value of a notebook
    /// cell.
    pub fn evcxr_display(&self) {
        show_images(&[("train", &self.train), ("test", &self.test)]);
    }
}

fn show_images(parts: &[(&str, &Dataset)]) {
    let counts = (parts.iter()).map(|(name, data)| (*name, data.len(), data.class_counts()));
    let counts: Vec<_> = counts.collect();
    let text: Vec<String> = counts
        .iter()
        .map(|(name, total, _)| format!("{name}: {}", thousands(*total)))
        .collect();
    let examples = parts[0].1;
    let text = format!(
        "{}, of {} pixels, in {} classes",
        text.join(", "),
        Shape(examples.shape()).to_string().replace('x', "×"),
        examples.classes()
    );
    let rows = examples
        .class_names()
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let name = escape(name);
            let of_class = |counts: &(&str, usize, Vec<usize>)| thousands(counts.2[class]);
            let numbers: Vec<String> = counts.iter().map(of_class).collect();
            let first = (examples.labels().iter()).position(|&label| usize::from(label) == class);
            let picture = first.map_or_else(String::new, |index| {
                let png = STANDARD.encode(Picture::new(examples, index).png());
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

#[cfg(test)]
mod tests {
    use super::state;
    use crate::history::{EpochRecord, History};
    use crate::model::ModelSpec;
    use crate::nn::{BatchNorm, Dense, Flatten};

    #[test]
    fn a_table_of_layers_says_how_many_parameters_are_trained() {
        let spec = |name| ModelSpec::new(name).layer("flatten", Flatten);
        let html = |spec: ModelSpec| {
            let spec = spec.layer("output", Dense::new(10));
            spec.summary().map(|summary| summary.to_html())
        };
        // The norm has two trained and two measured values for each pixel.
        for (spec, says) in [
            (spec("all"), "<b>all</b>: 7,850 parameters</p>"),
            (
                spec("some").layer("norm", BatchNorm::new()),
                "<b>some</b>: 10,986 parameters, of which 9,418 are trained</p>",
            ),
        ] {
            let html = html(spec);
            assert!(
                html.as_ref().is_ok_and(|html| html.contains(says)),
                "{html:?}"
            );
        }
    }

    #[test]
    fn a_model_says_how_long_it_was_trained() {
        let record = |epoch| EpochRecord {
            epoch,
            loss: 0.5,
            accuracy: Some(0.8),
            val_loss: None,
            val_accuracy: None,
            learning_rate: 0.001,
            seconds: 1.0,
            images_per_second: 1.0,
        };
        let after = |epochs: usize| {
            state(&History {
                epochs: (1..=epochs).map(record).collect(),
            })
        };
        assert_eq!(after(0), "Not trained yet.");
        assert!(
            after(1).starts_with("Trained for 1 epoch: "),
            "{}",
            after(1)
        );
        assert!(
            after(2).starts_with("Trained for 2 epochs: "),
            "{}",
            after(2)
        );
    }
}
