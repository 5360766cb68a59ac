//! The one error type of the crate.

use std::path::PathBuf;

/// What every fallible function of this crate returns. With a second argument it is the standard
/// library's own `Result`, so that `use fmnist_lib::*` takes nothing away:
///
/// ```
/// use fmnist_lib::*;
///
/// fn digit(text: &str) -> Result<u8, String> {
///     text.parse().map_err(|error| format!("{text}: {error}"))
/// }
/// assert_eq!(digit("7"), Ok(7));
///
/// // What a notebook writes for the type of a variable, to keep it for the next cell.
/// let outcome: Result<Run, Error> = Err(Error::Interrupted);
/// assert!(outcome.is_err());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A data file is not what its name promises.
    #[error("{origin}: {problem}")]
    Data {
        /// The file, or the web address, that was read.
        origin: String,
        /// What is wrong with it, and the remedy.
        problem: String,
    },

    /// None of the places searched holds Fashion-MNIST; the message lists each of them.
    #[error("Fashion-MNIST was found nowhere.\n{tried}\n{remedy}")]
    DatasetNotFound {
        /// One line for each place, with the reason it was passed over.
        tried: String,
        /// What the user can do about it.
        remedy: String,
    },

    /// An argument that cannot work: a wrong shape, a fraction outside 0..1, an empty dataset.
    #[error("{0}")]
    Invalid(String),

    /// The loss became NaN or infinite. The model keeps the weights and the history it had.
    #[error(
        "{what} at epoch {epoch}, step {step}: training has diverged. \
         Lower the learning rate (now {learning_rate}) or scale the pixels to 0..1.",
        what = diverged(*.loss)
    )]
    Diverged {
        /// Counted from 1.
        epoch: usize,
        /// The batch within the epoch, counted from 1.
        step: usize,
        /// The loss of that batch; a finite number where only its gradients are not finite.
        loss: f32,
        /// The learning rate in force.
        learning_rate: f64,
    },

    /// The interrupt signal came: Ctrl-C, or the Stop button of a notebook.
    #[error("interrupted")]
    Interrupted,

    /// A checkpoint that cannot be used; nothing was changed.
    #[error("checkpoint {path}: {problem}", path = path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        problem: String,
    },

    /// A model in the form of another program that cannot be read, or cannot be written in this form.
    #[error("{path}: {problem}", path = path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the layer that it is about.
        problem: String,
    },

    /// Reading or writing a file failed.
    #[error("cannot {action} {path}: {source}{remedy}", path = path.display(), remedy = remedy(source))]
    Io {
        /// `read`, `write`, `create`…
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// A figure could not be drawn.
    #[error("cannot draw the figure: {0}")]
    Plot(String),

    /// Candle refused an operation; its message names the shapes. Where `RUST_BACKTRACE` asked for
    /// a stack, the source of this error shows it.
    #[error("{}", without_stack(.0))]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Says of what an argument was, in front of what is wrong with it.
    pub(crate) fn about(self, what: &str) -> Self {
        match self {
            Self::Invalid(problem) => Self::Invalid(format!("{what}: {problem}")),
            other => other,
        }
    }
}

/// Candle's message, without the stack that Candle writes behind it.
fn without_stack(error: &candle_core::Error) -> String {
    use candle_core::Error as Candle;
    match error {
        Candle::WithBacktrace { inner, .. } => without_stack(inner),
        Candle::Context { inner, context } => format!("{context}: {}", without_stack(inner)),
        Candle::WithPath { inner, path } => format!("{}: {}", path.display(), without_stack(inner)),
        Candle::WrappedContext { wrapped, context } => format!("{context}: {wrapped}"),
        other => other.to_string(),
    }
}

fn diverged(loss: f32) -> String {
    if loss.is_finite() {
        return format!("the loss is {loss}, but its gradients are not finite,");
    }
    format!("the loss is {loss}")
}

/// What the user can do about an I/O error, where that is always the same.
fn remedy(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space and run this again: models in memory keep what they have learned"
        }
        ErrorKind::PermissionDenied => "; choose a file or folder that you have access to",
        ErrorKind::ReadOnlyFilesystem => "; choose a folder on a disk that can be written to",
        _ => "",
    }
}

impl Error {
    /// For `map_err`: attaches what was being done, and to which path, to an I/O error.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::backtrace::Backtrace;
    use std::error::Error as _;

    use super::Error;

    #[test]
    fn candles_errors_are_told_without_their_stack() {
        let refused = candle_core::Error::Msg("shapes (1, 2) and (3, 4)".into());
        let told = candle_core::Error::WithBacktrace {
            inner: Box::new(refused.context("in layer out")),
            backtrace: Box::new(Backtrace::force_capture()),
        };
        let error = Error::from(told.with_path("a.safetensors"));
        assert_eq!(
            error.to_string(),
            "a.safetensors: in layer out: shapes (1, 2) and (3, 4)"
        );
        let source = error.source().map(ToString::to_string);
        assert!(source.is_some_and(|source| source.lines().count() > 1));
    }
}
