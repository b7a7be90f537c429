//! The files of a store: their names, how they begin, how they come and go.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::header::Header;

/// The file of this number.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}

/// Makes the folder if there is none; nobody else may look into it.
pub(crate) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(OpenError::io(dir, "create the folder"))
}

/// Numbers of the files that are there, in their order.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, OpenError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(OpenError::io(dir, "list"))? {
        let name = entry.map_err(OpenError::io(dir, "list"))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|number| number.parse().ok());
        numbers.extend(number.filter(|number| path(dir, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A new file, on the disk with its header and its name.
pub(crate) fn create(dir: &Path, header: Header) -> io::Result<File> {
    let path = path(dir, header.number);
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
    let begun = file.write_all(&header.encode()).and_then(|()| file.sync_data()).and_then(|()| sync_dir(dir));
    if begun.is_err() {
        // What is there is no file of the store.
        let _gone = fs::remove_file(&path);
    }
    begun.map(|()| file)
}

/// The file goes, for good: it must not come back after a later one went.
pub(crate) fn remove(dir: &Path, number: u64) -> io::Result<()> {
    match fs::remove_file(path(dir, number)) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => sync_dir(dir),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
