//! The broker's side of the radio process: it is started before any thread is, its lives and lines are taken, its end is
//! told.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gateway_core::scan::RadioPlan;
use rustix::net::Shutdown;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::lives::{self, ERROR, Told};
use super::order::Order;
use super::state_folder::state_folder;
use crate::capabilities;
use crate::privileges::Other;

/// Longer than the radio process gives its radio.
const END_TIME_MAX: Duration = Duration::from_secs(8);

/// Lives that nobody has taken yet: each ends before the next one comes.
const LIVES_MAX: usize = 2;

/// The radio process, as its parent sees it. It ends when this is dropped.
pub(crate) struct RadioProcess {
    child: Child,
    control: OwnedFd,
}

impl RadioProcess {
    /// Starts it; it becomes `other`, if we are root. To be called while there is one thread and capabilities are not given
    /// up yet.
    pub(crate) fn start(plan: &RadioPlan, other: Option<Other>) -> io::Result<Self> {
        let (control, theirs) = lives::pair()?;
        let user = other.as_ref().and_then(Other::user);
        let order = Order::new(plan, state_folder(user.as_ref()), other);
        let order = serde_json::to_string(&order).map_err(io::Error::other)?;
        // Where they cannot be handed on, the radio process says which it misses.
        let _ = capabilities::hand_on_to_children();
        let child = Command::new("/proc/self/exe")
            .arg0("nightjar")
            .args(["radio-process", &order])
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            // Ctrl-C goes to the group of the terminal; this one is ended in order.
            .process_group(0)
            .spawn()?;
        Ok(Self { child, control })
    }

    /// Takes what it tells, on a thread: lines go into the log; each life's stream is to be received.
    pub(crate) fn hear(self) -> io::Result<(Hearing, Receiver<UnixStream>)> {
        let (lives, streams) = mpsc::channel(LIVES_MAX);
        let (control, is_ending) = (self.control.try_clone()?, Arc::new(AtomicBool::new(false)));
        let asked = Arc::clone(&is_ending);
        let thread =
            std::thread::Builder::new().name("radio".to_owned()).spawn(move || self.hear_all(&lives, &asked))?;
        Ok((Hearing { control, is_ending, thread }, streams))
    }

    fn hear_all(mut self, lives: &Sender<UnixStream>, is_ending: &AtomicBool) {
        let heard = hear_until_closed(&self.control, lives);
        let ended = self.wait();
        if is_ending.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = heard {
            tracing::error!(target: "error", "Error: the radio process cannot be heard: {error}.");
        }
        tracing::error!(target: "error",
            "Error: the radio process ended ({ended}). The broker runs on, without a radio until it is started again.");
    }

    /// Its end, in words: "exit status: 1", "signal: 9 (SIGKILL)". One that does not end is ended.
    fn wait(&mut self) -> String {
        let end = Instant::now() + END_TIME_MAX;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return ExitStatus::to_string(&status),
                Err(error) => return error.to_string(),
                Ok(None) if Instant::now() >= end => {
                    let _ = self.child.kill();
                }
                Ok(None) => {}
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for RadioProcess {
    fn drop(&mut self) {
        // It sees the socket closed, and ends in order.
        let _ = rustix::net::shutdown(&self.control, Shutdown::Both);
        self.wait();
    }
}

/// The thread that hears the radio process.
pub(crate) struct Hearing {
    control: OwnedFd,
    is_ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Hearing {
    /// Ends the radio process. The stream of its life is to be closed before, and its receiver too.
    pub(crate) fn end(self) {
        self.is_ending.store(true, Ordering::Relaxed);
        let _ = rustix::net::shutdown(&self.control, Shutdown::Both);
        let _ = self.thread.join();
    }
}

fn hear_until_closed(control: &OwnedFd, lives: &Sender<UnixStream>) -> io::Result<()> {
    // What was told last: a fault that lasts is told once.
    let mut last = String::new();
    while let Some(Told { priority, text, life }) = lives::hear(control)? {
        if let Some(life) = life {
            let _ = lives.blocking_send(life); // nobody receives any more at the end
        }
        match (text.is_empty(), text == last, priority) {
            (true, ..) => continue,
            (false, true, _) => tracing::debug!(target: "debug", "{text}"),
            (false, false, 0..=ERROR) => tracing::error!(target: "error", "Error: {text}"),
            (false, false, _) => tracing::warn!(target: "warning", "Warning: {text}"),
        }
        last = text;
    }
    Ok(())
}
