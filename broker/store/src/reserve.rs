//! Room that is kept for the day when the disk is full: what is done with must be written down before the room it
//! took can be given back.

use std::io;

use crate::disk::Disk;

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
pub(crate) fn take(disk: &dyn Disk, bytes: u64) -> Reserve {
    match disk.reserve(NAME, bytes) {
        Ok(()) => Reserve::There,
        Err(why) => {
            give_back(disk);
            if is_full(&why) { Reserve::Gone } else { Reserve::NotToBeHad }
        }
    }
}

/// Gives the room back to whoever writes next.
pub(crate) fn give_back(disk: &dyn Disk) {
    let _it_may_not_be_there = disk.remove(NAME);
}

/// Whether there is no room left.
pub(crate) fn is_full(why: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(why.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
