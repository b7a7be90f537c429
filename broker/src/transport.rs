//! The ways bytes travel: plain, rustls, OpenSSL with a pre-shared key, and WebSocket on top of these. All of them never
//! block: what cannot go on now says `WouldBlock`, and goes on when the socket is ready again.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::IpAddr;
use std::sync::Arc;

use certs::{ClientVerifier, NameFrom, PskOutcome};
use mio::{Interest, Registry, Token};
use openssl::ssl::{ErrorCode, SslContext, SslStream};
use rustls::ServerConnection;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::TLS_READS_MAX;
use crate::listener::Protection;
use crate::stream::Stream;
use crate::websocket::{WebFault, WebSocket};
use crate::workers::Remote;

/// A connection's bytes.
pub(crate) enum Transport {
    Plain(Stream),
    Tls(Box<Tls>),
    Psk(Box<Psk>),
    /// WebSocket on one of the others.
    Web(Box<WebSocket>),
    /// With a worker, which has one of the others.
    Remote(Box<Remote>),
    /// Nothing: TLS is being put onto what was here.
    Taken,
}

pub(crate) struct Tls {
    pub stream: Stream,
    pub session: ServerConnection,
    /// Who must find its certificate good besides when it has shaken hands: other files count since it began.
    pub clients: Option<Arc<ClientVerifier>>,
}

pub(crate) struct Psk {
    pub stream: SslStream<Stream>,
    pub is_open: bool,
    /// Where its key must be besides when it has shaken hands: other files count since it began.
    pub keys: Option<SslContext>,
}

/// Why a transport can no longer be used.
pub(crate) enum Trouble {
    /// The other side closed it, or the network did.
    Gone,
    /// The TLS handshake or record layer failed.
    Tls(rustls::Error),
    /// The PSK handshake or record layer failed.
    Psk(openssl::ssl::Error),
    /// The handshake or the frames of WebSocket were not as they must be.
    Web(WebFault),
}

/// What reading or writing came to.
pub(crate) enum Progress {
    /// So many bytes, at least one.
    Some(usize),
    /// Nothing now.
    Later,
    /// Nothing yet, of much: others may have their turn first.
    More,
}

impl Transport {
    /// Registers the socket with the poll.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        match self {
            Self::Plain(stream) => registry.register(stream, token, interest),
            Self::Tls(tls) => registry.register(&mut tls.stream, token, interest),
            Self::Psk(psk) => registry.register(psk.stream.get_mut(), token, interest),
            Self::Web(web) => web.inner_mut().register(registry, token, interest),
            Self::Remote(_) | Self::Taken => Ok(()),
        }
    }

    /// Registers the socket with another token than it had. What is there already is told again.
    pub(crate) fn register_again(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Plain(stream) => registry.reregister(stream, token, interest),
            Self::Tls(tls) => registry.reregister(&mut tls.stream, token, interest),
            Self::Psk(psk) => registry.reregister(psk.stream.get_mut(), token, interest),
            Self::Web(web) => web.inner_mut().register_again(registry, token),
            Self::Remote(_) | Self::Taken => Ok(()),
        }
    }

    /// Says goodbye. `true`: something of the other side is worth waiting for, see [`Self::read_close`].
    pub(crate) fn begin_close(&mut self) -> bool {
        match self {
            Self::Web(web) => web.begin_close(),
            _ => false,
        }
    }

    /// Reads on after goodbye was said, and throws away what comes; so many bytes. `Err`: it is over.
    pub(crate) fn read_close(&mut self, buffer: &mut [u8]) -> Result<Progress, Trouble> {
        match self {
            Self::Web(web) => web.read_close(buffer),
            _ => Err(Trouble::Gone),
        }
    }

    /// A short read means that the socket is empty: true where bytes are passed on as they come.
    pub(crate) const fn short_read_is_all(&self) -> bool {
        match self {
            Self::Web(web) => web.short_read_is_all(),
            _ => matches!(self, Self::Plain(_)),
        }
    }

    /// Whether TLS has begun and no bytes can come yet.
    pub(crate) fn is_shaking_hands(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.session.is_handshaking(),
            Self::Psk(psk) => !psk.is_open,
            Self::Web(web) => web.inner().is_shaking_hands(),
            Self::Plain(_) | Self::Remote(_) | Self::Taken => false,
        }
    }

    /// The user name that the handshake gave; `None` if there was none, or it gave none.
    pub(crate) fn user_name(&self, from: NameFrom) -> Option<String> {
        match self {
            Self::Tls(tls) => certs::user_name(tls.session.peer_certificates()?.first()?, from),
            Self::Psk(psk) if psk.is_open && from == NameFrom::Identity => {
                match certs::psk_outcome(psk.stream.ssl())? {
                    PskOutcome::Known(identity) if certs::is_user_name(identity) => Some(identity.clone()),
                    _ => None,
                }
            }
            Self::Web(web) => web.inner().user_name(from),
            Self::Plain(_) | Self::Psk(_) | Self::Remote(_) | Self::Taken => None,
        }
    }

    /// The certificate that a client showed, and those behind it; `None`: it has shown none.
    pub(crate) fn client_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match self {
            Self::Tls(tls) if !tls.session.is_handshaking() => tls.session.peer_certificates(),
            Self::Web(web) => web.inner().client_certificates(),
            _ => None,
        }
    }

    /// A handshake that is under way goes on with what it began with; at its end `door` is asked, too.
    pub(crate) fn hold_to(&mut self, door: &Protection) {
        match self {
            Self::Tls(tls) if tls.session.is_handshaking() => tls.clients.clone_from(&door.clients),
            Self::Psk(psk) if !psk.is_open => psk.keys.clone_from(&door.psk),
            Self::Web(web) => web.inner_mut().hold_to(door),
            _ => {}
        }
    }

    /// See [`Stream::local_ip`].
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Plain(stream) => stream.local_ip(),
            Self::Tls(tls) => tls.stream.local_ip(),
            Self::Psk(psk) => psk.stream.get_ref().local_ip(),
            Self::Web(web) => web.inner().local_ip(),
            Self::Remote(_) | Self::Taken => None,
        }
    }

    /// Whether there is TLS here.
    pub(crate) fn has_tls(&self) -> bool {
        match self {
            Self::Web(web) => web.inner().has_tls(),
            _ => matches!(self, Self::Tls(_) | Self::Psk(_)),
        }
    }

    /// Whether bytes come as they were sent: there is no TLS and no WebSocket.
    pub(crate) const fn is_plain(&self) -> bool {
        match self {
            Self::Remote(remote) => remote.is_plain(),
            _ => matches!(self, Self::Plain(_)),
        }
    }

    /// The client's address as a proxy told it, once.
    pub(crate) fn take_forwarded_for(&mut self) -> Option<IpAddr> {
        match self {
            Self::Web(web) => web.take_forwarded_for(),
            _ => None,
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Progress, Trouble> {
        match self {
            Self::Plain(stream) => progress(stream.read(buffer)),
            Self::Tls(tls) => tls.read(buffer),
            Self::Psk(psk) => psk.read(buffer),
            Self::Web(web) => web.read(buffer),
            // A worker's bytes are brought and handed over, see `workers`.
            Self::Remote(_) => Ok(Progress::Later),
            Self::Taken => Err(Trouble::Gone),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Progress, Trouble> {
        match self {
            Self::Plain(stream) => progress(stream.write(bytes)),
            Self::Tls(tls) => tls.write(&[], bytes),
            Self::Psk(psk) => psk.write(bytes),
            Self::Web(web) => web.write(bytes),
            // A worker's bytes are brought and handed over, see `workers`.
            Self::Remote(_) => Ok(Progress::Later),
            Self::Taken => Err(Trouble::Gone),
        }
    }

    /// Writes `first` and then `second`, in one go where that can be; so many bytes of both together.
    pub(crate) fn write_both(&mut self, first: &[u8], second: &[u8]) -> Result<Progress, Trouble> {
        let both = [IoSlice::new(first), IoSlice::new(second)];
        match self {
            _ if first.is_empty() => self.write(second),
            Self::Plain(stream) => progress(stream.write_vectored(&both)),
            Self::Tls(tls) => tls.write(first, second),
            _ => self.write(first),
        }
    }

    /// Sends what the transport itself has to say (a handshake's answer, the end of a TLS stream's record).
    /// `Later` if the socket does not take it all.
    pub(crate) fn flush(&mut self) -> Result<Progress, Trouble> {
        match self {
            Self::Tls(tls) => tls.flush(),
            Self::Web(web) => web.flush(),
            Self::Plain(_) | Self::Psk(_) | Self::Remote(_) | Self::Taken => Ok(Progress::Some(1)),
        }
    }

    /// Whether something written is not with the socket yet.
    pub(crate) fn holds_bytes(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.session.wants_write(),
            Self::Remote(remote) => remote.away() > 0,
            Self::Web(web) => web.holds_bytes(),
            Self::Plain(_) | Self::Psk(_) | Self::Taken => false,
        }
    }

    /// Says that nothing more comes, and goes on reading.
    pub(crate) fn end_writing(&mut self) {
        match self {
            Self::Plain(stream) => stream.end_writing(),
            Self::Tls(tls) => {
                tls.session.send_close_notify();
                let _ = tls.flush();
            }
            _ => {}
        }
    }

    /// Says goodbye as the transport has it. Nothing is waited for: what the socket has taken leaves after it is dropped, too.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Tls(tls) => {
                tls.session.send_close_notify();
                let _ = tls.flush();
            }
            Self::Psk(psk) => {
                if psk.is_open {
                    let _ = psk.stream.shutdown();
                }
            }
            Self::Web(web) => web.close(),
            Self::Remote(remote) => remote.close(),
            Self::Plain(_) | Self::Taken => {}
        }
    }
}

fn progress(result: io::Result<usize>) -> Result<Progress, Trouble> {
    match result {
        Ok(0) => Err(Trouble::Gone),
        Ok(count) => Ok(Progress::Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Progress::Later),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Progress::Later),
        Err(_) => Err(Trouble::Gone),
    }
}

impl Tls {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Progress, Trouble> {
        // Records without plaintext (handshake messages, empty ones) could come for ever.
        for _ in 0..TLS_READS_MAX {
            match self.session.reader().read(buffer) {
                Ok(0) => return Err(Trouble::Gone), // close_notify
                Ok(count) => return Ok(Progress::Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Trouble::Gone),
            }
            match self.session.read_tls(&mut self.stream) {
                Ok(0) => return Err(Trouble::Gone),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Later),
                Err(_) => return Err(Trouble::Gone),
            }
            if let Err(error) = self.session.process_new_packets() {
                // The alert that says what was wrong is for the other side: let it leave if it can.
                let _ = self.flush();
                return Err(Trouble::Tls(error));
            }
            if !self.session.is_handshaking()
                && let Some(clients) = self.clients.take()
            {
                let chain = self.session.peer_certificates().unwrap_or_default();
                if let Err(error) = clients.verify_again(chain, UnixTime::now()) {
                    // What ends the handshake leaves, or the connection would wait for it.
                    let _ = self.flush();
                    return Err(Trouble::Tls(error));
                }
            }
            if self.session.wants_write() {
                self.flush()?;
            }
        }
        Ok(Progress::More)
    }

    /// Writes `first`, which is short, and then `second`.
    fn write(&mut self, first: &[u8], second: &[u8]) -> Result<Progress, Trouble> {
        // What was encrypted and not taken goes first; plaintext waits in our own, counted queue, not in rustls'.
        if let Progress::Later = self.flush()? {
            return Ok(Progress::Later);
        }
        if self.session.is_handshaking() {
            return Ok(Progress::Later);
        }
        // One record at a time: what is encrypted is bounded by what is written here.
        let second = &second[..second.len().min(64 * 1024)];
        let mut writer = self.session.writer();
        let count = match first {
            [] => writer.write(second),
            _ => writer.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
        };
        let count = count.map_err(|_| Trouble::Gone)?;
        self.flush()?;
        if count == 0 { Ok(Progress::Later) } else { Ok(Progress::Some(count)) }
    }

    fn flush(&mut self) -> Result<Progress, Trouble> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                Ok(0) => return Err(Trouble::Gone),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Later),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Trouble::Gone),
            }
        }
        Ok(Progress::Some(1))
    }
}

impl Psk {
    fn open(&mut self) -> Result<Progress, Trouble> {
        match self.stream.accept() {
            Ok(()) => {
                self.is_open = true;
                match self.keys.take() {
                    Some(keys) if !certs::has_key_still(self.stream.ssl(), &keys) => Err(Trouble::Gone),
                    _ => Ok(Progress::Some(1)),
                }
            }
            Err(error) => later_or_trouble(error),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Progress, Trouble> {
        if !self.is_open
            && let Progress::Later = self.open()?
        {
            return Ok(Progress::Later);
        }
        match self.stream.ssl_read(buffer) {
            Ok(0) => Err(Trouble::Gone),
            Ok(count) => Ok(Progress::Some(count)),
            Err(error) => later_or_trouble(error),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Progress, Trouble> {
        if !self.is_open
            && let Progress::Later = self.open()?
        {
            return Ok(Progress::Later);
        }
        match self.stream.ssl_write(bytes) {
            Ok(0) => Err(Trouble::Gone),
            Ok(count) => Ok(Progress::Some(count)),
            Err(error) => later_or_trouble(error),
        }
    }
}

fn later_or_trouble(error: openssl::ssl::Error) -> Result<Progress, Trouble> {
    match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Ok(Progress::Later),
        // close_notify; an end of the stream without it, or an error of the socket.
        ErrorCode::ZERO_RETURN | ErrorCode::SYSCALL => Err(Trouble::Gone),
        _ => Err(Trouble::Psk(error)),
    }
}
