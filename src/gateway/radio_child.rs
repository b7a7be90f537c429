//! The radio process (`nightjar radio-process`), which `nightjar run` starts: it alone keeps CAP_NET_RAW and
//! CAP_NET_ADMIN. It makes a copy of itself that serves the radio, and another one when that one ends, however it ends;
//! it does nothing else. It knows no broker, no file of ours and no network.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use radio::RadioSettings;

use super::fork;
use super::lives::{self, ERROR, WARNING};
use super::order::Order;
use crate::capabilities;
use crate::privileges::Other;

/// From one failed life to the next: what fails for a reason that it can name (no capability, no Bluetooth) may take a
/// person to mend.
const AFTER_FAULT: Duration = Duration::from_secs(30);
/// After a crash, and twice as long after each one that follows.
const AFTER_CRASH: Duration = Duration::from_secs(1);
const AFTER_CRASH_MAX: Duration = Duration::from_secs(30);
/// A life so long was a good one.
const GOOD_LIFE: Duration = Duration::from_secs(60);
/// What a radio has to undo what it set in the kernel.
const UNDOING_TIME_MAX: Duration = Duration::from_secs(5);

/// Exit status of a life whose radio said what is wrong.
const SAID_WHY: i32 = 2;

#[derive(Debug, Args)]
pub(crate) struct RadioProcessArgs {
    /// How to listen, as JSON; made by `nightjar run`
    order: String,
}

pub(crate) fn main(args: &RadioProcessArgs) -> ExitCode {
    match run(&args.order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Who has started us reads the socket; who has typed this by hand reads the screen.
            if lives::tell(control(), ERROR, &format!("The radio process cannot start: {message}."), None).is_err() {
                eprintln!("Error: this is a part of `nightjar run` and cannot be run by itself ({message}).");
            }
            ExitCode::FAILURE
        }
    }
}

/// The socket to the broker's process is standard input. It is open for as long as that process lives.
fn control() -> BorrowedFd<'static> {
    // Standard input is never closed, so that it can be borrowed for good.
    rustix::stdio::stdin()
}

fn run(order: &str) -> Result<(), String> {
    let order: Order = serde_json::from_str(order).map_err(|error| error.to_string())?;
    let settings = order.settings()?;
    give_up_the_rest(order.other.as_ref())?;
    let signals = signals().map_err(|error| format!("signals: {error}"))?;
    let mut pauses = Pauses::default();
    loop {
        let began = Instant::now();
        let (end, after) = match live(&settings, &signals) {
            Ok(end) => end,
            Err(error) => {
                let text = format!("The radio cannot be started: {error}.");
                let _ = lives::tell(control(), ERROR, &text, None);
                (End::Life, Some(AFTER_FAULT))
            }
        };
        let rest = after.unwrap_or_else(|| pauses.after_crash(began.elapsed()));
        if end == End::All || wait(&signals, rest) == Ok(End::All) {
            return Ok(());
        }
    }
}

/// How long to wait after a crash.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(AFTER_CRASH)
    }
}

impl Pauses {
    /// After one that ended a life of this length.
    fn after_crash(&mut self, life: Duration) -> Duration {
        let pause = if life >= GOOD_LIFE { AFTER_CRASH } else { self.0 };
        self.0 = (pause * 2).min(AFTER_CRASH_MAX);
        pause
    }
}

/// Becomes the user, and keeps two capabilities.
fn give_up_the_rest(other: Option<&Other>) -> Result<(), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    capabilities::never_more().map_err(failed("giving up privileges"))?;
    if let Some(other) = other {
        capabilities::keep_over_change_of_user().map_err(failed("keeping capabilities"))?;
        other.carry_out()?;
    }
    capabilities::keep_only(capabilities::OF_RADIO).map_err(failed("giving up capabilities"))
}

/// Ctrl-C and the end of a terminal concern the broker's process, which then closes the socket. SIGTERM ends us in order,
/// too, and comes when that process is gone.
fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD] {
        mask.add(signal);
    }
    mask.thread_block()?;
    set_pdeathsig(Signal::SIGTERM)?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Of this life, or of a pause.
    Life,
    /// The broker's process has closed the socket, or SIGTERM came.
    All,
}

/// One life of the radio, to its end; and how long to wait before the next one, if it was no crash.
fn live(settings: &RadioSettings, signals: &SignalFd) -> io::Result<(End, Option<Duration>)> {
    let (theirs, ours) = UnixStream::pair()?;
    lives::tell(control(), WARNING, "", Some(theirs.as_fd()))?;
    drop(theirs);
    let serving = ours.try_clone()?;
    let supervisor = nix::unistd::getpid();
    let child = fork::copy(|| serve(settings, serving, supervisor))?;
    let mut end = End::Life;
    let mut kill_at = None;
    loop {
        if let Some(status) = ended(child)? {
            return Ok((end, judge(status, end)));
        }
        let left = kill_at.map(|at: Instant| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            kill(child, Signal::SIGKILL)?;
        }
        if watch(signals, left.filter(|left| !left.is_zero()), end == End::Life)? == End::All {
            // The radio sees its stream closed, undoes what it set, and ends.
            let _ = ours.shutdown(std::net::Shutdown::Both);
            (end, kill_at) = (End::All, Some(Instant::now() + UNDOING_TIME_MAX));
        }
    }
}

/// What the end of a life means for the next one; it is told if nobody said why.
fn judge(status: WaitStatus, end: End) -> Option<Duration> {
    let what = match status {
        // Its stream was closed, as one that is damaged.
        WaitStatus::Exited(_, 0) => return Some(AFTER_CRASH),
        WaitStatus::Exited(_, SAID_WHY) => return Some(AFTER_FAULT),
        WaitStatus::Exited(_, code) => format!("exit status {code}"),
        WaitStatus::Signaled(_, signal, _) => signal.to_string(),
        other => format!("{other:?}"),
    };
    if end == End::Life {
        let _ = lives::tell(control(), ERROR, &format!("The radio crashed ({what}) and is started again."), None);
    }
    None
}

fn ended(child: Pid) -> nix::Result<Option<WaitStatus>> {
    match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => Ok(None),
        Ok(status) => Ok(Some(status)),
        Err(error) => Err(error),
    }
}

/// Waits until something happens: to the socket (if `listening`), a signal, or that `left` has passed.
fn watch(signals: &SignalFd, left: Option<Duration>, listening: bool) -> nix::Result<End> {
    let mut watched = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    if listening {
        // Nothing is ever sent to us: all that can happen is that it is closed.
        watched.push(PollFd::new(control(), PollFlags::POLLIN));
    }
    // A millisecond more, so that what is waited for has passed.
    let timeout = left.map_or(Ok(PollTimeout::NONE), |left| PollTimeout::try_from(left.as_millis() + 1));
    match poll(&mut watched, timeout.unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error),
    }
    let is_closed = watched.get(1).is_some_and(|socket| socket.any() == Some(true));
    let mut end = if is_closed { End::All } else { End::Life };
    while let Some(signal) = signals.read_signal()? {
        if signal.ssi_signo == Signal::SIGTERM as u32 {
            end = End::All;
        }
    }
    Ok(end)
}

/// A pause between two lives.
fn wait(signals: &SignalFd, pause: Duration) -> nix::Result<End> {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(End::Life);
        }
        if watch(signals, Some(left), true)? == End::All {
            return Ok(End::All);
        }
    }
}

/// The life itself, in the copy: its exit status.
fn serve(settings: &RadioSettings, out: UnixStream, supervisor: Pid) -> i32 {
    // Who was killed cannot end us in order, and must not leave a second radio behind.
    if set_pdeathsig(Signal::SIGKILL).is_err() || nix::unistd::getppid() != supervisor {
        return 1;
    }
    std::panic::set_hook(Box::new(|panic| {
        let _ = lives::tell(control(), ERROR, &format!("The radio met a fault of its own: {panic}"), None);
    }));
    match radio::serve(settings, out) {
        Ok(()) => 0,
        Err(error) => {
            let text =
                format!("{error}. The broker runs without a radio; it is tried again in {} s.", AFTER_FAULT.as_secs());
            let _ = lives::tell(control(), ERROR, &text, None);
            SAID_WHY
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_followed_sooner_than_a_fault_that_a_person_has_to_mend() {
        let life = Pid::from_raw(1);
        for (status, wanted) in [
            (WaitStatus::Exited(life, 0), Some(AFTER_CRASH)),
            (WaitStatus::Exited(life, SAID_WHY), Some(Duration::from_secs(30))),
            // A panic, with and without unwinding, and a kernel that is short of memory.
            (WaitStatus::Exited(life, 101), None),
            (WaitStatus::Signaled(life, Signal::SIGABRT, true), None),
            (WaitStatus::Signaled(life, Signal::SIGKILL, false), None),
        ] {
            assert_eq!(judge(status, End::All), wanted, "{status:?}");
        }
        let mut pauses = Pauses::default();
        let after_crashes: Vec<u64> = (0..7).map(|_| pauses.after_crash(Duration::from_secs(2)).as_secs()).collect();
        assert_eq!(after_crashes, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses.after_crash(GOOD_LIFE).as_secs(), 1);
    }
}
