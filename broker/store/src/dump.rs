//! Every record of a store, one after the other, as people read them.

use std::ops::Range;
use std::path::Path;

use crate::coding::{VERSION, decode};
use crate::describe::describe;
use crate::frame::{FRAME_BYTES, Salt};
use crate::header::Header;
use crate::inspect::looked;
use crate::record::Clock;
use crate::scan::scan;
use crate::{Folder, OpenError, files};

/// A record where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file's name.
    pub file: String,
    /// Where its frame begins.
    pub offset: u64,
    /// With its frame.
    pub bytes: u64,
    /// Whether it counts.
    pub standing: Standing,
    /// Its kind, and what it says.
    pub what: String,
}

/// Whether a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was committed. A later one may have taken it back.
    Committed,
    /// Of a commit that was cut short.
    NotPromised,
    /// Bytes that are no record.
    Unreadable,
}

/// Gives every record to `each`, in the order of the log; `time` writes milliseconds since 1970. Nothing is changed, and a
/// store in use may be read, as by [`crate::inspect()`].
///
/// # Errors
/// As of [`crate::inspect()`].
pub fn dump(dir: &Path, time: &dyn Fn(u64) -> String, mut each: impl FnMut(Entry)) -> Result<(), OpenError> {
    let clock = Clock(0);
    let looked = looked(dir, 0)?;
    let names = &looked.recovered.sessions;
    for (at, kept) in looked.files.iter().enumerate() {
        let path = files::path(&Folder::look_at(dir), kept.number);
        let bytes = match std::fs::read(&path) {
            // It was cleaned away, and what counts of it comes later.
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.map_err(OpenError::io(&path, "read"))?,
        };
        let header = Header::decode(&bytes);
        let salt = Salt::new(header.map(|header| header.salt).or(looked.salt).unwrap_or(0));
        let version = header.map_or(VERSION, |header| header.version);
        let counts = looked.files.get(at + 1).map(|_| kept.bytes);
        let scanned = scan(&bytes, &salt, counts);
        let mut entries: Vec<(Range<usize>, Standing)> = Vec::new();
        entries.extend(scanned.records.into_iter().map(|range| (range, Standing::Committed)));
        entries.extend(scanned.damaged.into_iter().map(|range| (range, Standing::Unreadable)));
        if let Some((torn, range)) = scanned.torn {
            let mut seen = range.start;
            for record in torn {
                entries.push((seen..record.start - FRAME_BYTES, Standing::Unreadable));
                seen = record.end;
                entries.push((record, Standing::NotPromised));
            }
            entries.push((seen..range.end, Standing::Unreadable));
        }
        entries.retain(|(range, standing)| *standing != Standing::Unreadable || !range.is_empty());
        entries.sort_by_key(|(range, _)| range.start);
        for (range, standing) in entries {
            let record = decode(version, &bytes[range.clone()], clock);
            let (start, standing, what) = match (standing, record) {
                (Standing::Unreadable, _) => (range.start, standing, "cannot be read".to_owned()),
                (_, None) => (range.start - FRAME_BYTES, Standing::Unreadable, "cannot be understood".to_owned()),
                (_, Some(record)) => (range.start - FRAME_BYTES, standing, describe(&record, names, time)),
            };
            each(Entry {
                file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                offset: start as u64,
                bytes: (range.end - start) as u64,
                standing,
                what,
            });
        }
    }
    Ok(())
}
