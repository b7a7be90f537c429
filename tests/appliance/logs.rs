//! Where the log goes, beside mosquitto where it knows the place; signals; and what systemd is told.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::clients::{Subscriber, publish_well};
use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Appliance, Lines, PATIENCE, filled, free_port, poll_until};
use crate::mosquitto::Mosquitto;
use crate::side::Side;

/// Without the user, which a [`Side`] has of its own.
const LISTENS: &str = "listener PORT 127.0.0.1\nallow_anonymous true\n";
const OPEN: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\n";

/// A socket of the test, which somebody sends datagrams to.
struct Ear(UnixDatagram);

impl Ear {
    fn at(path: &str) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        Self(socket)
    }

    fn next(&self) -> String {
        let mut bytes = vec![0; 65_536];
        let count = self.0.recv(&mut bytes).expect("a datagram in time");
        String::from_utf8(bytes[..count].to_vec()).expect("text")
    }

    fn wait_for(&self, part: &str) -> String {
        loop {
            let datagram = self.next();
            if datagram.contains(part) {
                return datagram;
            }
        }
    }
}

#[test]
fn syslog_and_the_journal_are_told_each_in_its_own_form() {
    let folder = Folder::new();
    let (syslog, journal) = (folder.at("syslog"), folder.at("journal"));
    let (to_syslog, to_journal) = (Ear::at(&syslog), Ear::at(&journal));
    let conf = format!("{OPEN}log_dest stderr\nlog_dest syslog\nlog_dest journal\nlog_facility 2\n");
    let sockets = [("NIGHTJAR_SYSLOG_SOCKET", syslog.as_str()), ("NIGHTJAR_JOURNAL_SOCKET", journal.as_str())];
    let appliance = Appliance::start_in(&conf, folder, &[], &sockets);
    publish_well(appliance.port, &["-i", "gw-7", "-t", "t", "-m", "x"]);
    let line = to_syslog.wait_for("New client connected");
    // local2 is 18, notice 5.
    assert!(line.starts_with("<149>") && line.contains(&format!(" nightjar[{}]: ", appliance.pid())), "{line}");
    let entry = to_journal.wait_for("New client connected");
    for field in ["MESSAGE=New client connected from 127.0.0.1:", "PRIORITY=5\n", "NIGHTJAR_CLIENT_ID=gw-7\n"] {
        assert!(entry.contains(field), "{field}: {entry}");
    }
}

#[test]
fn json_lines_go_to_standard_output() {
    let folder = Folder::new();
    let conf = folder.write("m.conf", filled(&format!("{OPEN}log_dest json\n"), &folder, free_port()));
    let mut child = Command::new(NIGHTJAR)
        .arg("run")
        .arg("-c")
        .arg(conf)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let lines = Lines::of(child.stdout.take().expect("piped"));
    let line = lines.wait_for(" running");
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    let entry: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(entry["kind"], "information");
    assert!(entry["time"].as_f64().is_some_and(|time| time > 1.7e9), "{entry}");
    for line in lines.all() {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
    }
}

/// What a subscriber of the log is told of a client, without addresses and times.
fn told(port: u16) -> Vec<String> {
    let log = Subscriber::start(port, &["-i", "reader", "-t", "$SYS/broker/log/#"]);
    let subscriber = Subscriber::start(port, &["-i", "other", "-t", "a/b", "-q", "1"]);
    drop(subscriber);
    let is_over = |messages: &[String]| messages.iter().any(|line| line.contains("Client other"));
    let found = log.wait_messages(|messages| is_over(messages).then(|| messages.to_vec()));
    let found = found.unwrap_or_else(|| panic!("no word of its end: {:?}", log.so_far()));
    let mut lines: Vec<String> = found
        .iter()
        .filter(|line| line.contains("other ") && !line.contains("Client other"))
        .map(|line| {
            let line = line.split("127.0.0.1:").next().unwrap_or_default();
            line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_log_is_published_as_mosquitto_publishes_it_and_does_not_feed_itself() {
    let conf = format!("{OPEN}log_dest stderr\nlog_dest topic\nlog_type all\n");
    let ours = Appliance::start(&conf, Folder::new());
    let theirs = Mosquitto::with_configuration(|port| conf.replace("PORT", &port.to_string()));
    let (ours_told, theirs_told) = (told(ours.port), told(theirs.open_port()));
    assert_eq!(ours_told, theirs_told);
    assert!(ours_told.iter().any(|line| line.starts_with("$SYS/broker/log/M/subscribe|")), "{ours_told:?}");
}

#[test]
fn a_new_log_file_is_for_its_owner_alone_as_mosquittos_is() {
    for side in Side::both(&format!("{LISTENS}log_dest stderr\nlog_dest file DIR/own.log\n"), |_| ()) {
        assert_eq!(mode_of(side.folder(), "own.log"), 0o600, "{}", side.name);
    }
}

fn mode_of(folder: &Folder, file: &str) -> u32 {
    std::fs::metadata(folder.at(file)).expect("a log").permissions().mode() & 0o777
}

#[test]
fn times_are_written_as_mosquitto_writes_them() {
    for format in
        ["%Y-%m-%dT%H:%M:%S%z", "%Q %f %+ %3f|", "%Ey-%Om %-d %_d|%", "%a %e %b %j %U %C|%%|%E", "%p %P %I %k %l|%"]
    {
        let stamps = Side::both(&format!("{LISTENS}log_timestamp_format {format}\n"), |_| ()).map(|side| {
            let line = side.log().wait_for(" version ");
            let stamp = line.split_once(": mosquitto version").or(line.split_once(": nightjar version"));
            stamp.unwrap_or_else(|| panic!("{}: {line}", side.name)).0.replace(|c: char| c.is_ascii_digit(), "9")
        });
        assert_eq!(stamps[0], stamps[1], "{format}");
    }
}

#[test]
fn files_that_are_included_and_doors_that_open_are_told_in_mosquittos_order() {
    // The listener of options that stand before any is the last.
    let conf =
        "port OTHER0\nbind_address 127.0.0.1\nallow_anonymous true\nlistener PORT 127.0.0.1\ninclude_dir DIR/conf.d\n";
    let prepare = |folder: &Folder| {
        for name in ["b", "B", "a", "10", "2", "_"] {
            folder.write(&format!("conf.d/{name}.conf"), "# empty\n");
        }
    };
    let told = Side::both(conf, prepare).map(|side| {
        let (other, said) = (side.others[0].to_string(), side.said(&["Loading config file", "listen socket"]));
        let said: Vec<String> = said.into_iter().map(|line| line.replace(&other, "OTHER0")).collect();
        side.reload(1);
        side.log().wait_for_count("Loading config file", 12);
        (said, side.said(&["Loading config file"]).split_off(6))
    });
    assert_eq!(told[0].0.len(), 8, "{told:#?}");
    assert_eq!(told[0], told[1]);
}

#[test]
fn local_only_mode_is_said_once_by_both() {
    let folder = Folder::new();
    let conf = folder.write("mosquitto.conf", "user root\n");
    let ours = folder.at("mosquitto");
    std::os::unix::fs::symlink(NIGHTJAR, &ours).expect("a link");
    for program in ["/usr/sbin/mosquitto", &ours] {
        let mut command = Command::new(program);
        command.arg("-c").arg(&conf).args(["-p", &free_port().to_string()]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it runs");
        let log = Lines::of(child.stderr.take().expect("standard error is piped"));
        log.wait_for(" running");
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        assert_eq!(log.count("Starting in local only mode."), 1, "{program}");
    }
}

#[test]
fn the_log_file_is_opened_again_at_sigrtmin() {
    let appliance = Appliance::start(&format!("{OPEN}log_dest stderr\nlog_dest file DIR/log\n"), Folder::new());
    std::fs::rename(appliance.folder.path().join("log"), appliance.folder.path().join("log.1")).expect("rotated");
    let sent = Command::new("kill").args(["-s", "RTMIN", &appliance.pid().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    poll_until(|| appliance.folder.path().join("log").exists());
    publish_well(appliance.port, &["-i", "after", "-t", "t", "-m", "x"]);
    poll_until(|| appliance.folder.read("log").contains("as after ("));
    assert!(appliance.folder.read("log").contains("as after ("));
    assert!(!appliance.folder.read("log.1").contains("as after ("));
    assert_eq!(mode_of(&appliance.folder, "log"), 0o600);
}

#[test]
fn sigusr2_prints_the_trees_to_standard_output() {
    let folder = Folder::new();
    let port = free_port();
    let conf = folder.write("m.conf", filled(&format!("{OPEN}sys_interval 0\n"), &folder, port));
    let mut child = Command::new(NIGHTJAR)
        .arg("run")
        .arg("-c")
        .arg(conf)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let (out, log) = (Lines::of(child.stdout.take().expect("piped")), Lines::of(child.stderr.take().expect("piped")));
    log.wait_for(" running");
    let _subscriber = Subscriber::start(port, &["-i", "subber", "-t", "a/b/#", "-t", "c", "-q", "1"]);
    publish_well(port, &["-r", "-t", "r/x", "-m", "hi"]);
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGUSR2).expect("it lives");
    out.wait_for("x (retained, 2 bytes)");
    let lines = out.all();
    // As mosquitto prints them, but for blanks at the end of a line.
    assert_eq!(lines[..6], ["", "", "        a", "          b", "            # (subber, 1)", "        c (subber, 1)"]);
    nix::sys::signal::kill(pid, Signal::SIGTERM).expect("it lives");
    assert!(child.wait().expect("our own child").success());
}

#[test]
fn systemd_is_told_of_the_start_of_a_reload_of_the_end_and_that_the_loop_goes_round() {
    let folder = Folder::new();
    let path = folder.at("notify");
    let ear = Ear::at(&path);
    let environment = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "200000")];
    let mut appliance = Appliance::start_in(OPEN, folder, &[], &environment);
    assert!(ear.wait_for("READY=1").contains("STATUS=Running"));
    for _ in 0..3 {
        ear.wait_for("WATCHDOG=1");
    }
    appliance.signal(Signal::SIGHUP);
    let reloading = ear.wait_for("RELOADING=1");
    let micros = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("the time");
    assert!(micros.parse::<u64>().is_ok_and(|micros| micros > 0), "{reloading}");
    ear.wait_for("READY=1");
    assert_eq!(appliance.log.count("Reloaded: "), 1, "it is ready when what was reloaded counts");
    appliance.signal(Signal::SIGTERM);
    ear.wait_for("STOPPING=1");
    assert!(appliance.wait().success());
}

#[test]
fn a_watchdog_for_another_process_is_not_fed() {
    let folder = Folder::new();
    let path = folder.at("notify");
    let ear = Ear::at(&path);
    let environment = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let mut appliance = Appliance::start_in(OPEN, folder, &[], &environment);
    ear.wait_for("READY=1");
    appliance.signal(Signal::SIGTERM);
    let mut told = Vec::new();
    while told.last().is_none_or(|last: &String| !last.contains("STOPPING=1")) {
        told.push(ear.next());
    }
    assert!(appliance.wait().success() && !told.iter().any(|told| told.contains("WATCHDOG")), "{told:?}");
}
