//! The four files of Fashion-MNIST, and what each must decode to.

use std::{fs::File, io::BufReader, path::Path};

use sha2::{Digest, Sha256};

use super::idx::{IdxContent, REMEDY, parse_idx};
use crate::{Error, Result};

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
    /// Reads the file from `folder`, gzipped or plain, and checks its content.
    pub(super) fn read(&self, folder: &Path) -> Result<Vec<u8>> {
        let path = [format!("{}.gz", self.name), self.name.to_owned()]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|path| path.exists())
            .ok_or_else(|| Error::Data {
                origin: folder.display().to_string(),
                problem: format!("neither {0}.gz nor {0} is there", self.name),
            })?;
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let origin = path.display().to_string();
        let bytes = parse_idx(
            BufReader::with_capacity(1 << 16, file),
            self.content,
            self.count,
            &origin,
        )?;
        self.verify(bytes, &origin)
    }

    /// Hands `bytes` back if they are the right ones.
    pub(super) fn verify(&self, bytes: Vec<u8>, origin: &str) -> Result<Vec<u8>> {
        let found: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if found == self.sha256 {
            return Ok(bytes);
        }
        Err(Error::Data {
            origin: origin.to_owned(),
            problem: format!(
                "well-formed, but not Fashion-MNIST: the SHA-256 of its content is {found}, \
                 for {} it must be {}. {REMEDY}",
                self.name, self.sha256
            ),
        })
    }
}
