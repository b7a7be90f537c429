//! The guide's four scenarios with its own files, a router's connections and a user's mosquitto_sub.

use std::os::unix::fs::symlink;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clients::{LongPublisher, Subscriber, publish_well};
use crate::folder::{Folder, NIGHTJAR};
use crate::guide::{ACL_WITH_WORDS, DATA_TEST, PASSWORD_CONF, Scenario};
use crate::harness::{Appliance, filled, free_port, output_of, poll_until, text};

/// The Client Identifiers of a router's five connections, as the guide's log has them.
const ROUTER: &str = "cc:lb:e0:e1:00:c4";

#[test]
fn scenario_1_open_works_with_the_guides_files() {
    publish_and_read(Scenario::Open);
}

#[test]
fn scenario_2_password_works_with_the_guides_files() {
    publish_and_read(Scenario::Password);
}

#[test]
fn scenario_3_psk_works_with_the_guides_files() {
    publish_and_read(Scenario::Psk);
}

#[test]
fn scenario_4_certificate_works_with_the_guides_files() {
    publish_and_read(Scenario::Certificate);
}

fn publish_and_read(scenario: Scenario) {
    let appliance = Appliance::start(&scenario.conf(), scenario.folder());
    let own = scenario.client_arguments(&appliance.folder);
    router_and_user(appliance.port, &own);
    let of_user = if scenario == Scenario::Open { "" } else { ", u'cassiamqtt'" };
    for connection in 0..5 {
        // As the guide's log has it; our mosquitto_pub is newer and says which version of MQTT it speaks (p2 is its
        // number for 3.1.1 in its own log).
        let line = appliance.log.wait_for(&format!(" as {ROUTER}-{connection} (p"));
        assert!(line.contains("New client connected from 127.0.0.1:"), "{line}");
        assert!(line.ends_with(&format!(", c1, k60{of_user}).")), "{line}");
    }
    assert_eq!(appliance.log.count("rror"), 0, "{:#?}", appliance.log.all());
}

/// A router's five connections, long ones at each QoS and short ones, and the guide's mosquitto_sub.
fn router_and_user(port: u16, own: &[String]) {
    let with =
        |more: &[&str]| -> Vec<String> { own.iter().cloned().chain(more.iter().map(|&s| s.to_owned())).collect() };
    let refs = |arguments: &'_ [String]| arguments.iter().map(|text| text.clone().leak() as &str).collect::<Vec<_>>();
    // The guide's line, with nothing but address and port replaced, and one that may have every QoS.
    let user = Subscriber::start(port, &refs(&with(&["-t", "cassia"])));
    let exact = Subscriber::start(port, &refs(&with(&["-t", "cassia", "-q", "2"])));
    // Long: five connections at once, which stay.
    let mut router: Vec<LongPublisher> = (0..5)
        .map(|connection| {
            let (id, qos) = (format!("{ROUTER}-{connection}"), (connection % 3).to_string());
            LongPublisher::start(port, &refs(&with(&["-i", &id, "-t", "cassia", "-q", &qos])))
        })
        .collect();
    for (connection, line) in DATA_TEST.iter().enumerate() {
        router[connection % 5].line(line);
    }
    router.into_iter().for_each(LongPublisher::end);
    let mut wanted: Vec<String> =
        DATA_TEST.iter().enumerate().map(|(n, line)| format!("cassia|{}|0|{line}", n % 5 % 3)).collect();
    let mut got = exact.messages(wanted.len());
    wanted.sort();
    got.sort();
    assert_eq!(got, wanted, "what five long connections published");
    // Short: a connection for each message, one after another.
    for qos in 0..3 {
        for (n, line) in DATA_TEST.iter().enumerate() {
            let (id, qos) = (format!("{ROUTER}-{}", n % 5), qos.to_string());
            publish_well(port, &refs(&with(&["-i", &id, "-t", "cassia", "-q", &qos, "-m", line])));
        }
    }
    let wanted: Vec<String> =
        (0..3).flat_map(|qos| DATA_TEST.iter().map(move |line| format!("cassia|{qos}|0|{line}"))).collect();
    assert_eq!(&exact.messages(24)[6..], wanted, "what short connections published, in their order");
    // The user of the guide subscribes with QoS 0, so gets everything with it.
    assert!(user.messages(24).iter().all(|message| message.starts_with("cassia|0|0|[{")));
    assert_eq!(exact.so_far().len(), 24, "each message once");
}

#[test]
fn words_behind_the_acls_filters_are_refused_as_mosquitto_refuses_them_with_every_line_named() {
    let folder = Scenario::Password.folder();
    let acl = folder.write("acl", ACL_WITH_WORDS);
    let conf = folder.write("mosquitto.conf", filled(PASSWORD_CONF, &folder, free_port()));
    let ended = output_of(Command::new(NIGHTJAR).arg("run").arg("-c").arg(&conf));
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    for number in [5, 10] {
        let place = format!("{}, line {number}: \"cassia/# ", acl.display());
        let line = said.lines().find(|line| line.contains(&place)).unwrap_or_else(|| panic!("no {place} in {said}"));
        assert!(line.ends_with("a comment must stand on a line of its own, which begins with #"), "{line}");
    }
    let mosquito = output_of(Command::new("/usr/sbin/mosquitto").arg("-c").arg(&conf));
    assert_eq!(mosquito.status.code(), Some(3), "{}", text(&mosquito.stderr));
}

/// The guide's `mosquitto -c /etc/mosquitto/mosquitto.conf -d`, by a link of that name.
#[test]
fn called_mosquitto_it_goes_to_the_background_and_works() {
    for scenario in [Scenario::Password, Scenario::Certificate] {
        let folder = scenario.folder();
        let program = folder.path().join("mosquitto");
        symlink(NIGHTJAR, &program).expect("a link");
        let extra = "pid_file DIR/pid\nlog_dest file DIR/log\n";
        let port = start_in_background(&folder, &format!("{}{extra}", scenario.conf()));
        let daemon = Daemon::of(&folder);
        router_and_user(port, &scenario.client_arguments(&folder));
        daemon.stop();
        assert!(folder.read("log").ends_with(" terminating\n"), "{}", folder.read("log"));
        assert!(!folder.path().join("pid").exists(), "the pid file went with it");
    }
}

fn start_in_background(folder: &Folder, conf: &str) -> u16 {
    for _ in 0..5 {
        let port = free_port();
        let path = folder.write("mosquitto.conf", filled(conf, folder, port));
        let mut command = Command::new(folder.path().join("mosquitto"));
        command.arg("-c").arg(path).arg("-d").env("PATH", "/nonexistent");
        assert!(output_of(&mut command).status.success(), "the command returns at once, with 0");
        // The end of its standard error is no sign here: a daemon has none. Its log file tells.
        let mut log = String::new();
        poll_until(|| {
            log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            log.ends_with(" running\n") || log.contains("in use")
        });
        if log.ends_with(" running\n") {
            return port;
        }
        assert!(log.contains("in use"), "{log}");
        std::fs::remove_file(folder.path().join("log")).expect("its log");
    }
    panic!("no free port in five tries");
}

/// A process that is nobody's child; ended on drop.
struct Daemon(Pid);

impl Daemon {
    fn of(folder: &Folder) -> Self {
        let pid = folder.read("pid");
        Self(Pid::from_raw(pid.trim().parse().unwrap_or_else(|_| panic!("a process id in the pid file: {pid:?}"))))
    }

    fn stop(self) {
        kill(self.0, Signal::SIGTERM).expect("it runs");
        poll_until(|| self.has_ended());
        assert!(self.has_ended(), "SIGTERM ends it");
    }

    /// Gone, or waiting for whoever adopted it to take note.
    fn has_ended(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0));
        status.map_or(true, |status| status.contains("State:\tZ"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}
