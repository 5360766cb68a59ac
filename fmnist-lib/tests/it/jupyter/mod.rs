//! What needs JupyterLab and the notebooks' kernel: `cargo test --release -- --skip jupyter` leaves all of it out.

/// The notebooks' kernel, driven through `start.sh` as a user would.
mod kernel;
/// Every notebook, from top to bottom, with few epochs.
mod notebooks;
/// The server of the notebooks: who may use it.
mod server;
