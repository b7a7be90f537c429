//! The broker under test as a process that is ended and started again with the same files: ours, or Debian's mosquitto.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Lines, filled, free_port};

/// Where the broker keeps what is to outlive it, below the test's folder.
pub(crate) const KEPT: &str = "kept";

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Nightjar,
    /// 2.0.11: it keeps things when it is asked to end, and loses them when it is killed.
    Mosquitto,
}

const CONF: &str = "\
user root
listener PORT 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
sys_interval 0
persistence true
persistence_location DIR/kept/
max_queued_messages 0
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
connection_messages false
";

/// mosquitto 2.0.11 lets new messages overtake those that wait for room in flight, so it is given room.
const CONF_MOSQUITTO: &str = "max_inflight_messages 0\n";

/// A broker that runs.
pub(crate) struct Running {
    child: Child,
    pub port: u16,
    pub log: Lines,
}

impl Running {
    /// Starts it with these variables in its environment and waits until it runs.
    pub(crate) fn start(program: Program, folder: &Folder, environment: &[(String, String)]) -> Self {
        Self::start_within(&[], program, folder, environment)
    }

    /// The same, by this command, which becomes the program.
    pub(crate) fn start_within(
        within: &[String],
        program: Program,
        folder: &Folder,
        environment: &[(String, String)],
    ) -> Self {
        // Another process may take a port between our choosing it and the program's binding it.
        for _ in 0..5 {
            let running = Self::spawn_within(within, program, folder, environment);
            let is_up = |lines: &[String]| lines.iter().any(|line| line.ends_with(" running")).then_some(());
            if running.log.wait(is_up).is_some() {
                return running;
            }
            let log = running.log.all().join("\n");
            assert!(log.contains("in use"), "{program:?} did not start:\n{log}");
        }
        panic!("no free port in five tries");
    }

    /// Starts it and waits for nothing.
    pub(crate) fn spawn(program: Program, folder: &Folder, environment: &[(String, String)]) -> Self {
        Self::spawn_within(&[], program, folder, environment)
    }

    fn spawn_within(within: &[String], program: Program, folder: &Folder, environment: &[(String, String)]) -> Self {
        let port = free_port();
        std::fs::create_dir_all(folder.path().join(KEPT)).expect("a folder for what is kept");
        let more = if program == Program::Mosquitto { CONF_MOSQUITTO } else { "" };
        let conf = folder.write("mosquitto.conf", filled(&[CONF, more].concat(), folder, port));
        let whole: &[&str] = match program {
            Program::Nightjar => &[NIGHTJAR, "run"],
            Program::Mosquitto => &[mosquitto()],
        };
        let mut words = within.iter().map(String::as_str).chain(whole.iter().copied());
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        command.arg("-c").arg(conf).envs(environment.iter().cloned());
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|why| panic!("{}: {why}", command.get_program().display()));
        let log = Lines::of(child.stderr.take().expect("standard error is piped"));
        Self { child, port, log }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("our own child, which was not waited for");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) {
        self.child.wait().expect("our own child");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- the broker's log\n{}", self.log.all().join("\n"));
        }
    }
}

fn mosquitto() -> &'static str {
    // Where Debian puts it; it is not on everybody's path.
    let path = "/usr/sbin/mosquitto";
    assert!(Path::new(path).exists(), "{path} is not there; `make test` installs it (Debian's package mosquitto)");
    path
}
