//! WebSocket (RFC 6455) as one more way that bytes travel: on top of a plain or an encrypted transport, in whichever thread
//! has the socket. What is above it sees the bytes of MQTT and nothing else, so limits, turns and complaints exist once.
//!
//! Headers and masks are taken off in the buffer that was read into, and a header is written beside the bytes that wait
//! anyway: nothing is copied twice and nothing is allocated for a data frame. What is never here: a packet of MQTT.

use std::net::IpAddr;
use std::sync::Arc;

use certs::{Sniffed, sniff};
use web::{End, FrameFault, FrameHeader, FrameReader, HeadFault, HeadReader, Refused, accept, close_frame};

use crate::WEBSOCKET_FRAME_BYTES_MAX;
use crate::listener::Protection;
use crate::transport::{Progress, Transport, Trouble};

/// Reads that bring no payload (heads in pieces, control frames) before others have their turn.
const EMPTY_READS_MAX: usize = 16;

/// The first byte of TLS (RFC 5246 §6.2.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The status for a connection that we close and nobody is to blame for [RFC 6455 §7.4.1].
const NORMAL: u16 = 1000;

/// What a listener with `protocol websockets` asks of those who come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketRules {
    /// `packet_buffer_size`: bytes of a request head.
    pub head_bytes_max: usize,
    /// `websockets_origin`: the pages that may connect; none is named: all may.
    pub origins: Vec<String>,
}

/// A connection that speaks WebSocket, or is about to.
pub(crate) struct WebSocket {
    inner: Transport,
    stage: Stage,
    port: u16,
    frames: FrameReader,
    /// The frame that is being written: its header, how much of that has left, and how much payload has not.
    header: FrameHeader,
    header_gone: u8,
    frame_left: usize,
    /// Of our own words (the answer to the handshake, a Pong, a Close) what is being written, and how much of it has left.
    words: Vec<u8>,
    words_gone: usize,
    /// The Pong that is owed for the latest Ping.
    pong: Vec<u8>,
    /// The last read emptied the socket.
    is_drained: bool,
    /// What is worth waiting for once nothing more is to be said.
    awaits: Awaits,
    /// To be told when what came before it has been passed on.
    trouble: Option<Trouble>,
    forwarded_for: Option<IpAddr>,
}

enum Stage {
    /// The request is being read.
    Head(Box<(HeadReader, Arc<WebSocketRules>)>),
    Open,
    /// Close was said, or the request was refused: nothing follows.
    Over,
}

/// Of the other side, after our last words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Nothing,
    /// Its Close, for we have said ours first.
    Close,
    /// The end of its stream: what it says is not understood. `true`: it was told that we say no more.
    End(bool),
}

/// What a stranger at a WebSocket port did wrong.
#[derive(Debug)]
pub(crate) enum WebFault {
    Refused(Refused),
    Frame(FrameFault),
    /// It speaks something else, with these first bytes.
    Language(Vec<u8>),
}

impl WebSocket {
    pub(crate) fn new(inner: Transport, rules: Arc<WebSocketRules>, port: u16) -> Self {
        Self {
            inner,
            stage: Stage::Head(Box::new((HeadReader::new(rules.head_bytes_max), rules))),
            port,
            frames: FrameReader::default(),
            header: FrameHeader::default(),
            header_gone: 0,
            frame_left: 0,
            words: Vec::new(),
            words_gone: 0,
            pong: Vec::new(),
            is_drained: false,
            awaits: Awaits::Nothing,
            trouble: None,
            forwarded_for: None,
        }
    }

    /// What it stands on.
    pub(crate) const fn inner(&self) -> &Transport {
        &self.inner
    }

    /// See [`Self::inner`].
    pub(crate) const fn inner_mut(&mut self) -> &mut Transport {
        &mut self.inner
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// A short read was all that there is, as far as is known.
    pub(crate) const fn short_read_is_all(&self) -> bool {
        self.is_drained && self.trouble.is_none()
    }

    /// The address that X-Forwarded-For told, once.
    pub(crate) const fn take_forwarded_for(&mut self) -> Option<IpAddr> {
        self.forwarded_for.take()
    }

    pub(crate) fn holds_bytes(&self) -> bool {
        !self.words.is_empty() || !self.pong.is_empty() || self.inner.holds_bytes()
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Progress, Trouble> {
        for _ in 0..EMPTY_READS_MAX {
            if let Some(trouble) = self.trouble.take() {
                return Err(trouble);
            }
            let count = match self.inner.read(buffer)? {
                Progress::Some(count) => count,
                other => return Ok(other),
            };
            self.is_drained = count < buffer.len() && self.inner.short_read_is_all();
            let payload = self.take(&mut buffer[..count]);
            if payload > 0 {
                return Ok(Progress::Some(payload));
            }
            // Not even a short read is known to be the last one: an end of the stream behind it is told once.
        }
        Ok(Progress::More)
    }

    /// Takes what was read; so many bytes of payload stand at the front of it now.
    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let mut begin = 0;
        if let Stage::Head(reading) = &mut self.stage {
            let (reader, rules) = &mut **reading;
            let judged = match reader.take(bytes) {
                Ok(None) => return 0,
                Ok(Some(used)) => {
                    begin = used;
                    reader.head().map_err(refused).and_then(|head| accept(&head, &rules.origins))
                }
                Err(HeadFault::NotHttp) => {
                    self.stage = Stage::Over;
                    self.trouble = Some(Trouble::Web(WebFault::Language(bytes.to_vec())));
                    return 0;
                }
                Err(fault) => Err(refused(fault)),
            };
            match judged {
                Ok(accepted) => {
                    self.stage = Stage::Open;
                    self.words = accepted.answer;
                    self.forwarded_for = accepted.forwarded_for;
                }
                Err(refused) => {
                    (self.stage, self.awaits) = (Stage::Over, Awaits::End(false));
                    self.words = refused.answer();
                    self.trouble = Some(Trouble::Web(WebFault::Refused(refused)));
                    begin = bytes.len();
                }
            }
        }
        let taken = self.frames.take(&mut bytes[begin..], &mut self.pong);
        if begin > 0 {
            bytes.copy_within(begin..begin + taken.payload, 0);
        }
        if let Some(end) = taken.end {
            self.pong.clear();
            self.say_goodbye(end.status());
            self.trouble = Some(match end {
                End::Closed(_) => Trouble::Gone,
                End::Fault(fault) => {
                    self.awaits = Awaits::End(false);
                    Trouble::Web(WebFault::Frame(fault))
                }
            });
        }
        if let Err(trouble) = self.flush() {
            // What came before is heard all the same: it may be a DISCONNECT.
            self.trouble.get_or_insert(trouble);
        }
        taken.payload
    }

    /// Close, once. In the middle of a frame there is no place for it.
    fn say_goodbye(&mut self, status: Option<u16>) {
        if matches!(self.stage, Stage::Open) {
            self.stage = Stage::Over;
            if !self.is_in_frame() {
                self.words.extend(close_frame(status));
            }
        }
    }

    const fn is_in_frame(&self) -> bool {
        self.frame_left > 0 && self.header_gone > 0
    }

    /// Writes `bytes`, which go on where the last ones ended: a frame that was begun is finished with them.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Progress, Trouble> {
        if !self.is_in_frame() {
            if let Progress::Later = self.flush()? {
                return Ok(Progress::Later);
            }
            match self.stage {
                Stage::Open => {}
                Stage::Head(_) => return Ok(Progress::Later),
                Stage::Over => return Err(Trouble::Gone),
            }
            self.frame_left = bytes.len().min(WEBSOCKET_FRAME_BYTES_MAX);
            self.header = FrameHeader::binary(self.frame_left);
            self.header_gone = 0;
        }
        loop {
            let header = &self.header.as_bytes()[usize::from(self.header_gone)..];
            let payload = &bytes[..self.frame_left.min(bytes.len())];
            match self.inner.write_both(header, payload)? {
                Progress::Some(count) => {
                    let of_header = count.min(header.len());
                    self.header_gone += of_header as u8;
                    self.frame_left -= count - of_header;
                    if count > of_header {
                        return Ok(Progress::Some(count - of_header));
                    }
                }
                other => return Ok(other),
            }
        }
    }

    /// Sends our own words, where a frame's end lets them.
    pub(crate) fn flush(&mut self) -> Result<Progress, Trouble> {
        while !self.is_in_frame() {
            if self.words.is_empty() {
                std::mem::swap(&mut self.words, &mut self.pong);
            }
            if self.words.is_empty() {
                break;
            }
            match self.inner.write(&self.words[self.words_gone..])? {
                Progress::Some(count) => self.words_gone += count,
                other => return Ok(other),
            }
            if self.words_gone == self.words.len() {
                (self.words, self.words_gone) = (Vec::new(), 0);
            }
        }
        self.inner.flush()
    }

    /// Says goodbye, if there is a place for it. `true`: ours has to leave yet, or the other side's is to come.
    pub(crate) fn begin_close(&mut self) -> bool {
        if matches!(self.stage, Stage::Open) && !self.is_in_frame() {
            self.awaits = Awaits::Close;
        }
        self.pong.clear();
        self.say_goodbye(Some(NORMAL));
        self.flush().is_ok() && (self.awaits != Awaits::Nothing || !self.words.is_empty())
    }

    /// See [`Transport::read_close`].
    pub(crate) fn read_close(&mut self, buffer: &mut [u8]) -> Result<Progress, Trouble> {
        self.flush()?;
        if self.words.is_empty() {
            match self.awaits {
                Awaits::Nothing => return Err(Trouble::Gone),
                Awaits::End(false) => {
                    self.inner.end_writing();
                    self.awaits = Awaits::End(true);
                }
                Awaits::Close | Awaits::End(true) => {}
            }
        }
        let progress = self.inner.read(buffer)?;
        if let (Progress::Some(count), Awaits::Close) = (&progress, self.awaits) {
            let taken = self.frames.take(&mut buffer[..*count], &mut self.pong);
            self.pong.clear();
            if taken.end.is_some() {
                return Err(Trouble::Gone);
            }
        }
        Ok(progress)
    }

    /// Says goodbye, if there is a place for it.
    pub(crate) fn close(&mut self) {
        self.say_goodbye(Some(NORMAL));
        let _ = self.flush();
        self.inner.close();
    }
}

const fn refused(fault: HeadFault) -> Refused {
    match fault {
        HeadFault::TooLong => Refused::TooLong,
        HeadFault::NotHttp | HeadFault::Malformed => Refused::Malformed,
    }
}

impl Protection {
    /// Puts WebSocket onto a new connection, if that is what this listener speaks.
    pub(crate) fn dressed(&self, transport: Transport, port: u16) -> Transport {
        match &self.websocket {
            Some(rules) => Transport::Web(Box::new(WebSocket::new(transport, Arc::clone(rules), port))),
            None => transport,
        }
    }
}

/// Whether an address is one where a proxy of one's own may stand: this machine's, or a private network's [RFC 1918,
/// RFC 4193]. Anyone can write X-Forwarded-For: whoever comes from elsewhere is not believed.
pub(crate) fn may_be_a_proxy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A stranger at a WebSocket port, for the log: kind and complaint.
pub(crate) fn complaint(fault: &WebFault, port: u16) -> (&'static str, String) {
    match fault {
        WebFault::Refused(Refused::Origin(origin)) => (
            "origin",
            format!(
                "comes from a page of {origin}, which no websockets_origin of the port {port} names: add \
                 'websockets_origin {origin}' to this listener if it may connect"
            ),
        ),
        WebFault::Refused(Refused::Subprotocol(offered)) => {
            let offered = if offered.is_empty() { "none" } else { offered };
            (
                "subprotocol",
                format!(
                    "does not offer the subprotocol mqtt to the WebSocket port {port} (it offers {offered}): set it in the client"
                ),
            )
        }
        WebFault::Refused(Refused::NoUpgrade(path)) => (
            "http",
            format!(
                "asks the WebSocket port {port} for the page {path}: there is only MQTT over WebSocket here; pages need a \
                 listener with 'protocol http_api' and 'http_dir', and a proxy must pass on Upgrade and Connection"
            ),
        ),
        WebFault::Refused(Refused::Method(method)) => {
            ("http", format!("sends the HTTP method {method} to the WebSocket port {port}, which knows GET alone"))
        }
        WebFault::Refused(Refused::TooLong) => (
            "head",
            format!(
                "sends a longer HTTP request to the WebSocket port {port} than packet_buffer_size lets it: raise that if its \
                 cookies are so long"
            ),
        ),
        WebFault::Refused(Refused::Version) => (
            "version",
            format!("asks the WebSocket port {port} for another version of WebSocket than 13: update the client"),
        ),
        WebFault::Refused(Refused::Key | Refused::Malformed) => {
            ("head", format!("sends an HTTP request to the WebSocket port {port} that is malformed: update the client"))
        }
        WebFault::Frame(fault) => ("frame", format!("breaks the rules of WebSocket at port {port}: {fault}")),
        WebFault::Language(first_bytes) => other_language(first_bytes, port),
    }
}

fn other_language(first_bytes: &[u8], port: u16) -> (&'static str, String) {
    match sniff(first_bytes) {
        Sniffed::MqttConnect => (
            "plain",
            format!(
                "speaks MQTT without WebSocket to the WebSocket port {port}: let it use WebSocket (ws://), or another port \
                 with 'protocol mqtt'"
            ),
        ),
        // A greeting in pieces is one, too.
        sniffed if first_bytes.first() == Some(&TLS_HANDSHAKE) || matches!(sniffed, Sniffed::Ssl2) => (
            "tls",
            format!(
                "speaks TLS to the WebSocket port {port}, which is plain: let it use ws:// instead of wss://, or give \
                 certfile and keyfile to this listener"
            ),
        ),
        _ => ("other", format!("does not speak WebSocket to port {port}: check what is behind this address")),
    }
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
