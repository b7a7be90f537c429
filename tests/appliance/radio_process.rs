//! The process that has the radio, seen from outside: which privileges it and the broker have, and that neither its
//! faults nor its end concern the broker. Whether this machine has Bluetooth makes no difference to any of it.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use crate::clients::{Subscriber, publish_well};
use crate::folder::Folder;
use crate::harness::{Appliance, nightjar, poll_until};

const CONF: &str = "listener PORT 127.0.0.1\nallow_anonymous true\n";
const TOML: &str = "[gateway.radio]\n\n[[gateway.sink]]\nkind = \"embedded\"\n";
/// CAP_NET_ADMIN (12) and CAP_NET_RAW (13).
const OF_RADIO: u64 = 1 << 12 | 1 << 13;

fn with_radio() -> Appliance {
    let folder = Folder::new();
    folder.write("nightjar.toml", TOML);
    Appliance::start(CONF, folder)
}

fn child_of(pid: Pid) -> Option<Pid> {
    let mut found = None;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found = found.or(children.split_whitespace().next().and_then(|pid| pid.parse().ok()).map(Pid::from_raw));
    }
    found
}

fn radio_process(appliance: &Appliance) -> Pid {
    let mut child = None;
    poll_until(|| {
        child = child_of(appliance.pid());
        child.is_some()
    });
    child.expect("the broker has a child")
}

/// A line of `/proc/…/status`; `None`: there is no such process (any more).
fn status(path: &str, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{path}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    Some(line.split_whitespace().nth(1)?.to_owned())
}

fn capabilities(path: &str, set: &str) -> u64 {
    u64::from_str_radix(&status(path, set).expect("it lives"), 16).expect("hexadecimal digits")
}

fn is_gone(pid: Pid) -> bool {
    // One whose parent was killed may be left for init to bury.
    status(&pid.to_string(), "State:").is_none_or(|state| state == "Z")
}

fn works(appliance: &Appliance) {
    let subscriber = Subscriber::start(appliance.port, &["-t", "well"]);
    publish_well(appliance.port, &["-t", "well", "-m", "yes"]);
    assert_eq!(subscriber.messages(1), ["well|0|0|yes"]);
}

#[test]
fn the_broker_keeps_no_capability_and_the_radio_process_two() {
    let appliance = with_radio();
    let (broker, radio) = (appliance.pid().to_string(), radio_process(&appliance).to_string());
    // It gives up what it does not need before it does anything; that shows in its socket's first message at the latest.
    poll_until(|| {
        status(&radio, "NoNewPrivs:").as_deref() == Some("1") && capabilities(&radio, "CapPrm:") & !OF_RADIO == 0
    });
    for thread in fs::read_dir(format!("/proc/{broker}/task")).expect("it lives").flatten() {
        let thread = format!("{broker}/task/{}", thread.file_name().to_string_lossy());
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(capabilities(&thread, set), 0, "{set} of {thread}");
        }
        assert_eq!(status(&thread, "NoNewPrivs:").as_deref(), Some("1"));
    }
    for set in ["CapPrm:", "CapEff:"] {
        let wanted = if Uid::effective().is_root() { OF_RADIO } else { capabilities(&radio, set) & OF_RADIO };
        assert_eq!(capabilities(&radio, set), wanted, "{set}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(capabilities(&radio, set), 0, "{set}");
    }
    assert_eq!(status(&radio, "NoNewPrivs:").as_deref(), Some("1"));
    if Uid::effective().is_root() {
        assert_eq!((capabilities(&broker, "CapBnd:"), capabilities(&radio, "CapBnd:")), (0, 0));
        assert_eq!(status(&radio, "Uid:"), status(&broker, "Uid:"));
        assert_ne!(status(&radio, "Uid:").as_deref(), Some("0"), "both have become another user");
    }
}

#[test]
fn a_radio_that_cannot_be_had_is_told_and_the_broker_runs() {
    // The same is told to who scans by hand, if anything is.
    let by_hand = nightjar(&["gateway", "scan", "--seconds", "0"]);
    let appliance = with_radio();
    works(&appliance);
    if !by_hand.status.success() {
        let line = appliance.log.wait_for(" The broker runs without a radio; it is tried again in 30 s.");
        let cause = String::from_utf8_lossy(&by_hand.stderr).trim_end().trim_end_matches('.').to_owned();
        let as_root = Uid::effective().is_root() || !cause.contains("CAP_");
        assert!(!as_root || line.contains(&cause), "{line:?} has {cause:?}");
    }
}

#[test]
fn the_end_of_the_radio_process_is_told_and_the_broker_runs() {
    let appliance = with_radio();
    kill(radio_process(&appliance), Signal::SIGKILL).expect("it is there");
    appliance.log.wait_for("Error: the radio process ended (signal: 9 (SIGKILL)). The broker runs on, without a radio");
    works(&appliance);
}

#[test]
fn the_radio_process_ends_with_the_broker_however_that_ends() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let mut appliance = with_radio();
        let radio = radio_process(&appliance);
        appliance.signal(signal);
        appliance.wait();
        poll_until(|| is_gone(radio));
        assert!(is_gone(radio), "{signal}: process {radio} is left");
        assert_eq!(appliance.log.count("the radio process ended"), 0, "its end was asked for");
    }
}

#[test]
fn signals_for_the_broker_do_not_concern_the_radio_process() {
    let appliance = with_radio();
    let radio = radio_process(&appliance);
    // A terminal's signals go to its whole group; SIGHUP makes the broker read its files again.
    poll_until(|| capabilities(&radio.to_string(), "SigBlk:") & 0b11 == 0b11);
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        kill(radio, signal).expect("it is there");
    }
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for("Reloading config.");
    works(&appliance);
    assert_eq!(radio_process(&appliance), radio);
    assert!(!is_gone(radio));
    assert_eq!(appliance.log.count("the radio process ended"), 0);
}

#[test]
fn settings_of_a_radio_are_checked_without_one() {
    let folder = Folder::new();
    let conf = folder.write("mosquitto.conf", "listener 1883 127.0.0.1\nallow_anonymous true\n");
    let conf = conf.to_str().expect("a path in UTF-8").to_owned();
    folder.write("nightjar.toml", TOML);
    assert!(nightjar(&["run", "-c", &conf, "--test-config"]).status.success());
    assert!(nightjar(&["check", "-c", &conf]).status.success());
    folder.write("nightjar.toml", TOML.replace("[gateway.radio]", "[gateway.radio]\nmode = \"loud\""));
    for arguments in [&["run", "-c", &conf, "--test-config"] as &[&str], &["check", "-c", &conf]] {
        let output = nightjar(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("mode") && said.contains("loud"), "{said}");
        assert_eq!(output.status.code(), Some(3), "{said}");
    }
}

#[test]
fn the_radio_process_is_no_command_of_its_own() {
    let output = nightjar(&["radio-process", "{}"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("a part of `nightjar run`"), "{said}");
}
