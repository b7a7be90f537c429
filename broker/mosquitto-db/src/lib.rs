//! mosquitto's persistence file, `mosquitto.db`, as the releases 1.4 to 2.1 wrote it: bytes in, what the store takes out.
//!
//! [`File::open`] looks at the beginning, [`File::pieces`] goes through the chunks, past whatever is damaged, and
//! [`Import::of`] makes sessions, messages and retained messages of them and counts what it left out, and why. No file
//! is opened here and no clock is read, nothing is allocated for a length that was only announced, and no bytes make
//! it panic.
//!
//! | version | written by | differs by |
//! |---|---|---|
//! | 2 | releases before those | no time in the client's chunk |
//! | 3 | 1.4 to 1.5.5 | |
//! | 4 | 1.5.6 to 1.5.11 | User Name and port of a message's publisher |
//! | 5 | 1.6 | chunks begin with what has a fixed length; properties, expiry, subscription options |
//! | 6 | 2.0, 2.1 | User Name and port of a client |
//!
//! Source: the persistence code of Eclipse Mosquitto, which is the only description of the format there is.
#![forbid(unsafe_code)]

mod chunk;
mod cursor;
mod file;
mod fixed;
mod import;
mod left_out;
mod running;
#[cfg(test)]
mod written;

pub use chunk::{Chunk, Client, ClientMessage, Direction, Message, State, Subscription};
pub use file::{Damage, File, Harm, Piece, Pieces, Refusal};
pub use import::{Import, Report, Retained, Session};
pub use left_out::{LeftOut, Reason, Tally};

/// Reads a file and makes of it what comes over: whatever the bytes are, this comes back, and damage is told in the
/// order of the file, no byte of it twice.
#[doc(hidden)]
pub fn read_for_fuzzing(bytes: &[u8]) {
    let Ok(file) = File::open(bytes) else { return };
    let mut end = 0;
    for piece in file.pieces() {
        if let Piece::Damage(damage) = piece {
            assert!(damage.offset >= end && damage.bytes > 0, "{damage:?} after {end}");
            end = damage.offset + damage.bytes;
            assert!(end <= bytes.len());
        }
    }
    let mut import = Import::of(file, 1_500_000_000_000, 0);
    let counts = (import.sessions.len(), import.retained.len());
    assert_eq!(counts, (import.report.sessions, import.report.retained));
    let mut sessions = 0;
    for op in import.take_ops() {
        sessions += usize::from(matches!(op, broker_core::StoreOp::Session { .. }));
    }
    assert_eq!(sessions, counts.0);
}
