//! redb: a copy-on-write B-tree in one file.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::engine::{Engine, Op, said};

const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

pub struct Redb(Database);

impl Redb {
    pub fn open(dir: &Path) -> Result<Self, String> {
        let db = Database::builder().set_cache_size(32 << 20).create(dir.join("redb")).map_err(said)?;
        Ok(Self(db))
    }
}

impl Engine for Redb {
    fn commit(&mut self, ops: &[Op], sync: bool) -> Result<(), String> {
        let mut transaction = self.0.begin_write().map_err(said)?;
        transaction.set_durability(if sync { Durability::Immediate } else { Durability::None }).map_err(said)?;
        {
            let mut table = transaction.open_table(RECORDS).map_err(said)?;
            for op in ops {
                match op {
                    Op::Put(key, value) => drop(table.insert(key.as_slice(), value.as_slice()).map_err(said)?),
                    Op::Del(key) => drop(table.remove(key.as_slice()).map_err(said)?),
                }
            }
        }
        transaction.commit().map_err(said)
    }

    fn each(&mut self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let reading = self.0.begin_read().map_err(said)?;
        let table = reading.open_table(RECORDS).map_err(said)?;
        let mut stopped = None;
        for entry in table.iter().map_err(said)? {
            match entry {
                Ok((key, value)) => show(key.value(), value.value()),
                Err(why) => {
                    stopped = Some(said(why));
                    break;
                }
            }
        }
        let Some(why) = stopped else { return Ok(()) };
        for entry in table.iter().map_err(said)?.rev() {
            match entry {
                Ok((key, value)) => show(key.value(), value.value()),
                Err(_) => break,
            }
        }
        Err(why)
    }
}
