//! A password file on disk: read whole, replaced in one step.
//!
//! The new text is written beside the old, made durable, and renamed over it: a broker that reads, or
//! a power cut, finds the old file or the new one. A file that is there keeps its mode and its owner; a
//! new one is for its owner alone.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::{PasswdFault, file_fault};

/// Bytes of a password file, at most: room for some 300,000 users. Beyond it is another file.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Mode of a file that was not there before.
const NEW_FILE_MODE: u32 = 0o600;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, PasswdFault> {
    let fault = || file_fault("Unable to open password file", path);
    let file = File::open(path).map_err(fault())?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(fault())?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(fault()(io::Error::other(format!("It has more than {FILE_BYTES_MAX} bytes"))));
    }
    Ok(text)
}

pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), PasswdFault> {
    // Through a symbolic link: the file it points to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = match fs::metadata(&path) {
        Ok(old) if !old.is_file() => {
            return Err(file_fault("Unable to write", &path)(io::Error::other("It is not a regular file")));
        }
        Ok(old) => Some(old),
        Err(_) => None,
    };
    let beside = Beside::write(&path, old.as_ref(), text)?;
    match fs::rename(&beside.path, &path) {
        Ok(()) => {
            beside.stays();
            sync_folder(&path);
            Ok(())
        }
        // A file that is mounted by itself, as into a container, cannot be replaced, only written to.
        Err(error) if matches!(error.raw_os_error(), Some(EBUSY | EXDEV)) => write_in_place(&path, text),
        Err(error) => Err(file_fault("Unable to replace password file", &path)(error)),
    }
}

const EBUSY: i32 = nix::errno::Errno::EBUSY as i32;
const EXDEV: i32 = nix::errno::Errno::EXDEV as i32;

/// The new file until it is renamed; taken away when that does not come to pass.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn write(path: &Path, old: Option<&Metadata>, text: &[u8]) -> Result<Self, PasswdFault> {
        let (beside, mut file) = Self::create(path)?;
        let mode = old.map_or(NEW_FILE_MODE, |old| old.mode() & 0o7777);
        if let Some(old) = old {
            keep_owner(&file, old).map_err(file_fault("Unable to keep the owner of", path))?;
        }
        // After the owner: changing it clears bits of the mode.
        file.set_permissions(Permissions::from_mode(mode))
            .and_then(|()| file.write_all(text))
            .and_then(|()| file.sync_all())
            .map_err(file_fault("Unable to write", &beside.path))?;
        Ok(beside)
    }

    fn create(path: &Path) -> Result<(Self, File), PasswdFault> {
        let fault = || file_fault("Unable to open a file for writing beside", path);
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| fault()(io::Error::other(error.to_string())))?;
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().ok_or_else(|| fault()(io::Error::other("It has no file name")))?);
        name.push(format!(".{:016x}", u64::from_ne_bytes(random)));
        let beside = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(NEW_FILE_MODE).open(&beside).map_err(fault())?;
        Ok((Self { path: beside }, file))
    }

    fn stays(self) {
        std::mem::forget(self);
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Where it cannot be removed, nothing depends on it.
        let _ = fs::remove_file(&self.path);
    }
}

fn keep_owner(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid()))
}

fn write_in_place(path: &Path, text: &[u8]) -> Result<(), PasswdFault> {
    let fault = || file_fault("Unable to write", path);
    let mut file = OpenOptions::new().write(true).truncate(true).open(path).map_err(fault())?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(fault())
}

/// Makes the renaming itself durable. Some file systems cannot; the file is whole either way.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}
