//! What the radio process tells the broker's over their socket: a new stream for each life of its radio, and lines for
//! the log. A message is a syslog priority (one byte) and a text; a stream travels with it as a file descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// The longest message; of a longer text the end is not sent.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Syslog's priorities.
pub(crate) const ERROR: u8 = 3;
pub(crate) const WARNING: u8 = 4;

/// What one message brings.
#[derive(Debug)]
pub(crate) struct Told {
    /// Of the text.
    pub priority: u8,
    /// For the log; empty: nothing.
    pub text: String,
    /// The stream of a new life.
    pub life: Option<UnixStream>,
}

/// Both ends of the socket: whole messages, in order; reading tells when the other end is closed.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends a message. A line that there is no room for is left out; a life is waited for.
pub(crate) fn tell(socket: impl AsFd, priority: u8, text: &str, life: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut end = text.len().min(MESSAGE_BYTES_MAX - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let life: Vec<BorrowedFd<'_>> = life.into_iter().collect();
    let flags = if life.is_empty() { SendFlags::DONTWAIT } else { SendFlags::empty() };
    if !life.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&life));
    }
    let parts = [IoSlice::new(std::slice::from_ref(&priority)), IoSlice::new(&text.as_bytes()[..end])];
    sendmsg(socket, &parts, &mut ancillary, flags | SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes the next message. `None`: the other end is closed.
pub(crate) fn hear(socket: impl AsFd) -> io::Result<Option<Told>> {
    let mut bytes = [0; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let mut life = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            life = descriptors.map(UnixStream::from).next();
        }
    }
    let Some((&priority, text)) = bytes[..got].split_first() else { return Ok(None) };
    Ok(Some(Told { priority, text: String::from_utf8_lossy(text).into_owned(), life }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn lines_and_streams_come_as_they_were_sent() {
        let (ours, theirs) = pair().expect("sockets");
        let (mut kept, sent) = UnixStream::pair().expect("sockets");
        tell(&theirs, ERROR, "no adapter", None).expect("sent");
        tell(&theirs, WARNING, "", Some(sent.as_fd())).expect("sent");
        drop((theirs, sent));
        let line = hear(&ours).expect("heard").expect("a message");
        assert_eq!((line.priority, line.text.as_str(), line.life.is_none()), (ERROR, "no adapter", true));
        let mut life = hear(&ours).expect("heard").expect("a message").life.expect("a stream");
        kept.write_all(b"btsnoop").expect("the stream is open");
        drop(kept);
        let mut text = String::new();
        life.read_to_string(&mut text).expect("read");
        assert_eq!(text, "btsnoop");
        assert!(hear(&ours).expect("heard").is_none(), "closed");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_letters() {
        let (ours, theirs) = pair().expect("sockets");
        tell(&theirs, ERROR, &"温".repeat(2000), None).expect("sent");
        let line = hear(&ours).expect("heard").expect("a message");
        assert_eq!(line.text, "温".repeat((MESSAGE_BYTES_MAX - 1) / 3));
    }
}
