//! The four files, as the library reads them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

use crate::content::IdxFile;
use crate::decode::Contents;

/// Writes the four files; none is ever seen half-written.
pub(crate) fn keep(data: &Contents, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    for (file, bytes) in data {
        let path = folder.join(format!("{}.gz", file.name));
        write(file, bytes, &path).map_err(|error| {
            format!(
                "cannot write {}: {error}; name a folder that can be written to, with 40 MB to spare",
                path.display()
            )
        })?;
    }
    Ok(())
}

fn write(file: &IdxFile, bytes: &[u8], path: &Path) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; these are as public as any file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut beside = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    // Fast: half a second for the whole set, at a tenth more bytes than the default level.
    let mut packed = GzEncoder::new(beside.as_file_mut(), Compression::fast());
    for (_, value) in file.content.header(file.count) {
        packed.write_all(&value.to_be_bytes())?;
    }
    packed.write_all(bytes)?;
    packed.finish()?.sync_all()?;
    beside.persist(path)?;
    Ok(())
}
