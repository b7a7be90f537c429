//! A live source: the btsnoop stream of whoever has the radio.
//!
//! Times are those of the records, which are the kernel's. A deadline in that time is waited for by tokio's clock,
//! from the arrival of the last record on, and for a [`NAP`] more, as the radio may bring the packets of that time so much
//! later; a record of a later time ends the wait at once. The stream also tells which adapters there are, what is to be logged, and
//! what the radio counts.

use std::fmt;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;

use gateway_core::btsnoop::{self, Note, PacketKind};
use gateway_core::btsnoop_stream::{Head, Stream};
use gateway_core::chips::Chips;
use gateway_core::monitor::MonitorPacket;
use gateway_core::pace::NAP;
use gateway_core::radio_counts::{COUNTS_IDENT, LOG_IDENT, RadioCounts};
use gateway_core::{MacAddress, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use crate::recording::Event;
use crate::source::Next;

/// Bytes of one read: at 1,000 reports a second some half a second of them.
const READ_BYTES: usize = 64 * 1024;

/// What the adapters hear, as a stream of btsnoop bytes (link type 2001, "monitor").
///
/// Bytes are read within [`crate::Gateway::run`] alone, so it may be made where there is no runtime yet.
pub struct Live(Incoming);

enum Incoming {
    Socket(UnixStream),
    Any(Box<dyn AsyncRead + Send + Unpin>),
}

impl Live {
    /// Of any stream.
    pub fn new(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self(Incoming::Any(Box::new(stream)))
    }

    /// The stream to read from. Within a runtime alone.
    fn open(self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        match self.0 {
            Incoming::Socket(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Box::new(tokio::net::UnixStream::from_std(socket)?))
            }
            Incoming::Any(stream) => Ok(stream),
        }
    }
}

/// One end of a socket pair; the other has the radio.
impl From<UnixStream> for Live {
    fn from(socket: UnixStream) -> Self {
        Self(Incoming::Socket(socket))
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

/// What a gateway hears live. One stream may follow another; who is which chip stays.
pub(crate) struct LiveSource {
    /// Not opened yet.
    waiting: Option<Live>,
    /// `None`: there is none, or it has ended.
    socket: Option<Box<dyn AsyncRead + Send + Unpin>>,
    stream: Stream,
    scratch: Box<[u8]>,
    chips: Chips,
    /// When the last record was heard, by its own time and by ours.
    latest: Option<(Timestamp, Instant)>,
    radio: Option<RadioCounts>,
    /// What is lost of this stream, and of those before it.
    dropped: u32,
    lost_before: u64,
}

impl LiveSource {
    pub(crate) fn new(adapters: &[MacAddress], live: Option<Live>) -> Self {
        Self {
            waiting: live,
            socket: None,
            stream: Stream::default(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            chips: Chips::new(adapters),
            latest: None,
            radio: None,
            dropped: 0,
            lost_before: 0,
        }
    }

    pub(crate) fn listen_to(&mut self, live: Live) {
        self.waiting = Some(live);
        self.socket = None;
        self.stream = Stream::default();
        // It tells anew which adapters there are.
        self.chips.forget_numbers();
        self.lost_before += u64::from(self.dropped);
        self.dropped = 0;
    }

    /// What the radio of the latest stream counts; `None`: it has not told.
    pub(crate) fn radio(&self) -> Option<RadioCounts> {
        self.radio
    }

    /// Packets that were lost on their way here.
    pub(crate) fn lost(&self) -> u64 {
        self.lost_before + u64::from(self.dropped)
    }

    /// The address of the first adapter, once one is known.
    pub(crate) fn first_address(&self) -> Option<MacAddress> {
        self.chips.first_address()
    }

    /// Waits for the next event, but not past `until` (in the stream's time). Dropped while it waits, it has lost
    /// nothing.
    pub(crate) async fn next(&mut self, until: Option<Timestamp>) -> Next<'_> {
        let head = loop {
            // Events that are there already must not keep others from their turn.
            tokio::task::consume_budget().await;
            match self.stream.peek() {
                Some(Ok(head)) => {
                    if let Some(until) = until.filter(|until| *until <= head.at) {
                        return Next::Reached(until);
                    }
                    self.stream.advance(&head);
                    self.dropped = head.dropped;
                    if head.kind == PacketKind::Event {
                        break head;
                    }
                    self.take_other(&head);
                    if matches!(head.kind, PacketKind::NewIndex | PacketKind::IndexInfo) {
                        return Next::Adapter;
                    }
                }
                Some(Err(fault)) => return Next::Broken(fault.to_string()),
                None => match self.read_more(until).await {
                    Ok(More::Bytes) => {}
                    Ok(More::Reached(until)) => return Next::Reached(until),
                    Ok(More::Ended) => return Next::Ended,
                    Err(what) => return Next::Broken(what),
                },
            }
        };
        self.latest = Some((head.at, Instant::now()));
        let adapter = self.chips.of(head.adapter);
        Next::Heard(Event { at: head.at, adapter, octets: self.stream.packet(&head) })
    }

    async fn read_more(&mut self, until: Option<Timestamp>) -> Result<More, String> {
        if let Some(live) = self.waiting.take() {
            self.socket = Some(live.open().map_err(|cause| format!("the stream of the radio: {cause}"))?);
        }
        let Some(socket) = &mut self.socket else { return Ok(More::Ended) };
        let due = until.zip(self.latest).map(|(until, (at, when))| (until, when + until.since(at) + NAP));
        let reached = async {
            match due {
                Some((until, due)) => {
                    sleep_until(due).await;
                    until
                }
                None => pending().await,
            }
        };
        let read = tokio::select! {
            // What is there was heard before now, so it comes first.
            biased;
            read = socket.read(&mut self.scratch) => read,
            until = reached => return Ok(More::Reached(until)),
        };
        let bytes = read.map_err(|cause| format!("the stream of the radio: {cause}"))?;
        if bytes == 0 {
            self.socket = None;
            let at = self.stream.bytes_read();
            return if self.stream.is_at_border() {
                Ok(More::Ended)
            } else {
                Err(format!("byte {at}: the stream of the radio ends within a record"))
            };
        }
        self.stream.push(self.scratch.get(..bytes).unwrap_or_default());
        Ok(More::Bytes)
    }

    fn take_other(&mut self, head: &Head) {
        let packet = self.stream.packet(head);
        match head.kind {
            PacketKind::NewIndex | PacketKind::IndexInfo => {
                let packet = MonitorPacket { kind: head.kind, adapter: head.adapter, data: packet };
                if let Some(address) = packet.address() {
                    debug!(adapter = head.adapter, %address, "an adapter is there");
                    self.chips.came(head.adapter, address);
                }
            }
            PacketKind::DeleteIndex => self.chips.went(head.adapter),
            PacketKind::Note => match btsnoop::note(packet) {
                Some(Note { ident: COUNTS_IDENT, text, .. }) => {
                    if let Some(counts) = RadioCounts::parse(text) {
                        self.take_counts(counts);
                    }
                }
                Some(Note { ident: LOG_IDENT, priority, text }) => log(priority, text),
                _ => {}
            },
            _ => {}
        }
    }

    /// Remembers them. When they are not of packets alone they are logged: they say what befell the adapters.
    fn take_counts(&mut self, counts: RadioCounts) {
        let told = self.radio.unwrap_or_default();
        if (RadioCounts { heard: told.heard, ..counts }) != told {
            info!("The radio so far: {counts}");
        }
        self.radio = Some(counts);
    }
}

enum More {
    Bytes,
    Reached(Timestamp),
    Ended,
}

impl fmt::Debug for LiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSource").field("latest", &self.latest).field("radio", &self.radio).finish_non_exhaustive()
    }
}

/// Syslog's priorities: 3 and less are errors, 4 warnings, 5 and 6 information.
fn log(priority: u8, text: &str) {
    match priority {
        0..=3 => error!("{text}"),
        4 => warn!("{text}"),
        5 | 6 => info!("{text}"),
        _ => debug!("{text}"),
    }
}
