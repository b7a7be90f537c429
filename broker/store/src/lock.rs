//! One process only: a lock on a file in the store's folder. It goes with the process, however that ends.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::OpenError;

const NAME: &str = "lock";

#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not used")] Flock<File>);

impl Lock {
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(NAME);
        let opened = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
        let file = opened.map_err(OpenError::io(&path, "open"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                // For the message that another process gives; a full disk is no reason not to start.
                let _told = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Ok(Self(file))
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                Err(OpenError::InUse { dir: dir.into(), pid })
            }
            Err((_, why)) => Err(OpenError::Io { path, what: "lock", why: why.into() }),
        }
    }
}
