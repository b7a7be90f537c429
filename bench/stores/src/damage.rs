//! What a store makes of damaged files. Every try is a process of its own: a store may panic or never come back.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::engine::{Op, open, said};
use crate::workload::{Churn, PAYLOAD_BYTES, Random, fill, is_right, key, value};

const WAIT_MAX: Duration = Duration::from_secs(20);

/// Writes a small store, as a process does that is then killed: 20,000 waiting messages, among them no few that
/// were acknowledged, in commits of 200.
pub fn prepare(name: &str, dir: &Path) -> Result<(), String> {
    let mut store = open(name, dir)?;
    fill(&mut *store, 2_000, 1_000, 0)?;
    let mut random = Random(23);
    let mut churn = Churn::new(2_000, 1, false);
    for commit in 0..100_u64 {
        let mut ops = Vec::new();
        for n in 0..200 {
            let key = key(crate::engine::QUEUED, (commit * 200 + n) % 500, Some(commit * 200 + n));
            let value = value(&key, PAYLOAD_BYTES + 50, &mut random);
            ops.push(Op::Put(key, value));
            churn.publish(&mut ops);
        }
        store.commit(&ops, true)?;
    }
    // SAFETY: ends the process without tidying up, which is the point.
    unsafe { libc::_exit(0) }
}

/// Opens the store and prints the keys whose values are right, and how many are wrong.
pub fn check(name: &str, dir: &Path) -> Result<(), String> {
    let mut store = open(name, dir)?;
    let mut right = HashMap::new();
    let mut wrong = 0;
    let read = store.each(&mut |key, value| {
        if is_right(key, value) {
            right.insert(key.to_vec(), ());
        } else {
            wrong += 1;
        }
    });
    println!("{}\t{wrong}\t{}", right.len(), read.err().unwrap_or_default().replace(['\n', '\t'], " "));
    // SAFETY: as above; what closing makes of the damage is another question.
    unsafe { libc::_exit(0) }
}

enum Outcome {
    Read { right: u64, wrong: u64, why: String },
    Refused(String),
    Fell(String),
}

fn look(name: &str, dir: &Path) -> Result<Outcome, String> {
    let mut child = Command::new(std::env::current_exe().map_err(said)?)
        .args(["check", name])
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(said)?;
    let begun = Instant::now();
    while child.try_wait().map_err(said)?.is_none() {
        if begun.elapsed() > WAIT_MAX {
            child.kill().and_then(|()| child.wait().map(drop)).map_err(said)?;
            return Ok(Outcome::Fell("does not come back".into()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().map_err(said)?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut fields = out.trim_end_matches('\n').split('\t');
    if let (Some(Ok(right)), Some(Ok(wrong))) = (fields.next().map(str::parse), fields.next().map(str::parse)) {
        return Ok(Outcome::Read { right, wrong, why: fields.next().unwrap_or_default().into() });
    }
    let line = err.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    Ok(if output.status.code() == Some(1) { Outcome::Refused(line) } else { Outcome::Fell(line) })
}

/// Damages copies of what `prepare` left, and prints what came of it.
pub fn damage(name: &str, dir: &Path, tries: u64) -> Result<(), String> {
    let copy = dir.with_extension("copy");
    copy_all(dir, &copy)?;
    let whole = match look(name, &copy)? {
        Outcome::Read { right, .. } => right,
        Outcome::Refused(why) | Outcome::Fell(why) => return Err(format!("undamaged, and yet: {why}")),
    };
    let mut random = Random(41);
    for kind in ["torn", "flip"] {
        let (mut opened, mut refused, mut fell, mut wrong_values) = (0, 0, 0, 0);
        let mut lost = Vec::new();
        let mut why: HashMap<String, u32> = HashMap::new();
        for _ in 0..tries {
            copy_all(dir, &copy)?;
            harm(kind, &copy, &mut random)?;
            match look(name, &copy)? {
                Outcome::Read { right, wrong, why: hindered } => {
                    opened += 1;
                    wrong_values += wrong;
                    lost.push(whole.saturating_sub(right));
                    if !hindered.is_empty() {
                        *why.entry(format!("read in part: {hindered}")).or_default() += 1;
                    }
                }
                Outcome::Refused(line) => {
                    refused += 1;
                    lost.push(whole);
                    *why.entry(line).or_default() += 1;
                }
                Outcome::Fell(line) => {
                    fell += 1;
                    lost.push(whole);
                    *why.entry(line).or_default() += 1;
                }
            }
        }
        lost.sort_unstable();
        let none = lost.iter().filter(|lost| **lost == 0).count();
        println!(
            "{name}\t{kind}\trecords {whole}\topened {opened}\trefused {refused}\tfell {fell}\tlost nothing {none}\t\
             lost median {}\tlost most {}\twrong {wrong_values}",
            lost[lost.len() / 2],
            lost[lost.len() - 1]
        );
        let mut why: Vec<_> = why.into_iter().collect();
        why.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        for (line, times) in why.into_iter().take(4) {
            println!("#\t{times}\t{line}");
        }
    }
    fs::remove_dir_all(&copy).map_err(said)
}

/// `torn`: the file written last loses up to 4 KiB at its end. `flip`: one bit of all files changes.
fn harm(kind: &str, dir: &Path, random: &mut Random) -> Result<(), String> {
    let files = files(dir)?;
    if kind == "torn" {
        let newest = files.iter().filter(|(_, len, _)| *len > 0).max_by_key(|(_, _, when)| *when);
        let (path, len, _) = newest.ok_or("no files")?;
        let cut = 1 + random.below((*len).min(4096));
        return fs::File::options().write(true).open(path).and_then(|file| file.set_len(len - cut)).map_err(said);
    }
    loop {
        let mut at = random.below(files.iter().map(|(_, len, _)| len).sum());
        for (path, len, _) in &files {
            if at < *len {
                let file = fs::File::options().read(true).write(true).open(path).map_err(said)?;
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).map_err(said)?;
                if byte[0] == 0 {
                    break; // room that is not used yet, for the most part
                }
                byte[0] ^= 1 << random.below(8);
                return file.write_all_at(&byte, at).map_err(said);
            }
            at -= len;
        }
    }
}

/// Path, length of what was written, and when, of every file below.
fn files(dir: &Path) -> Result<Vec<(PathBuf, u64, std::time::SystemTime)>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(said)? {
        let entry = entry.map_err(said)?;
        let about = entry.metadata().map_err(said)?;
        if about.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), about.len(), about.modified().map_err(said)?));
        }
    }
    found.sort();
    Ok(found)
}

fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(said)?;
    }
    let status = Command::new("cp").args(["-a", "--sparse=always"]).arg(from).arg(to).status().map_err(said)?;
    if status.success() { Ok(()) } else { Err("cp failed".into()) }
}
