//! The program against a server of its own, alone and started by the library.
#![allow(clippy::unwrap_used, missing_docs)]

/// Fashion-MNIST as it is on this machine.
mod data;
/// From a server to four files.
mod download;
/// The two files of the Hub, made of the real data.
mod files;
/// A home without any cache, in which the program runs.
mod home;
/// The Hugging Face Hub, as far as this download goes.
mod hub;
/// The whole road, from the library on.
mod library;
