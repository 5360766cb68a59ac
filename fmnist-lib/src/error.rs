//! The one error type of the crate.

use std::path::PathBuf;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

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
        "the loss is {loss} at epoch {epoch}, step {step}: training has diverged. \
         Lower the learning rate (now {learning_rate}) or scale the pixels to 0..1."
    )]
    Diverged {
        /// Counted from 1.
        epoch: usize,
        /// The batch within the epoch, counted from 1.
        step: usize,
        /// The loss of that batch.
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

    /// Candle refused an operation; its message names the shapes.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// What the user can do about an I/O error, where that is always the same.
fn remedy(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space and run this again: models in memory keep what they have learned"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that belongs to you"
        }
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
