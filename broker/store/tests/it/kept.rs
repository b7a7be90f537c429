//! What was kept comes back as it was.

use std::sync::Arc;

use broker_core::{Instant, MemoryStore, Message, Publisher, SessionNumber, StoreOp};
use broker_store::{Options, Store};
use mqtt::{PropertiesBuf, QoS, TopicName};

use crate::invented::{BEGAN, History, State, commit, folder, message, open, queued, session};

#[test]
fn everything_comes_back_as_it_was_after_every_commit() {
    for seed in 0..6 {
        let dir = folder();
        let (mut history, mut oracle) = (History::new(seed), MemoryStore::default());
        for step in 0..60 {
            let (mut store, recovered, damage) = open(dir.path());
            assert_eq!(damage, [], "seed {seed}, step {step}");
            State::from(recovered).assert_is(&State::from(&oracle), &format!("seed {seed}, step {step}"));
            commit(&mut store, &mut oracle, history.commit());
        }
    }
}

#[test]
fn everything_comes_back_after_many_files_were_cleaned_away() {
    for seed in 100..106 {
        let dir = folder();
        let (mut history, mut oracle) = (History::new(seed), MemoryStore::default());
        for round in 0..12 {
            let (mut store, recovered, damage) = open(dir.path());
            assert_eq!(damage, [], "seed {seed}, round {round}");
            State::from(recovered).assert_is(&State::from(&oracle), &format!("seed {seed}, round {round}"));
            for _ in 0..history.random.below(120) {
                let ops = history.commit();
                commit(&mut store, &mut oracle, ops);
            }
            assert!(
                store.disk_bytes() < 2 * store.live_bytes() + 30_000,
                "seed {seed}: {} bytes on the disk for {} that count",
                store.disk_bytes(),
                store.live_bytes()
            );
        }
        assert!(!dir.path().join("0000000001.log").exists(), "seed {seed}: the first file was cleaned away");
    }
}

#[test]
fn nothing_is_written_twice_before_there_is_waste_enough() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    store.commit((1..=20).map(|number| session(number, "c")).collect(), true).expect("the disk takes it");
    let written = store.disk_bytes();
    for entry in 1..=10 {
        let before = store.disk_bytes();
        let held = message("a", &[1; 500]);
        store.commit(vec![queued(1, entry, Arc::clone(&held))], true).expect("the disk takes it");
        store.commit(vec![StoreOp::Done(SessionNumber(1), entry)], true).expect("the disk takes it");
        assert!(store.disk_bytes() - before < 1_200, "{} bytes for one message", store.disk_bytes() - before);
    }
    assert!(store.disk_bytes() > written + 5_000, "and nothing was cleaned away");
}

#[test]
fn what_is_live_is_the_same_whether_counted_along_or_anew() {
    let dir = folder();
    let (mut history, mut oracle) = (History::new(7), MemoryStore::default());
    let (mut store, _, _) = open(dir.path());
    for _ in 0..300 {
        commit(&mut store, &mut oracle, history.commit());
        let counted = store.live_bytes();
        drop(store);
        store = open(dir.path()).0;
        assert_eq!(store.live_bytes(), counted);
    }
}

#[test]
fn commits_that_were_not_synced_survive_the_process() {
    let dir = folder();
    let (mut history, mut oracle) = (History::new(3), MemoryStore::default());
    let (mut store, _, _) = open(dir.path());
    for _ in 0..200 {
        let ops = history.commit();
        ops.iter().cloned().for_each(|op| oracle.apply(op));
        store.commit(ops, false).expect("the disk takes it");
    }
    drop(store);
    State::from(open(dir.path()).1).assert_is(&State::from(&oracle), "after all");
}

#[test]
fn a_message_that_many_sessions_wait_for_is_written_once() {
    let dir = folder();
    let (mut store, _, _) = Store::open(dir.path(), BEGAN, Options::default()).expect("a store opens");
    let mut oracle = MemoryStore::default();
    let sessions: Vec<_> = (1..=500).map(|number| session(number, &format!("c{number}"))).collect();
    commit(&mut store, &mut oracle, sessions);
    let before = store.disk_bytes();
    let body = message("a/b", &[7; 10_000]);
    let ops = (1..=500).map(|number| queued(number, 1, Arc::clone(&body))).collect();
    commit(&mut store, &mut oracle, ops);
    assert!(store.disk_bytes() - before < 30_000, "{} bytes were written", store.disk_bytes() - before);
    drop(store);

    let (mut store, recovered, _) = Store::open(dir.path(), BEGAN, Options::default()).expect("a store opens");
    let restored: Vec<_> = recovered.into_sessions().map(|(_, session)| session.messages[&1].message.clone()).collect();
    assert!(restored.iter().all(|message| Arc::ptr_eq(message, &restored[0])), "and is in memory once");
    let live = store.live_bytes();
    // After a restart as before: it stays as long as one waits for it, and not longer.
    for number in 1..=499 {
        commit(&mut store, &mut oracle, vec![StoreOp::Done(SessionNumber(number), 1)]);
    }
    assert!(store.live_bytes() > live - 15_000 && store.live_bytes() > 10_000);
    commit(&mut store, &mut oracle, vec![StoreOp::Done(SessionNumber(500), 1)]);
    assert!(live - store.live_bytes() > 10_000);
}

#[test]
fn a_retained_message_is_not_written_for_each_who_asks_for_it() {
    let dir = folder();
    let (mut store, _, _) = Store::open(dir.path(), BEGAN, Options::default()).expect("a store opens");
    let mut oracle = MemoryStore::default();
    let retained = message("a/b", &[7; 10_000]);
    let publisher = Arc::new(Publisher { client_id: "p".into(), username: None, listener: None });
    commit(&mut store, &mut oracle, vec![StoreOp::Retained(Arc::clone(&retained), publisher)]);
    let before = store.disk_bytes();
    for number in 1..=100 {
        let ops = vec![session(number, &format!("c{number}")), queued(number, 1, Arc::clone(&retained))];
        commit(&mut store, &mut oracle, ops);
    }
    assert!(store.disk_bytes() - before < 30_000, "{} bytes were written", store.disk_bytes() - before);
    drop(store);
    State::from(open(dir.path()).1).assert_is(&State::from(&oracle), "after all");
}

#[test]
fn what_comes_and_is_done_with_in_one_commit_is_not_written() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    store.commit(vec![session(1, "c")], true).expect("the disk takes it");
    let before = store.disk_bytes();
    let ops = vec![queued(1, 1, message("a", b"x")), StoreOp::Done(SessionNumber(1), 1)];
    store.commit(ops, true).expect("the disk takes it");
    assert_eq!(store.disk_bytes(), before);
}

#[test]
fn a_message_expires_by_the_time_of_day_though_the_clock_begins_anew() {
    let dir = folder();
    let topic = || TopicName::new("a").expect("a topic").into();
    let at = Some(Instant::from_millis(5_000));
    let expiring = Message::restored(topic(), Box::new([]), PropertiesBuf::new(), at, QoS::AtLeastOnce);
    let (mut store, _, _) = open(dir.path());
    store.commit(vec![session(1, "c"), queued(1, 1, expiring)], true).expect("the disk takes it");
    drop(store);
    // The program starts again two seconds, then ten seconds after the first start.
    for (later, wanted) in [(2_000, 3_000), (10_000, 0)] {
        let (_store, recovered, _) = Store::open(dir.path(), BEGAN + later, Options::default()).expect("a store opens");
        let state = State::from(recovered);
        let message = &state.sessions[&SessionNumber(1)].messages[&1].message;
        assert_eq!(message.expires_at(), Some(Instant::from_millis(wanted)));
    }
}
