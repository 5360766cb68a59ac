//! The box of a layer.

use plotters::prelude::*;

use crate::model::thousands;
use crate::plot::canvas::{BLUE, INK, PX, VERMILLION, clean, color, text, width};

/// A layer as its box tells of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    kind: String,
    activation: Option<String>,
    pub(super) shape: String,
    pub(super) parameters: String,
}

impl Node {
    pub(super) fn new(name: &str, kind: &str, shape: &[usize], count: usize) -> Self {
        let sides: Vec<String> = shape.iter().map(|&side| thousands(side)).collect();
        Self {
            name: clean(name),
            kind: clean(kind),
            activation: None,
            shape: sides.join(" × "),
            parameters: if count == 0 {
                String::new()
            } else {
                parameters(count)
            },
        }
    }

    /// The same with the name of its activation, as Keras's `show_layer_activations=True` has it.
    pub(super) fn with(self, activation: Option<&str>) -> Self {
        Self {
            activation: activation.map(str::to_owned),
            ..self
        }
    }

    /// What stands in the upper right corner.
    pub(super) fn what(&self) -> String {
        match &self.activation {
            Some(activation) => format!("{} ({activation})", self.kind),
            None => self.kind.clone(),
        }
    }

    /// Width of its box, in pixels of the page.
    pub(super) fn width(&self) -> i32 {
        let line = |size: [i32; 2], [left, right]: [&str; 2]| {
            width(left, &text(size[0], INK)) + width(right, &text(size[1], INK)) + 22 * PX
        };
        let name = line([13, 11], [&self.name, &self.what()]);
        name.max(line([11, 11], [&self.shape, &self.parameters])) / PX + 20
    }

    /// Layers of a kind have a colour.
    pub(super) fn color(&self) -> RGBColor {
        match self.kind.as_str() {
            kind if kind.contains("Conv2D") => BLUE,
            kind if kind.contains("Pooling") || kind.contains("Sampling") => color(2),
            kind if kind.contains("Normalization") => color(3),
            "Dense" => VERMILLION,
            "Activation" | "ReLU" | "LeakyReLU" | "ELU" => color(4),
            "Add" | "Concatenate" => INK,
            _ => RGBColor(0xa8, 0xa8, 0xa8),
        }
    }
}

/// So many, in words.
pub(super) fn parameters(count: usize) -> String {
    match count {
        1 => "1 parameter".to_owned(),
        _ => format!("{} parameters", thousands(count)),
    }
}
