//! Writing a file so that it is there whole or not at all.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};

/// Replaces `path` by `bytes` in one step: a crash or a full disk leaves the old file as it was.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Error::Invalid(format!(
            "cannot write {}: there is no folder {}; create it first",
            path.display(),
            folder.display()
        )));
    }
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; what a user saves is as public as any file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder
        .tempfile_in(folder)
        .map_err(Error::io("write into", folder))?;
    let mut write = || {
        file.write_all(bytes)?;
        file.as_file().sync_all()
    };
    write().map_err(Error::io("write", path))?;
    file.persist(path)
        .map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

/// Writes one line for each of `rows`, under a header with the names of their fields.
pub(crate) fn write_csv<T: Serialize>(path: &Path, rows: impl Iterator<Item = T>) -> Result<()> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in rows {
        table.serialize(row).map_err(|error| {
            Error::Invalid(format!("cannot write {} as CSV: {error}", path.display()))
        })?;
    }
    let bytes = table.into_inner().expect("writing to memory cannot fail");
    write_atomically(path, &bytes)
}
