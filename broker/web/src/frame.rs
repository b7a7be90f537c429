//! Frames of WebSocket, as a server sees them: headers and masks are taken off where the bytes lie.
//!
//! A message of WebSocket means nothing to MQTT: its packets begin and end where they do, whatever the frames say
//! [3.1.1 and 5.0 MQTT-6.0.0-2]. So payload is passed on as it comes, a frame's announced length is a number to count down
//! from and nothing is ever reserved for it.

/// The payload of a control frame at most [RFC 6455 §5.5].
pub const CONTROL_BYTES_MAX: usize = 125;

/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Status codes of a Close frame [RFC 6455 §7.4.1].
const PROTOCOL_ERROR: u16 = 1002;
const UNSUPPORTED_DATA: u16 = 1003;
const INVALID_DATA: u16 = 1007;

/// Takes the frames off a client's bytes, whatever pieces these come in.
#[derive(Debug)]
pub struct FrameReader {
    header: [u8; HEADER_BYTES_MAX],
    /// Bytes of `header` that have come.
    have: u8,
    place: Place,
    /// Payload of this frame that is to come.
    left: u64,
    /// Turned so that its first byte is for the next byte of payload.
    mask: [u8; 4],
    /// A message has begun and its last fragment has not come.
    is_fragmented: bool,
    control: [u8; CONTROL_BYTES_MAX],
    control_len: u8,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Data,
    Control(u8),
}

/// What a piece of the stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of payload, which now stand at the front of the piece.
    pub payload: usize,
    /// Nothing more is taken: this is said once and for good.
    pub end: Option<End>,
}

/// Why no more frames are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client said goodbye, with this status if it gave one.
    Closed(Option<u16>),
    /// It broke the rules.
    Fault(FrameFault),
}

impl End {
    /// The status for the Close frame that answers; `None`: an empty one.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Closed(status) => status,
            Self::Fault(fault) => Some(fault.status()),
        }
    }
}

/// How a client broke the rules of RFC 6455.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// [§5.1]
    #[error("a frame is not masked")]
    Unmasked,
    /// No extension was agreed on. [§5.2]
    #[error("a frame uses an extension that was not agreed on")]
    Reserved,
    /// [§5.2]
    #[error("a frame has the unknown type {0}")]
    Opcode(u8),
    /// [3.1.1 and 5.0 MQTT-6.0.0-1]
    #[error("it sends text, but MQTT goes in binary frames")]
    Text,
    /// [§5.2]
    #[error("a frame's length is not written as it must be")]
    Length,
    /// [§5.5]
    #[error("a control frame is longer than 125 bytes, or in fragments")]
    Control,
    /// [§5.4]
    #[error("a frame continues a message that has not begun")]
    NothingToContinue,
    /// [§5.4]
    #[error("a message begins before the one before it has ended")]
    NotContinued,
    /// [§7.4]
    #[error("a close frame has no valid status")]
    CloseStatus,
    /// [§8.1]
    #[error("a close frame's reason is not UTF-8")]
    CloseReason,
}

impl FrameFault {
    const fn status(self) -> u16 {
        match self {
            Self::Text => UNSUPPORTED_DATA,
            Self::CloseReason => INVALID_DATA,
            _ => PROTOCOL_ERROR,
        }
    }
}

impl Default for FrameReader {
    fn default() -> Self {
        Self {
            header: [0; HEADER_BYTES_MAX],
            have: 0,
            place: Place::Header,
            left: 0,
            mask: [0; 4],
            is_fragmented: false,
            control: [0; CONTROL_BYTES_MAX],
            control_len: 0,
            end: None,
        }
    }
}

impl FrameReader {
    /// Takes the next piece of the stream. Its payload is moved to the front of `bytes`. A Ping leaves its Pong frame in
    /// `pong`, in place of what was there: only the latest is owed [RFC 6455 §5.5.3].
    pub fn take(&mut self, bytes: &mut [u8], pong: &mut Vec<u8>) -> Taken {
        let (mut at, mut to) = (0, 0);
        while at < bytes.len() && self.end.is_none() {
            match self.place {
                Place::Header => {
                    let wanted = self.header_len() - usize::from(self.have);
                    let count = wanted.min(bytes.len() - at);
                    let have = usize::from(self.have);
                    self.header[have..have + count].copy_from_slice(&bytes[at..at + count]);
                    self.have += count as u8;
                    at += count;
                    if count == wanted
                        && let Err(fault) = self.header_grew(pong)
                    {
                        self.end = Some(End::Fault(fault));
                    }
                }
                Place::Data => {
                    let count = self.count_of(bytes.len() - at);
                    if at != to {
                        bytes.copy_within(at..at + count, to);
                    }
                    unmask(&mut bytes[to..to + count], &mut self.mask);
                    at += count;
                    to += count;
                    self.left -= count as u64;
                    if self.left == 0 {
                        self.place = Place::Header;
                    }
                }
                Place::Control(opcode) => {
                    let count = self.count_of(bytes.len() - at);
                    let have = usize::from(self.control_len);
                    self.control[have..have + count].copy_from_slice(&bytes[at..at + count]);
                    unmask(&mut self.control[have..have + count], &mut self.mask);
                    self.control_len += count as u8;
                    at += count;
                    self.left -= count as u64;
                    if self.left == 0 {
                        self.controlled(opcode, pong);
                    }
                }
            }
        }
        Taken { payload: to, end: self.end }
    }

    /// How much of so many bytes belongs to this frame.
    fn count_of(&self, available: usize) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(available)
    }

    /// Bytes of the header, as far as its first two tell.
    const fn header_len(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        match self.header[1] & !MASKED {
            126 => 8,
            127 => 14,
            _ => 6,
        }
    }

    /// The header has two bytes, or all.
    fn header_grew(&mut self, pong: &mut Vec<u8>) -> Result<(), FrameFault> {
        if self.have == 2 {
            // What can be refused is refused before the rest has come.
            return self.look_at_beginning();
        }
        let long = &self.header[2..10];
        let (length, mask_at) = match self.header[1] & !MASKED {
            126 => (u64::from(u16::from_be_bytes([long[0], long[1]])), 4),
            127 => (long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)), 10),
            length => (u64::from(length), 2),
        };
        let is_shortest = match mask_at {
            4 => length > 125,
            10 => length > 0xFFFF && length < 1 << 63,
            _ => true,
        };
        if !is_shortest {
            return Err(FrameFault::Length);
        }
        self.mask.copy_from_slice(&self.header[mask_at..mask_at + 4]);
        self.left = length;
        self.have = 0;
        let opcode = self.header[0] & 0x0F;
        if opcode & 0x08 == 0 {
            self.is_fragmented = self.header[0] & FIN == 0;
            self.place = if length == 0 { Place::Header } else { Place::Data };
        } else {
            self.control_len = 0;
            self.place = Place::Control(opcode);
            if length == 0 {
                self.controlled(opcode, pong);
            }
        }
        Ok(())
    }

    fn look_at_beginning(&self) -> Result<(), FrameFault> {
        let [first, second] = [self.header[0], self.header[1]];
        let opcode = first & 0x0F;
        if first & 0x70 != 0 {
            return Err(FrameFault::Reserved);
        }
        if second & MASKED == 0 {
            return Err(FrameFault::Unmasked);
        }
        match opcode {
            TEXT => Err(FrameFault::Text),
            BINARY if self.is_fragmented => Err(FrameFault::NotContinued),
            CONTINUATION if !self.is_fragmented => Err(FrameFault::NothingToContinue),
            CLOSE | PING | PONG if first & FIN == 0 || second & !MASKED > 125 => Err(FrameFault::Control),
            BINARY | CONTINUATION | CLOSE | PING | PONG => Ok(()),
            _ => Err(FrameFault::Opcode(opcode)),
        }
    }

    /// A control frame is whole.
    fn controlled(&mut self, opcode: u8, pong: &mut Vec<u8>) {
        let payload = &self.control[..usize::from(self.control_len)];
        self.place = Place::Header;
        match opcode {
            PING => {
                pong.clear();
                pong.extend_from_slice(&[FIN | PONG, payload.len() as u8]);
                pong.extend_from_slice(payload);
            }
            CLOSE => {
                self.end = Some(match payload {
                    [] => End::Closed(None),
                    [high, low, reason @ ..] => closed(u16::from_be_bytes([*high, *low]), reason),
                    [_] => End::Fault(FrameFault::CloseStatus),
                });
            }
            _ => {} // a Pong that nobody asked for is a heartbeat [RFC 6455 §5.5.3]
        }
    }
}

fn closed(status: u16, reason: &[u8]) -> End {
    match status {
        1000..=1003 | 1007..=1014 | 3000..=4999 if std::str::from_utf8(reason).is_ok() => End::Closed(Some(status)),
        1000..=1003 | 1007..=1014 | 3000..=4999 => End::Fault(FrameFault::CloseReason),
        // The others are not to be sent [RFC 6455 §7.4.1].
        _ => End::Fault(FrameFault::CloseStatus),
    }
}

/// Takes the mask off, and turns it for what follows.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut eights = bytes.chunks_exact_mut(8);
    for eight in &mut eights {
        let mut word = [0; 8];
        word.copy_from_slice(eight);
        eight.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in eights.into_remainder().iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
    mask.rotate_left(bytes.len() % 4);
}

/// What goes in front of a binary frame's payload; a server does not mask [RFC 6455 §5.1].
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameHeader {
    bytes: [u8; 10],
    len: u8,
}

impl FrameHeader {
    /// For `payload` bytes, in one frame.
    pub fn binary(payload: usize) -> Self {
        let mut header = Self { bytes: [0; 10], len: 2 };
        header.bytes[0] = FIN | BINARY;
        match payload {
            0..=125 => header.bytes[1] = payload as u8,
            126..=0xFFFF => {
                header.bytes[1] = 126;
                header.bytes[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
                header.len = 4;
            }
            _ => {
                header.bytes[1] = 127;
                header.bytes[2..].copy_from_slice(&(payload as u64).to_be_bytes());
                header.len = 10;
            }
        }
        header
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A Close frame; `None`: without a status.
pub fn close_frame(status: Option<u16>) -> Vec<u8> {
    match status {
        None => vec![FIN | CLOSE, 0],
        Some(status) => [&[FIN | CLOSE, 2][..], &status.to_be_bytes()].concat(),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
