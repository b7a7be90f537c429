//! The files of a store: their names, how they begin, how they come and go.

use std::io;
use std::path::PathBuf;

use crate::OpenError;
use crate::disk::{Disk, DiskFile};
use crate::header::Header;

/// What the file of this number is called.
pub(crate) fn name(number: u64) -> String {
    format!("{number:010}.log")
}

/// The same with its folder, for people.
pub(crate) fn path(disk: &dyn Disk, number: u64) -> PathBuf {
    disk.dir().join(name(number))
}

/// Numbers of the files that are there, in their order.
pub(crate) fn list(disk: &dyn Disk) -> Result<Vec<u64>, OpenError> {
    let names = disk.names().map_err(OpenError::io(disk.dir(), "list"))?;
    let number_of = |file: &String| -> Option<u64> {
        let number = file.strip_suffix(".log")?.parse().ok()?;
        (name(number) == *file).then_some(number)
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(number_of).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// A new file, on the disk with its header and its name before anything is put into it: the header says how much of the
/// file before it counts, and what is promised must not go with a name.
pub(crate) fn create(disk: &dyn Disk, header: Header) -> io::Result<Box<dyn DiskFile>> {
    let name = name(header.number);
    let mut file = disk.create(&name)?;
    let begun = file.append(&header.encode()).and_then(|()| file.sync()).and_then(|()| disk.sync_names());
    if begun.is_err() {
        // What is there is no file of the store.
        let _gone = disk.remove(&name);
    }
    begun.map(|()| file)
}

/// The file goes, for good: it must not come back after a later one went.
pub(crate) fn remove(disk: &dyn Disk, number: u64) -> io::Result<()> {
    match disk.remove(&name(number)) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => disk.sync_names(),
    }
}
