//! IDX, the format of MNIST and all that followed it: a big-endian header, then one byte per value.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

use super::CLASSES;
use super::content::{IdxContent, IdxFile};
use crate::error::{Error, Result};

/// How to replace a file that is not what it should be.
const REMEDY: &str = "Replace the file, for example from Debian's package \
    dataset-fashion-mnist, or remove it and let FashionMnist::load() look elsewhere.";
/// Of a file of images, and of a file of labels: both of bytes, in three dimensions and in one.
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// Reads `count` images or labels of Fashion-MNIST, plain or gzipped; `origin` is the name that errors use.
///
/// The shape is known before anything is read, and decompression stops one byte past it.
///
/// # Errors
/// When the header, the length or a label is not what was asked for, or decompression fails.
pub fn parse_idx(
    file: impl BufRead,
    content: IdxContent,
    count: u32,
    origin: &str,
) -> Result<Vec<u8>> {
    let header = content.header(count);
    let header: Vec<Field> = header.iter().map(|&(name, it)| (name, Some(it))).collect();
    let refuse = |problem: String| Error::Data {
        origin: origin.to_owned(),
        problem: format!("{problem}. {REMEDY}"),
    };
    let (_, bytes) = read_values(file, &header).map_err(refuse)?;
    if content == IdxContent::Labels
        && let Some(at) = (bytes.iter()).position(|&label| usize::from(label) >= CLASSES)
    {
        return Err(refuse(format!(
            "label {} of image {at} is not one of 0 to 9",
            bytes[at]
        )));
    }
    Ok(bytes)
}

/// The images at `path`, of any size, and their height and width.
pub(super) fn read_images(path: &Path) -> Result<([usize; 2], Vec<u8>)> {
    let fields = ["number of images", "number of rows", "number of columns"];
    let (sizes, bytes) = read_file(path, IMAGES, &fields)?;
    Ok(([sizes[1], sizes[2]], bytes))
}

/// The labels at `path`.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>> {
    Ok(read_file(path, LABELS, &["number of labels"])?.1)
}

fn read_file(path: &Path, magic: u32, sizes: &[&'static str]) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut header: Vec<Field> = vec![("magic number", Some(magic))];
    header.extend(sizes.iter().map(|&name| (name, None)));
    read_values(open(path)?, &header).map_err(|problem| Error::Data {
        origin: path.display().to_string(),
        problem,
    })
}

/// A 32-bit field of a header, and the value that it must have, where it must.
type Field = (&'static str, Option<u32>);

/// Reads the header, whose fields behind the first are sizes, and as many bytes as these say. Returns the
/// sizes and the bytes, or what is wrong.
///
/// No more memory is taken than there are bytes: a header can say anything.
fn read_values(
    mut file: impl BufRead,
    header: &[Field],
) -> std::result::Result<(Vec<usize>, Vec<u8>), String> {
    let unreadable = |error| format!("reading failed: {error}");
    let gzipped = (file.fill_buf().map_err(unreadable)?).starts_with(&[0x1f, 0x8b]);
    let mut values: Box<dyn Read + '_> = if gzipped {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };

    let mut words = Vec::with_capacity(header.len());
    for &(field, expected) in header {
        let mut word = [0; 4];
        values
            .read_exact(&mut word)
            .map_err(|error| format!("the file ends or breaks at its {field}: {error}"))?;
        let found = u32::from_be_bytes(word);
        match expected {
            Some(expected) if found != expected => {
                return Err(format!("the {field} is {found} instead of {expected}"));
            }
            _ => words.push(found as usize),
        }
    }
    let sizes = words.split_off(1);
    let length = (sizes.iter()).try_fold(1_usize, |all, &size| all.checked_mul(size));
    let length = length.unwrap_or(usize::MAX - 1);
    let mut bytes = Vec::new();
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
        return Err(format!("its header promises {length} bytes, but {found}"));
    }
    Ok((sizes, bytes))
}

/// Reads `file` from `folder`, gzipped or plain, and checks its content.
pub(super) fn read(file: &IdxFile, folder: &Path) -> Result<Vec<u8>> {
    let path = find_one(file.name, folder)?;
    let origin = path.display().to_string();
    let bytes = parse_idx(open(&path)?, file.content, file.count, &origin)?;
    file.verify(bytes).map_err(|problem| Error::Data {
        origin,
        problem: format!("{problem}. {REMEDY}"),
    })
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Where the file `name` is in `folder`, gzipped or plain.
pub(super) fn find(name: &str, folder: &Path) -> Option<PathBuf> {
    [format!("{name}.gz"), name.to_owned()]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
}

/// As [`find`], where there must be one.
pub(super) fn find_one(name: &str, folder: &Path) -> Result<PathBuf> {
    find(name, folder).ok_or_else(|| Error::Data {
        origin: folder.display().to_string(),
        problem: format!("neither {name}.gz nor {name} is there"),
    })
}
