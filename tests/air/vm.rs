//! The test VM as a test has it: booted with an air of its own, told what to run, ended when dropped.
//!
//! What is in it and how it is made: tests/blevm/README.md. Commands go through `guest/agent`, one at a time; a program
//! that is to go on beside them is a [`Program`]. One VM runs at a time, whoever runs the tests, and however.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder::NIGHTJAR;
use crate::harness::Lines;

/// How long one thing in the guest may take before the test has failed. Its processor is emulated, and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often the guest is asked about what tells nobody when it happens.
const LOOK: Duration = Duration::from_millis(100);
/// Under which the guest reaches 127.0.0.1 of the host.
pub(crate) const HOST: &str = "10.0.2.2";
/// The program under test, in the guest.
pub(crate) const PROGRAM: &str = "/under-test/nightjar";
/// How much of each log is shown when a test fails.
const SHOWN_BYTES: usize = 6_000;

/// A VM that runs.
pub(crate) struct Vm {
    runner: Child,
    errors: Lines,
    agent: BufReader<UnixStream>,
    commands: u64,
    folder: TempDir,
}

/// What a command in the guest came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// 124: it took too long.
    pub status: i64,
    pub out: String,
    pub err: String,
}

impl Vm {
    /// Boots it with these controllers and advertisers (`tests/blevm/README.md`, "Scenario"), and waits until bluetoothd
    /// has an adapter.
    pub(crate) fn boot(scenario: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let orders = tempfile::NamedTempFile::new().expect("a file");
        serde_json::to_writer(&orders, scenario).expect("a file that can be written");
        let program = Path::new(NIGHTJAR).parent().expect("a program is in a folder");
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blevm/run"));
        command.args(["--alone", "--timeout", "1200"]).arg("--agent").arg(folder.path());
        command.arg("--scenario").arg(orders.path()).arg("--share").arg(format!("{}:/under-test", program.display()));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut runner = spawned.unwrap_or_else(|why| panic!("{}: {why}", command.get_program().display()));
        let errors = Lines::of(runner.stderr.take().expect("standard error is piped"));

        // It appears when no other VM runs any more; how long that takes is the other's business.
        let agent = loop {
            if let Ok(agent) = UnixStream::connect(folder.path().join("agent")) {
                break agent;
            }
            if let Some(status) = runner.try_wait().expect("our own child") {
                panic!("tests/blevm/run ended with {status}:\n{}", all_of(&errors));
            }
            std::thread::sleep(LOOK);
        };
        let mut vm = Self { runner, errors, agent: BufReader::new(agent), commands: 0, folder };
        // The first command is read when the guest is up. `run` ends when that does not happen in time.
        vm.run("true", None);
        vm
    }

    /// Runs a line of shell as root, which must succeed, and gives what it printed.
    pub(crate) fn sh(&mut self, shell: &str) -> String {
        let ran = self.try_sh(shell);
        assert_eq!(ran.status, 0, "{shell}\n{}{}", ran.out, ran.err);
        ran.out
    }

    /// Runs a line of shell as root.
    pub(crate) fn try_sh(&mut self, shell: &str) -> Ran {
        self.run(shell, Some(PATIENCE + Duration::from_secs(10)))
    }

    fn run(&mut self, shell: &str, patience: Option<Duration>) -> Ran {
        let answer = self.ask(json!({"shell": shell, "seconds": PATIENCE.as_secs()}), patience);
        let text = |key: &str| answer[key].as_str().expect("text").to_owned();
        Ran { status: answer["status"].as_i64().expect("a number"), out: text("out"), err: text("err") }
    }

    fn ask(&mut self, mut request: Value, patience: Option<Duration>) -> Value {
        self.commands += 1;
        request["id"] = self.commands.into();
        let agent = self.agent.get_mut();
        agent.set_read_timeout(patience).expect("a duration that is not zero");
        let sent = writeln!(agent, "{request}");
        let mut line = String::new();
        let read = sent.and_then(|()| self.agent.read_line(&mut line));
        let is_there = read.is_ok_and(|bytes| bytes > 0);
        assert!(is_there, "the VM does not answer ({request}):\n{}", self.errors.all().join("\n"));
        let answer: Value = serde_json::from_str(&line).expect("the agent answers in JSON");
        assert_eq!(answer["id"], self.commands, "the answer to another command");
        answer
    }

    /// Starts a simple command beside all else. The name is for its logs.
    pub(crate) fn start(&mut self, name: &str, command: &str) -> Program {
        let answer = self.ask(json!({"start": name, "shell": command}), Some(PATIENCE));
        Program { name: name.to_owned(), pid: answer["pid"].as_u64().expect("a process number") }
    }

    /// Tells the air something, or asks it.
    pub(crate) fn air(&mut self, command: &Value) -> Value {
        let answer = self.sh(&format!("vblectl '{command}'"));
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{command}: {why}: {answer}"));
        assert_eq!(answer.get("error"), None, "{command}");
        answer
    }

    /// Waits until `found` answers, which asks the guest.
    pub(crate) fn wait<T>(&mut self, what: &str, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = found(self) {
                return answer;
            }
            assert!(Instant::now() < end, "in {PATIENCE:?} not: {what}");
            std::thread::sleep(LOOK);
        }
    }

    /// Puts a file into the guest and gives its path there.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).expect("a file in the VM's folder");
        format!("/blevm-run/{name}")
    }

    /// A file of the guest.
    pub(crate) fn read(&mut self, path: &str) -> Vec<u8> {
        self.sh(&format!("cp {path} /blevm-run/fetched"));
        std::fs::read(self.folder.path().join("fetched")).expect("it was copied")
    }

    /// A log of the guest, as far as it is written: `bluetoothd`, or NAME.err of a program.
    pub(crate) fn log(&self, name: &str) -> String {
        let bytes = std::fs::read(self.logs().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn show_logs(&mut self) {
        // The guest may be the fault.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.try_sh("dmesg >/blevm-run/log/dmesg; cp /run/*.out /blevm-run/log/");
        }));
        let files = std::fs::read_dir(self.logs()).into_iter().flatten().flatten();
        let mut names: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for name in names {
            let text = self.log(&name);
            let mut begin = text.len().saturating_sub(SHOWN_BYTES);
            while !text.is_char_boundary(begin) {
                begin += 1;
            }
            eprintln!("---- the guest's {name}\n{}", &text[begin..]);
        }
        eprintln!("---- tests/blevm/run\n{}", self.errors.all().join("\n"));
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        // It ends qemu when its standard input ends.
        drop(self.runner.stdin.take());
        let _ = self.runner.wait();
    }
}

/// A program that runs in the guest. It lives as long as the VM, unless it ends.
pub(crate) struct Program {
    pub name: String,
    pub pid: u64,
}

impl Program {
    /// Sends a signal, such as `TERM`, and does not wait for anything.
    pub(crate) fn signal(&self, vm: &mut Vm, signal: &str) {
        vm.sh(&format!("kill -{signal} {}", self.pid));
    }

    /// Waits for its end and gives its status, as a shell knows it.
    pub(crate) fn wait(&self, vm: &mut Vm) -> i32 {
        let status = format!("cat /run/{}.status", self.name);
        let text = vm.wait(&format!("{} has ended", self.name), |vm| {
            let ran = vm.try_sh(&status);
            (ran.status == 0).then_some(ran.out)
        });
        text.trim().parse().expect("a number")
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(&self, vm: &mut Vm) -> i32 {
        self.signal(vm, "TERM");
        self.wait(vm)
    }

    /// What it wrote to standard error.
    pub(crate) fn errors(&self, vm: &Vm) -> String {
        vm.log(&format!("{}.err", self.name))
    }

    /// What it wrote to standard output.
    pub(crate) fn output(&self, vm: &mut Vm) -> String {
        String::from_utf8_lossy(&vm.read(&format!("/run/{}.out", self.name))).into_owned()
    }
}

/// What a program that has ended wrote.
fn all_of(lines: &Lines) -> String {
    let _: Option<()> = lines.wait(|_| None);
    lines.all().join("\n")
}
