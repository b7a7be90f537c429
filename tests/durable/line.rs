//! A connection that never waits: bytes that came, as packets; packets to say, as bytes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};

use mqtt::{Packet, ProtocolVersion, next_frame};

/// One side of a connection to the broker.
pub(crate) struct Line {
    stream: TcpStream,
    version: ProtocolVersion,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    /// The broker closed it, or is gone.
    pub is_over: bool,
}

impl Line {
    pub(crate) fn open(port: u16, version: ProtocolVersion) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_nodelay(true).expect("small packets at once");
        stream.set_nonblocking(true).expect("a socket that never waits");
        Self { stream, version, unread: Vec::new(), unsent: Vec::new(), is_over: false }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(crate) fn say(&mut self, packet: &Packet<'_>) {
        packet.encode(self.version, &mut self.unsent).expect("a packet that can be said");
    }

    /// Sends what goes.
    pub(crate) fn flush(&mut self) {
        while !self.unsent.is_empty() && !self.is_over {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(why) if why.kind() == ErrorKind::WouldBlock => return,
                // What it said before, it may still have said: reading finds the end.
                Err(_) => self.unsent.clear(),
            }
        }
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self) {
        let mut piece = [0; 1 << 16];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => break self.is_over = true,
                Ok(count) => self.unread.extend(&piece[..count]),
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(_) => break self.is_over = true,
            }
        }
    }

    /// Takes the bytes that were read: a packet points into them.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Gives back what was not a whole packet.
    pub(crate) fn give_back(&mut self, mut bytes: Vec<u8>, read: usize) {
        bytes.drain(..read);
        bytes.append(&mut self.unread);
        self.unread = bytes;
    }
}

/// The first packet of `bytes` and how long it is.
pub(crate) fn first_packet(version: ProtocolVersion, bytes: &[u8]) -> Option<(Packet<'_>, usize)> {
    let frame = next_frame(bytes, 0).expect("a packet from the broker")?;
    let len = frame.len;
    Some((Packet::decode(version, frame).expect("a packet that can be read"), len))
}
