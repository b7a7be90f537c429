//! Where `scan` and `record` have their bytes from: a radio on a thread of its own, or a recording that passes as it was
//! recorded. This is the only place of theirs that waits.

use std::io::{ErrorKind, Read as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use gateway_core::scan::{Phys, RadioPlan, ScanMode, ScanTiming};
use gateway_core::{MacAddress, Timestamp, btsnoop};
use radio::{RadioError, RadioSettings};

use super::state_folder::state_folder;

/// What is read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// How the adapters are to listen.
#[derive(Clone, Debug, Args)]
pub(crate) struct RadioArgs {
    /// Ask advertisers for their scan responses, too
    #[arg(long)]
    active: bool,
    /// The adapter with this address; may be given again [default: all]
    #[arg(long = "adapter", value_name = "ADDRESS")]
    adapters: Vec<MacAddress>,
    /// Milliseconds from one scan window to the next, 2.5 to 10240 [default: as the kernel has it]
    #[arg(long, value_name = "MS")]
    interval_ms: Option<f64>,
    /// Milliseconds that are listened in each interval [default: all of it]
    #[arg(long, value_name = "MS", requires = "interval_ms")]
    window_ms: Option<f64>,
    /// The PHY to listen on; may be given again [default: as the kernel has it]
    #[arg(long, value_name = "PHY")]
    phy: Vec<PhyName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PhyName {
    #[value(name = "1M")]
    Le1M,
    #[value(name = "CODED")]
    Coded,
}

impl RadioArgs {
    /// # Errors
    /// Times that no controller takes.
    pub(crate) fn settings(&self) -> Result<RadioSettings, String> {
        let millis = |number: f64| {
            Duration::try_from_secs_f64(number / 1000.0)
                .map_err(|_| format!("Error: {number} is no time in milliseconds."))
        };
        let timing = match self.interval_ms {
            None => None,
            Some(interval) => {
                let window = self.window_ms.unwrap_or(interval);
                let timing = ScanTiming::new(millis(interval)?, millis(window)?);
                Some(timing.map_err(|fault| format!("Error: {fault}."))?)
            }
        };
        let has = |wanted: fn(&PhyName) -> bool| self.phy.iter().any(wanted);
        let phys = match (has(|phy| matches!(phy, PhyName::Le1M)), has(|phy| matches!(phy, PhyName::Coded))) {
            (true, true) => Some(Phys::Both),
            (true, false) => Some(Phys::Le1M),
            (false, true) => Some(Phys::Coded),
            (false, false) => None,
        };
        let mode = if self.active { ScanMode::Active } else { ScanMode::Passive };
        let (adapters, state) = (self.adapters.clone(), state_folder(None));
        Ok(RadioSettings { plan: RadioPlan { adapters, mode, timing, phys, ..RadioPlan::default() }, state })
    }

    /// Whether anything was said of how to listen.
    pub(crate) fn is_given(&self) -> bool {
        self.active || !self.adapters.is_empty() || self.interval_ms.is_some() || !self.phy.is_empty()
    }
}

/// A stream of btsnoop bytes.
pub(crate) enum Source {
    Radio(Radio),
    Recording(Recording),
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A piece of the stream is there.
    Piece,
    /// The time has come, or a signal.
    Waited,
    /// There will be no more.
    Ended,
}

impl Source {
    /// Lets a radio begin to listen, on a thread of its own.
    pub(crate) fn radio(settings: RadioSettings) -> Result<Self, String> {
        let start = || {
            let (ours, theirs) = UnixStream::pair()?;
            let thread = std::thread::Builder::new().name("radio".to_owned());
            let thread = thread.spawn(move || radio::serve(&settings, theirs))?;
            Ok(Self::Radio(Radio { stream: ours, thread, piece: vec![0; PIECE_BYTES] }))
        };
        start().map_err(|error: std::io::Error| format!("Error: cannot start the radio: {error}."))
    }

    /// Reads a recording whole; it passes `speed` times as fast as recorded, with 0 at once.
    pub(crate) fn recording(path: &Path, speed: f64) -> Result<Self, String> {
        Recording::read(path, speed).map(Self::Recording)
    }

    /// Waits for the next piece of the stream until `until` at the latest, and appends it to `piece`.
    pub(crate) fn next(&mut self, until: Instant, piece: &mut Vec<u8>) -> Result<Next, String> {
        match self {
            Self::Radio(radio) => radio.next(until, piece),
            Self::Recording(recording) => Ok(recording.next(until, piece)),
        }
    }

    /// What time it is where packets are heard; `latest` was that of the last one.
    pub(crate) fn now(&self, latest: Timestamp) -> Timestamp {
        match self {
            Self::Radio(_) => now(),
            Self::Recording(recording) => recording.now().max(latest),
        }
    }

    /// Ends it; a radio undoes what it set.
    pub(crate) fn close(self) -> Result<(), RadioError> {
        match self {
            Self::Radio(Radio { stream, thread, .. }) => {
                drop(stream);
                // A panic has said itself what it was.
                thread.join().unwrap_or(Ok(()))
            }
            Self::Recording(_) => Ok(()),
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

pub(crate) struct Radio {
    stream: UnixStream,
    thread: JoinHandle<Result<(), RadioError>>,
    piece: Vec<u8>,
}

impl Radio {
    fn next(&mut self, until: Instant, piece: &mut Vec<u8>) -> Result<Next, String> {
        // A time of zero would be none.
        let wait = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let read = self.stream.set_read_timeout(Some(wait)).and_then(|()| self.stream.read(&mut self.piece));
        match read {
            Ok(0) => Ok(Next::Ended),
            Ok(count) => {
                piece.extend_from_slice(&self.piece[..count]);
                Ok(Next::Piece)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                Ok(Next::Waited)
            }
            Err(error) => Err(format!("Error: the radio cannot be read: {error}.")),
        }
    }
}

/// A recording, and how far it has passed.
pub(crate) struct Recording {
    bytes: Vec<u8>,
    /// Of each record where it ends, and its time.
    records: Vec<(usize, Timestamp)>,
    speed: f64,
    began: Instant,
    given_bytes: usize,
    given_records: usize,
}

impl Recording {
    fn read(path: &Path, speed: f64) -> Result<Self, String> {
        let place = path.display();
        let mut bytes = Vec::new();
        let most = gateway::RECORDING_BYTES_MAX;
        let file = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
        file.map_err(|error| format!("Error: {place}: {error}."))?;
        if bytes.len() as u64 > most {
            return Err(format!("Error: {place}: over {most} bytes; cut it with `btmon -r` or editcap."));
        }
        let mut records = btsnoop::records(&bytes).map_err(|fault| format!("Error: {place}: {fault}."))?;
        let mut ends = Vec::new();
        // What follows a fault is not read; who takes the bytes is told of it.
        while let Some(Ok(record)) = records.next() {
            ends.push((records.offset(), record.at));
        }
        Ok(Self { bytes, records: ends, speed, began: Instant::now(), given_bytes: 0, given_records: 0 })
    }

    fn next(&mut self, until: Instant, piece: &mut Vec<u8>) -> Next {
        if self.given_bytes == self.bytes.len() {
            return Next::Ended;
        }
        let due = self.records.get(self.given_records).map(|(_, at)| self.due(*at));
        if let Some(due) = due.filter(|_| self.speed > 0.0) {
            let wait = due.min(until).saturating_duration_since(Instant::now());
            std::thread::sleep(wait);
            if due > until {
                return Next::Waited;
            }
        }
        let end = self.records.get(self.given_records).map_or(self.bytes.len(), |(end, _)| *end);
        piece.extend_from_slice(&self.bytes[self.given_bytes..end]);
        (self.given_bytes, self.given_records) = (end, self.given_records + 1);
        Next::Piece
    }

    fn first(&self) -> Timestamp {
        self.records.first().map_or(Timestamp::default(), |(_, at)| *at)
    }

    fn due(&self, at: Timestamp) -> Instant {
        if self.speed == 0.0 {
            return self.began;
        }
        self.began + at.since(self.first()).div_f64(self.speed)
    }

    fn now(&self) -> Timestamp {
        if self.speed == 0.0 || self.given_bytes == self.bytes.len() {
            return Timestamp::default();
        }
        self.first() + self.began.elapsed().mul_f64(self.speed)
    }
}

/// The options of a source that may be a recording.
#[derive(Clone, Debug, Args)]
pub(crate) struct FromArgs {
    /// Look at a recording instead, as `btmon -w` or `nightjar gateway record` makes them
    #[arg(long, value_name = "FILE.btsnoop")]
    from: Option<PathBuf>,
    /// How much faster than recorded it passes in the table, 0.001 to 1000; 0: at once
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, requires = "from", value_parser = speed)]
    speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    let times: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if times == 0.0 || (0.001..=1000.0).contains(&times) {
        Ok(times)
    } else {
        Err("it takes 0.001 to 1000, or 0".to_owned())
    }
}

impl FromArgs {
    /// The source, and how it is called. A recording passes at its pace only where somebody looks (`in_time`).
    pub(crate) fn open(&self, radio: &RadioArgs, in_time: bool) -> Result<(Source, String), String> {
        match &self.from {
            Some(_) if radio.is_given() => {
                Err("Error: --from looks at a recording: how to listen (--active, --adapter, …) is for a radio."
                    .to_owned())
            }
            Some(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok((Source::recording(path, if in_time { self.speed } else { 0.0 })?, name))
            }
            None => {
                let settings = radio.settings()?;
                let mode = if settings.plan.mode == ScanMode::Active { "active" } else { "passive" };
                Ok((Source::radio(settings)?, mode.to_owned()))
            }
        }
    }
}
