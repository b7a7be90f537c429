//! The program under test as a child process: started on a free port, its log read line by line, ended on drop.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::folder::{Folder, NIGHTJAR};

/// How long anything may take before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Lines that another thread reads while the process lives.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// The pipe, to see whether there is something in it.
    pipe: OwnedFd,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    is_over: bool,
}

impl Lines {
    /// Reads a pipe to its end, even when nobody looks: a full one would stop the writer.
    pub(crate) fn of(mut pipe: impl Read + AsFd + Send + 'static) -> Self {
        let twin = pipe.as_fd().try_clone_to_owned().expect("another name for the pipe");
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), pipe: twin });
        let lines = Self(Arc::clone(&shared));
        std::thread::spawn(move || {
            let (mut piece, mut begun) = (vec![0; 65_536], Vec::new());
            loop {
                while !has_something(pipe.as_fd(), PollTimeout::NONE) {}
                // What is not in the pipe any more is a line when the lock is free again.
                let mut state = shared.state.lock().expect("no reader panicked");
                let count = pipe.read(&mut piece).unwrap_or(0);
                begun.extend_from_slice(&piece[..count]);
                state.is_over = count == 0;
                let end = if state.is_over {
                    begun.len()
                } else {
                    begun.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
                };
                let whole = String::from_utf8_lossy(&begun[..end]);
                state.lines.extend(whole.split_terminator('\n').map(|line| line.trim_end().to_owned()));
                begun.drain(..end);
                shared.changed.notify_all();
                if state.is_over {
                    return;
                }
            }
        });
        lines
    }

    /// All that was written by now: what the process wrote before it did something that we have seen is among them.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().expect("no reader panicked");
        while !state.is_over && has_something(self.0.pipe.as_fd(), PollTimeout::ZERO) {
            state = self.0.changed.wait(state).expect("no reader panicked");
        }
        state
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.all().iter().filter(|line| line.contains(part)).count()
    }

    /// Waits until `found` answers for the lines so far; `None` if there will be no more lines, or not in time.
    pub(crate) fn wait<T>(&self, mut found: impl FnMut(&[String]) -> Option<T>) -> Option<T> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.0.state.lock().expect("no reader panicked");
        loop {
            if let Some(answer) = found(&state.lines) {
                return Some(answer);
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.is_over || left.is_zero() {
                return None;
            }
            state = self.0.changed.wait_timeout(state, left).expect("no reader panicked").0;
        }
    }

    /// The first line that contains `part`.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        let line = self.wait(|lines| lines.iter().find(|line| line.contains(part)).cloned());
        line.unwrap_or_else(|| panic!("no line with {part:?} in:\n{}", self.all().join("\n")))
    }

    /// Waits until there are `count` lines that contain `part`.
    pub(crate) fn wait_for_count(&self, part: &str, count: usize) -> Vec<String> {
        let found = self.wait(|lines| {
            let found: Vec<String> = lines.iter().filter(|line| line.contains(part)).cloned().collect();
            (found.len() >= count).then_some(found)
        });
        found.unwrap_or_else(|| panic!("not {count} lines with {part:?} in:\n{}", self.all().join("\n")))
    }
}

/// Whether there is something to read, or the end.
fn has_something(pipe: BorrowedFd<'_>, patience: PollTimeout) -> bool {
    poll(&mut [PollFd::new(pipe, PollFlags::POLLIN)], patience).is_ok_and(|count| count > 0)
}

/// The program, running.
pub(crate) struct Appliance {
    child: Child,
    pub port: u16,
    pub log: Lines,
    pub folder: Folder,
}

impl Appliance {
    /// `nightjar run -c mosquitto.conf` with this text; in it `DIR` is the folder and `PORT` a free port.
    pub(crate) fn start(conf: &str, folder: Folder) -> Self {
        Self::start_with(conf, folder, &[])
    }

    /// With more arguments.
    pub(crate) fn start_with(conf: &str, folder: Folder, arguments: &[&str]) -> Self {
        Self::start_in(conf, folder, arguments, &[])
    }

    /// And with these environment variables.
    pub(crate) fn start_in(conf: &str, folder: Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut folder = Some(folder);
        // Another process may take a port between our choosing it and the program's binding it.
        for _ in 0..5 {
            let port = free_port();
            let this = folder.take().expect("given back by every failed try");
            match Self::try_start(conf, this, port, arguments, environment) {
                Ok(appliance) => return appliance,
                Err((given_back, log)) => {
                    assert!(log.contains("in use"), "it did not start:\n{log}");
                    folder = Some(given_back);
                }
            }
        }
        panic!("no free port in five tries");
    }

    fn try_start(
        conf: &str,
        folder: Folder,
        port: u16,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, (Folder, String)> {
        let path = folder.write("mosquitto.conf", filled(conf, &folder, port));
        let mut command = Command::new(NIGHTJAR);
        command.arg("run").arg("-c").arg(path).args(arguments).envs(environment.iter().copied());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
        let log = Lines::of(child.stderr.take().expect("standard error is piped"));
        let appliance = Self { child, port, log, folder };
        let is_running = appliance.log.wait(|lines| lines.iter().any(|line| line.ends_with(" running")).then_some(()));
        if is_running.is_some() {
            return Ok(appliance);
        }
        let text = appliance.log.all().join("\n");
        Err((appliance.into_folder(), text))
    }

    /// Ends it and keeps its files.
    pub(crate) fn into_folder(mut self) -> Folder {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::mem::replace(&mut self.folder, Folder::new())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the process is there");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        poll_until(|| {
            status = self.child.try_wait().expect("our own child");
            status.is_some()
        });
        status.unwrap_or_else(|| panic!("it did not end; its log:\n{}", self.log.all().join("\n")))
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Resident memory in KiB, as the kernel counts it.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Virtual memory in KiB: what was asked for, whether it was ever touched or not.
    pub(crate) fn virtual_kib(&self) -> u64 {
        self.status_kib("VmSize:")
    }

    fn status_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = status.lines().find(|line| line.starts_with(field)).expect("the field is there");
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number of kB")
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- the appliance's log\n{}", self.log.all().join("\n"));
        }
    }
}

/// Asks until it is so or patience ends. For what tells nobody when it happens: the end of a process, a file.
pub(crate) fn poll_until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that is free, and that no other test is given while this process lives.
pub(crate) fn free_port() -> u16 {
    crate::ports::free_port()
}

/// The text with `DIR` and `PORT` put in.
pub(crate) fn filled(text: &str, folder: &Folder, port: u16) -> String {
    text.replace("DIR", folder.path().to_str().expect("a path in UTF-8")).replace("PORT", &port.to_string())
}

/// Runs the program to its end; it must not take longer than patience.
pub(crate) fn nightjar(arguments: &[&str]) -> Output {
    output_of(Command::new(NIGHTJAR).args(arguments))
}

/// Runs any program to its end.
pub(crate) fn output_of(command: &mut Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let mut status = None;
    poll_until(|| {
        status = child.try_wait().expect("our own child");
        status.is_some()
    });
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} did not end; it said:\n{}", String::from_utf8_lossy(&stderr.join().expect("a reader")));
    }
    Output {
        status: status.expect("it ended"),
        stdout: stdout.join().expect("a reader"),
        stderr: stderr.join().expect("a reader"),
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("it is piped");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// What a program wrote.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
