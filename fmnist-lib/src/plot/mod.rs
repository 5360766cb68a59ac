//! Figures: learning curves, one quantity against another, many runs side by side, the trials of a search, images
//! with their labels, the confusion matrix.
//!
//! Each function returns a [`Figure`], which shows itself as the last expression of a notebook
//! cell and is written to a file by [`Figure::save`]. Colours are Okabe and Ito's, which colour-blind
//! readers can tell apart; every figure also reads in grey.
//!
//! ```no_run
//! use fmnist_lib::{History, plot};
//!
//! let history = History::default();
//! plot::curves("1_Layer", &history).save("curves.svg")?;
//! # Ok::<(), fmnist_lib::Error>(())
//! ```

mod axis;
mod bitmap;
mod canvas;
mod confusion;
mod curves;
mod figure;
mod images;
mod legend;
mod lines;
mod marks;
mod panel;
mod picture;
mod strips;
mod svg;
mod trials;

pub use confusion::confusion;
pub use curves::{accuracy_curves, curves, loss_curves};
pub use figure::Figure;
pub use images::{image_grid, predictions};
pub use lines::{Axes, lines};
pub(crate) use picture::Picture;
pub use strips::strips;
pub use trials::{trials, trials_against};
