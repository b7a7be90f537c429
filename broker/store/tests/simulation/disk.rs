//! The disk of this world. It keeps what was synced; of the rest any part may be lost when the power goes: any sectors of a
//! file, its length, any name. A process that is killed leaves all that it wrote, and has synced none of it by that. The
//! disk fills up, and syncing fails, after which what was to be synced may be lost although the next sync succeeds.
//!
//! What a sector holds that was never written is zeros; no sector is written in part.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_store::{Disk, DiskFile};

use crate::rng::Rng;

const SECTOR_BYTES: usize = 512;

/// The same disk for all who have one of these.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug)]
struct State {
    rng: Rng,
    files: Vec<Content>,
    /// Which file each name is, as processes see it, and as it is after a power cut.
    names: BTreeMap<String, usize>,
    names_synced: BTreeMap<String, usize>,
    /// What was done to names since they were synced.
    changes: Vec<(String, Option<usize>)>,
    /// Bytes that still fit; `None`: any number.
    room: Option<usize>,
    /// So many syncs fail.
    failing_syncs: usize,
    /// After so many more things the process that does them is dead, and does nothing more.
    life: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// As processes see it.
    bytes: Vec<u8>,
    /// As it is on the disk for certain.
    synced: Vec<u8>,
    /// Sectors that could not be written, and that nobody tries to write any more.
    given_up: BTreeSet<usize>,
}

#[derive(Debug)]
struct Open {
    disk: SimDisk,
    file: usize,
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}

impl SimDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: Rng::of(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            names_synced: BTreeMap::new(),
            changes: Vec::new(),
            room: None,
            failing_syncs: 0,
            life: None,
        })))
    }

    /// Another disk that holds the same.
    pub(crate) fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    pub(crate) fn set_room(&self, room: Option<usize>) {
        self.state().room = room;
    }

    pub(crate) fn is_small(&self) -> bool {
        self.state().room.is_some()
    }

    pub(crate) fn fail_syncs(&self, count: usize) {
        self.state().failing_syncs = count;
    }

    pub(crate) fn has_failing_syncs(&self) -> bool {
        self.state().failing_syncs > 0
    }

    /// The process that uses it dies while it does the thing that comes after so many others.
    pub(crate) fn die_after(&self, things: usize) {
        self.state().life = Some(things);
    }

    /// The process is dead. What a power cut takes is lost; then another process may use the disk.
    pub(crate) fn restart(&self, is_power_cut: bool) {
        let mut state = self.state();
        (state.life, state.failing_syncs) = (None, 0);
        if is_power_cut {
            state.lose_names();
            let State { files, rng, .. } = &mut *state;
            for file in files {
                file.lose(rng);
            }
        }
    }

    /// A bit of one of the store's files is another from now on. `false`: there is none.
    pub(crate) fn flip_a_bit(&self) -> bool {
        let mut state = self.state();
        let logs: Vec<_> = state
            .names
            .iter()
            .filter(|(name, _)| Path::new(name).extension().is_some_and(|is| is == "log"))
            .map(|(_, file)| *file)
            .collect();
        let bytes: usize = logs.iter().map(|file| state.files[*file].bytes.len()).sum();
        if bytes == 0 {
            return false;
        }
        let (mut at, bit) = (state.rng.below(bytes), state.rng.below(8));
        for file in logs {
            let Some(byte) = state.files[file].bytes.get_mut(at) else {
                at -= state.files[file].bytes.len();
                continue;
            };
            *byte ^= 1 << bit;
            break;
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For something that changes the disk. `true`: the process dies while it does it.
    fn act(&self) -> io::Result<(MutexGuard<'_, State>, bool)> {
        let mut state = self.state();
        let Some(life) = &mut state.life else { return Ok((state, false)) };
        match life.checked_sub(1) {
            None => Err(dead()),
            Some(left) => {
                *life = left;
                Ok((state, left == 0))
            }
        }
    }

    fn create(&self, name: &str, is_new: bool) -> io::Result<Box<dyn DiskFile>> {
        let (mut state, dies) = self.act()?;
        let file = match state.names.get(name).copied() {
            Some(_) if is_new => return Err(io::ErrorKind::AlreadyExists.into()),
            Some(file) => {
                state.cut(file, 0);
                file
            }
            None => {
                state.files.push(Content::default());
                let file = state.files.len() - 1;
                state.rename(name, Some(file));
                file
            }
        };
        if dies { Err(dead()) } else { Ok(Box::new(Open { disk: self.clone(), file })) }
    }
}

impl Disk for SimDisk {
    fn dir(&self) -> &Path {
        Path::new("/simulated")
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let state = self.state();
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let bytes = &state.files[file].bytes;
        Ok(bytes[..bytes.len().min(usize::try_from(bytes_max).unwrap_or(usize::MAX))].to_vec())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.create(name, false)
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.create(name, true)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.state().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Open { disk: self.clone(), file }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (mut state, dies) = self.act()?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let len = state.files[file].bytes.len();
        state.room = state.room.map(|room| room + len);
        state.rename(name, None);
        if dies { Err(dead()) } else { Ok(()) }
    }

    fn sync_names(&self) -> io::Result<()> {
        let (mut state, dies) = self.act()?;
        if state.fails() || (dies && state.rng.one_in(2)) {
            return Err(io::Error::other("names were not synced"));
        }
        state.names_synced = state.names.clone();
        state.changes.clear();
        if dies { Err(dead()) } else { Ok(()) }
    }

    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        let (mut state, _) = self.act()?;
        let bytes = usize::try_from(bytes).unwrap();
        if let Some(file) = state.names.get(name) {
            assert_eq!(state.files[*file].bytes.len(), bytes, "the reserve is taken once");
            return Ok(());
        }
        if state.room.is_some_and(|room| room < bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - bytes);
        let zeros = vec![0; bytes];
        // It holds nothing that could be lost.
        state.files.push(Content { synced: zeros.clone(), bytes: zeros, given_up: BTreeSet::new() });
        let file = state.files.len() - 1;
        state.rename(name, Some(file));
        Ok(())
    }
}

impl DiskFile for Open {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut state, dies) = self.disk.act()?;
        let fits = state.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        let is_whole = fits == bytes.len() && !dies;
        let len = if is_whole { bytes.len() } else { state.rng.below(fits + 1) };
        state.room = state.room.map(|room| room - len);
        state.files[self.file].append(&bytes[..len]);
        match is_whole {
            true => Ok(()),
            false if dies => Err(dead()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut state, dies) = self.disk.act()?;
        let fails = state.fails();
        let State { files, rng, .. } = &mut *state;
        if fails {
            files[self.file].fail_to_sync(rng);
            return Err(io::Error::other("the disk does not answer"));
        }
        if !dies || rng.one_in(2) {
            files[self.file].sync();
        }
        if dies { Err(dead()) } else { Ok(()) }
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let (mut state, dies) = self.disk.act()?;
        state.cut(self.file, usize::try_from(bytes).unwrap());
        if dies { Err(dead()) } else { Ok(()) }
    }
}

impl State {
    fn fails(&mut self) -> bool {
        let fails = self.failing_syncs > 0;
        self.failing_syncs = self.failing_syncs.saturating_sub(1);
        fails
    }

    fn rename(&mut self, name: &str, file: Option<usize>) {
        set(&mut self.names, name, file);
        self.changes.push((name.to_owned(), file));
    }

    fn cut(&mut self, file: usize, bytes: usize) {
        let content = &mut self.files[file];
        let gone = content.bytes.len().saturating_sub(bytes);
        content.bytes.truncate(bytes);
        content.given_up.split_off(&bytes.div_ceil(SECTOR_BYTES));
        self.room = self.room.map(|room| room + gone);
    }

    /// Of what was done to names and not synced some is lost: all, none, what came last, or any of it.
    fn lose_names(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let kind = self.rng.below(4);
        let first = self.rng.below(changes.len() + 1);
        for (at, (name, file)) in changes.into_iter().enumerate() {
            let is_kept = match kind {
                0 => false,
                1 => true,
                2 => at < first,
                _ => self.rng.one_in(2),
            };
            if is_kept {
                set(&mut self.names_synced, &name, file);
            }
        }
        self.names = self.names_synced.clone();
    }
}

fn set(names: &mut BTreeMap<String, usize>, name: &str, file: Option<usize>) {
    match file {
        Some(file) => names.insert(name.to_owned(), file),
        None => names.remove(name),
    };
}

impl Content {
    fn append(&mut self, bytes: &[u8]) {
        let first = self.bytes.len() / SECTOR_BYTES;
        self.bytes.extend_from_slice(bytes);
        // What is written to again is tried again.
        self.given_up.split_off(&first);
    }

    fn sync(&mut self) {
        if self.given_up.is_empty() {
            self.synced.clone_from(&self.bytes);
            return;
        }
        let given_up = std::mem::take(&mut self.given_up);
        self.write_sectors(self.bytes.len(), |sector| !given_up.contains(&sector));
        self.given_up = given_up;
    }

    fn fail_to_sync(&mut self, rng: &mut Rng) {
        let len = if rng.one_in(2) { self.bytes.len() } else { self.synced.len() };
        let mut failed = BTreeSet::new();
        self.write_sectors(len, |sector| rng.one_in(2) || !failed.insert(sector));
        self.given_up.append(&mut failed);
    }

    /// The power goes: of what was not synced all is lost, or nothing, or what is behind some byte, or any sectors.
    fn lose(&mut self, rng: &mut Rng) {
        match rng.below(4) {
            0 => {}
            1 if self.given_up.is_empty() => self.sync(),
            2 if self.given_up.is_empty() => {
                let alike = self.bytes.iter().zip(&self.synced).take_while(|(one, other)| one == other).count();
                if self.bytes.len() > alike {
                    let len = alike + rng.below(self.bytes.len() - alike);
                    self.synced.truncate(alike);
                    self.synced.extend_from_slice(&self.bytes[alike..len]);
                }
            }
            _ => {
                let (least, most) = (self.bytes.len().min(self.synced.len()), self.bytes.len().max(self.synced.len()));
                let len = if rng.one_in(2) { most } else { least + rng.below(most - least + 1) };
                let given_up = std::mem::take(&mut self.given_up);
                self.write_sectors(len, |sector| !given_up.contains(&sector) && rng.one_in(2));
            }
        }
        self.bytes.clone_from(&self.synced);
        self.given_up.clear();
    }

    /// Brings sectors to the disk, those that are different there and are wanted; it has `len` bytes then.
    fn write_sectors(&mut self, len: usize, mut is_wanted: impl FnMut(usize) -> bool) {
        self.synced.resize(len, 0);
        for (sector, there) in self.synced.chunks_mut(SECTOR_BYTES).enumerate() {
            let begin = sector * SECTOR_BYTES;
            let here = self.bytes.get(begin..self.bytes.len().min(begin + there.len())).unwrap_or_default();
            if there.starts_with(here) && there[here.len()..].iter().all(|byte| *byte == 0) {
                continue;
            }
            if is_wanted(sector) {
                there[..here.len()].copy_from_slice(here);
                there[here.len()..].fill(0);
            }
        }
    }
}
