//! Files that are not as they were written: the start succeeds, and everything else is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_core::{MemoryStore, Publisher, SessionNumber, StoreOp, StoredTaken};
use broker_store::{Damage, Harm, Store};
use mqtt::PacketId;

use crate::invented::{History, Random, State, commit, folder, message, open, queued, session};

/// The files with records, in their order.
fn logs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a folder").flatten().map(|entry| entry.path());
    let mut logs: Vec<_> = entries.filter(|path| path.extension().is_some_and(|is| is == "log")).collect();
    logs.sort();
    logs
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = folder();
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        fs::copy(entry.path(), to.path().join(entry.file_name())).expect("copied");
    }
    to
}

/// Opens a damaged store, and once more: what was told once is not told again, and nothing else is lost.
fn open_twice(dir: &Path, when: &str) -> (State, Vec<Damage>) {
    let (store, recovered, damage) = open(dir);
    let state = State::from(recovered);
    drop(store);
    let (mut store, again, told_again) = open(dir);
    State::from(again).assert_is(&state, when);
    assert_eq!(told_again, [], "{when}");
    // And it goes on from there.
    store.commit(vec![session(1_000, "later")], true).expect("the disk takes it");
    drop(store);
    let (_store, again, told_again) = open(dir);
    let mut again = State::from(again);
    assert!(again.sessions.remove(&SessionNumber(1_000)).is_some(), "{when}");
    again.assert_is(&state, when);
    assert_eq!(told_again, [], "{when}");
    (state, damage)
}

#[test]
fn wherever_the_last_file_is_cut_whole_commits_are_there() {
    let dir = folder();
    let (mut history, mut oracle) = (History::new(11), MemoryStore::default());
    let (mut store, _, _) = open(dir.path());
    let mut states = Vec::new();
    while store.disk_bytes() < 2_000 {
        states.push((store.disk_bytes(), State::from(&oracle)));
        commit(&mut store, &mut oracle, history.commit());
    }
    states.push((store.disk_bytes(), State::from(&oracle)));
    drop(store);
    let [log] = &logs(dir.path())[..] else { panic!("one file") };
    let whole = fs::read(log).expect("a file");
    let _reserve_is_not_copied = fs::remove_file(dir.path().join("reserve"));
    for len in 0..whole.len() {
        fs::write(log, &whole[..len]).expect("written");
        let copy = copy(dir.path());
        let (_store, recovered, damage) = open(copy.path());
        let (bytes, wanted) = states.iter().rev().find(|(bytes, _)| *bytes <= len as u64).unwrap_or(&states[0]);
        State::from(recovered).assert_is(wanted, &format!("cut at {len}"));
        // A file that is cut in its header held nothing.
        let is_whole = *bytes == len as u64 || len <= 96;
        let harms: Vec<_> = damage.iter().map(|damage| damage.harm).collect();
        assert_eq!(harms, if is_whole { vec![] } else { vec![Harm::Torn] }, "cut at {len}");
    }
}

/// A store in which each record stands for itself: nothing is shared, nothing was done with.
fn plain(dir: &Path) -> State {
    let mut oracle = MemoryStore::default();
    let (mut store, _, _) = open(dir);
    let mut random = Random(5);
    let mut payload = |len: u64| -> Vec<u8> { (0..len).map(|_| random.below(255) as u8 + 1).collect() };
    let publisher = Arc::new(Publisher { client_id: "publisher".into(), username: None, listener: None });
    for number in 1..=6 {
        let mut ops = vec![session(number, &format!("client-{number}"))];
        for entry in 1..=8 {
            ops.push(queued(number, entry, message("a/b", &payload(60 + entry * 20))));
        }
        ops.push(StoreOp::Retained(message(&format!("kept/{number}"), &payload(90)), Arc::clone(&publisher)));
        for op in ops {
            // One after the other, so that the store sees each message in one place only.
            oracle.apply(op.clone());
            let op = if let StoreOp::Queued(number, held) = op {
                let copy = message(held.message.topic().as_str(), held.message.payload());
                queued(number.0, held.entry, copy)
            } else {
                op
            };
            store.commit(vec![op], true).expect("the disk takes it");
        }
    }
    State::from(&oracle)
}

#[test]
fn a_changed_bit_costs_one_record_and_says_whose_it_was() {
    let dir = folder();
    let whole = plain(dir.path());
    assert!(logs(dir.path()).len() >= 3, "several files");
    let mut random = Random(29);
    let (mut named, mut tries) = (0, 0);
    for log in logs(dir.path()) {
        let len = fs::metadata(&log).expect("a file").len();
        for _ in 0..70 {
            let copy = copy(dir.path());
            let path = copy.path().join(log.file_name().expect("a name"));
            let mut bytes = fs::read(&path).expect("a file");
            let (at, bit) = (random.below(len) as usize, random.below(8));
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).expect("written");
            let when = format!("bit {bit} of byte {at} in {}", path.display());
            let (state, damage) = open_twice(copy.path(), &when);
            if at < 96 {
                state.assert_is(&whole, &when);
                assert_eq!(damage, [], "{when}");
                continue;
            }
            let lost: Vec<String> = differences(&whole, &state);
            assert_eq!(lost.len(), 1, "{when}: {lost:?}");
            assert_eq!(damage[0].harm, Harm::Unreadable, "{when}");
            let aside = damage[0].aside.as_ref().expect("it was set aside");
            assert!(fs::read_to_string(aside).expect("a file").contains("\"bytes\":"), "{when}");
            if lost[0].starts_with("session") {
                // Its messages are set aside, and counted.
                assert!(
                    damage.iter().any(|damage| damage.harm == Harm::Incomplete && damage.messages > 0),
                    "{damage:?}"
                );
            }
            tries += 1;
            named += usize::from(damage.iter().any(|damage| !damage.clients.is_empty() || damage.messages > 0));
        }
    }
    assert!(named * 2 > tries, "for most of them it can be told what it was: {named} of {tries}");
}

fn differences(whole: &State, now: &State) -> Vec<String> {
    let mut lost = Vec::new();
    for (number, session) in &whole.sessions {
        match now.sessions.get(number) {
            None => lost.push(format!("session {number:?}")),
            Some(now) => {
                let gone = session.messages.iter().filter(|(entry, held)| now.messages.get(entry) != Some(held));
                lost.extend(gone.map(|(entry, _)| format!("message {entry} of {number:?}")));
            }
        }
    }
    let gone = whole.retained.iter().filter(|(topic, kept)| now.retained.get(topic) != Some(kept));
    lost.extend(gone.map(|(topic, _)| format!("retained {topic:?}")));
    lost
}

#[test]
fn a_store_of_any_history_opens_whatever_was_done_to_its_files() {
    for seed in 0..40 {
        let dir = folder();
        let (mut history, mut oracle) = (History::new(seed), MemoryStore::default());
        let (mut store, _, _) = open(dir.path());
        for _ in 0..40 {
            commit(&mut store, &mut oracle, history.commit());
        }
        drop(store);
        let logs = logs(dir.path());
        for _ in 0..=history.random.below(4) {
            let path = &logs[history.random.below(logs.len() as u64) as usize];
            let Ok(mut bytes) = fs::read(path) else { continue };
            let at = history.random.below(bytes.len() as u64 + 1) as usize;
            match history.random.below(5) {
                0 => fs::remove_file(path).expect("removed"),
                1 => fs::write(path, &bytes[..at]).expect("written"),
                2 => {
                    let end = bytes.len().min(at + 700);
                    bytes[at..end].fill(0);
                    fs::write(path, &bytes).expect("written");
                }
                3 => {
                    let piece = bytes[at..].to_vec();
                    bytes.extend_from_slice(&piece);
                    fs::write(path, &bytes).expect("written");
                }
                _ => {
                    bytes.iter_mut().skip(at).take(9).for_each(|byte| *byte ^= 0x55);
                    fs::write(path, &bytes).expect("written");
                }
            }
        }
        open_twice(dir.path(), &format!("seed {seed}"));
    }
}

#[test]
fn a_message_that_many_wait_for_is_missed_by_each_of_them_when_it_is_damaged() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    let body = message("a/b", &[7; 400]);
    let ops = (1..=3).flat_map(|n| [session(n, &format!("c{n}")), queued(n, 1, Arc::clone(&body))]).collect();
    store.commit(ops, true).expect("the disk takes it");
    drop(store);
    let log = &logs(dir.path())[0];
    let mut bytes = fs::read(log).expect("a file");
    let at = bytes.windows(100).position(|window| window == [7; 100]).expect("the payload");
    bytes[at + 50] = 8;
    fs::write(log, bytes).expect("written");
    let (state, damage) = open_twice(dir.path(), "the body is damaged");
    assert!(state.sessions.values().all(|session| session.messages.is_empty()));
    let incomplete = damage.iter().find(|damage| damage.harm == Harm::Incomplete).expect("it is told");
    assert_eq!(incomplete.messages, 3);
    assert_eq!(incomplete.clients, ["c1", "c2", "c3"].map(Box::from).into_iter().collect::<BTreeSet<_>>());
    let said = incomplete.to_string();
    assert!(said.contains("3 messages are lost; concerned: c1, c2, c3; set aside in "), "{said}");
}

#[test]
fn a_payload_that_looks_like_a_record_is_not_taken_for_one() {
    // Whoever knows the format, but not the salt, and is lucky enough that what stands around it is damaged.
    let other = folder();
    let (mut store, _, _) = open(other.path());
    store.commit(vec![session(66, "forged")], true).expect("the disk takes it");
    drop(store);
    let forged = fs::read(&logs(other.path())[0]).expect("a file")[96..].to_vec();

    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    store.commit(vec![session(1, "c"), queued(1, 1, message("a", &forged))], true).expect("the disk takes it");
    store.commit(vec![session(2, "d")], true).expect("the disk takes it");
    drop(store);
    let log = &logs(dir.path())[0];
    let mut bytes = fs::read(log).expect("a file");
    let at = bytes.windows(forged.len()).position(|window| window == forged).expect("the payload");
    bytes[at - 1] ^= 1;
    fs::write(log, bytes).expect("written");
    let (state, _) = open_twice(dir.path(), "forged");
    assert_eq!(state.sessions.keys().map(|number| number.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn when_a_file_is_missing_the_others_are_read() {
    let dir = folder();
    plain(dir.path());
    let logs = logs(dir.path());
    fs::remove_file(&logs[1]).expect("removed");
    let (state, damage) = open_twice(dir.path(), "the second file is missing");
    assert!(!state.sessions.is_empty());
    assert_eq!((damage[0].harm, &damage[0].file), (Harm::Missing, &logs[1]));
}

#[test]
fn what_is_not_a_store_at_all_is_set_aside_and_one_is_begun() {
    let dir = folder();
    fs::write(dir.path().join("0000000001.log"), vec![b'x'; 5_000]).expect("written");
    fs::write(dir.path().join("notes.log"), "not ours").expect("written");
    let (state, damage) = open_twice(dir.path(), "not a store");
    assert_eq!(state, State::default());
    assert!(damage.iter().any(|damage| damage.harm == Harm::Header), "{damage:?}");
    let (store, ..): (Store, _, _) = open(dir.path());
    assert!(store.disk_bytes() > 0);
}

#[test]
fn a_crash_at_any_moment_of_a_commit_leaves_all_of_it_or_nothing() {
    let read = |dir: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        let name = |path: &PathBuf| PathBuf::from(path.file_name().expect("a name"));
        logs(dir).iter().map(|path| (name(path), fs::read(path).expect("a file"))).collect()
    };
    let mut removed = 0;
    for seed in 200..204 {
        let dir = folder();
        let (mut history, mut oracle) = (History::new(seed), MemoryStore::default());
        let (mut store, _, _) = open(dir.path());
        for step in 0..300 {
            let (files_before, state_before) = (read(dir.path()), State::from(&oracle));
            commit(&mut store, &mut oracle, history.commit());
            let (files_after, state_after) = (read(dir.path()), State::from(&oracle));
            // A file that was cleaned goes last of all: it may still be there.
            let mut files = files_before.clone();
            files.extend(files_after.clone());
            removed += files.len() - files_after.len();
            let Some((last, bytes)) = files.iter_mut().next_back() else { continue };
            let before = files_before.get(last).map_or(0, Vec::len);
            let grown = bytes.len() - before;
            let cut = history.random.below(grown as u64 + 1) as usize;
            bytes.truncate(before + cut);
            let crashed = folder();
            for (name, bytes) in &files {
                fs::write(crashed.path().join(name), bytes).expect("written");
            }
            let (_store, recovered, _) = open(crashed.path());
            let wanted = if cut == grown { &state_after } else { &state_before };
            State::from(recovered).assert_is(wanted, &format!("seed {seed}, step {step}, cut {cut} of {grown}"));
        }
    }
    assert!(removed > 20, "files were cleaned away: {removed}");
}

#[test]
fn of_a_last_commit_that_is_damaged_no_message_is_let_go_for_another_that_is_lost() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    let (one, two, id) = (SessionNumber(1), SessionNumber(2), PacketId::MIN);
    let taken = StoredTaken { message: message("t", b"taken"), retain: false };
    let first = vec![session(1, "one"), session(2, "two"), StoreOp::Taken(one, id, taken.clone())];
    store.commit(first, true).expect("the disk takes it");
    store.commit(vec![queued(1, 1, message("t", b"shared"))], true).expect("the disk takes it");
    // One message is released and routed, another handed on; both go to a second session.
    let lost = vec![b'x'; 2_000];
    let moves = vec![
        StoreOp::Released(one, id),
        queued(2, 1, message("t", &lost)),
        StoreOp::Done(one, 1),
        StoreOp::RetainedGone(message("r", b"").topic().into()),
        session(3, "three"),
    ];
    store.commit(moves, true).expect("the disk takes it");
    drop(store);
    let [log] = &logs(dir.path())[..] else { panic!("one file") };
    let mut bytes = fs::read(log).expect("a file");
    let at = bytes.windows(lost.len()).position(|window| window == lost).expect("the message");
    bytes[at..at + 512].fill(b'?');
    fs::write(log, &bytes).expect("written");
    let (state, damage) = open_twice(dir.path(), "rubbish in the last commit");
    assert_eq!(damage.iter().map(|damage| damage.harm).collect::<Vec<_>>(), [Harm::Unreadable]);
    assert_eq!(state.sessions[&one].taken[&id], taken, "it is released again, and routed");
    assert_eq!(state.sessions[&one].messages[&1].message.payload(), b"shared");
    assert_eq!(state.sessions[&two].messages.len(), 0);
    assert!(state.sessions.contains_key(&SessionNumber(3)), "what is whole counts");

    // What is done with from then on goes, and stays away.
    let (mut store, _, _) = open(dir.path());
    store.commit(vec![StoreOp::Done(one, 1), StoreOp::Released(one, id)], true).expect("the disk takes it");
    store.rewrite().expect("the disk takes it");
    drop(store);
    let (_store, recovered, _) = open(dir.path());
    let state = State::from(recovered);
    assert!(state.sessions[&one].messages.is_empty() && state.sessions[&one].taken.is_empty());
}
