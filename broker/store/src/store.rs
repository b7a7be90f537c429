//! The store that is open: operations in, a log out.

mod rewrite;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use broker_core::{SessionNumber, StoreOp, StoredAway};
use foldhash::fast::RandomState;
use hashbrown::HashSet;

use crate::clean::Cleaning;
use crate::coding::encode;
use crate::disk::{Disk, DiskFile};
use crate::files;
use crate::frame::{Piece, Pieces, Salt, end_commit, put};
use crate::header::{HEADER_BYTES, Header};
use crate::index::{Index, Mark};
use crate::open::{Kept, read};
use crate::record::{Clock, Record, Waiting};
use crate::reserve::{self, Reserve};
use crate::{CommitError, Damage, Folder, OpenError, Recovered};

/// How a store uses the disk.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A new file is begun after so many bytes. A file that is cleaned is in memory meanwhile.
    pub file_bytes_max: u64,
    /// The files together may be twice as long as what counts in them, and so many bytes more. The more, the
    /// less is written twice.
    pub slack_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { file_bytes_max: 4 << 20, slack_bytes_max: 32 << 20 }
    }
}

/// An open store. Nobody else has it.
#[derive(Debug)]
pub struct Store {
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    salt_number: u64,
    pub(crate) salt: Salt,
    /// The oldest first. The last one is written to if there is a writer.
    pub(crate) files: VecDeque<Kept>,
    writer: Option<Box<dyn DiskFile>>,
    /// Frames that are not on the disk for certain.
    pub(crate) buffer: Vec<u8>,
    /// So many bytes of them were written, and not synced: if that fails, they are written again elsewhere.
    written: usize,
    /// Where the last of them begins.
    last_frame: usize,
    pub(crate) index: Index,
    pub(crate) cleaning: Option<Cleaning>,
    reserve: Reserve,
    /// Whether the last try to write failed.
    is_held_up: bool,
}

impl Store {
    /// Opens the store in `dir`, or begins one there. `clock_began` is the time of day, in milliseconds since 1970, at
    /// which the core's clock stood at zero.
    ///
    /// # Errors
    /// If another process has it, a later version wrote it, or the folder cannot be used. Damage is told, and no error.
    pub fn open(dir: &Path, clock_began: u64, options: Options) -> Result<(Self, Recovered, Vec<Damage>), OpenError> {
        Self::open_on(Box::new(Folder::take(dir)?), clock_began, options)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// If a later version wrote it, or the disk cannot be read.
    pub fn open_on(
        disk: Box<dyn Disk>,
        clock_began: u64,
        options: Options,
    ) -> Result<(Self, Recovered, Vec<Damage>), OpenError> {
        let clock = Clock(clock_began);
        let read = read(&*disk, clock)?;
        let salt_number = match read.salt {
            Some(salt) => salt,
            None => new_salt().map_err(OpenError::io(disk.dir(), "get random bytes for"))?,
        };
        let mut store = Self {
            options,
            clock,
            salt_number,
            salt: Salt::new(salt_number),
            files: read.files,
            writer: None,
            buffer: Vec::new(),
            written: 0,
            last_frame: 0,
            index: read.index,
            cleaning: None,
            reserve: reserve::take(&*disk, options.file_bytes_max),
            disk,
            is_held_up: false,
        };
        store.settle();
        for record in &read.mend {
            store.frame(record);
        }
        // What was wrong is told once. A full disk is no reason not to start: it is written with the next commit.
        let _later = store.flush(true);
        Ok((store, read.recovered, read.damage))
    }

    /// Carries out `ops`: after a crash all of them are there or none is. With `sync` they are on the disk, with all that
    /// was given before, when this returns; without, they are with the system and survive the process alone.
    /// What they speak of and is not there is ignored, and what comes and is done with in one call is not written.
    ///
    /// # Errors
    /// Nothing given since the last success is promised then. It is held, and written by the next call, which may be
    /// one without operations; how much that is, [`Store::held_bytes`] says.
    pub fn commit(&mut self, ops: Vec<StoreOp>, sync: bool) -> Result<(), CommitError> {
        let before = self.buffer.len();
        let done: HashSet<_, RandomState> = ops.iter().filter_map(finished).collect();
        for op in ops {
            match &op {
                StoreOp::Queued(number, held) if done.contains(&(*number, held.entry)) => {}
                StoreOp::Sent { session, entry, .. } if done.contains(&(*session, *entry)) => {}
                _ => self.carry_out(op),
            }
        }
        self.clean(self.buffer.len() - before);
        match self.flush(sync) {
            Err(CommitError::Full { .. }) if self.reserve == Reserve::There => {
                reserve::give_back(&*self.disk);
                self.reserve = Reserve::Gone;
                self.flush(sync)?;
            }
            done => done?,
        }
        if self.files.back().is_some_and(|file| file.bytes >= self.options.file_bytes_max) {
            self.sync()?;
            self.writer = None;
        }
        self.drop_cleaned()?;
        if self.reserve == Reserve::Gone {
            self.reserve = reserve::take(&*self.disk, self.options.file_bytes_max);
        }
        Ok(())
    }

    /// The disk is full: what is written goes where room was kept for this, or waits in memory. That room is for what is
    /// done with, so that it can go: nothing new should be taken on until this is over.
    pub fn is_full(&self) -> bool {
        self.reserve == Reserve::Gone || self.is_held_up
    }

    /// Bytes that wait in memory because they could not be written.
    pub fn held_bytes(&self) -> usize {
        if self.is_held_up { self.buffer.len() } else { 0 }
    }

    /// Bytes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Bytes of the records that count.
    pub fn live_bytes(&self) -> u64 {
        self.index.bytes
    }

    fn carry_out(&mut self, op: StoreOp) {
        let record = match op {
            StoreOp::Session { number, client_id, username, listener, expiry_s } => {
                Record::Session { number, client_id, username, listener, expiry_s }
            }
            StoreOp::Queued(number, held) => {
                if !self.index.has_session(number) {
                    return;
                }
                let body = self.index.body_of(&held.message).or_else(|| {
                    // The operation has one, the queue of its session another. Whoever else has it is a session that
                    // waits for it too, or the topic that retains it: sessions may follow.
                    (Arc::strong_count(&held.message) > 2).then(|| {
                        let body = self.index.next_body();
                        self.write(&Record::Body(body, Arc::clone(&held.message)));
                        body
                    })
                });
                Record::Queued(number, Waiting::new(held, body))
            }
            StoreOp::SessionGone(number) => Record::SessionGone(number),
            StoreOp::Away { session, ends_at, will } => Record::Away(session, StoredAway { ends_at, will }),
            StoreOp::Subscribed(number, subscription) => Record::Subscribed(number, subscription),
            StoreOp::Unsubscribed(number, filter) => Record::Unsubscribed(number, filter),
            StoreOp::Sent { session, entry, id, released } => Record::Sent { session, entry, id, released },
            StoreOp::Done(number, entry) => Record::Done(number, entry),
            StoreOp::Taken(number, id, taken) => Record::Taken(number, id, taken),
            StoreOp::Released(number, id) => Record::Released(number, id),
            StoreOp::Retained(message, publisher) => Record::Retained(message, publisher),
            StoreOp::RetainedGone(topic) => Record::RetainedGone(topic),
        };
        self.write(&record);
    }

    fn write(&mut self, record: &Record) {
        let before = (self.buffer.len(), self.last_frame);
        let mark = self.frame(record);
        if !self.index.note(record, mark) {
            self.buffer.truncate(before.0);
            self.last_frame = before.1;
        }
    }

    /// Puts a record into the buffer, and says where it will lie.
    pub(crate) fn frame(&mut self, record: &Record) -> Mark {
        self.last_frame = self.buffer.len();
        let clock = self.clock;
        put(&mut self.buffer, &self.salt, |to| encode(record, clock, to));
        let next = self.files.back().map_or(1, |last| last.number + 1);
        let file = if self.writer.is_some() { next - 1 } else { next };
        Mark::new(file, &self.buffer[self.last_frame..])
    }

    /// Writes what is in the buffer, as one commit.
    fn flush(&mut self, sync: bool) -> Result<(), CommitError> {
        let told = self.written;
        if self.buffer.len() > told {
            end_commit(&mut self.buffer, &self.salt, self.last_frame);
            self.is_held_up = true;
            self.begin_file()?;
            let Some(file) = &mut self.writer else { return Ok(()) };
            file.append(&self.buffer[told..]).map_err(|why| self.give_up(why, told))?;
            if let Some(last) = self.files.back_mut() {
                last.bytes += (self.buffer.len() - told) as u64;
            }
            self.written = self.buffer.len();
        }
        if sync {
            self.sync_but(told)?;
        }
        self.is_held_up = false;
        Ok(())
    }

    /// What was written is on the disk from now on.
    pub(crate) fn sync(&mut self) -> Result<(), CommitError> {
        self.sync_but(self.written)
    }

    /// The same. If it fails, the first `told` of the bytes stay where they are: somebody was told that they outlive the
    /// process.
    fn sync_but(&mut self, told: usize) -> Result<(), CommitError> {
        const KEPT_BYTES_MAX: usize = 1 << 20;
        if self.written == 0 {
            return Ok(());
        }
        if let Some(file) = &mut self.writer {
            file.sync().map_err(|why| self.give_up(why, told))?;
        }
        self.buffer.drain(..self.written);
        self.buffer.shrink_to(KEPT_BYTES_MAX);
        self.last_frame = self.last_frame.saturating_sub(std::mem::take(&mut self.written));
        Ok(())
    }

    /// What a process wrote that was killed need not be on the disk yet, and all that is promised from now on builds on
    /// it; likewise that a file went. What cannot be synced is written again elsewhere.
    fn settle(&mut self) {
        let Some(last) = self.files.back_mut() else { return };
        let name = files::name(last.number);
        let synced = self.disk.open(&name).and_then(|mut file| file.sync()).and_then(|()| self.disk.sync_names());
        if synced.is_ok() {
            return;
        }
        let mut bytes = self.disk.read(&name, last.bytes).unwrap_or_default();
        bytes.drain(..HEADER_BYTES.min(bytes.len()));
        let pieces = Pieces { bytes: &bytes, salt: &self.salt, at: 0 };
        let is_record = |piece: &Piece| matches!(piece, Piece::Record { .. });
        if let Some(record) = pieces.filter(is_record).last() {
            self.last_frame = record.range().start;
            self.buffer = bytes;
            last.bytes = HEADER_BYTES as u64;
        }
    }

    /// A new file, if there is none to write to.
    fn begin_file(&mut self) -> Result<(), CommitError> {
        if self.writer.is_some() {
            return Ok(());
        }
        let (before, bytes) = self.files.back().map_or((0, 0), |last| (last.number, last.bytes));
        let number = before + 1;
        let created = files::create(&*self.disk, Header::new(self.salt_number, number, bytes));
        self.writer = Some(created.map_err(|why| CommitError::new(files::path(&*self.disk, number), why))?);
        self.files.push_back(Kept { number, bytes: HEADER_BYTES as u64 });
        Ok(())
    }

    /// Writing failed, and the next try goes to another file, with all that was not synced: of one that could not be
    /// synced nobody knows what the disk has.
    fn give_up(&mut self, why: io::Error, told: usize) -> CommitError {
        self.is_held_up = true;
        let Some(last) = self.files.back_mut() else { return CommitError::new(self.disk.dir(), why) };
        let number = last.number;
        last.bytes -= std::mem::take(&mut self.written) as u64;
        if let Some(mut file) = self.writer.take() {
            // What was told stays until it is written again; that it does not count then, the next file says.
            let left = last.bytes + told as u64;
            let _cut = file.cut(left);
            // Should it come back, it is emptied when its number is used again.
            if left == HEADER_BYTES as u64 && self.disk.remove(&files::name(number)).is_ok() {
                self.files.pop_back();
            }
        }
        CommitError::new(files::path(&*self.disk, number), why)
    }
}

/// The message that is done with after it.
fn finished(op: &StoreOp) -> Option<(SessionNumber, u64)> {
    if let StoreOp::Done(number, entry) = op { Some((*number, *entry)) } else { None }
}

fn new_salt() -> io::Result<u64> {
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|why| io::Error::other(why.to_string()))?;
    Ok(u64::from_le_bytes(salt))
}
