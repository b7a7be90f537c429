//! Libraries of other languages: a program that reads what to do, a JSON object a line, and answers each with another.
//! What they say to each other is described in told.py.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use super::{How, Library, Message, Version};
use crate::harness::Lines;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What MQTT travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    WebSocket,
}

/// The program, waiting for the next line.
pub(crate) struct Program {
    name: String,
    child: Child,
    told: ChildStdin,
    answers: Lines,
    errors: Lines,
    answered: usize,
}

impl Program {
    /// A script beside this test, with the packages that tools/test-programs installed.
    pub(crate) fn python(script: &str, port: u16, version: Version, way: Way) -> Self {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", format!("{ROOT}/target/test-python")).env("PYTHONIOENCODING", "utf-8");
        Self::start(command, script, port, version, way)
    }

    /// As [`Self::python`], for Node.
    pub(crate) fn node(script: &str, port: u16, version: Version, way: Way) -> Self {
        let mut command = Command::new("node");
        command.env("NODE_PATH", format!("{ROOT}/target/test-node/node_modules"));
        Self::start(command, script, port, version, way)
    }

    fn start(mut command: Command, script: &str, port: u16, version: Version, way: Way) -> Self {
        let mut child = command
            .arg(format!("{ROOT}/tests/appliance/{script}"))
            .args([port.to_string(), version.to_string()])
            .args((way == Way::WebSocket).then_some("ws"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{script}: {error}; tools/test-programs installs what it needs"));
        Self {
            name: format!("{script} with MQTT {version}, {way:?}"),
            told: child.stdin.take().expect("standard input is piped"),
            answers: Lines::of(child.stdout.take().expect("standard output is piped")),
            errors: Lines::of(child.stderr.take().expect("standard error is piped")),
            child,
            answered: 0,
        }
    }

    /// Tells it, and returns what it answers.
    fn tell(&mut self, told: &Value) -> Value {
        let said = writeln!(self.told, "{told}").ok().and_then(|()| {
            let next = self.answered;
            self.answers.wait(|lines| lines.get(next).cloned())
        });
        self.answered += 1;
        let fail = |why: &str| -> ! { panic!("{}: {told}: {why}\n{}", self.name, self.errors.all().join("\n")) };
        let said = said.unwrap_or_else(|| fail("no answer"));
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|_| fail(&said));
        match answer.get("error") {
            None => answer,
            Some(error) => fail(&error.to_string()),
        }
    }
}

impl Library for Program {
    fn connect(&mut self, who: &str, how: &How) -> bool {
        let will = how
            .will
            .as_ref()
            .map(|will| json!({"topic": will.topic, "payload": will.payload, "qos": will.qos, "retain": will.retain}));
        let told =
            json!({"do": "connect", "who": who, "clean": how.clean, "expiry": how.session_expiry_s, "will": will});
        self.tell(&told)["session"].as_bool().expect("whether there was a session")
    }

    fn subscribe(&mut self, who: &str, filter: &str, qos: u8) -> u8 {
        let answer = self.tell(&json!({"do": "subscribe", "who": who, "filter": filter, "qos": qos}));
        number(&answer["granted"])
    }

    fn publish(&mut self, who: &str, message: &Message) {
        let Message { topic, payload, qos, retain, expiry_s } = message;
        let mut told = json!({"do": "publish", "who": who, "topic": topic, "payload": payload, "qos": qos});
        told["retain"] = json!(retain);
        told["expiry"] = json!(expiry_s);
        self.tell(&told);
    }

    fn message(&mut self, who: &str) -> Message {
        let answer = self.tell(&json!({"do": "message", "who": who}));
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        Message {
            topic: text("topic"),
            payload: text("payload"),
            qos: number(&answer["qos"]),
            retain: answer["retain"].as_bool().expect("a flag"),
            expiry_s: answer["expiry"].as_u64().map(|seconds| u32::try_from(seconds).expect("four bytes")),
        }
    }

    fn leave(&mut self, who: &str) {
        self.tell(&json!({"do": "leave", "who": who}));
    }

    fn vanish(&mut self, who: &str) {
        self.tell(&json!({"do": "vanish", "who": who}));
    }
}

fn number(value: &Value) -> u8 {
    value.as_u64().and_then(|number| u8::try_from(number).ok()).unwrap_or_else(|| panic!("a byte, not {value}"))
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
