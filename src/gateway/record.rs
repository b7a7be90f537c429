//! `nightjar gateway record`: what the radio hears, into a file that `btmon -r` and Wireshark read.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;

use super::framing::Framing;
use super::hearing::{Heard, Hearing};
use super::source::{Next, RadioArgs, Source};
use super::{plain, terminal};

/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Record what is on the air
///
/// The file is a recording in the format of `btmon -w`: `btmon -r FILE`, Wireshark and `nightjar gateway scan
/// --from FILE` read it. Only whole packets are written, each at once: whenever this ends, the file can be read.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RecordArgs {
    /// Where to; - is standard output
    #[arg(value_name = "FILE.btsnoop")]
    file: PathBuf,
    #[command(flatten)]
    radio: RadioArgs,
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u32>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn main(args: &RecordArgs) -> ExitCode {
    match record(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn record(args: &RecordArgs) -> Result<(), String> {
    let settings = args.radio.settings()?;
    let ending = terminal::asked_to_end().map_err(|error| format!("Error: cannot wait for signals: {error}."))?;
    let mut tape = Tape::new(open(&args.file, args.force)?);
    let mut source = Source::radio(settings)?;
    let (began, mut tell_at) = (Instant::now(), Instant::now() + TELL_EVERY);
    let end = args.seconds.map(|seconds| began + Duration::from_secs(seconds.into()));
    let mut piece = Vec::new();
    let ended = loop {
        if ending.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end) {
            break Ok(());
        }
        if Instant::now() >= tell_at {
            tape.tell(began, false);
            tell_at += TELL_EVERY;
        }
        let next = match source.next(end.map_or(tell_at, |end| end.min(tell_at)), &mut piece) {
            Ok(next) => next,
            Err(message) => break Err(message),
        };
        let taken = tape.take(&piece).map_err(|error| format!("Error: {}: {error}.", args.file.display()));
        piece.clear();
        match taken {
            Err(message) => break Err(message),
            Ok(()) if next == Next::Ended => break Ok(()),
            Ok(()) => {}
        }
    };
    let closed = source.close().map_err(|error| format!("Error: {error}."));
    tape.tell(began, true);
    if !tape.has_header && !args.force && args.file != Path::new("-") {
        // It was made for this, and nothing came: it would only be in the way of the next try.
        let _ = std::fs::remove_file(&args.file);
    }
    ended.and(closed)
}

fn open(path: &Path, force: bool) -> Result<Box<dyn Write>, String> {
    if path == Path::new("-") {
        if terminal::is_there() {
            return Err("Error: a recording is no text for a terminal: write it into a file, or a pipe.".to_owned());
        }
        return Ok(Box::new(io::stdout()));
    }
    let mut options = OpenOptions::new();
    options.write(true);
    let file: io::Result<File> =
        if force { options.create(true).truncate(true).open(path) } else { options.create_new(true).open(path) };
    match file {
        Ok(file) => Ok(Box::new(file)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(format!(
            "Error: {} is there already: choose another name, or write over it with --force.",
            path.display()
        )),
        Err(error) => Err(format!("Error: {}: {error}.", path.display())),
    }
}

/// Where the records go, and what was among them.
struct Tape {
    out: Box<dyn Write>,
    framing: Framing,
    hearing: Hearing,
    heard: Vec<Heard>,
    has_header: bool,
    packets: u64,
}

impl Tape {
    fn new(out: Box<dyn Write>) -> Self {
        Self {
            out,
            framing: Framing::default(),
            hearing: Hearing::default(),
            heard: Vec::new(),
            has_header: false,
            packets: 0,
        }
    }

    /// Writes what is whole in the stream now.
    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.framing.push(piece);
        let whole = if self.has_header { self.framing.records() } else { self.framing.whole() };
        if !whole.is_empty() {
            self.out.write_all(whole)?;
            self.out.flush()?;
            self.has_header = true;
        }
        self.framing.take();
        // The radio is ours: a stream that is damaged would be so in the file as well, whose reader says where.
        let _ = self.hearing.take(piece, &mut self.heard);
        for heard in self.heard.drain(..) {
            match heard {
                Heard::Packet(_) => self.packets += 1,
                // Syslog's 7 is for debugging.
                Heard::Note(0..=6, text) => eprintln!("{}", plain::cleaned(&text)),
                Heard::Note(..) => {}
            }
        }
        Ok(())
    }

    /// Tells how far it is: over and over on one line of a terminal; elsewhere only at the end.
    fn tell(&self, began: Instant, is_last: bool) {
        let mut error = io::stderr();
        let (seconds, packets, lost) = (began.elapsed().as_secs(), self.packets, self.hearing.lost());
        let _ = match (error.is_terminal(), is_last) {
            (true, false) => write!(error, "\r{packets} packets, {lost} lost, {seconds} s "),
            (true, true) => writeln!(error, "\r{packets} packets, {lost} lost, {seconds} s "),
            (false, true) => writeln!(error, "{packets} packets, {lost} lost, {seconds} s"),
            (false, false) => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const RECORDING: &[u8] = include_bytes!("../../gateway/recordings/data-test.btsnoop");

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panicked").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whenever_it_ends_the_file_can_be_read() {
        let shared = Shared::default();
        let mut tape = Tape::new(Box::new(shared.clone()));
        for piece in RECORDING.chunks(97) {
            tape.take(piece).expect("a vector takes everything");
            let file = shared.0.lock().expect("no writer panicked");
            if !file.is_empty() {
                let records = gateway_core::btsnoop::records(&file).expect("a header");
                assert!(records.last().is_none_or(|record| record.is_ok()));
            }
        }
        assert_eq!((&*shared.0.lock().expect("no writer panicked"), tape.packets), (&RECORDING.to_vec(), 562));
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over_unless_so_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("air.btsnoop");
        drop(open(&path, false).expect("a new file"));
        std::fs::write(&path, "kept").expect("it is written");
        let message = open(&path, false).err().expect("a refusal");
        assert!(message.contains("is there already") && message.contains("--force"), "{message}");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"kept");
        drop(open(&path, true).expect("written over"));
        assert_eq!(std::fs::read(&path).expect("it is there"), b"");
    }
}
