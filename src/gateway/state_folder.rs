//! Where the radio writes down what it sets in the kernel, so that the next start undoes what a crash left behind.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::privileges;

/// A folder for it: systemd's `RuntimeDirectory=`; `/run/nightjar` where we are root or may write into it; else one of
/// our own user's, which outlives a session as what is set in the kernel does. `user`: who the radio will be.
pub(crate) fn state_folder(user: Option<&User>) -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("RUNTIME_DIRECTORY") {
        return std::env::split_paths(&given).next();
    }
    let path = Path::new("/run/nightjar");
    let me = Uid::effective();
    if me.is_root() && (path.is_dir() || fs::create_dir(path).is_ok()) {
        if let Some(user) = user {
            privileges::give_folder(path, user).ok()?;
        }
        return Some(path.to_owned());
    }
    if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok() {
        return Some(path.to_owned());
    }
    let own = [format!("/tmp/nightjar-{me}"), format!("/run/user/{me}/nightjar")];
    own.into_iter().map(PathBuf::from).find(|path| is_ours_alone(path, me))
}

/// Makes the folder if it is not there. In `/tmp` anybody may have made it before: it must be a folder, no link to one,
/// and nobody else's to write into.
fn is_ours_alone(path: &Path, me: Uid) -> bool {
    let _ = fs::DirBuilder::new().mode(0o700).create(path);
    let found = fs::symlink_metadata(path);
    found.is_ok_and(|found| found.is_dir() && found.uid() == me.as_raw() && found.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_folder_that_others_may_write_into_or_made_is_not_taken() {
        let (within, me) = (tempfile::tempdir().unwrap(), Uid::effective());
        let path = within.path().join("nightjar-1000");
        assert!(is_ours_alone(&path, me), "it is made");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(is_ours_alone(&path, me), "it is there");
        assert!(!is_ours_alone(&path, Uid::from_raw(me.as_raw() + 1)), "it is another's");
        let link = within.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(!is_ours_alone(&link, me));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_ours_alone(&path, me));
    }
}
