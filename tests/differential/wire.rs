//! One connection to one broker: what is said on it, and what is heard until a packet that marks the end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::bytes::{PINGREQ, PINGRESP, PUBCOMP, PUBREL, end_of_first, split};
use crate::mosquitto::PATIENCE;

/// A connection to a broker.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub packets: Vec<Vec<u8>>,
    pub end: End,
}

/// How a connection stands when enough has been heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    Open,
    /// The broker closed it.
    Closed,
    /// Neither the mark nor the end came.
    Silent,
}

/// The question whose answer shows that everything before it has been answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// So many PINGRESP, the last of which is ours.
    Ping(usize),
    /// PUBREL for a message that there never was, where pings themselves are in question.
    Release,
    /// We say no more and wait for the end: whatever waits for the rest of a packet waits in vain.
    Finish,
}

/// An identifier that no conversation uses.
const NEVER_USED: [u8; 2] = [0xFF, 0xFE];

impl Mark {
    /// The mark that fits behind `said`.
    pub(crate) fn after(said: &[u8]) -> Self {
        let (packets, rest) = split(said);
        let is_ping = |packet: &&&[u8]| packet[0] >> 4 == PINGREQ[0] >> 4;
        if !rest.is_empty() {
            Self::Finish
        } else if packets.iter().filter(is_ping).any(|packet| **packet != PINGREQ) {
            Self::Release
        } else {
            Self::Ping(1 + packets.iter().filter(is_ping).count())
        }
    }
}

impl Wire {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.set_nodelay(true).expect("small packets at once");
        Self { stream, unread: Vec::new() }
    }

    /// Says `bytes` and asks for the mark.
    pub(crate) fn say(&mut self, bytes: &[u8], mark: Mark) {
        let asked: &[u8] = match mark {
            Mark::Ping(_) => &PINGREQ,
            Mark::Release => &[PUBREL, 2, NEVER_USED[0], NEVER_USED[1]],
            Mark::Finish => &[],
        };
        // Where the broker has closed the connection already, that is heard.
        let _ = self.stream.write_all(&[bytes, asked].concat());
        if matches!(mark, Mark::Finish) {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// Everything until the mark, which is not part of it.
    pub(crate) fn hear(&mut self, mark: Mark) -> Heard {
        let mut heard = Heard::default();
        let mut pings = 0;
        loop {
            while let Some(end) = end_of_first(&self.unread) {
                let packet: Vec<u8> = self.unread.drain(..end).collect();
                pings += usize::from(packet == PINGRESP);
                let is_mark = match mark {
                    Mark::Ping(wanted) => packet == PINGRESP && pings == wanted,
                    Mark::Release => packet[0] == PUBCOMP && packet.get(2..4) == Some(&NEVER_USED),
                    Mark::Finish => false,
                };
                if is_mark {
                    return heard;
                }
                heard.packets.push(packet);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    heard.end = End::Closed;
                    return heard;
                }
                Ok(count) => self.unread.extend(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    heard.end = End::Silent;
                    return heard;
                }
                // Reset: it was closed while our mark was on its way.
                Err(_) => {
                    heard.end = End::Closed;
                    return heard;
                }
            }
        }
    }
}
