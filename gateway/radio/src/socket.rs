//! Our three kinds of Bluetooth sockets, set up.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use gateway_core::hci_command::{EVENT_BYTES_MAX, HciCommand};
use gateway_core::mgmt::{self, Command, Event, Status};

use crate::sys::{self, Channel};
use crate::{RadioError, bpf};

/// Memory of the kernel for packets that we have not taken yet. Each takes some 1,000 bytes of it.
pub const RECEIVE_BUFFER_BYTES: u32 = 8 * 1024 * 1024;

fn bluetooth() -> Result<OwnedFd, RadioError> {
    sys::bluetooth_socket().map_err(|cause| match cause.raw_os_error() {
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT) => RadioError::NoBluetooth,
        _ => RadioError::Kernel { what: "opening a Bluetooth socket", cause },
    })
}

/// The monitor channel: it takes CAP_NET_RAW.
pub(crate) fn monitor() -> Result<OwnedFd, RadioError> {
    let socket = bluetooth()?;
    // Before it is bound, so that nothing unwanted is in the buffer.
    let set_up = sys::attach_filter(&socket, &bpf::monitor())
        .and_then(|()| sys::receive_buffer(&socket, RECEIVE_BUFFER_BYTES.cast_signed()))
        .and_then(|()| sys::timestamps(&socket));
    set_up.map_err(|cause| RadioError::Kernel { what: "setting up the monitor channel", cause })?;
    sys::bind(&socket, Channel::Monitor).map_err(|cause| match cause.kind() {
        io::ErrorKind::PermissionDenied => RadioError::Capability {
            what: "Listening to the adapter",
            capability: "CAP_NET_RAW",
            program: std::env::current_exe().unwrap_or_else(|_| "nightjar".into()),
        },
        _ => RadioError::Kernel { what: "listening to the monitor channel", cause },
    })?;
    Ok(socket)
}

/// The management channel. Without CAP_NET_ADMIN it answers to questions only.
pub(crate) struct Control(File);

impl Control {
    pub(crate) fn open() -> Result<Self, RadioError> {
        let socket = bluetooth()?;
        let set_up =
            sys::attach_filter(&socket, &bpf::management()).and_then(|()| sys::bind(&socket, Channel::Control));
        set_up.map_err(|cause| RadioError::Kernel { what: "opening the management channel", cause })?;
        Ok(Self(File::from(socket)))
    }

    pub(crate) fn give(&self, command: Command, adapter: u16) -> io::Result<()> {
        (&self.0).write_all(&command.encode(adapter))
    }

    /// The next packet that is there. `None`: there is none.
    pub(crate) fn next(&self) -> io::Result<Option<Vec<u8>>> {
        let mut packet = vec![0; mgmt::PACKET_BYTES_MAX];
        match (&self.0).read(&mut packet) {
            Ok(bytes) => {
                packet.truncate(bytes);
                Ok(Some(packet))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a command and waits for its answer: its return parameters, or why not.
    pub(crate) fn ask(&self, command: Command, adapter: u16) -> Result<Result<Vec<u8>, Status>, RadioError> {
        const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
        let kernel = |cause| RadioError::Kernel { what: "asking for the adapters", cause };
        self.give(command, adapter).map_err(kernel)?;
        let until = Instant::now() + ANSWER_TIME_MAX;
        loop {
            while let Some(packet) = self.next().map_err(kernel)? {
                match mgmt::event(&packet) {
                    Some((of, Event::Done { opcode, status, parameters }))
                        if of == adapter && opcode == command.opcode() =>
                    {
                        let done = status == Status::SUCCESS;
                        return Ok(if done { Ok(parameters.to_vec()) } else { Err(status) });
                    }
                    _ => {}
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RadioError::Silent { what: command.words() });
            }
            sys::wait(&[sys::Waiting { fd: self.as_fd(), writable: false }], left).map_err(kernel)?;
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Commands to one controller, and its answers. It takes CAP_NET_RAW, and the adapter must be on.
pub(crate) struct Raw(File);

impl Raw {
    pub(crate) fn open(index: u16) -> io::Result<Self> {
        let socket = sys::bluetooth_socket()?;
        sys::bind(&socket, Channel::Raw(index))?;
        sys::only_answers(&socket)?;
        Ok(Self(File::from(socket)))
    }

    pub(crate) fn give(&self, command: HciCommand) -> io::Result<()> {
        (&self.0).write_all(&command.encode())
    }

    /// The next answer that is there. `None`: there is none, or the adapter is gone.
    pub(crate) fn next(&self) -> Option<Vec<u8>> {
        let mut packet = vec![0; EVENT_BYTES_MAX];
        let bytes = (&self.0).read(&mut packet).ok().filter(|bytes| *bytes > 0)?;
        packet.truncate(bytes);
        Some(packet)
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
