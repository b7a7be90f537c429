//! Debian's mosquitto and the appliance side by side: the same configuration, the same clients, the same log lines.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};

use crate::folder::Folder;
use crate::harness::{Appliance, Lines, filled, free_port};

/// One of the two, running.
pub(crate) struct Side {
    pub name: &'static str,
    pub port: u16,
    /// `OTHER0`, `OTHER1` and so on in the configuration, as far as there are any.
    pub others: Vec<u16>,
    running: Running,
}

enum Running {
    Ours(Box<Appliance>),
    Debians { child: Child, log: Lines, folder: Folder },
}

impl Side {
    /// Both, each with this configuration and a folder of its own that `prepare` has filled. In the text `DIR` is the
    /// folder, `PORT` a free port, and `OTHER0` and so on are more of them.
    pub(crate) fn both(conf: &str, prepare: impl Fn(&Folder)) -> [Self; 2] {
        let folder = || {
            let folder = Folder::new();
            prepare(&folder);
            folder
        };
        [Self::debians(conf, &folder), Self::ours(conf, folder())]
    }

    pub(crate) fn ours(conf: &str, folder: Folder) -> Self {
        let (conf, others) = with_others(conf);
        let appliance = Appliance::start(&format!("user root\n{conf}"), folder);
        Self { name: "nightjar", port: appliance.port, others, running: Running::Ours(Box::new(appliance)) }
    }

    pub(crate) fn debians(conf: &str, folder: &impl Fn() -> Folder) -> Self {
        for _ in 0..5 {
            let (folder, port) = (folder(), free_port());
            let (conf, others) = with_others(conf);
            let text = format!("user root\n{}", filled(&conf, &folder, port));
            let path = folder.write("mosquitto.conf", text);
            let mut child = Command::new("/usr/sbin/mosquitto")
                .arg("-c")
                .arg(path)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("mosquitto is installed");
            let log = Lines::of(child.stderr.take().expect("standard error is piped"));
            let runs = log.wait(|lines| lines.iter().any(|line| line.ends_with(" running")).then_some(())).is_some();
            let side = Self { name: "mosquitto", port, others, running: Running::Debians { child, log, folder } };
            if runs {
                return side;
            }
            let log = side.log().all().join("\n");
            assert!(log.contains("in use"), "mosquitto did not start:\n{log}");
        }
        panic!("mosquitto found no free port in five tries");
    }

    pub(crate) fn log(&self) -> &Lines {
        match &self.running {
            Running::Ours(appliance) => &appliance.log,
            Running::Debians { log, .. } => log,
        }
    }

    pub(crate) fn folder(&self) -> &Folder {
        match &self.running {
            Running::Ours(appliance) => &appliance.folder,
            Running::Debians { folder, .. } => folder,
        }
    }

    /// Its files have changed: it reads them again. `times` counts how often it was told to.
    pub(crate) fn reload(&self, times: usize) {
        match &self.running {
            Running::Ours(appliance) => {
                appliance.signal(Signal::SIGHUP);
                appliance.log.wait_for_count("Reloaded: ", times);
            }
            Running::Debians { child, log, .. } => {
                let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
                kill(pid, Signal::SIGHUP).expect("it is there");
                // It has one thread: whoever asks from now on is answered afterwards.
                log.wait_for_count("Reloading config.", times);
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        match &mut self.running {
            Running::Ours(appliance) => {
                appliance.signal(Signal::SIGTERM);
                assert!(appliance.wait().success());
            }
            Running::Debians { child, .. } => {
                let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
                kill(pid, Signal::SIGTERM).expect("it is there");
                assert!(child.wait().expect("our own child").success());
            }
        }
    }

    /// The log's lines that contain one of `parts`, without what must differ: the time, ports, the folder; and without the
    /// address in brackets that 2.1 prints and 2.0 does not.
    pub(crate) fn said(&self, parts: &[&str]) -> Vec<String> {
        let folder = self.folder().path().to_str().expect("a path in UTF-8").to_owned();
        let lines = self.log().all();
        let wanted = lines.iter().filter(|line| parts.iter().any(|part| line.contains(part)));
        wanted.map(|line| plain(line, &folder, self.port)).collect()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Running::Debians { child, .. } = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The text with free ports put in for `OTHER0` and so on.
fn with_others(conf: &str) -> (String, Vec<u16>) {
    let (mut text, mut others) = (conf.to_owned(), Vec::new());
    while text.contains(&format!("OTHER{}", others.len())) {
        let port = free_port();
        text = text.replace(&format!("OTHER{}", others.len()), &port.to_string());
        others.push(port);
    }
    (text, others)
}

fn plain(line: &str, folder: &str, port: u16) -> String {
    let line = line.split_once(": ").filter(|(time, _)| time.parse::<u64>().is_ok()).map_or(line, |(_, rest)| rest);
    let line = line.replace(folder, "DIR").replace(&format!(" {port}"), " PORT");
    // 2.0 prints a number of its own for the version of MQTT.
    let line = line.replace(" (p1, ", " (p3, ").replace(" (p2, ", " (p4, ");
    let line = match (line.find(" ["), line.find("] ")) {
        (Some(begin), Some(end)) if line.starts_with("Client ") && begin < end => {
            format!("{}{}", &line[..begin], &line[end + 1..])
        }
        _ => line,
    };
    match line.split_once("127.0.0.1:") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}127.0.0.1:N{rest}")
        }
        None => line,
    }
}
