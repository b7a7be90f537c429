//! Debian's mosquitto with persistence: started, and told to save and end.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = "/usr/sbin/mosquitto";

/// A running mosquitto; it is ended when this is dropped.
pub(crate) struct Broker {
    child: Child,
    pub port: u16,
    folder: PathBuf,
}

impl Broker {
    /// It keeps its file in `folder`, and has three messages in flight for a client at most.
    pub(crate) fn start(folder: &Path) -> Self {
        // Another process may take a port between our choosing it and mosquitto's binding it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
            if let Some(child) = try_start(folder, port) {
                return Self { child, port, folder: folder.into() };
            }
        }
        panic!("mosquitto found no free port in five tries");
    }

    /// It saves, and ends. Where it saved.
    pub(crate) fn save_and_end(mut self) -> PathBuf {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, Signal::SIGTERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "mosquitto: {status}");
        self.folder.join("mosquitto.db")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _ = self.child.wait();
    }
}

fn try_start(folder: &Path, port: u16) -> Option<Child> {
    let conf = folder.join("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_dest stderr\nset_tcp_nodelay true\n\
         max_inflight_messages 3\npersistence true\npersistence_location {}/\n",
        folder.display()
    );
    std::fs::write(&conf, text).expect("a configuration written");
    let mut child = Command::new(PROGRAM)
        .arg("-c")
        .arg(&conf)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{PROGRAM}: {error}; `make test` installs it (Debian's package mosquitto)"));
    let mut log = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
    let mut said = Vec::new();
    while let Some(Ok(line)) = log.next() {
        if line.contains("running") {
            // The pipe is read to its end: a full one would stop the broker.
            std::thread::spawn(move || log.for_each(drop));
            return Some(child);
        }
        said.push(line);
    }
    let _ = child.wait();
    assert!(said.iter().any(|line| line.contains("in use")), "mosquitto did not start: {said:?}");
    None
}
