//! The table that `model.summary()` prints in Keras.

use std::fmt;

use crate::error::Result;
use crate::model::ModelSpec;
use crate::nn::{Activation, AnyLayer, Operation, Weight};
use crate::plan::Source;

/// Layers, output shapes and parameter counts. Its `Display` is Keras's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Name of the network.
    pub model: String,
    /// One row per layer.
    pub rows: Vec<SummaryRow>,
}

/// One layer of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// Name of the layer.
    pub name: String,
    /// Its Keras class.
    pub kind: String,
    /// Which activation it is, by Keras's name: of a layer of the class `Activation`, such as `"gelu"`.
    pub activation: Option<&'static str>,
    /// Names of the layers that it reads; none where it reads the images.
    pub inputs: Vec<String>,
    /// Shape of one output, the batch dimension left out.
    pub output_shape: Vec<usize>,
    /// Number of values of all its weights.
    pub parameters: usize,
    /// Of these, those that the optimiser does not change.
    pub not_trainable: usize,
    /// Multiplications of one image's forward pass with kernels: those of a layer of your own are not known.
    pub multiplications: usize,
}

impl Summary {
    /// Number of values of all weights: Keras's "total params".
    pub fn parameters(&self) -> usize {
        self.rows.iter().map(|row| row.parameters).sum()
    }

    /// Multiplications of one image's forward pass. A training step takes about three times as many.
    pub fn multiplications(&self) -> usize {
        self.rows.iter().map(|row| row.multiplications).sum()
    }

    /// Whether some layer reads another than the one before it.
    pub(crate) fn has_branches(&self) -> bool {
        let pairs = self.rows.windows(2);
        pairs
            .into_iter()
            .any(|pair| pair[1].inputs != [pair[0].name.clone()])
    }

    /// Of these, those that the optimiser does not change.
    pub fn not_trainable(&self) -> usize {
        self.rows.iter().map(|row| row.not_trainable).sum()
    }
}

impl ModelSpec {
    /// The Keras summary: names, output shapes, parameter counts.
    ///
    /// # Errors
    /// As for [`build`](Self::build): whatever has a summary can be built.
    pub fn summary(&self) -> Result<Summary> {
        let placed = self.place()?;
        let name = |source: &Source| match *source {
            Source::Images => None,
            Source::Layer(at) => Some(placed[at].name.clone()),
        };
        let rows = placed.iter().map(|layer| SummaryRow {
            name: layer.name.clone(),
            kind: layer.operation.kind().to_owned(),
            activation: match layer.operation {
                Operation::Layer(AnyLayer::Activation(it)) => name_of(*it),
                Operation::Layer(_) | Operation::Merge(_) => None,
            },
            inputs: layer.inputs.iter().filter_map(name).collect(),
            parameters: layer.weights.iter().map(Weight::count).sum(),
            not_trainable: (layer.weights.iter())
                .filter(|weight| !weight.trainable)
                .map(Weight::count)
                .sum(),
            multiplications: layer.multiplications(),
            output_shape: layer.output_shape.clone(),
        });
        Ok(Summary {
            model: self.name().to_owned(),
            rows: rows.collect(),
        })
    }
}

/// The name of an activation, where the class of its layer does not tell it.
fn name_of(activation: Activation) -> Option<&'static str> {
    match activation {
        Activation::Relu | Activation::LeakyRelu { .. } | Activation::Elu => None,
        other => other.name(),
    }
}

/// Keras's columns: name and class (of an `Activation`, which one), output shape, number of parameters and, for networks with branches,
/// what a layer is connected to. A column grows with what stands in it, so that long names neither run
/// together nor are cut.
const WIDTHS: [usize; 4] = [29, 26, 10, 0];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_branches = self.has_branches();
        let cells = |row: &SummaryRow| {
            let sides = row.output_shape.iter().map(|side| format!(", {side}"));
            let inputs = if has_branches {
                row.inputs.join(", ")
            } else {
                String::new()
            };
            [
                match row.activation {
                    Some(activation) => format!("{} ({}: {activation})", row.name, row.kind),
                    None => format!("{} ({})", row.name, row.kind),
                },
                format!("(None{})", sides.collect::<String>()),
                row.parameters.to_string(),
                inputs,
            ]
        };
        let rows: Vec<[String; 4]> = self.rows.iter().map(cells).collect();
        let mut widths = WIDTHS;
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                let needed = if cell.is_empty() {
                    0
                } else {
                    cell.chars().count() + 2
                };
                *width = (*width).max(needed);
            }
        }
        if has_branches {
            widths[3] = widths[3].max("Connected to".len());
        }
        let line = |[layer, shape, parameters, inputs]: [&str; 4]| {
            let [first, second, third, fourth] = widths;
            format!("{layer:<first$}{shape:<second$}{parameters:<third$}{inputs:<fourth$}")
        };
        let width = widths.iter().sum();
        let (thin, thick) = ("_".repeat(width), "=".repeat(width));
        writeln!(f, "Model: \"{}\"\n{thin}", self.model)?;
        let connected = if has_branches { "Connected to" } else { "" };
        let header = line(["Layer (type)", "Output Shape", "Param #", connected]);
        let body: Vec<String> = (rows.iter())
            .map(|row| line(row.each_ref().map(String::as_str)))
            .collect();
        let body = body.join(&format!("\n{thin}\n"));
        writeln!(f, "{header}\n{thick}\n{body}\n{thick}")?;
        let (all, fixed) = (self.parameters(), self.not_trainable());
        write!(
            f,
            "Total params: {}\nTrainable params: {}\nNon-trainable params: {}\n{thin}",
            thousands(all),
            thousands(all - fixed),
            thousands(fixed)
        )
    }
}

/// 515146 as `515,146`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits are ASCII"))
        .collect();
    groups.join(",")
}
