//! The road from the web: Parquet files of the Hugging Face Hub, decoded by `candle-datasets`.
//!
//! `candle-datasets` alone would download in silence, wait for ever, and panic on a damaged image.
//! So the two files are first fetched into Hugging Face's cache, where it looks for them, and
//! checked there.

use std::path::Path;

use hf_hub::HFClient;

use crate::decode::{Contents, decode};
use crate::{complain, folder, hub};

/// Downloads and verifies the data, and keeps the four IDX files in `folder`.
///
/// # Errors
/// What went wrong, and where.
pub(crate) fn download(folder: &Path) -> Result<(), String> {
    let client = HFClient::builder()
        .retry_max_attempts(1)
        .build()
        .map_err(|error| format!("HF_ENDPOINT: {error}"))?;
    let data =
        obtain(&client).map_err(|problem| format!("{}: {problem}", hub::address(&client)))?;
    folder::keep(&data, folder)
}

/// From Hugging Face's cache or, where it has nothing usable, from the server.
fn obtain(client: &HFClient) -> Result<Contents, String> {
    if let Ok(files) = hub::cached(client)
        && let Ok(data) = decode(&files)
    {
        return Ok(data);
    }
    hub::forget(client);
    complain(&format!(
        "Downloading Fashion-MNIST (36 MB) from {}",
        hub::address(client)
    ));
    hub::fetch(client)
        .and_then(|files| decode(&files))
        .inspect_err(|_| hub::forget(client))
}
