//! Small tables, as text and as HTML.

use std::fmt;

/// The first column is text, the others are numbers.
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> Self {
        Self::of(
            header.map(str::to_owned).into(),
            rows.into_iter().map(Vec::from).collect(),
        )
    }

    /// Of as many columns as `header` has.
    pub(crate) fn of(header: Vec<String>, rows: Vec<Vec<String>>) -> Self {
        Self { header, rows }
    }

    /// The same with `change` made to each cell.
    pub(crate) fn map(self, change: fn(&str) -> String) -> Self {
        let all = |cells: Vec<String>| cells.iter().map(|cell| change(cell)).collect();
        Self {
            header: all(self.header),
            rows: self.rows.into_iter().map(all).collect(),
        }
    }

    /// A long table scrolls, and its header stays. Cells are HTML; see [`escape`].
    pub(crate) fn to_html(&self) -> String {
        let row = |cells: &[String], tag: &str, more: &str| {
            let cells = cells.iter().enumerate().map(|(column, cell)| {
                let side = if column == 0 { "left" } else { "right" };
                format!("<{tag} style=\"text-align:{side};{more}\">{cell}</{tag}>")
            });
            format!("<tr>{}</tr>", cells.collect::<String>())
        };
        let sticky = "position:sticky;top:0;background:var(--jp-layout-color0,canvas)";
        let head = row(&self.header, "th", sticky);
        let body: String = self.rows.iter().map(|cells| row(cells, "td", "")).collect();
        format!(
            "<div style=\"max-height:24em;overflow:auto\"><table><thead>{head}</thead>\
             <tbody>{body}</tbody></table></div>"
        )
    }
}

/// Text as HTML or SVG, also in the quotes of an attribute.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The same without pictures and frames, for terminals.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| lines().map(|line| line[column].chars().count()).max();
        for (number, line) in lines().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            for (column, cell) in line.iter().enumerate() {
                let width = width(column).unwrap_or(0);
                match column {
                    0 => write!(f, "{cell:<width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
        }
        Ok(())
    }
}

/// A number of things: `1 image`, `2 images`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {}", plural(number, noun))
}

/// The word for `number` things; `noun` is the word for one, and takes an s.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{noun}{s}")
}

/// Each name once, in the order of their first places.
pub(crate) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// The mean; where the sum is more than the largest number, too.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let sum: f64 = values.iter().sum();
    match sum.is_finite() {
        true => sum / count,
        false => values.iter().map(|value| value / count).sum(),
    }
}

/// Mean ± standard deviation of the sample, or the one value there is.
pub(crate) fn mean_and_deviation(values: Vec<f64>, digits: usize) -> String {
    let count = values.len() as f64;
    let mean = mean(&values);
    match values.len() {
        0 => "–".to_owned(),
        1 => format!("{mean:.digits$}"),
        _ => {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            format!(
                "{mean:.digits$} ± {:.digits$}",
                (squares / (count - 1.0)).sqrt()
            )
        }
    }
}

/// In four significant digits; where that is far from 1, in two and a power of ten.
pub(crate) fn significant(value: f64) -> String {
    match value.abs() {
        1e-4..1e5 => {
            let digits = (3 - value.abs().log10().floor() as i32).max(0) as usize;
            let fixed = format!("{value:.digits$}");
            match fixed.contains('.') {
                true => fixed.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => fixed,
            }
        }
        0.0 => "0".to_owned(),
        _ => format!("{value:.1e}"),
    }
}
