//! The real disk: a folder, and a lock on a file in it, so that no second process uses it. The lock goes with the process,
//! however that ends.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, posix_fallocate};

use crate::OpenError;
use crate::disk::{Disk, DiskFile};

const LOCK: &str = "lock";

/// A folder of the file system. Nobody else may look into it.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    /// `None`: it is only looked at.
    _lock: Option<Flock<File>>,
}

impl Folder {
    /// Takes the folder, and makes it if there is none.
    ///
    /// # Errors
    /// If another process has it, or it cannot be used.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        make_dir(dir).map_err(OpenError::io(dir, "create the folder"))?;
        Ok(Self { dir: dir.into(), _lock: Some(lock(dir)?) })
    }

    /// The folder as others may have it, to be read and no more.
    pub(crate) fn look_at(dir: &Path) -> Self {
        Self { dir: dir.into(), _lock: None }
    }

    fn file(&self, options: &mut fs::OpenOptions, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(options.write(true).mode(0o600).open(self.dir.join(name))?))
    }
}

impl Disk for Folder {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            // None of ours is no text.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.dir.join(name))?;
        let len = file.metadata()?.len().min(bytes_max);
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.file(File::options().create(true).truncate(true), name)
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.file(File::options().create_new(true), name)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.file(File::options().append(true), name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_dir(&self.dir)
    }

    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        let path = self.dir.join(name);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        if file.metadata()?.len() != bytes {
            file.set_len(0)?;
            posix_fallocate(&file, 0, i64::try_from(bytes).map_err(io::Error::other)?)?;
        }
        Ok(())
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// The store's own folder is for nobody else; those above it, if they have to be made, are as others are, so that a broker that
/// gives root away still gets there.
fn make_dir(dir: &Path) -> io::Result<()> {
    make_with_parents(dir, 0o700)
}

/// Each folder that is made is on the disk with its name: whatever is kept in it would go with it.
fn make_with_parents(dir: &Path, mode: u32) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    make_with_parents(parent, 0o755)?;
    match fs::DirBuilder::new().mode(mode).create(dir) {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists || !dir.is_dir() => return Err(why),
        _ => {}
    }
    // Whoever may not look into the parent has a folder that others made for it.
    match sync_dir(parent) {
        Err(why) if why.kind() != io::ErrorKind::PermissionDenied => Err(why),
        _ => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn lock(dir: &Path) -> Result<Flock<File>, OpenError> {
    let path = dir.join(LOCK);
    let opened = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
    let file = opened.map_err(OpenError::io(&path, "open"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            // For the message that another process gives; a full disk is no reason not to start.
            let _told = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            Err(OpenError::InUse { dir: dir.into(), pid })
        }
        Err((_, why)) => Err(OpenError::Io { path, what: "lock", why: why.into() }),
    }
}
