//! A store written anew, for `nightjar store repair`: what still counts of every file goes to new ones, and the files
//! go, with whatever is damaged in them.

use std::io;

use super::Store;
use crate::{CommitError, files};

impl Store {
    /// Writes anew all that counts. Whatever interrupts this, nothing is lost: a file goes when all that counts of it is on
    /// the disk in another.
    ///
    /// # Errors
    /// As of [`Store::commit`], and if a file cannot be removed. It can be tried again.
    pub fn rewrite(&mut self) -> Result<(), CommitError> {
        self.commit(Vec::new(), true)?;
        let last = self.files.back().map_or(0, |file| file.number);
        // A file of its own for what is written now, even if that is nothing: a store without a file is no store.
        self.writer = None;
        self.begin_file()?;
        while let Some(oldest) = self.files.front().map(|file| file.number).filter(|number| *number <= last) {
            if self.cleaning.is_none() {
                self.cleaning = self.begin_cleaning();
            }
            // More than any file has, and not so much that it could not be counted with.
            self.clean(usize::MAX >> 8);
            self.flush(true)?;
            self.drop_cleaned()?;
            if self.files.front().is_some_and(|file| file.number == oldest) {
                return Err(CommitError::new(
                    files::path(&*self.disk, oldest),
                    io::Error::other("it cannot be removed"),
                ));
            }
            if self.files.back().is_some_and(|file| file.bytes >= self.options.file_bytes_max) {
                self.writer = None;
            }
        }
        Ok(())
    }
}
