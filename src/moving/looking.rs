//! `nightjar store check`, `dump` and `repair`.

use std::path::Path;
use std::process::ExitCode;

use broker_store::{Damage, OpenError, Options, Standing, Store, dump, holds_store, inspect, user_of};

use super::export::time;
use crate::screen;

/// Exit status: something is damaged.
pub(super) const DAMAGED: u8 = 1;
/// Exit status: it cannot be read.
pub(super) const UNREADABLE: u8 = 2;

/// A refusal in one line.
pub(super) fn refuse(cause: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("Error: {cause}");
    ExitCode::from(UNREADABLE)
}

/// Whether there is something to look at; a store in use is said to be.
pub(super) fn begin(dir: &Path) -> Result<(), String> {
    match holds_store(dir) {
        Err(why) => return Err(why.to_string()),
        Ok(false) => return Err(format!("{}: there is no store", dir.display())),
        Ok(true) => {}
    }
    if let Some(pid) = user_of(dir).map_err(|why| why.to_string())? {
        let by = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
        eprintln!("{}: a broker has it open{by}; this is what was in it a moment ago", dir.display());
    }
    Ok(())
}

pub(super) fn check(dir: &Path) -> ExitCode {
    if let Err(why) = begin(dir) {
        return refuse(&why);
    }
    let found = match inspect(dir, 0) {
        Ok(found) => found,
        Err(why) => return refuse(&why),
    };
    let bytes: u64 = found.files.iter().map(|(_, bytes)| bytes).sum();
    screen::line(dir.display());
    for (count, what) in [
        (found.recovered.session_count() as u64, "sessions"),
        (found.recovered.message_count() as u64, "messages queued or in flight"),
        (found.recovered.retained_count() as u64, "retained messages"),
        (found.files.len() as u64, "files"),
        (bytes, "bytes"),
        (found.live_bytes, "bytes of it still count"),
    ] {
        screen::line(format_args!("  {count:>10}  {what}"));
    }
    for damage in &found.told_before {
        screen::line(format_args!("set aside before: {damage}"));
    }
    for file in &found.aside {
        screen::line(format_args!("what was set aside is in {}", file.display()));
    }
    for damage in &found.damage {
        screen::line(format_args!("damaged: {damage}"));
    }
    if found.damage.is_empty() {
        screen::line(if found.told_before.is_empty() {
            "No damage.".to_owned()
        } else {
            format!("No new damage. nightjar store repair {} writes it anew without the old.", dir.display())
        });
        return ExitCode::SUCCESS;
    }
    screen::line(format_args!(
        "A broker starts with everything else, and sets this aside. nightjar store repair {} does it now.",
        dir.display()
    ));
    ExitCode::from(DAMAGED)
}

pub(super) fn dump_all(dir: &Path) -> ExitCode {
    if let Err(why) = begin(dir) {
        return refuse(&why);
    }
    let mut is_damaged = false;
    let done = dump(dir, &time, |entry| {
        let standing = match entry.standing {
            Standing::Committed => "",
            Standing::NotPromised => "NOT PROMISED ",
            Standing::Unreadable => "DAMAGED ",
        };
        is_damaged |= entry.standing == Standing::Unreadable;
        let (file, offset, bytes, what) = (entry.file, entry.offset, entry.bytes, entry.what);
        screen::line(format_args!("{file} {offset:>9} {bytes:>7}  {standing}{what}"));
    });
    match done {
        Err(why) => refuse(&why),
        Ok(()) if is_damaged => ExitCode::from(DAMAGED),
        Ok(()) => ExitCode::SUCCESS,
    }
}

pub(super) fn repair(dir: &Path) -> ExitCode {
    match holds_store(dir) {
        Err(why) => return refuse(&why),
        Ok(false) => return refuse(&format_args!("{}: there is no store", dir.display())),
        Ok(true) => {}
    }
    let (mut store, recovered, damage) = match Store::open(dir, 0, Options::default()) {
        Ok(opened) => opened,
        Err(why @ OpenError::InUse { .. }) => return refuse(&format_args!("{why}: stop the broker first")),
        Err(why) => return refuse(&why),
    };
    let is_aside = |damage: &&Damage| damage.aside.is_none() && (damage.bytes > 0 || damage.messages > 0);
    if let Some(lost) = damage.iter().find(is_aside) {
        // Written anew it would be gone for good.
        return refuse(&format_args!(
            "{lost}; it cannot be set aside (is the disk full?), so nothing was written anew"
        ));
    }
    for damage in &damage {
        screen::line(format_args!("damaged: {damage}"));
    }
    let before = store.disk_bytes();
    if let Err(why) = store.rewrite() {
        return refuse(&format_args!("{why}; nothing is lost, and it can be tried again"));
    }
    screen::line(format_args!(
        "{}: written anew: {} sessions, {} messages queued or in flight, {} retained messages; {} bytes before, {} now.",
        dir.display(),
        recovered.session_count(),
        recovered.message_count(),
        recovered.retained_count(),
        before,
        store.disk_bytes(),
    ));
    ExitCode::SUCCESS
}
