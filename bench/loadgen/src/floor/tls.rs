//! The floor's end of TLS: OpenSSL over memory, so that a turn is one read and one write of the socket here too.

#[cfg(feature = "tls")]
pub use with::*;

#[cfg(feature = "tls")]
mod with {
    use openssl::ssl::{ErrorCode, Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod, SslStream};
    use std::io::{self, Read, Write};

    pub type Context = SslContext;

    pub fn context(cert: &str, key: &str) -> Result<Context, String> {
        let e = |e: openssl::error::ErrorStack| format!("tls: {e}");
        let mut b = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).map_err(e)?;
        b.set_certificate_chain_file(cert).map_err(e)?;
        b.set_private_key_file(key, SslFiletype::PEM).map_err(e)?;
        b.set_read_ahead(true);
        Ok(b.build().into_context())
    }

    /// What came from the socket and what is to go there.
    #[derive(Default)]
    struct Wire {
        came: Vec<u8>,
        at: usize,
        goes: Vec<u8>,
    }

    impl Read for Wire {
        fn read(&mut self, b: &mut [u8]) -> io::Result<usize> {
            let n = b.len().min(self.came.len() - self.at);
            if n == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            b[..n].copy_from_slice(&self.came[self.at..self.at + n]);
            self.at += n;
            Ok(n)
        }
    }

    impl Write for Wire {
        fn write(&mut self, b: &[u8]) -> io::Result<usize> {
            self.goes.extend_from_slice(b);
            Ok(b.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub struct Session {
        stream: SslStream<Wire>,
        open: bool,
    }

    impl Session {
        pub fn new(context: &Context) -> Option<Box<Session>> {
            let stream = SslStream::new(Ssl::new(context).ok()?, Wire::default()).ok()?;
            Some(Box::new(Session { stream, open: false }))
        }

        /// Decrypts in place: `buf[..came]` is what the socket gave, the answer how much of `buf` is plain text then.
        pub fn decrypt(&mut self, buf: &mut [u8], came: usize) -> Result<usize, ()> {
            let wire = self.stream.get_mut();
            wire.came.drain(..wire.at);
            wire.at = 0;
            wire.came.extend_from_slice(&buf[..came]);
            if !self.open {
                match self.stream.accept() {
                    Ok(()) => self.open = true,
                    Err(e) if e.code() == ErrorCode::WANT_READ => return Ok(0),
                    Err(_) => return Err(()),
                }
            }
            let mut have = 0;
            loop {
                match self.stream.ssl_read(&mut buf[have..]) {
                    Ok(n) => have += n,
                    Err(e) if e.code() == ErrorCode::WANT_READ => return Ok(have),
                    Err(_) => return Err(()),
                }
            }
        }

        /// Encrypts `plain`; what is to go to the socket is appended to `out`.
        pub fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) {
            if !plain.is_empty() {
                let _ = self.stream.ssl_write(plain);
            }
            out.append(&mut self.stream.get_mut().goes);
        }

        pub fn has_something_to_say(&self) -> bool {
            !self.stream.get_ref().goes.is_empty()
        }
    }
}

#[cfg(not(feature = "tls"))]
pub use without::*;

#[cfg(not(feature = "tls"))]
mod without {
    pub enum Context {}
    pub enum Session {}

    pub fn context(_: &str, _: &str) -> Result<Context, String> {
        Err("this loadgen was built without TLS".into())
    }

    impl Session {
        pub fn new(context: &Context) -> Option<Box<Session>> {
            match *context {}
        }
        pub fn decrypt(&mut self, _: &mut [u8], _: usize) -> Result<usize, ()> {
            match *self {}
        }
        pub fn encrypt(&mut self, _: &[u8], _: &mut Vec<u8>) {
            match *self {}
        }
        pub fn has_something_to_say(&self) -> bool {
            match *self {}
        }
    }
}
