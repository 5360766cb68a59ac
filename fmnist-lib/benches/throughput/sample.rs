//! Repeated measurements of one figure, and tables of them.

use std::fmt;

/// Measurements in the order of the rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(pub(crate) Vec<f64>);

impl Sample {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        }
    }

    /// This over `other`, round by round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }

    /// The higher of both, round by round.
    pub(crate) fn max(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(a, b)| a.max(*b))
                .collect(),
        )
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// `median (lowest–highest)`; `{:.1}` sets the decimals.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, sorted) = (f.precision().unwrap_or(0), self.sorted());
        let [Some(low), Some(high)] = [sorted.first(), sorted.last()] else {
            return f.write_str("-");
        };
        write!(
            f,
            "{:.digits$} ({low:.digits$}–{high:.digits$})",
            self.median()
        )
    }
}

/// `1,234`; `-` for what was not measured.
pub(crate) fn thousands(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a Markdown table; all columns but the first are aligned right.
pub(crate) fn print_table(header: &[String], rows: &[Vec<String>]) {
    let line = |cells: &[String]| println!("| {} |", cells.join(" | "));
    line(header);
    println!("|---|{}", "--:|".repeat(header.len() - 1));
    rows.iter().for_each(|row| line(row));
    println!();
}

/// Owned cells from anything printable.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$($cell.to_string()),*] };
}
pub(crate) use cells;
