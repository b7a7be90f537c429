//! The files that mosquitto.conf is read from, as they are on this machine.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Reads from the file system.
pub(crate) struct OnDisk;

impl broker_conf::Files for OnDisk {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut bytes = Vec::new();
        // One byte more than is taken, so that a file that is too long is seen to be.
        let most = broker_conf::FILE_BYTES_MAX as u64 + 1;
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::open(path)?, most), &mut bytes)?;
        Ok(bytes)
    }

    fn list(&mut self, dir: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }
}
