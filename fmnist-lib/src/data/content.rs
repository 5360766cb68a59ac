//! The four files of Fashion-MNIST: their names, their headers, and what each must decode to.
//!
//! This file belongs to the program in `download` as well: it names nothing else of the crate.

use sha2::{Digest, Sha256};

/// What an IDX file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdxContent {
    /// 28×28 pixels each.
    Images,
    /// One byte each, 0 to 9.
    Labels,
}

impl IdxContent {
    /// Each 32-bit field of the header, with the value it must have.
    pub(super) fn header(self, count: u32) -> Vec<(&'static str, u32)> {
        match self {
            Self::Images => vec![
                ("magic number", 2051),
                ("number of images", count),
                ("number of rows", 28),
                ("number of columns", 28),
            ],
            Self::Labels => vec![("magic number", 2049), ("number of labels", count)],
        }
    }
}

/// One of the four files.
pub(super) struct IdxFile {
    /// Without the `.gz` it may end in.
    pub(super) name: &'static str,
    pub(super) content: IdxContent,
    pub(super) count: u32,
    /// Of the decoded pixels or labels, without the header: compressed files differ between
    /// sources, their contents do not.
    sha256: &'static str,
}

pub(super) const TRAIN_IMAGES: IdxFile = IdxFile {
    name: "train-images-idx3-ubyte",
    content: IdxContent::Images,
    count: 60_000,
    sha256: "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
};
pub(super) const TRAIN_LABELS: IdxFile = IdxFile {
    name: "train-labels-idx1-ubyte",
    content: IdxContent::Labels,
    count: 60_000,
    sha256: "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
};
pub(super) const TEST_IMAGES: IdxFile = IdxFile {
    name: "t10k-images-idx3-ubyte",
    content: IdxContent::Images,
    count: 10_000,
    sha256: "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
};
pub(super) const TEST_LABELS: IdxFile = IdxFile {
    name: "t10k-labels-idx1-ubyte",
    content: IdxContent::Labels,
    count: 10_000,
    sha256: "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
};

impl IdxFile {
    /// Hands `bytes` back if they are the right ones; otherwise says what they are.
    pub(super) fn verify(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let found: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if found == self.sha256 {
            return Ok(bytes);
        }
        Err(format!(
            "well-formed, but not Fashion-MNIST: the SHA-256 of its content is {found}, for {} it \
             must be {}",
            self.name, self.sha256
        ))
    }
}
