//! Rich output in an evcxr notebook: one bundle of the same thing in several formats.

use std::io::Write;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// Shows `parts`, pairs of (MIME type, content), as one output of the cell; the front end picks
/// the format it likes best. Binary content must be base64.
pub(crate) fn emit(parts: &[(&str, &str)]) {
    write(&bundle(parts));
}

fn bundle(parts: &[(&str, &str)]) -> String {
    parts
        .iter()
        .map(|(mime, content)| {
            format!(
                "EVCXR_BEGIN_CONTENT {mime}\n{}\nEVCXR_END_CONTENT\n",
                content.trim_end()
            )
        })
        .collect()
}

/// Whether this is a cell of a notebook that shows a [`LiveOutput`]: notebooks/start.sh says so to
/// those it serves, and notebooks/kernel/streams.py gives the process that runs the cells a socket for it.
pub(crate) fn is_live() -> bool {
    std::env::var_os("FMNIST_LIVE").is_some_and(|value| value == "1")
        && std::env::var_os(SOCKET).is_some()
}

/// The variable with the path of the socket for live outputs.
const SOCKET: &str = "FMNIST_DISPLAY";

/// A [`LiveOutput`], and when it was last shown.
pub(crate) struct Shown {
    output: LiveOutput,
    at: Option<Instant>,
}

impl Shown {
    pub(crate) fn new() -> Self {
        Self {
            output: LiveOutput::new(),
            at: None,
        }
    }

    pub(crate) fn is_due(&self, pause: Duration) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= pause)
    }

    pub(crate) fn show(&mut self, parts: &[(&str, &str)]) {
        self.output.show(parts);
        self.at = Some(Instant::now());
    }
}

/// An output that changes while its cell runs. It takes a way of its own, so that nothing a cell prints
/// can come between; notebooks/kernel/PROTOCOL.md describes the way.
struct LiveOutput {
    id: String,
}

impl LiveOutput {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            id: format!("fmnist-{}-{count}", std::process::id()),
        }
    }

    /// Shows `parts` as in [`emit`], in the place of what was there.
    fn show(&self, parts: &[(&str, &str)]) {
        let data: Map<String, Value> = parts
            .iter()
            .map(|&(mime, content)| (mime.to_owned(), content.into()))
            .collect();
        // A notebook that has gone away is no reason to end the training that it was shown.
        let _ = send(&json!({ "id": self.id, "data": data }));
    }
}

/// Sends an output and waits for the answer: what is printed next then comes behind it.
#[cfg(unix)]
fn send(output: &Value) -> std::io::Result<()> {
    std::io::stdout().flush()?;
    let path = std::env::var_os(SOCKET).unwrap_or_default();
    let mut connection = UnixStream::connect(path)?;
    connection.write_all(format!("{output}\n").as_bytes())?;
    BufReader::new(connection).read_line(&mut String::new())?;
    Ok(())
}

#[cfg(not(unix))]
fn send(_: &Value) -> std::io::Result<()> {
    Ok(())
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // A notebook that has gone away is no reason to panic in the cell that was drawing.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bundle_is_what_the_kernel_parses() {
        assert_eq!(
            super::bundle(&[("text/plain", "a\nb\n"), ("image/png", "QQ==")]),
            "EVCXR_BEGIN_CONTENT text/plain\na\nb\nEVCXR_END_CONTENT\n\
             EVCXR_BEGIN_CONTENT image/png\nQQ==\nEVCXR_END_CONTENT\n"
        );
    }
}
