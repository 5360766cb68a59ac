//! Two files of the Hugging Face Hub, fetched into its own cache with a progress bar and limits.

use std::{
    error, fs,
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use hf_hub::{
    HFClient, HFError,
    progress::{DownloadEvent, ProgressEvent, ProgressHandler},
};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{runtime, time::timeout};

// As candle-datasets names them.
const OWNER: &str = "zalando-datasets";
const NAME: &str = "fashion_mnist";
const REVISION: &str = "refs/convert/parquet";
const FILES: [&str; 2] = [
    "fashion_mnist/test/0000.parquet",
    "fashion_mnist/train/0000.parquet",
];

/// The larger file has 31 MB.
const LARGEST: u64 = 64 << 20;
/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The test file and the training file.
pub(crate) type Files = [PathBuf; 2];

/// The page that people can look at.
pub(crate) fn address(client: &HFClient) -> String {
    format!("{}/datasets/{OWNER}/{NAME}", client.endpoint())
}

/// Both files as an earlier download left them.
pub(crate) fn cached(client: &HFClient) -> Result<Files, String> {
    get(client, true)
}

/// Both files, downloaded.
pub(crate) fn fetch(client: &HFClient) -> Result<Files, String> {
    get(client, false)
}

fn get(client: &HFClient, local_files_only: bool) -> Result<Files, String> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let get = |file| runtime.block_on(get_one(client, file, local_files_only));
    Ok([get(FILES[0])?, get(FILES[1])?])
}

/// Dropping the transfer, which every early return does, ends it.
async fn get_one(client: &HFClient, file: &str, local_files_only: bool) -> Result<PathBuf, String> {
    let watch = Arc::new(Watch::new(file));
    let repository = client.dataset(OWNER, NAME);
    let mut transfer = pin!(
        repository
            .download_file()
            .filename(file)
            .revision(REVISION)
            .local_files_only(local_files_only)
            .progress(watch.clone())
            .send()
    );
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        if let Ok(ended) = timeout(Duration::from_millis(100), &mut transfer).await {
            return ended.map_err(|error| format!("{file}: {}", reason(&error)));
        }
        let (received, announced) = (watch.received.load(Relaxed), watch.announced.load(Relaxed));
        if received.max(announced) > LARGEST {
            return Err(format!(
                "{file} has {} bytes or more, far too many",
                received.max(announced)
            ));
        }
        if received != seen {
            (seen, since) = (received, Instant::now());
        } else if since.elapsed() > PATIENCE {
            return Err(format!(
                "{file}: nothing was received for {} seconds",
                PATIENCE.as_secs()
            ));
        }
    }
}

/// Removes both files, and halves of them, so that the next download starts afresh.
pub(crate) fn forget(client: &HFClient) {
    let folder = client
        .cache_dir()
        .join(format!("datasets--{OWNER}--{NAME}"));
    let blobs = folder.join("blobs");
    for snapshot in entries(&folder.join("snapshots")) {
        for link in FILES.map(|file| snapshot.join(file)) {
            // The server chose the link's target: follow it nowhere else.
            if let (Ok(blob), Ok(blobs)) = (link.canonicalize(), blobs.canonicalize())
                && blob.parent() == Some(&blobs)
            {
                let _ = fs::remove_file(blob);
            }
            let _ = fs::remove_file(link);
        }
    }
    for half in entries(&blobs).filter(|path| path.extension() == Some("incomplete".as_ref())) {
        let _ = fs::remove_file(half);
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// The innermost cause, such as "Connection refused": the outer ones repeat the address.
fn reason(error: &HFError) -> String {
    let mut cause: &dyn error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Counts bytes for the limits and shows them; the bar hides itself where there is no terminal.
struct Watch {
    announced: AtomicU64,
    received: AtomicU64,
    bar: ProgressBar,
}

impl Watch {
    fn new(file: &str) -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
        Self {
            announced: AtomicU64::new(0),
            received: AtomicU64::new(0),
            bar: ProgressBar::new(0)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(file.to_owned()),
        }
    }

    fn at(&self, bytes: u64) {
        self.received.store(bytes, Relaxed);
        self.bar.set_position(bytes);
    }
}

impl ProgressHandler for Watch {
    fn on_progress(&self, event: &ProgressEvent) {
        let ProgressEvent::Download(event) = event else {
            return;
        };
        match event {
            DownloadEvent::Start { total_bytes, .. } => {
                self.announced.store(*total_bytes, Relaxed);
                self.bar.set_length(*total_bytes);
            }
            DownloadEvent::Progress { files } => {
                self.at(files.iter().map(|file| file.bytes_completed).sum());
            }
            DownloadEvent::AggregateProgress {
                bytes_completed, ..
            } => self.at(*bytes_completed),
            DownloadEvent::Complete => self.bar.finish_and_clear(),
        }
    }
}
