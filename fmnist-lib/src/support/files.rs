//! Reading a file whole, and writing it so that it is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Opens a file that is to be read. A pipe or a device is refused: it may have no end.
pub(crate) fn open(path: &Path) -> Result<File> {
    if fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
        return Err(Error::Invalid(format!(
            "cannot read {}: it is a pipe or a device, not a file",
            path.display()
        )));
    }
    File::open(path).map_err(Error::io("read", path))
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = open(path)?;
    file.read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// Replaces `path` by `bytes` in one step: a crash or a full disk leaves the old file as it was.
///
/// A symbolic link stays, and the file that the link names is replaced. A file that is replaced
/// keeps its permissions. A device or a pipe, such as `/dev/stdout`, is written to.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    Target::open(path)?.write(bytes)
}

/// Refuses a path that [`write_atomically`] could not write to, so that nobody learns of it after hours
/// of work. The folder of the path is made where there is none.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    // A pipe's reader would take the check for the end of what is written.
    if fs::metadata(path).is_ok_and(|old| !old.is_file() && !old.is_dir()) {
        return Ok(());
    }
    let folder = folder_of(path);
    create_folder(folder).map_err(|source| {
        Error::Invalid(format!(
            "cannot write {}: its folder cannot be made ({source}); name a file in another folder",
            path.display()
        ))
    })?;
    Target::open(path).map(drop)
}

/// Makes a folder, and those above it, where they are missing.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|it| !it.exists()).collect();
    fs::create_dir_all(path)?;
    missing.iter().rev().for_each(|made| share(made));
    Ok(())
}

/// In a folder that a group shares, as Unix has it (`chmod g+ws`), what is made belongs to the group too, whatever the
/// umask: as in a repository of `git init --shared`. Nothing else would let one user go on where another was.
#[cfg(unix)]
fn share(made: &Path) {
    use std::os::unix::fs::PermissionsExt;
    const SHARED: u32 = 0o2020;
    let mode = |path: &Path| fs::metadata(path).map(|it| it.permissions().mode());
    let (Ok(folder), Ok(own)) = (mode(folder_of(made)), mode(made)) else {
        return;
    };
    if folder & SHARED == SHARED {
        let more = if made.is_dir() { 0o2070 } else { 0o060 };
        // Some disks know no modes.
        let _ = fs::set_permissions(made, PermissionsExt::from_mode(own | more));
    }
}

#[cfg(not(unix))]
fn share(_: &Path) {}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Where bytes are going to be.
struct Target {
    path: PathBuf,
    old: Option<fs::Metadata>,
    place: Place,
}

enum Place {
    /// A device or a pipe.
    Device(File),
    /// A file beside the one that it is going to replace.
    Beside(NamedTempFile),
}

impl Target {
    fn open(path: &Path) -> Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(Error::Invalid(
                "cannot write a file without a name: the path is empty".into(),
            ));
        }
        let old = match fs::metadata(path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("write", path)(error)),
        };
        if old.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(Error::Invalid(format!(
                "cannot write {}: that is a folder; add the name of a file",
                path.display()
            )));
        }
        if let Some(old) = &old {
            // Renaming asks only for the folder's permission: a file that its owner has protected from
            // writing would be lost.
            let open = OpenOptions::new().write(true).open(path);
            let file = open.map_err(Error::io("write", path))?;
            if !old.is_file() {
                return Ok(Self {
                    path: path.to_owned(),
                    old: None,
                    place: Place::Device(file),
                });
            }
        }
        let path = behind_links(path);
        let folder = folder_of(&path);
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
        if old.is_none() {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        let file = builder
            .tempfile_in(folder)
            // Of the error the kind alone: its text names a file that the user does not know.
            .map_err(|error| Error::io("write into", folder)(error.kind().into()))?;
        Ok(Self {
            path,
            old,
            place: Place::Beside(file),
        })
    }

    fn write(self, bytes: &[u8]) -> Result<()> {
        let Self { path, old, place } = self;
        let mut file = match place {
            Place::Device(mut device) => {
                return device.write_all(bytes).map_err(Error::io("write", path));
            }
            Place::Beside(file) => file,
        };
        let mut write = || {
            match &old {
                Some(old) => keep_owner_and_mode(file.as_file(), old),
                None => share(file.path()),
            }
            file.as_file_mut().write_all(bytes)?;
            file.as_file().sync_all()
        };
        write().map_err(Error::io("write", &path))?;
        file.persist(&path)
            .map_err(|error| Error::io("write", &path)(error.error))?;
        // The new name is safe once its folder is on the disk. The file is there already: some file
        // systems cannot do that for folders, and that is no reason to call the file unwritten.
        let _ = File::open(folder_of(&path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// Where `path` leads to, through symbolic links, even where no file is there yet.
fn behind_links(path: &Path) -> PathBuf {
    // As many links as Linux follows.
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = match path.parent() {
            Some(folder) => folder.join(target),
            None => target,
        };
    }
    path
}

#[cfg(unix)]
fn keep_owner_and_mode(file: &File, old: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    // Only root can give a file away; everybody else owns what they write.
    if fchown(file, Some(old.uid()), Some(old.gid())).is_err() {
        let _ = fchown(file, None, Some(old.gid()));
    }
    // Some disks know no modes. Until here the file is its owner's alone.
    let _ = file.set_permissions(old.permissions());
}

#[cfg(not(unix))]
fn keep_owner_and_mode(_: &File, _: &fs::Metadata) {}

/// Writes one line for each of `rows`, under a header with the names of their fields; an empty file
/// where there are no rows.
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

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::write_atomically;

    fn mode(path: &Path) -> u32 {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("readable").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn refusal(path: &Path) -> String {
        write_atomically(path, b"new")
            .expect_err("it cannot be written")
            .to_string()
    }

    #[test]
    fn a_link_stays_and_its_target_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("disk")).expect("a folder");
        fs::write(path("disk/old"), "old").expect("a file");
        symlink("disk/old", path("link")).expect("a link");
        symlink("link", path("link-to-link")).expect("a link");
        symlink("disk/new", path("to-nothing-yet")).expect("a link");
        for (link, target) in [("link-to-link", "disk/old"), ("to-nothing-yet", "disk/new")] {
            write_atomically(&path(link), b"new").expect("it can be written");
            assert!(path(link).is_symlink(), "{link}");
            assert!(!path(target).is_symlink(), "{target}");
            assert_eq!(fs::read(path(target)).ok().as_deref(), Some(&b"new"[..]));
        }
        assert_eq!(names(&path("disk")), ["new", "old"]);

        symlink("round", path("about")).expect("a link");
        symlink("about", path("round")).expect("a link");
        assert!(refusal(&path("round")).contains("cannot write"));
        assert!(path("round").is_symlink());
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_has_that_of_any_new_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for kept in [0o600, 0o640, 0o666, 0o755] {
            fs::write(path("old"), "old").expect("a file");
            fs::set_permissions(path("old"), fs::Permissions::from_mode(kept)).expect("mine");
            write_atomically(&path("old"), b"new").expect("it can be written");
            assert_eq!(mode(&path("old")), kept, "{kept:o}");
        }
        write_atomically(&path("new"), b"new").expect("it can be written");
        fs::write(path("any"), "any").expect("a file");
        assert_eq!(mode(&path("new")), mode(&path("any")));
    }

    #[test]
    fn what_is_made_in_a_folder_of_a_group_is_the_groups() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let set = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode));
        set(0o2770).expect("mine");
        write_atomically(&path("shared"), b"new").expect("it can be written");
        assert_eq!(mode(&path("shared")) & 0o060, 0o060);
        super::create_folder(&path("one/two")).expect("it can be made");
        assert_eq!(mode(&path("one/two")) & 0o2070, 0o2070);
        write_atomically(&path("one/two/deep"), b"new").expect("it can be written");
        assert_eq!(mode(&path("one/two/deep")) & 0o060, 0o060);
        // What was protected stays so.
        fs::set_permissions(path("shared"), fs::Permissions::from_mode(0o640)).expect("mine");
        write_atomically(&path("shared"), b"newer").expect("it can be written");
        assert_eq!(mode(&path("shared")), 0o640);

        // As anywhere else, the umask decides.
        for elsewhere in [0o755, 0o770, 0o1777] {
            set(elsewhere).expect("mine");
            let name = format!("any-{elsewhere:o}");
            write_atomically(&path(&name), b"new").expect("it can be written");
            fs::write(path("any"), "any").expect("a file");
            assert_eq!(mode(&path(&name)), mode(&path("any")), "{elsewhere:o}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_named_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        assert!(refusal(folder.path()).contains("that is a folder"));
        assert!(refusal(Path::new("")).contains("the path is empty"));
        let missing = refusal(&path("none/model"));
        assert!(
            missing.contains("there is no folder") && missing.contains("create it first"),
            "{missing}"
        );
        assert!(refusal(&path(&"x".repeat(300))).contains("cannot write"));
        assert_eq!(names(folder.path()), [""; 0]);

        fs::write(path("old"), "old").expect("a file");
        fs::set_permissions(path("old"), fs::Permissions::from_mode(0o444)).expect("mine");
        let root = fs::OpenOptions::new().write(true).open(path("old")).is_ok();
        if !root {
            assert!(refusal(&path("old")).contains("that you have access to"));
            assert_eq!(fs::read(path("old")).ok().as_deref(), Some(&b"old"[..]));
        }
        assert_eq!(names(folder.path()), ["old"]);
    }

    #[test]
    fn a_device_stays_a_device() {
        use std::os::unix::fs::FileTypeExt;
        let device =
            |path: &str| fs::metadata(path).is_ok_and(|it| it.file_type().is_char_device());
        write_atomically(Path::new("/dev/null"), b"gone").expect("it takes everything");
        assert!(device("/dev/null"));
        // A disk without any space.
        if device("/dev/full") {
            assert!(refusal(Path::new("/dev/full")).contains("free some space"));
            assert!(device("/dev/full"));
        }
    }
}
