//! The system calls that the standard library does not have: Bluetooth sockets, many packets at a time, waiting.
//!
//! All `unsafe` of this crate is here. Nothing here knows what is in a packet.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr::from_ref;
use std::time::Duration;

use gateway_core::Timestamp;

/// A channel of a Bluetooth socket [Linux `include/net/bluetooth/hci_sock.h`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Channel {
    /// Commands to one adapter, beside the kernel.
    Raw(u16),
    /// What all adapters and the kernel say to each other.
    Monitor,
    /// The kernel's management.
    Control,
}

/// An instruction of a socket filter.
pub(crate) type Instruction = libc::sock_filter;

const BTPROTO_HCI: libc::c_int = 1;
const SOL_HCI: libc::c_int = 0;
const HCI_FILTER: libc::c_int = 2;
/// `_IOW('H', 203, int)`
const HCIDEVRESET: libc::c_ulong = 0x4004_48CB;
/// `_IO('U', 20)`
const USBDEVFS_RESET: libc::c_ulong = 0x5514;
const SO_MEMINFO: libc::c_int = 55;

#[repr(C)]
struct SockaddrHci {
    family: libc::sa_family_t,
    device: u16,
    channel: u16,
}

/// A socket for `channel` that is not bound yet: it can be set up first.
pub(crate) fn bluetooth_socket() -> io::Result<OwnedFd> {
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no memory is passed.
    let fd = cvt(unsafe { libc::socket(libc::AF_BLUETOOTH, flags, BTPROTO_HCI) })?;
    // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn bind(socket: &OwnedFd, channel: Channel) -> io::Result<()> {
    const NO_DEVICE: u16 = 0xFFFF;
    let (device, channel) = match channel {
        Channel::Raw(index) => (index, 0),
        Channel::Monitor => (NO_DEVICE, 2),
        Channel::Control => (NO_DEVICE, 3),
    };
    let address = SockaddrHci { family: libc::AF_BLUETOOTH as libc::sa_family_t, device, channel };
    let length = size_of::<SockaddrHci>() as libc::socklen_t;
    // SAFETY: the pointer is to `length` octets that live through the call.
    cvt(unsafe { libc::bind(socket.as_raw_fd(), from_ref(&address).cast(), length) }).map(drop)
}

fn set_option<T>(socket: &OwnedFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to `length` octets that live through the call; the kernel only reads them.
    cvt(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, from_ref(value).cast(), length) }).map(drop)
}

/// Lets only those packets into the socket's buffer that `program` says yes to.
pub(crate) fn attach_filter(socket: &OwnedFd, program: &[Instruction]) -> io::Result<()> {
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // The kernel copies the program; it does not write to it.
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)
}

/// Makes the buffer for what is received as large as can be had; with CAP_NET_ADMIN that is `bytes`.
pub(crate) fn receive_buffer(socket: &OwnedFd, bytes: libc::c_int) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes)
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes))
}

/// Has the kernel say of each packet when it came.
pub(crate) fn timestamps(socket: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)
}

/// Lets only Command Complete and Command Status come from a raw channel.
pub(crate) fn only_answers(socket: &OwnedFd) -> io::Result<()> {
    #[repr(C)]
    struct HciFilter {
        types: u32,
        events: [u32; 2],
        opcode: u16,
    }
    let filter = HciFilter { types: 1 << 4, events: [1 << 0x0E | 1 << 0x0F, 0], opcode: 0 };
    set_option(socket, SOL_HCI, HCI_FILTER, &filter)
}

/// How many packets the kernel threw away because the socket's buffer was full.
pub(crate) fn dropped(socket: &OwnedFd) -> io::Result<u32> {
    const DROPS: usize = 8;
    let mut information = [0u32; 9];
    let mut length = size_of::<[u32; 9]>() as libc::socklen_t;
    // SAFETY: both pointers live through the call, and the kernel writes at most `length` octets.
    cvt(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            information.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    Ok(information[DROPS])
}

/// Has the kernel send HCI_Reset to an adapter. Waits for the answer, seconds at the worst.
pub(crate) fn reset_controller(socket: &OwnedFd, index: u16) -> io::Result<()> {
    // SAFETY: this request takes a number, not a pointer.
    cvt(unsafe { libc::ioctl(socket.as_raw_fd(), HCIDEVRESET as _, libc::c_ulong::from(index)) }).map(drop)
}

/// Locks a file until it is closed, by us or by the kernel for one that was killed. `false`: another process has it.
pub(crate) fn lock(file: &File) -> io::Result<bool> {
    // SAFETY: this call takes numbers, no pointers.
    match cvt(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        result => result.map(|_| true),
    }
}

/// Resets the USB device of this node (`/dev/bus/usb/…`).
pub(crate) fn reset_usb(node: &File) -> io::Result<()> {
    // SAFETY: this request takes no argument.
    cvt(unsafe { libc::ioctl(node.as_raw_fd(), USBDEVFS_RESET as _, 0) }).map(drop)
}

/// What a descriptor is waited for, and what came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    /// Also for room to write.
    pub(crate) writable: bool,
}

/// What is to be done with a descriptor that was waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    /// There is something to read, or an error.
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The other end is closed.
    pub(crate) closed: bool,
}

/// Waits until one of them is ready, or `time` is over.
pub(crate) fn wait(all: &[Waiting<'_>], time: Duration) -> io::Result<Vec<Ready>> {
    let mut polled: Vec<_> = all
        .iter()
        .map(|waiting| libc::pollfd {
            fd: waiting.fd.as_raw_fd(),
            events: libc::POLLIN | if waiting.writable { libc::POLLOUT } else { 0 },
            revents: 0,
        })
        .collect();
    // Rounded up: a wait that ends too early would be begun again at once.
    let millis = time.as_micros().div_ceil(1000).min(60_000) as libc::c_int;
    // SAFETY: the array lives through the call and has as many members as told.
    match cvt(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(vec![Ready::default(); all.len()]),
        result => result?,
    };
    let ready = |poll: &libc::pollfd| Ready {
        readable: poll.revents & (libc::POLLIN | libc::POLLERR | libc::POLLHUP) != 0,
        writable: poll.revents & libc::POLLOUT != 0,
        closed: poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0,
    };
    Ok(polled.iter().map(ready).collect())
}

/// Packets of one turn.
const BATCH: usize = 64;
/// The longest packet that is taken whole: an event of 257 octets with the head of the monitor.
const PACKET_BYTES: usize = 320;
/// Room for one message with a time.
const CONTROL_WORDS: usize = 8;

/// Room for the packets of one turn.
pub(crate) struct Batch {
    packets: Vec<[u8; PACKET_BYTES]>,
    control: Vec<[u64; CONTROL_WORDS]>,
    lengths: [usize; BATCH],
    times: [Option<Timestamp>; BATCH],
    filled: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            packets: vec![[0; PACKET_BYTES]; BATCH],
            control: vec![[0; CONTROL_WORDS]; BATCH],
            lengths: [0; BATCH],
            times: [None; BATCH],
            filled: 0,
        }
    }

    /// Room for none: what stands in for one that is in use.
    pub(crate) fn none() -> Self {
        Self { packets: Vec::new(), control: Vec::new(), lengths: [0; BATCH], times: [None; BATCH], filled: 0 }
    }

    /// Takes what is there, without waiting. `false`: there may be more.
    pub(crate) fn receive(&mut self, socket: &OwnedFd) -> io::Result<bool> {
        self.filled = 0;
        let mut vectors: Vec<_> = self
            .packets
            .iter_mut()
            .map(|packet| libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: PACKET_BYTES })
            .collect();
        // SAFETY: all zeros is a message header without any buffer.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        for ((header, vector), control) in headers.iter_mut().zip(&mut vectors).zip(&mut self.control) {
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<[u64; CONTROL_WORDS]>() as _;
        }
        let (fd, flags) = (socket.as_raw_fd(), libc::MSG_DONTWAIT as _);
        // SAFETY: each header points to buffers of the lengths that it tells, and all of them live through the call.
        let received = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH as _, flags, std::ptr::null_mut()) };
        match cvt(received) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            result => self.filled = result?.unsigned_abs() as usize,
        }
        for (at, header) in headers.iter().enumerate().take(self.filled) {
            self.lengths[at] = (header.msg_len as usize).min(PACKET_BYTES);
            self.times[at] = time(&header.msg_hdr);
        }
        Ok(self.filled < BATCH)
    }

    /// What was taken, and when the kernel got it.
    pub(crate) fn packets(&self) -> impl Iterator<Item = (&[u8], Option<Timestamp>)> {
        let filled = self.packets.iter().zip(&self.lengths).zip(&self.times).take(self.filled);
        filled.map(|((packet, length), time)| (&packet[..*length], *time))
    }
}

/// The time in the control data of a message that the kernel filled in.
fn time(header: &libc::msghdr) -> Option<Timestamp> {
    // SAFETY: `msg_control` points to `msg_controllen` octets that the kernel wrote.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !control.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give headers that lie in the control data whole.
        let (level, kind, length) = unsafe { ((*control).cmsg_level, (*control).cmsg_type, (*control).cmsg_len) };
        // SAFETY: it only reckons.
        let whole = unsafe { libc::CMSG_LEN(size_of::<libc::timespec>() as u32) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS && length >= whole as _ {
            // SAFETY: the data of this message is a `timespec`, and whole; it may lie at any address.
            let time = unsafe { libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned() };
            let (seconds, nanos) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
            return Some(Timestamp::from_micros(seconds * 1_000_000 + nanos / 1000));
        }
        // SAFETY: `control` lies in the control data of `header`.
        control = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}

fn cvt(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn a_batch_has_every_packet_whole_with_its_time() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let receiver = OwnedFd::from(receiver);
        timestamps(&receiver).unwrap();
        let mut batch = Batch::new();
        assert!(batch.receive(&receiver).unwrap(), "nothing is there");
        for packet in [&[1, 2, 3][..], &[4]] {
            sender.send(packet).unwrap();
        }
        assert!(batch.receive(&receiver).unwrap());
        let packets: Vec<_> = batch.packets().map(|(packet, time)| (packet.to_vec(), time.is_some())).collect();
        assert_eq!(packets, [(vec![1, 2, 3], true), (vec![4], true)]);
        assert!(batch.receive(&receiver).unwrap());
        assert_eq!(batch.packets().count(), 0, "nothing of the turn before is left");
    }

    #[test]
    fn the_end_of_the_reader_is_seen() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let waiting = [Waiting { fd: ours.as_fd(), writable: true }];
        let ready = wait(&waiting, Duration::ZERO).unwrap()[0];
        assert_eq!(ready, Ready { readable: false, writable: true, closed: false });
        drop(theirs);
        assert!(wait(&waiting, Duration::ZERO).unwrap()[0].closed);
    }
}
