//! What `mosquitto -c FILE -v` writes to its log, and what we do when called so: the same clients do the same things to both,
//! and the logs are compared line by line, without what must differ (times, ports, identifiers made up, versions). What may
//! differ is in `allowed`, each with its reason.

mod allowed;
mod bytes;
mod kinds;
mod script;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use allowed::Differences;

use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Lines, PATIENCE, filled, free_port, poll_until};

const DEBIANS: &str = "/usr/sbin/mosquitto";

#[test]
fn mosquitto_with_v_and_ours_called_so_write_the_same_lines() {
    let mut allowed = Differences::new();
    let differences: Vec<String> =
        script::CHAPTERS.iter().flat_map(|chapter| differences(chapter, &mut allowed)).collect();
    assert!(differences.is_empty(), "lines that differ, and are not allowed to:\n{}", differences.join("\n"));
    let stale = allowed.never_met();
    assert!(stale.is_empty(), "differences that are allowed and that nobody meets any more: {stale:#?}");
}

/// A part of the script: a configuration and what is done to a broker with it.
struct Chapter {
    name: &'static str,
    conf: &'static str,
    play: fn(&mut Stage),
}

fn differences(chapter: &Chapter, allowed: &mut Differences) -> Vec<String> {
    let theirs = Stage::played(DEBIANS, chapter);
    let folder = Folder::new();
    let link = folder.at("mosquitto");
    std::os::unix::fs::symlink(NIGHTJAR, &link).expect("a link");
    let ours = Stage::played(&link, chapter);
    let (theirs, ours) = (allowed.theirs(&theirs), allowed.ours(&ours));
    let same = theirs.iter().zip(&ours).take_while(|(theirs, ours)| theirs == ours).count();
    if theirs.len() == same && ours.len() == same {
        return Vec::new();
    }
    let around = |lines: &[String]| lines[same.saturating_sub(3)..lines.len().min(same + 4)].join("\n    ");
    vec![format!("{}: mosquitto\n    {}\n  ours\n    {}", chapter.name, around(&theirs), around(&ours))]
}

/// A broker and its clients.
struct Stage {
    child: Child,
    port: u16,
    log: Lines,
    /// Lines that tell of an end so far.
    ends: usize,
    folder: Folder,
}

impl Stage {
    /// Its log, after the chapter was played and it was told to stop.
    fn played(program: &str, chapter: &Chapter) -> Vec<String> {
        let mut stage = Self::start(program, chapter.conf);
        (chapter.play)(&mut stage);
        stage.signal(Signal::SIGTERM);
        let mut status = None;
        poll_until(|| {
            status = stage.child.try_wait().expect("our own child");
            status.is_some()
        });
        assert!(status.is_some_and(|status| status.success()), "{program}: {status:?}");
        stage.log.wait(|_| None::<()>); // to its end
        let (port, folder) = (stage.port.to_string(), stage.folder.at(""));
        stage.log.all().iter().map(|line| plain(line, &port, &folder)).collect()
    }

    fn start(program: &str, conf: &str) -> Self {
        for _ in 0..5 {
            let (folder, port) = (Folder::new(), free_port());
            folder.passwords("passwd", &[("bob", "bob")]);
            folder.write("acl", script::ACL);
            let path = folder.write("m.conf", filled(conf, &folder, port));
            let mut command = Command::new(program);
            command.arg("-c").arg(path).arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
            let log = Lines::of(child.stderr.take().expect("piped"));
            let runs = log.wait(|lines| lines.iter().any(|line| line.ends_with(" running")).then_some(())).is_some();
            let stage = Self { child, port, log, ends: 0, folder };
            if runs {
                return stage;
            }
            let log = stage.log.all().join("\n");
            assert!(log.contains("in use"), "{program} did not start:\n{log}");
        }
        panic!("no free port in five tries");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")), signal).expect("it is there");
    }

    fn open(&self) -> Client {
        let before = self.log.count("New connection from ");
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_nodelay(true).expect("small packets at once");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        self.log.wait_for_count("New connection from ", before + 1);
        Client { stream, heard: Vec::new() }
    }

    /// Waits until the log has told of one more end of a connection.
    fn ended(&mut self) {
        let told = |lines: &[String]| lines.iter().filter(|line| is_end(line)).count();
        let found = self.log.wait(|lines| (told(lines) > self.ends).then(|| told(lines)));
        self.ends = found.unwrap_or_else(|| panic!("no end was told of:\n{}", self.log.all().join("\n")));
    }

    /// A client says its last word, or something that ends its connection.
    fn last(&mut self, mut client: Client, packet: &[u8]) {
        client.say(packet);
        client.heard_out();
        self.ended();
    }

    /// A client goes without a word.
    fn leave(&mut self, client: Client) {
        drop(client);
        self.ended();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a line tells of the end of a connection; of a takeover only ours does, before the new client is in.
fn is_end(line: &str) -> bool {
    let line = line.split_once(": ").map_or(line, |(_, rest)| rest);
    let ends = [" disconnected", " closed its connection", " has exceeded timeout"];
    line.starts_with("Bad socket read/write")
        || line.starts_with("Client ")
            && ends.iter().any(|word| line.contains(word))
            && !line.ends_with("session taken over.")
}

/// One connection.
struct Client {
    stream: TcpStream,
    /// What came and was not waited for.
    heard: Vec<u8>,
}

impl Client {
    fn say(&mut self, packet: &[u8]) {
        self.stream.write_all(packet).expect("it is read");
    }

    /// Waits for packets that begin with these types, in any order; others do not count.
    fn await_types(&mut self, types: &[u8]) {
        let mut wanted = types.to_vec();
        while !wanted.is_empty() {
            let first = loop {
                if let Ok(Some(frame)) = mqtt::next_frame(&self.heard, 0) {
                    let (first, len) = (self.heard[0], frame.len);
                    self.heard.drain(..len);
                    break first;
                }
                let mut bytes = [0; 4096];
                let count = self.stream.read(&mut bytes).unwrap_or_else(|error| panic!("{wanted:x?}: {error}"));
                assert!(count > 0, "it was closed before {wanted:x?} came");
                self.heard.extend_from_slice(&bytes[..count]);
            };
            if let Some(at) = wanted.iter().position(|wanted| *wanted == first & 0xF0) {
                wanted.remove(at);
            }
        }
    }

    /// Says something and waits for what answers it.
    fn ask(&mut self, packet: &[u8], types: &[u8]) {
        self.say(packet);
        self.await_types(types);
    }

    /// Says something that is not answered.
    fn tell(&mut self, packet: &[u8]) {
        self.say(packet);
        self.ask(&[0xC0, 0], &[0xD0]);
    }

    /// Waits for the end of the connection.
    fn heard_out(&mut self) {
        let mut bytes = [0; 4096];
        while self.stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    }
}

/// A line without what must differ.
fn plain(line: &str, port: &str, folder: &str) -> String {
    let line = line.split_once(": ").filter(|(time, _)| time.parse::<u64>().is_ok()).map_or(line, |(_, rest)| rest);
    let line = line.replace(folder, "DIR/").replace(&format!("port {port}"), "port PORT");
    let line = without_number(&line, "127.0.0.1:");
    match line.split_once("auto-") {
        Some((before, after)) if after.len() >= 36 => format!("{before}AUTO{}", &after[36..]),
        _ => line,
    }
}

/// Without each number after `mark`.
fn without_number(line: &str, mark: &str) -> String {
    let mut parts = line.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + mark + "N" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}
