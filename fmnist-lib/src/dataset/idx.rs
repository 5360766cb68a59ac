//! IDX, the format of the four original files: a big-endian header, then one byte per value.

use std::io::{BufRead, Read, Write};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};

use super::{CLASSES, PIXELS, SIDE};
use crate::{Error, Result};

/// How to replace a file that is not what it should be.
pub(super) const REMEDY: &str = "Replace the file, for example from Debian's package \
    dataset-fashion-mnist, or remove it and let FashionMnist::load() look elsewhere.";

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
    fn header(self, count: u32) -> Vec<(&'static str, u32)> {
        let side = SIDE as u32;
        match self {
            Self::Images => vec![
                ("magic number", 2051),
                ("number of images", count),
                ("number of rows", side),
                ("number of columns", side),
            ],
            Self::Labels => vec![("magic number", 2049), ("number of labels", count)],
        }
    }

    fn bytes(self, count: u32) -> usize {
        count as usize * if self == Self::Images { PIXELS } else { 1 }
    }
}

/// Reads `count` images or labels, plain or gzipped; `origin` is the name that errors use.
///
/// The shape is known before anything is read, so a header cannot make this allocate more than
/// `count` items need, and decompression stops one byte past them.
///
/// # Errors
/// When the header, the length or a label is not what was asked for, or decompression fails.
pub fn parse_idx(
    mut file: impl BufRead,
    content: IdxContent,
    count: u32,
    origin: &str,
) -> Result<Vec<u8>> {
    let refuse = |problem: String| Error::Data {
        origin: origin.to_owned(),
        problem: format!("{problem}. {REMEDY}"),
    };
    let unreadable = |error| refuse(format!("reading failed: {error}"));

    let gzipped = file
        .fill_buf()
        .map_err(unreadable)?
        .starts_with(&[0x1f, 0x8b]);
    let mut values: Box<dyn Read + '_> = if gzipped {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };

    for (field, expected) in content.header(count) {
        let mut word = [0; 4];
        values
            .read_exact(&mut word)
            .map_err(|error| refuse(format!("the file ends or breaks at its {field}: {error}")))?;
        let found = u32::from_be_bytes(word);
        if found != expected {
            return Err(refuse(format!(
                "the {field} is {found} instead of {expected}"
            )));
        }
    }

    let length = content.bytes(count);
    let mut bytes = Vec::with_capacity(length + 1);
    values
        .take(length as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() != length {
        let found = if bytes.len() > length {
            "more follow".to_owned()
        } else {
            format!("it ends after {}", bytes.len())
        };
        return Err(refuse(format!(
            "its header promises {length} bytes, but {found}"
        )));
    }
    if content == IdxContent::Labels
        && let Some(at) = bytes
            .iter()
            .position(|&label| usize::from(label) >= CLASSES)
    {
        return Err(refuse(format!(
            "label {} of image {at} is not one of 0 to 9",
            bytes[at]
        )));
    }
    Ok(bytes)
}

/// Writes what [`parse_idx`] reads, gzipped.
pub(super) fn write_gz(
    file: impl Write,
    content: IdxContent,
    count: u32,
    bytes: &[u8],
) -> std::io::Result<()> {
    // Fast: half a second for the whole set, at a tenth more bytes than the default level.
    let mut file = GzEncoder::new(file, Compression::fast());
    for (_, value) in content.header(count) {
        file.write_all(&value.to_be_bytes())?;
    }
    file.write_all(bytes)?;
    file.finish()?.flush()
}
