//! Debian's mosquitto as a child process on free ports of the loopback interface.

#![allow(dead_code, reason = "each test uses the part it needs")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where Debian puts it; it is not on everybody's path.
const PROGRAM: &str = "/usr/sbin/mosquitto";

/// A running broker; it is ended when this is dropped.
pub(crate) struct Mosquitto {
    child: Child,
    ports: Vec<u16>,
    _folder: TempDir,
}

/// What became of a start.
enum Start {
    Running,
    PortTaken,
    Refused(String),
}

impl Mosquitto {
    /// A listener for each ACL file, and one more without any: [`Mosquitto::open_port`].
    pub(crate) fn with_acl_files(files: &[&str]) -> Self {
        Self::with(|folder| {
            let files = files.iter().enumerate().map(|(index, file)| acl_listener(folder, index, file));
            std::iter::once("allow_anonymous true\n".to_owned()).chain(files).collect()
        })
    }

    /// One listener, [`Mosquitto::open_port`], for the users of a password file and for nobody else.
    pub(crate) fn with_password_file(file: &Path) -> Self {
        Self::with(|_| vec![format!("allow_anonymous false\npassword_file {}\n", file.display())])
    }

    /// A whole configuration, for the port that it is given: [`Mosquitto::open_port`].
    pub(crate) fn with_configuration(text: impl Fn(u16) -> String) -> Self {
        for _ in 0..5 {
            let folder = tempfile::tempdir().expect("a folder");
            let ports = free_ports(1);
            match Self::start_on(folder, &text(ports[0]), ports) {
                (broker, Start::Running) => return broker,
                (_, Start::PortTaken) => {}
                (_, Start::Refused(message)) => panic!("mosquitto did not start: {message}"),
            }
        }
        panic!("mosquitto found no free port in five tries");
    }

    /// The listeners' ports, in the order of their files.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports[1..]
    }

    /// The first listener's port: where everything is allowed, unless there is a password file.
    pub(crate) fn open_port(&self) -> u16 {
        self.ports[0]
    }

    /// Whether it refuses to start with this ACL file, and for that reason.
    pub(crate) fn refuses_acl_file(file: &str) -> bool {
        let folder = tempfile::tempdir().expect("a folder");
        let listeners = vec![acl_listener(folder.path(), 0, file)];
        let (_broker, outcome) = Self::start(folder, &listeners);
        match outcome {
            Start::Running => false,
            Start::Refused(message) => {
                assert!(message.to_lowercase().contains("acl"), "refused for another reason: {message}");
                true
            }
            Start::PortTaken => panic!("a port that was free a moment ago is taken"),
        }
    }

    fn with(listeners: impl Fn(&Path) -> Vec<String>) -> Self {
        // Another process may take a port between our choosing it and mosquitto's binding it.
        for _ in 0..5 {
            let folder = tempfile::tempdir().expect("a folder");
            let listeners = listeners(folder.path());
            match Self::start(folder, &listeners) {
                (broker, Start::Running) => return broker,
                (_, Start::PortTaken) => {}
                (_, Start::Refused(message)) => panic!("mosquitto did not start: {message}"),
            }
        }
        panic!("mosquitto found no free port in five tries");
    }

    /// Each listener is its options, one a line.
    fn start(folder: TempDir, listeners: &[String]) -> (Self, Start) {
        let ports = free_ports(listeners.len());
        Self::start_on(folder, &configuration_text(&ports, listeners), ports)
    }

    fn start_on(folder: TempDir, text: &str, ports: Vec<u16>) -> (Self, Start) {
        let configuration = folder.path().join("mosquitto.conf");
        std::fs::write(&configuration, text).expect("a configuration written");
        let child = Command::new(PROGRAM)
            .arg("-c")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{PROGRAM}: {error}; `make test` installs it (Debian's package mosquitto)"));
        let mut broker = Self { child, ports, _folder: folder };
        let outcome = outcome(&lines_of(&mut broker.child));
        (broker, outcome)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the log until it tells.
fn outcome(log: &Receiver<String>) -> Start {
    let end = Instant::now() + PATIENCE;
    let mut errors = String::new();
    loop {
        match log.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains("running") => return Start::Running,
            Ok(line) if line.contains("in use") => return Start::PortTaken,
            Ok(line) if line.contains("Error") => errors.push_str(&line),
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return Start::Refused(errors),
            Err(RecvTimeoutError::Timeout) => panic!("mosquitto was not running after {PATIENCE:?}; {errors}"),
        }
    }
}

/// What it logs, line by line; the channel closes when the process has ended.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let log = BufReader::new(child.stderr.take().expect("standard error is piped"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // The pipe is read to its end even when nobody listens: a full one would stop the broker.
        for line in log.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn configuration_text(ports: &[u16], listeners: &[String]) -> String {
    // Without tcp_nodelay each delivery would wait for a delayed acknowledgement.
    let mut text = "per_listener_settings true\nuser root\nset_tcp_nodelay true\nlog_dest stderr\n".to_owned();
    text.push_str("log_type error\nlog_type warning\nlog_type information\nlog_type notice\n");
    for (port, options) in ports.iter().zip(listeners) {
        let _ = write!(text, "listener {port} 127.0.0.1\n{options}");
    }
    text
}

fn acl_listener(folder: &Path, index: usize, file: &str) -> String {
    let path = folder.join(format!("acl{index}"));
    std::fs::write(&path, file).expect("an ACL file written");
    format!("allow_anonymous true\nacl_file {}\n", path.display())
}

/// Ports that were free a moment ago, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("its address").port()).collect()
}
