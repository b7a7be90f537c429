//! Giving root away: mosquitto's `user` option, and the variables that containers set instead. Ports are bound and files
//! read before.

use std::ffi::OsString;
use std::io;

use broker_conf::Located;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};
use serde::{Deserialize, Serialize};

/// Becomes `wanted`, if this process is root. `root` stays root; without the option it is `mosquitto`, or
/// `nobody` where there is no such user, as with mosquitto 2.1.
///
/// `hand_over` is told the user while this process is still root.
///
/// # Errors
/// The message, if the user is not there or cannot be become.
pub(crate) fn give_away(wanted: Option<&str>, hand_over: impl FnOnce(&User)) -> Result<(), String> {
    let Some(other) = to_become(wanted)? else { return Ok(()) };
    if let Some(user) = other.user() {
        hand_over(&user);
    }
    other.carry_out()
}

/// Whom this process becomes at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Other {
    /// A user of this machine, by name.
    Named(String),
    /// As a container says.
    Numbered(Numbers),
}

/// Whom this process becomes at its start; `None`: it stays what it is, as no root or as a wanted one.
///
/// # Errors
/// The message, if the user is not there.
pub(crate) fn to_become(wanted: Option<&str>) -> Result<Option<Other>, String> {
    if !Uid::effective().is_root() || is_confined() {
        return Ok(None);
    }
    if let Some(numbers) = numbers_wanted(|name| std::env::var_os(name))? {
        return Ok(Some(Other::Numbered(numbers)));
    }
    let name = match wanted {
        Some("root") => return Ok(None),
        Some(name) if find(name)?.is_none() => {
            return Err(no_such_user(name));
        }
        Some(name) => name,
        None if find("mosquitto")?.is_some() => "mosquitto",
        None if find("nobody")?.is_some() => "nobody",
        None => return Err("Error: there is neither a user 'mosquitto' nor 'nobody': set the option user.".to_owned()),
    };
    Ok(Some(Other::Named(name.to_owned())))
}

/// In mosquitto's words.
fn no_such_user(name: &str) -> String {
    format!("Error: Unable to drop privileges to '{name}' because this user does not exist.")
}

impl Other {
    /// The user; `None`: that stays root, or is gone.
    pub(crate) fn user(&self) -> Option<User> {
        match self {
            Self::Named(name) => find(name).ok().flatten(),
            Self::Numbered(numbers) => numbers.user(),
        }
    }

    /// Becomes it, for good, in all threads. Only root can.
    ///
    /// # Errors
    /// The message.
    pub(crate) fn carry_out(&self) -> Result<(), String> {
        match self {
            Self::Named(name) => {
                let user = find(name)?.ok_or_else(|| format!("Error: there is no user '{name}'."))?;
                become_user(&user).map_err(|error| format!("Error: cannot become the user '{name}': {error}."))
            }
            Self::Numbered(numbers) => numbers.carry_out(),
        }
    }
}

/// As a snap the system has confined it already, and there is no other user to become.
fn is_confined() -> bool {
    std::env::var_os("SNAP_NAME").is_some_and(|name| name == "mosquitto" || name == "nightjar")
}

/// `PUID` and `PGID`, which images for containers take; each stands for itself, and 0 is as if it was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Numbers {
    user: Option<u32>,
    group: Option<u32>,
}

/// `None`: neither is set.
fn numbers_wanted(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Numbers>, String> {
    let number = |name: &str| {
        let Some(text) = variable(name) else { return Ok(None) };
        let text = text.to_string_lossy().into_owned();
        let number: i64 = text.trim().parse().map_err(|_| format!("Error: {name} not a valid ID '{text}'"))?;
        match u32::try_from(number) {
            Err(_) if number < 0 => Err(format!("Error: {name} must not be negative")),
            Ok(number) if number <= i32::MAX.unsigned_abs() => Ok(Some(number)),
            _ => Err(format!("Error: {name} must not be more than {}", i32::MAX)),
        }
    };
    let (user, group) = (number("PUID")?, number("PGID")?);
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let positive = |number: Option<u32>| number.filter(|number| *number > 0);
    Ok(Some(Numbers { user: positive(user), group: positive(group) }))
}

impl Numbers {
    fn user(self) -> Option<User> {
        let number = self.user?;
        let known = User::from_uid(Uid::from_raw(number)).ok().flatten();
        let mut user = known.unwrap_or_else(|| nameless(number));
        if let Some(group) = self.group {
            user.gid = Gid::from_raw(group);
        }
        Some(user)
    }

    fn carry_out(self) -> Result<(), String> {
        let fails = |what: &str, error: nix::Error| format!("Error: cannot become the {what}: {error}.");
        if let Some(group) = self.group {
            setgid(Gid::from_raw(group)).map_err(|error| fails(&format!("group {group} (PGID)"), error))?;
        }
        if let Some(user) = self.user {
            setuid(Uid::from_raw(user)).map_err(|error| fails(&format!("user {user} (PUID)"), error))?;
        }
        Ok(())
    }
}

/// A user that the system has no name for.
fn nameless(number: u32) -> User {
    User {
        name: number.to_string(),
        passwd: std::ffi::CString::default(),
        uid: Uid::from_raw(number),
        gid: Gid::effective(),
        gecos: std::ffi::CString::default(),
        dir: std::path::PathBuf::new(),
        shell: std::path::PathBuf::new(),
    }
}

/// Sets the mask of new files as `UMASK_SET` says, in octal.
///
/// # Errors
/// The message, in mosquitto's words, if it is no such number.
pub(crate) fn set_umask() -> Result<(), String> {
    if let Some(mask) = umask_wanted(std::env::var_os("UMASK_SET"))? {
        umask(mask);
    }
    Ok(())
}

/// Whether `UMASK_SET` says who may read new files.
pub(crate) fn has_own_umask() -> bool {
    std::env::var_os("UMASK_SET").is_some()
}

fn umask_wanted(given: Option<OsString>) -> Result<Option<Mode>, String> {
    let Some(text) = given else { return Ok(None) };
    let mask = text.to_str().and_then(|text| i64::from_str_radix(text.trim_start(), 8).ok());
    let mask = mask.ok_or("Error: UMASK_SET environment variable not a valid octal number.")?;
    let mask = u32::try_from(mask).ok().filter(|mask| *mask <= 0o777);
    let mask = mask.ok_or("Error: UMASK_SET environment variable out of range.")?;
    Ok(Some(Mode::from_bits_truncate(mask)))
}

/// Whether `wanted` is there to be become: asked before any port is bound.
///
/// # Errors
/// The message, with the place of the option.
pub(crate) fn check(wanted: Option<&Located<String>>) -> Result<(), String> {
    numbers_wanted(|name| std::env::var_os(name))?;
    let Some(wanted) = wanted.filter(|user| Uid::effective().is_root() && user.as_str() != "root") else {
        return Ok(());
    };
    match find(wanted)? {
        Some(_) => Ok(()),
        None => {
            let (name, at) = (&wanted.value, &wanted.at);
            Err(format!("{}\nIt is named at {at}.", no_such_user(name)))
        }
    }
}

/// Gives a unix socket of ours to `user`.
pub(crate) fn give_socket(path: &std::path::Path, user: &User) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
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
fn become_user(user: &User) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// PUID, PGID, and what is made of them.
    type Row = (Option<&'static str>, Option<&'static str>, Result<Option<Numbers>, &'static str>);

    #[test]
    fn the_numbers_of_a_container_are_read_and_what_is_none_is_named() {
        let rows: [Row; 7] = [
            (None, None, Ok(None)),
            (Some("1000"), Some("100"), Ok(Some(Numbers { user: Some(1000), group: Some(100) }))),
            (Some("1000"), None, Ok(Some(Numbers { user: Some(1000), group: None }))),
            (Some("0"), Some("0"), Ok(Some(Numbers { user: None, group: None }))),
            (Some("me"), None, Err("Error: PUID not a valid ID 'me'")),
            (None, Some("-1"), Err("Error: PGID must not be negative")),
            (Some("2147483648"), None, Err("Error: PUID must not be more than 2147483647")),
        ];
        for (user, group, wanted) in rows {
            let found = numbers_wanted(|name| if name == "PUID" { user } else { group }.map(OsString::from));
            assert_eq!(found, wanted.map_err(str::to_owned), "{user:?} {group:?}");
        }
    }

    #[test]
    fn the_mask_of_new_files_is_octal() {
        let rows = [
            (None, Ok(None)),
            (Some("027"), Ok(Some(Mode::from_bits_truncate(0o027)))),
            (Some("8"), Err("Error: UMASK_SET environment variable not a valid octal number.")),
            (Some(""), Err("Error: UMASK_SET environment variable not a valid octal number.")),
            (Some("1000"), Err("Error: UMASK_SET environment variable out of range.")),
            (Some("-1"), Err("Error: UMASK_SET environment variable out of range.")),
        ];
        for (text, wanted) in rows {
            assert_eq!(umask_wanted(text.map(OsString::from)), wanted.map_err(str::to_owned), "{text:?}");
        }
    }
}
