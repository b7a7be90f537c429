//! Debian's mosquitto as a child process on free ports of the loopback interface.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long anything may take before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where Debian puts it; it is not on everybody's path.
const PROGRAM: &str = "/usr/sbin/mosquitto";

/// A running broker; it is ended when this is dropped.
pub(crate) struct Mosquitto {
    child: Child,
    ports: Vec<u16>,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    /// A listener for each file, and one more without any: [`Mosquitto::open_port`].
    pub(crate) fn with_acl_files(files: &[&str]) -> Self {
        // Another process may take a port between our choosing it and mosquitto's binding it.
        (0..5).find_map(|_| Self::start(files)).expect("mosquitto did not come up with the ACL files in five tries")
    }

    /// The listeners' ports, in the order of their files.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports[1..]
    }

    /// The listener where everything is allowed.
    pub(crate) fn open_port(&self) -> u16 {
        self.ports[0]
    }

    /// Whether it ends with an error that names the ACL file.
    pub(crate) fn refuses_acl_file(file: &str) -> bool {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = free_ports(2);
        let mut child = spawn(&write_configuration(folder.path(), &ports, &[file]));
        let said = lines_of(&mut child);
        loop {
            match said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains("running") => {
                    end(&mut child);
                    return false;
                }
                Ok(line) if line.contains("acl_file") && line.contains("Error") => {
                    end(&mut child);
                    return true;
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = child.wait().expect("a child's status");
                    return !status.success();
                }
                Err(RecvTimeoutError::Timeout) => panic!("mosquitto said nothing for {PATIENCE:?}"),
            }
        }
    }

    fn start(files: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = free_ports(files.len() + 1);
        let child = spawn(&write_configuration(folder.path(), &ports, files));
        let mut broker = Self { child, ports, _folder: folder };
        let said = lines_of(&mut broker.child);
        let end = Instant::now() + PATIENCE;
        loop {
            match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains("running") => return Some(broker),
                Ok(line) if line.contains("in use") => return None,
                Ok(line) if line.contains("Error") => panic!("{line}"),
                Ok(_) => {}
                Err(error) => panic!("mosquitto did not come up: {error}"),
            }
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn spawn(configuration: &Path) -> Child {
    Command::new(PROGRAM)
        .arg("-c")
        .arg(configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{PROGRAM}: {error}; `make test` installs it (Debian's package mosquitto)"))
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

fn write_configuration(folder: &Path, ports: &[u16], files: &[&str]) -> std::path::PathBuf {
    let mut text =
        "per_listener_settings true\nuser root\nset_tcp_nodelay true\nlog_dest stderr\nlog_type error\nlog_type information\nlog_type notice\n".to_owned();
    for (index, port) in ports.iter().enumerate() {
        let _ = write!(text, "listener {port} 127.0.0.1\nallow_anonymous true\n");
        if let Some(file) = index.checked_sub(1).and_then(|index| files.get(index)) {
            let path = folder.join(format!("acl{index}"));
            std::fs::write(&path, file).expect("an ACL file written");
            let _ = writeln!(text, "acl_file {}", path.display());
        }
    }
    let path = folder.join("mosquitto.conf");
    std::fs::write(&path, text).expect("a configuration written");
    path
}

/// Ports that were free a moment ago, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("its address").port()).collect()
}
