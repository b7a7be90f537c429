//! Room that is kept for the day when the disk is full: what is done with must be written down before the room it
//! took can be given back.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::posix_fallocate;

const NAME: &str = "reserve";

/// Whether the room is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    There,
    /// It was needed, or the disk was full before.
    Gone,
    /// This file system does not promise room.
    NotToBeHad,
}

/// Takes the room, if it is to be had.
pub(crate) fn take(dir: &Path, bytes: u64) -> Reserve {
    let path = dir.join(NAME);
    let taken = || -> io::Result<()> {
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        if file.metadata()?.len() != bytes {
            file.set_len(0)?;
            posix_fallocate(&file, 0, i64::try_from(bytes).map_err(io::Error::other)?)?;
        }
        Ok(())
    };
    match taken() {
        Ok(()) => Reserve::There,
        Err(why) => {
            give_back(dir);
            if is_full(&why) { Reserve::Gone } else { Reserve::NotToBeHad }
        }
    }
}

/// Gives the room back to whoever writes next.
pub(crate) fn give_back(dir: &Path) {
    let _it_may_not_be_there = fs::remove_file(dir.join(NAME));
}

/// Whether there is no room left.
pub(crate) fn is_full(why: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(why.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
