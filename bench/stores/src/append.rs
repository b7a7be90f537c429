//! The floor: changes appended to one file and synced. It cannot be read back; nothing can cost less.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::engine::{Engine, Op, said};

pub struct Append {
    file: File,
    buffer: Vec<u8>,
}

impl Append {
    pub fn open(dir: &Path) -> Result<Self, String> {
        let file = File::options().create(true).append(true).open(dir.join("append")).map_err(said)?;
        Ok(Self { file, buffer: Vec::new() })
    }
}

impl Engine for Append {
    fn commit(&mut self, ops: &[Op], sync: bool) -> Result<(), String> {
        self.buffer.clear();
        for op in ops {
            frame(op, &mut self.buffer);
        }
        self.file.write_all(&self.buffer).map_err(said)?;
        if sync { self.file.sync_data().map_err(said) } else { Ok(()) }
    }

    fn each(&mut self, _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        Ok(())
    }
}

const HEAD: usize = 10;

/// Key length (u16), value length + 1 or 0 for a deletion (u32), crc32 of all the rest (u32).
fn frame(op: &Op, to: &mut Vec<u8>) {
    let (key, value) = match op {
        Op::Put(key, value) => (key, Some(value)),
        Op::Del(key) => (key, None),
    };
    let start = to.len();
    to.extend_from_slice(&(key.len() as u16).to_le_bytes());
    to.extend_from_slice(&(value.map_or(0, |value| value.len() as u32 + 1)).to_le_bytes());
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(key);
    to.extend_from_slice(value.map_or(&[], |value| value));
    let mut crc = crc32fast::Hasher::new();
    crc.update(&to[start..start + 6]);
    crc.update(&to[start + HEAD..]);
    let crc = crc.finalize();
    to[start + 6..start + HEAD].copy_from_slice(&crc.to_le_bytes());
}
