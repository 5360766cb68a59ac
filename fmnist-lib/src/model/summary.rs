//! The table that `model.summary()` prints in Keras.

use std::fmt;

use crate::{ModelSpec, Result, Weight};

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
    /// Shape of one output, the batch dimension left out.
    pub output_shape: Vec<usize>,
    /// Number of values of all its weights.
    pub parameters: usize,
    /// Of these, those that the optimiser does not change.
    pub not_trainable: usize,
}

impl Summary {
    /// Number of values of all weights: Keras's "total params".
    pub fn parameters(&self) -> usize {
        self.rows.iter().map(|row| row.parameters).sum()
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
    /// When a layer cannot take what the one before it gives; the message names the layer.
    pub fn summary(&self) -> Result<Summary> {
        let rows = self.place()?.into_iter().map(|placed| SummaryRow {
            name: placed.name.to_owned(),
            kind: placed.layer.kind().to_owned(),
            parameters: placed.weights.iter().map(Weight::count).sum(),
            not_trainable: (placed.weights.iter())
                .filter(|weight| !weight.trainable)
                .map(Weight::count)
                .sum(),
            output_shape: placed.output_shape,
        });
        Ok(Summary {
            model: self.name().to_owned(),
            rows: rows.collect(),
        })
    }
}

const WIDTH: usize = 65;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thin = "_".repeat(WIDTH);
        let thick = "=".repeat(WIDTH);
        writeln!(f, "Model: \"{}\"\n{thin}", self.model)?;
        writeln!(
            f,
            "{:<29}{:<26}{:<10}\n{thick}",
            "Layer (type)", "Output Shape", "Param #"
        )?;
        for (index, row) in self.rows.iter().enumerate() {
            let shape: String = row
                .output_shape
                .iter()
                .map(|size| format!(", {size}"))
                .collect();
            let layer = format!("{} ({})", row.name, row.kind);
            writeln!(
                f,
                "{layer:<29}{:<26}{:<10}",
                format!("(None{shape})"),
                row.parameters
            )?;
            writeln!(
                f,
                "{}",
                if index + 1 < self.rows.len() {
                    &thin
                } else {
                    &thick
                }
            )?;
        }
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
