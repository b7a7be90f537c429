//! What the workload asks of a store, and nothing more.

use std::path::Path;

/// Kinds of records; the first byte of each key.
pub const SESSION: u8 = b's';
pub const SUBSCRIPTION: u8 = b'f';
pub const QUEUED: u8 = b'q';
pub const BODY: u8 = b'b';
pub const RETAINED: u8 = b'r';

/// One change. A key begins with its kind.
pub enum Op {
    Put(Vec<u8>, Vec<u8>),
    Del(Vec<u8>),
}

/// A store under test.
pub trait Engine {
    /// Carries out `ops` as one; with `sync` it is on the disk when this returns.
    fn commit(&mut self, ops: &[Op], sync: bool) -> Result<(), String>;

    /// Shows every record that can be read. What hinders it is an error, after all that could be shown.
    fn each(&mut self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String>;
}

/// Opens the store `name` in `dir`.
pub fn open(name: &str, dir: &Path) -> Result<Box<dyn Engine>, String> {
    std::fs::create_dir_all(dir).map_err(said)?;
    match name {
        "append" => Ok(Box::new(crate::append::Append::open(dir)?)),
        #[cfg(feature = "nightjar")]
        "nightjar" => Ok(Box::new(crate::on_nightjar::Nightjar::open(dir)?)),
        #[cfg(feature = "fjall")]
        "fjall" => Ok(Box::new(crate::on_fjall::Fjall::open(dir)?)),
        #[cfg(feature = "redb")]
        "redb" => Ok(Box::new(crate::on_redb::Redb::open(dir)?)),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Box::new(crate::on_sqlite::Sqlite::open(dir)?)),
        _ => Err(format!("no such store: {name}")),
    }
}

pub fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
