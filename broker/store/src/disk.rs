//! What a store asks of a disk, and no more: [`crate::Folder`] is the real one, and tests have others, which lose what was
//! not synced, are full, or fail.
//!
//! When something is synced, and that it is, the store decides; a disk does as it is told.

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// A folder of files that nobody else has.
///
/// After a crash of the machine there is for certain what was synced: of each file by [`DiskFile::sync`], and which files
/// there are by [`Disk::sync_names`]. The rest may be there or not, in part too.
pub trait Disk: Debug + Send {
    /// What the folder is called where people read of it.
    fn dir(&self) -> &Path;

    /// Names of all files that are there.
    fn names(&self) -> io::Result<Vec<String>>;

    /// A file as it is now, but no more than its first `bytes_max` bytes.
    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// A file to write to, empty; one of this name is emptied.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// The same, if there is none of this name: [`io::ErrorKind::AlreadyExists`] otherwise.
    fn create_new(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// A file that is there, to go on at its end.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// The name goes, and the file with it.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Which files there are outlives the machine from now on.
    fn sync_names(&self) -> io::Result<()>;

    /// Takes so many bytes of room for a file that holds nothing; removing it gives them back.
    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()>;
}

/// A file that is written to, at its end only.
pub trait DiskFile: Debug + Send {
    /// Puts bytes at the end. After an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// All that it holds outlives the machine from now on. After an error nobody knows what does, and trying again tells
    /// nothing: the system may have thrown away what it could not write.
    fn sync(&mut self) -> io::Result<()>;

    /// So many bytes are left.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
}
