//! A socket that bytes travel on, whichever kind it is: TCP, or a unix socket. No TLS here and nothing that waits.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::os::fd::{AsRawFd as _, RawFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{MsgFlags, recv};

/// A connected socket. It never blocks.
#[derive(Debug)]
pub(crate) enum Stream {
    /// From the network.
    Tcp(TcpStream),
    /// From this machine: by a unix listener, or from this very process.
    Unix(UnixStream),
}

impl Stream {
    /// Copies what has come into `buffer` and leaves it in the socket; 0: the other side will say no more.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // The standard library has this for TCP alone.
        Ok(recv(self.as_fd(), buffer, MsgFlags::MSG_PEEK)?)
    }

    /// Says that nothing more comes, and goes on reading.
    pub(crate) fn end_writing(&self) {
        // Who is gone already need not be told.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// The address of this machine that the other side dialled; `None` if that was none of the network.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok().map(|address| address.ip()),
            Self::Unix(_) => None,
        }
    }

    fn as_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // what was written is with the kernel
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(parts),
            Self::Unix(stream) => stream.write_vectored(parts),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            Self::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            Self::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Unix(stream) => stream.deregister(registry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_peeked_at_is_still_there_and_an_end_is_seen() {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("sockets");
        ours.set_nonblocking(true).expect("a socket");
        let mut ours = Stream::from(UnixStream::from_std(ours));
        let mut seen = [0; 8];
        assert_eq!(ours.peek(&mut seen).expect_err("nothing came").kind(), io::ErrorKind::WouldBlock);
        theirs.write_all(b"abc").expect("room");
        assert_eq!((ours.peek(&mut seen).expect("it came"), &seen[..3]), (3, &b"abc"[..]));
        assert_eq!((ours.read(&mut seen).expect("it is there"), &seen[..3]), (3, &b"abc"[..]));
        drop(theirs);
        assert_eq!(ours.peek(&mut seen).expect("an end"), 0);
    }
}
