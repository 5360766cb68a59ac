//! Writing a file so that it is there whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Replaces `path` by `bytes` in one step: a crash or a full disk leaves the old file as it was.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || {
        let mut file = tempfile::Builder::new()
            .permissions(readable())
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map_err(Error::io("write", path))?;
    Ok(())
}

/// Temporary files are private by default; what a user saves should be like any other file.
fn readable() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}
