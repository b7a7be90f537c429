//! `nightjar manual`: a page for who asks, and all of them in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::program::{NIGHTJAR, Share, name_of, nightjar, said};

#[test]
fn a_page_is_found_by_its_name_or_by_the_words_of_the_command() {
    for (words, title) in [
        (&[][..], "NIGHTJAR 1"),
        (&["run"], "NIGHTJAR-RUN 1"),
        (&["nightjar-run"], "NIGHTJAR-RUN 1"),
        (&["acl", "explain"], "NIGHTJAR-ACL-EXPLAIN 1"),
        (&["acl-explain"], "NIGHTJAR-ACL-EXPLAIN 1"),
        (&["mosquitto.conf"], "MOSQUITTO.CONF 5"),
        (&["nightjar.conf"], "NIGHTJAR.CONF 5"),
        (&["nightjar.toml"], "NIGHTJAR.TOML 5"),
        (&["mosquitto"], "MOSQUITTO 8"),
        (&["mosquitto_passwd"], "MOSQUITTO_PASSWD 1"),
    ] {
        let page = said(&[&["manual"], words].concat());
        assert!(page.contains(&format!("\n.TH {title} ")), "{words:?} is not {title}:\n{page}");
    }
}

#[test]
fn who_asks_for_a_page_that_is_not_there_is_told_those_that_are() {
    let answer = nightjar(&["manual", "nonsense"]);
    assert_eq!(answer.status.code(), Some(1));
    let told = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(told.contains("there is no page 'nonsense'") && told.contains("nightjar-acl-explain"), "{told}");
    assert!(answer.stdout.is_empty());
}

#[test]
fn a_person_at_a_terminal_is_shown_the_page_by_man() {
    let dir = tempfile::tempdir().expect("a folder");
    let (man, seen) = (dir.path().join("man"), dir.path().join("seen"));
    fs::write(&man, format!("#!/bin/sh\necho \"$@\" > {0}; cat >> {0}\n", seen.display())).expect("a man written");
    fs::set_permissions(&man, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("a PATH"));
    // `script` gives it a terminal.
    let shown = Command::new("script")
        .args(["-qec", &format!("{NIGHTJAR} manual run"), "/dev/null"])
        .env("PATH", path)
        .output()
        .expect("script runs; `make test` installs it");
    assert!(shown.status.success(), "{shown:?}");
    let seen = fs::read_to_string(seen).expect("man was started");
    assert!(seen.starts_with("-l /dev/stdin\n") && seen.contains("\n.TH NIGHTJAR-RUN 1 "), "{seen}");
    assert!(!String::from_utf8_lossy(&shown.stdout).contains(".TH"), "the source went to the terminal, too");
}

#[test]
fn what_an_older_nightjar_wrote_is_replaced_and_what_is_of_others_is_not() {
    let share = Share::new();
    let dir = share.dir.path().to_str().expect("a path in UTF-8");
    let (ours, other) = (share.dir.path().join("man/man1/nightjar.1"), share.dir.path().join("man/man8/mosquitto.8"));
    let now = fs::read_to_string(&ours).expect("the page is there");
    let older = now.replace(env!("CARGO_PKG_VERSION"), "0.0.1");
    fs::write(&ours, &older).expect("an older page written");

    fs::write(&other, ".TH MOSQUITTO 8\n").expect("a page of others written");
    let answer = nightjar(&["manual", "--dir", dir]);
    assert_eq!(answer.status.code(), Some(1));
    let told = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(
        told.contains("man/man8/mosquitto.8 is there, and not of nightjar") && told.contains("--own-names"),
        "{told}"
    );
    assert_eq!(fs::read_to_string(&ours).expect("the page is there"), older, "something was written all the same");

    said(&["manual", "--dir", dir, "--own-names"]);
    assert_eq!(fs::read_to_string(&ours).expect("the page is there"), now);
    assert_eq!(fs::read_to_string(&other).expect("the page is there"), ".TH MOSQUITTO 8\n");
}

#[test]
fn with_own_names_nothing_has_a_name_of_mosquittos() {
    let dir = tempfile::tempdir().expect("a folder");
    said(&["manual", "--dir", dir.path().to_str().expect("a path in UTF-8"), "--own-names"]);
    let mut names = Vec::new();
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                names.push(name_of(&entry.path()).to_owned());
            }
        }
    }
    assert!(
        names.iter().any(|name| name == "nightjar.conf.5") && names.iter().any(|name| name == "_nightjar"),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name.contains("mosquitto")), "{names:?}");
}
