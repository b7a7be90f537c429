//! What outlives the process: the core's store operations on disk, and back.
//!
//! [`Store::open`] gives what was kept ([`Recovered`]) and says what could not be read ([`Damage`]); it never refuses to
//! start because of damage. [`Store::commit`] carries operations out: all of one call or none of it is there after a
//! crash, and with `sync` it is on the disk when the call returns.
//!
//! The store is a log: files of framed records ([`mod@frame`]), written at the end only. A file goes when what still
//! counts of it, told by the [`mod@index`], has been written again at the end; always the oldest one, so that what takes
//! something back never goes before what it takes back. Nothing is read but at the start and when a file is cleaned.
//! Why it is so: `docs/decisions/0009-store-engine.md`.
#![forbid(unsafe_code)]

mod aside;
mod bytes;
mod clean;
mod coding;
mod describe;
mod disk;
mod dump;
mod error;
mod files;
mod folder;
mod frame;
mod header;
mod index;
mod inspect;
mod open;
mod record;
mod recovered;
mod replay;
mod reserve;
mod scan;
mod store;

pub use aside::{Damage, Harm};
pub use disk::{Disk, DiskFile};
pub use dump::{Entry, Standing, dump};
pub use error::{CommitError, OpenError};
pub use folder::Folder;
pub use inspect::{Inspected, holds_store, inspect, user_of};
pub use recovered::Recovered;
pub use store::{Options, Store};

/// Reads a record and a file as the store does, and throws them away: whatever the bytes are, this comes back.
#[doc(hidden)]
pub fn read_for_fuzzing(bytes: &[u8]) {
    use coding::{VERSION, decode, encode};
    use record::Clock;

    let scanned = scan::scan(bytes, &frame::Salt::new(0), None);
    assert!(scanned.good <= bytes.len());
    if let Some(record) = decode(VERSION, bytes, Clock(0)) {
        let mut again = Vec::new();
        encode(&record, Clock(0), &mut again);
        assert_eq!(decode(VERSION, &again, Clock(0)).as_ref(), Some(&record), "what was read can be written");
    }
}
