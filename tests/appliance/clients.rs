//! Debian's mosquitto_pub and mosquitto_sub, whose library is the one in Cassia's routers.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::harness::{Lines, PATIENCE, output_of, text};

/// What stands before each message in a subscriber's output, apart from what `-d` prints.
const MARK: &str = "message ";

/// A mosquitto_sub that has subscribed.
pub(crate) struct Subscriber {
    child: Child,
    output: Lines,
    errors: Lines,
}

impl Subscriber {
    /// Returns when the broker has acknowledged the subscription. `-h` and `-p` are added.
    pub(crate) fn start(port: u16, arguments: &[&str]) -> Self {
        let subscriber = Self::launch(port, arguments);
        subscriber
            .output
            .wait(|lines| lines.iter().any(|line| line.starts_with("Subscribed ")).then_some(()))
            .unwrap_or_else(|| panic!("not subscribed: {:?} {:?}", subscriber.output.all(), subscriber.errors.all()));
        subscriber
    }

    /// Does not wait for anything.
    pub(crate) fn launch(port: u16, arguments: &[&str]) -> Self {
        // Its output is a pipe here; stdbuf makes it come line by line, as on a screen.
        let mut child = Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub", "-d", "-F", &format!("{MARK}%t|%q|%r|%p")])
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("stdbuf and mosquitto_sub run");
        let output = Lines::of(child.stdout.take().expect("standard output is piped"));
        let errors = Lines::of(child.stderr.take().expect("standard error is piped"));
        Self { child, output, errors }
    }

    /// The first `count` messages, each `topic|qos|retain|payload`.
    pub(crate) fn messages(&self, count: usize) -> Vec<String> {
        let found = self.wait_messages(|messages| (messages.len() >= count).then(|| messages[..count].to_vec()));
        found.unwrap_or_else(|| {
            let all = self.output.all();
            let (got, last) = (messages_in(&all).len(), &all[all.len().saturating_sub(8)..]);
            panic!("{got} messages, not {count}; {:?}; the end of its output: {last:#?}", self.errors.all());
        })
    }

    /// Waits until `found` answers for the messages so far.
    pub(crate) fn wait_messages<T>(&self, mut found: impl FnMut(&[String]) -> Option<T>) -> Option<T> {
        self.output.wait(|lines| found(&messages_in(lines)))
    }

    /// The messages so far.
    pub(crate) fn so_far(&self) -> Vec<String> {
        messages_in(&self.output.all())
    }

    /// All that it printed, with what `-d` tells.
    pub(crate) fn output(&self) -> &Lines {
        &self.output
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn messages_in(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect()
}

/// What a client program came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub status: Option<i32>,
    pub stderr: String,
}

impl Outcome {
    pub(crate) fn new(status: i32, stderr: &str) -> Self {
        Self { status: Some(status), stderr: stderr.to_owned() }
    }
}

/// mosquitto_pub to its end. `-h` and `-p` are added.
pub(crate) fn publish(port: u16, arguments: &[&str]) -> Outcome {
    client("mosquitto_pub", port, arguments)
}

/// mosquitto_pub or mosquitto_sub to its end.
pub(crate) fn client(program: &str, port: u16, arguments: &[&str]) -> Outcome {
    let output = output_of(Command::new(program).args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(arguments));
    Outcome { status: output.status.code(), stderr: text(&output.stderr).trim_end().to_owned() }
}

/// A publish that must succeed without a word.
pub(crate) fn publish_well(port: u16, arguments: &[&str]) {
    assert_eq!(publish(port, arguments), Outcome::new(0, ""), "mosquitto_pub {arguments:?}");
}

/// A mosquitto_pub whose connection stays: it publishes each line that it is given.
pub(crate) struct LongPublisher {
    child: Child,
    lines: Option<ChildStdin>,
}

impl LongPublisher {
    pub(crate) fn start(port: u16, arguments: &[&str]) -> Self {
        let mut child = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-l"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("mosquitto_pub runs");
        let lines = child.stdin.take();
        Self { child, lines }
    }

    pub(crate) fn line(&mut self, line: &str) {
        let lines = self.lines.as_mut().expect("not ended yet");
        writeln!(lines, "{line}").expect("mosquitto_pub reads");
    }

    /// Lets it finish what it was given.
    pub(crate) fn end(mut self) {
        self.lines = None;
        let mut status = None;
        crate::harness::poll_until(|| {
            status = self.child.try_wait().expect("our own child");
            status.is_some()
        });
        let status = status.unwrap_or_else(|| panic!("mosquitto_pub did not end within {PATIENCE:?}"));
        assert!(status.success(), "mosquitto_pub -l: {status}");
    }
}

impl Drop for LongPublisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
