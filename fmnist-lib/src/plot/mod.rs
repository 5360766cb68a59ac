//! Figures: learning curves, one quantity against another, many runs side by side, the trials of a search, images
//! with their labels, the confusion matrix, ROC curves; and what a network is and has learned: its graph, its feature maps and kernels,
//! heat maps, embeddings.
//!
//! Each function returns a [`Figure`], which shows itself as the last expression of a notebook
//! cell and is written to a file by [`Figure::save`]. Colours are Okabe and Ito's, which colour-blind
//! readers can tell apart; every figure also reads in grey, but for the signs of values in maps.
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
mod embedding;
mod figure;
mod heat;
mod images;
mod layers;
mod legend;
mod lines;
mod maps;
mod marks;
mod network;
mod panel;
mod picture;
mod roc;
mod shades;
mod strips;
mod svg;
mod trials;

pub use confusion::confusion;
pub use curves::{accuracy_curves, curves, loss_curves};
pub use embedding::embedding;
pub use figure::Figure;
pub use heat::heat_maps;
pub use images::{image_grid, predictions};
pub use layers::{feature_maps, kernels};
pub use lines::{Axes, lines};
pub use network::network;
pub(crate) use picture::Picture;
pub use roc::roc;
pub use strips::strips;
pub(crate) use trials::{Against, of_search};
pub use trials::{trials, trials_against};
