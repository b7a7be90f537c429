//! SQLite with a write-ahead log.

use std::path::Path;

use rusqlite::Connection;

use crate::engine::{Engine, Op, said};

pub struct Sqlite {
    db: Connection,
    is_full: bool,
}

impl Sqlite {
    pub fn open(dir: &Path) -> Result<Self, String> {
        let db = Connection::open(dir.join("sqlite.db")).map_err(said)?;
        db.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32768;
             CREATE TABLE IF NOT EXISTS records (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;",
        )
        .map_err(said)?;
        Ok(Self { db, is_full: true })
    }
}

impl Engine for Sqlite {
    fn commit(&mut self, ops: &[Op], sync: bool) -> Result<(), String> {
        if sync != self.is_full {
            self.is_full = sync;
            let level = if sync { "FULL" } else { "NORMAL" };
            self.db.execute_batch(&format!("PRAGMA synchronous={level}")).map_err(said)?;
        }
        let transaction = self.db.transaction().map_err(said)?;
        {
            let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO records VALUES (?1, ?2)").map_err(said)?;
            let mut del = transaction.prepare_cached("DELETE FROM records WHERE k = ?1").map_err(said)?;
            for op in ops {
                match op {
                    Op::Put(key, value) => put.execute((key, value)).map_err(said)?,
                    Op::Del(key) => del.execute((key,)).map_err(said)?,
                };
            }
        }
        transaction.commit().map_err(said)
    }

    fn each(&mut self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let mut stopped = None;
        for order in ["ASC", "DESC"] {
            let mut all = self.db.prepare(&format!("SELECT k, v FROM records ORDER BY k {order}")).map_err(said)?;
            let mut rows = all.query(()).map_err(said)?;
            let why = loop {
                match rows.next() {
                    Ok(Some(row)) => {
                        let (Ok(key), Ok(value)) = (row.get_ref(0), row.get_ref(1)) else { continue };
                        let (Ok(key), Ok(value)) = (key.as_blob(), value.as_blob()) else { continue };
                        show(key, value);
                    }
                    Ok(None) => break None,
                    Err(why) => break Some(said(why)),
                }
            };
            match why {
                None => break,
                Some(why) => stopped = Some(why),
            }
        }
        stopped.map_or(Ok(()), Err)
    }
}
