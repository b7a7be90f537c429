//! A power cut: what the program did not sync is taken away from it, or some of it, by chance. `unsynced.c` says how it
//! is known.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dice::Dice;
use crate::folder::Folder;
use crate::program::KEPT;

const NOTES: &str = "notes";
/// A sync takes up to so many microseconds.
const SYNC_US: u32 = 3_000;
/// What a disk writes at once.
const SECTOR: usize = 512;

/// Syncs that the layer is to ignore, as if the program had left them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deaf {
    To(&'static str),
    ToNothing,
}

/// The layer between the program and what it keeps.
pub(crate) struct Power {
    kept: PathBuf,
    notes: PathBuf,
    /// `RUBBISH=1`: sectors that were not written may hold anything, as on a file system without ordered data. The store
    /// knows them by their zeros only: it loses no message there, but a message of QoS 2 may come twice, so this is not part
    /// of `make test`.
    has_rubbish: bool,
    /// For the program's environment.
    pub environment: Vec<(String, String)>,
}

impl Power {
    pub(crate) fn new(folder: &Folder, deaf: Deaf) -> Self {
        // The layer compares paths as the kernel tells them.
        let path = folder.path().canonicalize().expect("the folder is there");
        let (kept, notes, layer) = (path.join(KEPT), path.join(NOTES), path.join("unsynced.so"));
        fs::create_dir_all(&kept).expect("a folder");
        fs::create_dir_all(&notes).expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable/unsynced.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]);
        let compiled = compile.arg(&layer).arg(source).status().expect("cc runs");
        assert!(compiled.success(), "cc: {compiled}");
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let mut environment = vec![
            ("LD_PRELOAD".to_owned(), text(&layer)),
            ("UNSYNCED_WATCH".to_owned(), text(&kept)),
            ("UNSYNCED_NOTES".to_owned(), text(&notes)),
            ("UNSYNCED_SYNC_US".to_owned(), SYNC_US.to_string()),
        ];
        if let Deaf::To(what) = deaf {
            environment.push(("UNSYNCED_DEAF".to_owned(), what.to_owned()));
        }
        Self { kept, notes, has_rubbish: std::env::var_os("RUBBISH").is_some(), environment }
    }

    /// The power went. What is there after it is what is on the disk: the notes begin anew.
    pub(crate) fn cut(&self, dice: &mut Dice) -> Cut {
        let after = self.kept.with_extension("after");
        let root = fs::metadata(&self.kept).expect("the folder is there").ino();
        let mut cut = Cut::default();
        self.restore(root, Some(&self.kept), &after, dice, &mut cut);
        for old in [&self.kept, &self.notes] {
            fs::remove_dir_all(old).expect("a folder removed");
        }
        fs::rename(&after, &self.kept).expect("a folder renamed");
        fs::create_dir(&self.notes).expect("a folder");
        cut
    }

    /// Makes `after`, from the notes of folder `inode` and what is written in it (`None`: its name was not there).
    fn restore(&self, inode: u64, written: Option<&Path>, after: &Path, dice: &mut Dice, cut: &mut Cut) {
        fs::create_dir(after).expect("a folder");
        let (synced, written) = (self.synced_entries(inode), written.map(entries).unwrap_or_default());
        let mut names: Vec<_> = synced.keys().chain(written.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (before, now) = (synced.get(name), written.get(name));
            // A name that was made, removed or given to another file since: the disk may have that already, or not.
            let entry = if before == now || dice.one_in(4) { now } else { before };
            cut.names += usize::from(entry != now);
            let Some(entry) = entry else { continue };
            let target = after.join(name);
            if entry.is_dir {
                let path = now.map(|now| now.path.as_path()).filter(|_| before.is_none() || before == now);
                self.restore(entry.inode, path, &target, dice, cut);
            } else {
                let (old, new) = (self.note(entry.inode, "file"), self.note(entry.inode, "pin"));
                let new = if new.exists() { new } else { entry.path.clone() };
                let old = if old.exists() { fs::read(&old).expect("a note") } else { Vec::new() };
                let new = fs::read(&new).unwrap_or_else(|why| panic!("{}: {why}", new.display()));
                let left = remains(&old, &new, self.has_rubbish, dice);
                cut.bytes += usize::from(left != new);
                fs::write(&target, left).expect("a file written");
            }
        }
    }

    fn note(&self, inode: u64, kind: &str) -> PathBuf {
        self.notes.join(format!("{inode}.{kind}"))
    }

    fn synced_entries(&self, inode: u64) -> BTreeMap<String, Entry> {
        // A folder that was never synced has no names on the disk.
        let list = fs::read_to_string(self.note(inode, "list")).unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (inode, kind, name) = (words.next()?, words.next()?, words.next()?);
            let path = self.note(inode.parse().ok()?, "pin");
            Some((name.to_owned(), Entry { inode: inode.parse().ok()?, is_dir: kind == "d", path }))
        };
        list.lines().map(|line| entry(line).unwrap_or_else(|| panic!("a note: {line}"))).collect()
    }
}

/// What a power cut took.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// Names that are not as they were written.
    pub names: usize,
    /// Files whose bytes are not as they were written.
    pub bytes: usize,
}

/// A name in a folder.
struct Entry {
    inode: u64,
    is_dir: bool,
    /// Where it can be read.
    path: PathBuf,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.inode == other.inode
    }
}

fn entries(dir: &Path) -> BTreeMap<String, Entry> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("an entry of the folder");
        let is = entry.metadata().expect("it is there");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        (name, Entry { inode: is.ino(), is_dir: is.is_dir(), path: entry.path() })
    };
    fs::read_dir(dir).expect("a folder").map(entry).collect()
}

/// What is left of a file that was last synced as `old` and written to be `new`: what did not change is there; of the
/// rest the disk has nothing, all, the first part, or any sectors, with zeros where its length came first, or with
/// `has_rubbish` what another file left there.
fn remains(old: &[u8], new: &[u8], has_rubbish: bool, dice: &mut Dice) -> Vec<u8> {
    if old == new || dice.one_in(6) {
        return new.to_vec();
    }
    let grown = new.len().saturating_sub(old.len());
    match dice.below(3) {
        0 => old.to_vec(),
        1 if new.starts_with(old) => new[..old.len() + dice.below(grown + 1)].to_vec(),
        _ => {
            let len = if new.len() >= old.len() { old.len() + dice.below(grown + 1) } else { old.len() };
            let rubbish = dice.byte();
            let mut left = old.to_vec();
            left.resize(len, 0);
            for at in (0..len).step_by(SECTOR) {
                let sector = at..(at + SECTOR).min(len);
                match dice.below(4) {
                    // Not written. Where it is behind the old end, zeros.
                    0 => {}
                    1 if has_rubbish && at >= old.len() => left[sector].fill(rubbish),
                    _ => {
                        let end = sector.end.min(new.len());
                        if at < end {
                            left[at..end].copy_from_slice(&new[at..end]);
                        }
                    }
                }
            }
            left
        }
    }
}
