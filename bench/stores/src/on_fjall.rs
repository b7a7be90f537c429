//! fjall: a log-structured tree with a journal. One keyspace, so that no cold one keeps old journals.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::engine::{Engine, Op, said};

pub struct Fjall {
    db: Database,
    records: Keyspace,
}

impl Fjall {
    pub fn open(dir: &Path) -> Result<Self, String> {
        let memtable_kib: u64 = std::env::var("MEMTABLE_KIB").ok().and_then(|kib| kib.parse().ok()).unwrap_or(16 << 10);
        let db = Database::builder(dir)
            .cache_size(8 << 20)
            .max_journaling_size(64 << 20)
            .worker_threads(1)
            .manual_journal_persist(true)
            .open()
            .map_err(said)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_kib << 10);
        let records = db.keyspace("records", options).map_err(said)?;
        Ok(Self { db, records })
    }
}

impl Engine for Fjall {
    fn commit(&mut self, ops: &[Op], sync: bool) -> Result<(), String> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.db.batch().durability(Some(mode));
        for op in ops {
            match op {
                Op::Put(key, value) => batch.insert(&self.records, key.as_slice(), value.as_slice()),
                Op::Del(key) => batch.remove(&self.records, key.as_slice()),
            }
        }
        batch.commit().map_err(said)
    }

    fn each(&mut self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let mut stopped = None;
        for guard in self.records.iter() {
            match guard.into_inner() {
                Ok((key, value)) => show(&key, &value),
                Err(why) => {
                    stopped = Some(said(why));
                    break;
                }
            }
        }
        let Some(why) = stopped else { return Ok(()) };
        for guard in self.records.iter().rev() {
            match guard.into_inner() {
                Ok((key, value)) => show(&key, &value),
                Err(_) => break,
            }
        }
        Err(why)
    }
}
