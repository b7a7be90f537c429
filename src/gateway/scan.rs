//! `nightjar gateway scan`: the air as a live table, as lines, or as JSON; or a recording looked at in the same way.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use gateway_core::filter::{Filters, List, MacPattern, NamePattern, UuidPattern, ValuePattern};

use super::devices::Devices;
use super::hearing::{Heard, Hearing};
use super::rows::{self, Frame};
use super::source::{FromArgs, Next, RadioArgs, Source};
use super::terminal::{self, Terminal};
use super::{json, plain};

/// How often the table is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// Show what is on the air
///
/// In a terminal it is a table of devices, the loudest first; otherwise a line for each packet.
/// 2000 devices are remembered at most, and each for 60 s after it was last heard.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    radio: RadioArgs,
    #[command(flatten)]
    from: FromArgs,
    /// A line of JSON for each report
    #[arg(long)]
    json: bool,
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u32>,
    /// Only packets with one of these names: 'TH-07, TH-*, *-07'
    #[arg(long, value_name = "LIST", value_parser = parsed::<List<NamePattern>>)]
    filter_name: Option<List<NamePattern>>,
    /// Only devices with one of these addresses: 'CC:DD:EE:00:11:22, CC:DD:EE*'
    #[arg(long, value_name = "LIST", value_parser = parsed::<List<MacPattern>>)]
    filter_mac: Option<List<MacPattern>>,
    /// Only packets that name one of these services, of 16, 32 or 128 bits
    #[arg(long, value_name = "LIST", value_parser = parsed::<List<UuidPattern>>)]
    filter_uuid: Option<List<UuidPattern>>,
    /// Only packets with one of these bytes, counted from 1: '[{"offset":"1","data":"0201060A"}]'
    #[arg(long, value_name = "JSON", value_parser = parsed::<List<ValuePattern>>)]
    filter_value: Option<List<ValuePattern>>,
    /// Only packets so loud at least, in dBm, such as -80
    #[arg(long, value_name = "DBM", allow_negative_numbers = true, value_parser = clap::value_parser!(i8).range(-127..=20))]
    filter_rssi: Option<i8>,
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|fault: T::Err| fault.to_string())
}

/// How it is shown.
enum Show {
    Json,
    Lines,
    Table(Terminal, Devices, Frame),
}

pub(crate) fn main(args: &ScanArgs) -> ExitCode {
    match scan(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn scan(args: &ScanArgs) -> Result<(), String> {
    let in_table = !args.json && terminal::is_there();
    let ending = terminal::asked_to_end().map_err(|error| format!("Error: cannot wait for signals: {error}."))?;
    let (mut source, name) = args.from.open(&args.radio, in_table)?;
    let mut show = match (in_table, args.json) {
        (false, true) => Show::Json,
        (false, false) => Show::Lines,
        (true, _) => {
            let terminal = Terminal::enter().map_err(|error| format!("Error: cannot use the terminal: {error}."))?;
            Show::Table(terminal, Devices::default(), Frame { source: name, ..Frame::default() })
        }
    };
    let mut hearing = Hearing::new(args.filters());
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let mut draw_at = Instant::now();
    let (mut piece, mut heard) = (Vec::new(), Vec::new());
    let ended = loop {
        if ending.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end) {
            break Ok(());
        }
        if Instant::now() >= draw_at {
            if !show.draw(&hearing, &source) {
                break Ok(());
            }
            draw_at = Instant::now() + DRAW_EVERY;
        }
        let next = match source.next(end.map_or(draw_at, |end| end.min(draw_at)), &mut piece) {
            Ok(next) => next,
            Err(message) => break Err(message),
        };
        let taken = hearing.take(&piece, &mut heard);
        piece.clear();
        let is_read = heard.drain(..).all(|heard| show.take(&hearing, heard));
        match (taken, next) {
            (Err(fault), _) => break Err(format!("Error: {fault}.")),
            (Ok(()), Next::Ended) => break Ok(()),
            // Who reads it is gone, as behind `| head`.
            _ if !is_read => break Ok(()),
            _ => {}
        }
    };
    let is_cut = matches!(source, Source::Recording(_)) && hearing.is_within_record();
    show.end(&hearing, &source);
    let closed = source.close().map_err(|error| format!("Error: {error}."));
    if is_cut && ended.is_ok() {
        eprintln!("Warning: the recording ends within a record.");
    }
    ended.and(closed)
}

impl ScanArgs {
    fn filters(&self) -> Filters {
        Filters {
            names: self.filter_name.clone().unwrap_or_default(),
            macs: self.filter_mac.clone().unwrap_or_default(),
            uuids: self.filter_uuid.clone().unwrap_or_default(),
            values: self.filter_value.clone().unwrap_or_default(),
            rssi_dbm_min: self.filter_rssi,
        }
    }
}

impl Show {
    /// Takes what was heard. Whether anybody still reads it.
    fn take(&mut self, hearing: &Hearing, heard: Heard) -> bool {
        match (self, heard) {
            (Self::Table(_, devices, _), Heard::Packet(advertisement)) => devices.hear(&advertisement),
            (Self::Table(_, _, frame), Heard::Note(_, text)) => frame.note = Some(text),
            (Self::Json, Heard::Packet(advertisement)) => {
                return line(&json::report(&hearing.adapter(advertisement.chip), &advertisement));
            }
            (Self::Lines, Heard::Packet(advertisement)) => return line(&rows::packet(&advertisement)),
            // Syslog's 7 is for debugging.
            (_, Heard::Note(0..=6, text)) => eprintln!("{}", plain::cleaned(&text)),
            (_, Heard::Note(..)) => {}
        }
        true
    }

    /// Draws the table, if it is one. Whether the terminal is still there.
    fn draw(&mut self, hearing: &Hearing, source: &Source) -> bool {
        let lines = self.lines(hearing, source);
        match self {
            Self::Table(terminal, ..) => terminal.draw(&lines).is_ok(),
            Self::Json | Self::Lines => true,
        }
    }

    /// The table as it is now.
    fn lines(&mut self, hearing: &Hearing, source: &Source) -> Vec<String> {
        let Self::Table(_, devices, frame) = self else { return Vec::new() };
        let now = source.now(hearing.now());
        devices.forget_silent(now);
        let heard_by = hearing.adapters();
        let frame = Frame {
            source: [std::slice::from_ref(&frame.source), &heard_by].concat().join(", "),
            lost: hearing.lost(),
            faults: hearing.faults(),
            note: frame.note.clone(),
        };
        rows::table(devices, &frame, now, Terminal::size())
    }

    /// Gives the screen back, and leaves on it what was seen last.
    fn end(mut self, hearing: &Hearing, source: &Source) {
        let lines = self.lines(hearing, source);
        if let Self::Table(terminal, ..) = self {
            drop(terminal);
            // The shell's line needs room, too.
            for text in lines.iter().take(Terminal::size().rows.saturating_sub(1)) {
                line(text);
            }
        }
    }
}

fn line(text: &str) -> bool {
    writeln!(io::stdout(), "{text}").is_ok()
}
