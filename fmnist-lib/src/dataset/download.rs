//! The road from the web: Parquet files of the Hugging Face Hub, decoded by `candle-datasets`.
//!
//! `candle-datasets` alone would download in silence, wait for ever, and panic on a damaged image.
//! So the two files are first fetched into Hugging Face's cache, where it looks for them, and
//! checked there.

use std::{fs, panic, path::Path, result, thread};

use candle_core::{DType, Tensor};
use candle_datasets::vision::fashion_mnist;
use hf_hub::HFClient;
use tempfile::NamedTempFile;

use super::{
    Dataset, FashionMnist, hub,
    idx::write_gz,
    integrity::{IdxFile, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS},
    parquet,
};
use crate::{Error, Result};

/// Downloads, verifies, and keeps the four IDX files in `folder`, if there is one.
pub(super) fn download(folder: Option<&Path>) -> Result<FashionMnist> {
    let refuse = |origin: &str, problem: String| Error::Data {
        origin: origin.to_owned(),
        problem,
    };
    let client = HFClient::builder()
        .retry_max_attempts(1)
        .build()
        .map_err(|error| refuse("HF_ENDPOINT", error.to_string()))?;
    // A thread of its own: the caller may be inside an asynchronous runtime, which must not block.
    let data = thread::scope(|scope| scope.spawn(|| obtain(&client)).join())
        .unwrap_or_else(|_| Err("the download panicked".to_owned()))
        .map_err(|problem| refuse(&hub::address(&client), problem))?;

    match folder.map(|folder| keep(&data, folder).map(|()| folder)) {
        Some(Ok(folder)) => eprintln!("Fashion-MNIST is now in {}", folder.display()),
        Some(Err(error)) => eprintln!("Fashion-MNIST will have to be downloaded again: {error}"),
        None => {}
    }
    Ok(data)
}

/// From Hugging Face's cache or, where it has nothing usable, from the server.
fn obtain(client: &HFClient) -> result::Result<FashionMnist, String> {
    if let Ok(files) = hub::cached(client)
        && let Ok(data) = decode(&files)
    {
        return Ok(data);
    }
    hub::forget(client);
    eprintln!(
        "Downloading Fashion-MNIST (36 MB) from {}",
        hub::address(client)
    );
    hub::fetch(client)
        .and_then(|files| decode(&files))
        .inspect_err(|_| hub::forget(client))
}

/// Reads the test and the training file, which lie where `candle-datasets` finds them.
fn decode(files: &hub::Files) -> result::Result<FashionMnist, String> {
    for (path, rows) in files.iter().zip([TEST_LABELS.count, TRAIN_LABELS.count]) {
        parquet::check(path, rows)?;
    }
    let data = panic::catch_unwind(fashion_mnist::load)
        .map_err(|_| "an image in it cannot be decoded".to_owned())?
        .map_err(|error| error.to_string())?;
    verified(&data).map_err(|error| error.to_string())
}

fn verified(data: &candle_datasets::vision::Dataset) -> Result<FashionMnist> {
    let pixels = |tensor: &Tensor, file: &IdxFile| {
        // candle-datasets has divided each byte by 255.
        let bytes = (tensor * 255.)?.round()?.to_dtype(DType::U8)?;
        file.verify(bytes.flatten_all()?.to_vec1()?, "decoded")
    };
    let labels = |tensor: &Tensor, file: &IdxFile| file.verify(tensor.to_vec1::<u8>()?, "decoded");
    Ok(FashionMnist {
        train: Dataset::new(
            pixels(&data.train_images, &TRAIN_IMAGES)?,
            labels(&data.train_labels, &TRAIN_LABELS)?,
        )?,
        test: Dataset::new(
            pixels(&data.test_images, &TEST_IMAGES)?,
            labels(&data.test_labels, &TEST_LABELS)?,
        )?,
    })
}

/// Writes each file under another name and renames it, so that none is ever seen half-written.
fn keep(data: &FashionMnist, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    for (file, bytes) in [
        (TRAIN_IMAGES, data.train.images()),
        (TRAIN_LABELS, data.train.labels()),
        (TEST_IMAGES, data.test.images()),
        (TEST_LABELS, data.test.labels()),
    ] {
        let path = folder.join(format!("{}.gz", file.name));
        let mut written = NamedTempFile::new_in(folder).map_err(Error::io("write", folder))?;
        write_gz(&mut written, file.content, file.count, bytes)
            .map_err(Error::io("write", &path))?;
        written
            .persist(&path)
            .map_err(|error| Error::io("write", &path)(error.error))?;
    }
    Ok(())
}
