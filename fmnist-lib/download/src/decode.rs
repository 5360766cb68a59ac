//! From two Parquet files to the bytes of the four files.

use std::panic;

use candle_core::{DType, Tensor};
use candle_datasets::vision::fashion_mnist;

use crate::content::{IdxFile, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS};
use crate::{hub, parquet};

/// Each file with its pixels or labels.
pub(crate) type Contents = [(IdxFile, Vec<u8>); 4];

/// Reads the test and the training file, which lie where `candle-datasets` finds them.
pub(crate) fn decode(files: &hub::Files) -> Result<Contents, String> {
    for (path, rows) in files.iter().zip([TEST_LABELS.count, TRAIN_LABELS.count]) {
        parquet::check(path, rows)?;
    }
    let data = panic::catch_unwind(fashion_mnist::load)
        .map_err(|_| "an image in it cannot be decoded".to_owned())?
        .map_err(|error| error.to_string())?;
    Ok([
        verified(TRAIN_IMAGES, pixels(&data.train_images))?,
        verified(TRAIN_LABELS, data.train_labels.to_vec1())?,
        verified(TEST_IMAGES, pixels(&data.test_images))?,
        verified(TEST_LABELS, data.test_labels.to_vec1())?,
    ])
}

/// `candle-datasets` has divided each byte by 255.
fn pixels(images: &Tensor) -> candle_core::Result<Vec<u8>> {
    let bytes = (images * 255.)?.round()?.to_dtype(DType::U8)?;
    bytes.flatten_all()?.to_vec1()
}

fn verified(
    file: IdxFile,
    bytes: candle_core::Result<Vec<u8>>,
) -> Result<(IdxFile, Vec<u8>), String> {
    let bytes = file.verify(bytes.map_err(|error| error.to_string())?)?;
    Ok((file, bytes))
}
