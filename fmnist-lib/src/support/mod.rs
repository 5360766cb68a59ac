//! What several modules need and no road goes through.

pub(crate) mod display;
pub(crate) mod files;
pub(crate) mod interrupt;
pub(crate) mod seed;
pub(crate) mod stored;
pub(crate) mod table;
pub(crate) mod tensors;
