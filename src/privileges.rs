//! Giving root away: mosquitto's `user` option. Ports are bound and files read before.

use std::io;

use broker_conf::Located;
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};

/// Becomes `wanted`, if this process is root. `root` stays root; without the option it is `mosquitto`, or
/// `nobody` where there is no such user, as with mosquitto 2.1.
///
/// `hand_over` is told the user while this process is still root.
///
/// # Errors
/// The message, if the user is not there or cannot be become.
pub(crate) fn give_away(wanted: Option<&str>, hand_over: impl FnOnce(&User)) -> Result<(), String> {
    let Some(user) = to_become(wanted)? else { return Ok(()) };
    hand_over(&user);
    become_user(&user).map_err(|error| format!("Error: cannot become the user '{}': {error}.", user.name))
}

/// The user whom this process becomes at its start; `None`: it stays what it is, as no root or as a wanted one.
///
/// # Errors
/// The message, if the user is not there.
pub(crate) fn to_become(wanted: Option<&str>) -> Result<Option<User>, String> {
    if !Uid::effective().is_root() || wanted == Some("root") {
        return Ok(None);
    }
    match wanted {
        Some(name) => find(name)?
            .ok_or_else(|| format!("Error: Invalid user '{name}': there is no such user on this machine."))
            .map(Some),
        None => match find("mosquitto")? {
            Some(user) => Ok(Some(user)),
            None => find("nobody")?
                .ok_or_else(|| {
                    "Error: there is neither a user 'mosquitto' nor 'nobody': set the option user.".to_owned()
                })
                .map(Some),
        },
    }
}

/// Whether `wanted` is there to be become: asked before any port is bound.
///
/// # Errors
/// The message, with the place of the option.
pub(crate) fn check(wanted: Option<&Located<String>>) -> Result<(), String> {
    let Some(wanted) = wanted.filter(|user| Uid::effective().is_root() && user.as_str() != "root") else {
        return Ok(());
    };
    match find(wanted)? {
        Some(_) => Ok(()),
        None => {
            let (name, at) = (&wanted.value, &wanted.at);
            Err(format!("Error: Invalid user '{name}': there is no such user on this machine ({at})."))
        }
    }
}

/// Gives a folder of files, all of them ours, to `user`.
pub(crate) fn give_folder(dir: &std::path::Path, user: &User) -> io::Result<()> {
    let give =
        |path: &std::path::Path| std::os::unix::fs::lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()));
    give(dir)?;
    std::fs::read_dir(dir)?.try_for_each(|entry| give(&entry?.path()))
}

/// Gives files that root made to the user that [`give_away`] becomes, so that they can be read again at SIGHUP; its
/// name, if anything was given. Where there is no user `mosquitto`, the files stay root's.
pub(crate) fn hand_over(paths: &[std::path::PathBuf]) -> io::Result<Option<String>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let Ok(Some(user)) = find("mosquitto") else { return Ok(None) };
    for path in paths {
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    Ok(Some(user.name))
}

/// Whether root's files could not be read again once root was given away.
pub(crate) fn would_lose_roots_files() -> bool {
    Uid::effective().is_root()
}

/// The user of this name.
pub(crate) fn find(name: &str) -> Result<Option<User>, String> {
    User::from_name(name).map_err(|error| format!("Error: cannot look up the user '{name}': {error}."))
}

/// Becomes another user, for good, in all threads. Only root can.
pub(crate) fn become_user(user: &User) -> io::Result<()> {
    let name = std::ffi::CString::new(user.name.as_str())?;
    // Groups first: without root they can no longer be set. Each of these acts on all threads of the process.
    initgroups(&name, user.gid)?;
    setgid(Gid::from_raw(user.gid.as_raw()))?;
    setuid(user.uid)?;
    Ok(())
}

/// As many open files as the system lets us have: each connection is one.
pub(crate) fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Where it is refused, the limit stays what it was, and running out of it has a message of its own.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
