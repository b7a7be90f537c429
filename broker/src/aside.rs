//! Ports that change hands while the broker runs: what listens at one address of a port keeps a new listener from all of
//! its addresses, though it is about to go (bind(2), `EADDRINUSE`).
//!
//! It is neither closed first nor is the port shared. A closed port may not be had back: another program takes it, or it
//! is below 1024 and the privilege for it is given up by then. And with `SO_REUSEPORT` on listeners two brokers of one user
//! that were started by mistake would each get half of the clients, and neither say so. Instead the old socket stops
//! listening and stays bound: the system lets another of ours (both have `SO_REUSEADDR`) be bound beside it then, and lets it
//! listen again, which takes no privilege, if what is new cannot be had after all. Who knocks between the two, for a
//! few system calls, is refused; who is connected notices nothing.

use std::io;
use std::net::{Shutdown, SocketAddr};

use socket2::Socket;

use crate::listener::LISTEN_BACKLOG;

/// Whose a listening socket is, by the number of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// One for MQTT.
    Mqtt(usize),
    /// One for HTTP.
    Http(usize),
}

/// Another name for a socket that listens.
pub(crate) struct Lent {
    pub owner: Owner,
    pub address: SocketAddr,
    pub socket: Socket,
}

/// The sockets that listen, lent to who opens others. What was stopped listens again when this is dropped: what was opened
/// in its place must be gone by then.
#[derive(Default)]
pub struct Aside {
    listening: Vec<Lent>,
    stopped: Vec<Lent>,
}

impl Aside {
    pub(crate) const fn new(listening: Vec<Lent>) -> Self {
        Self { listening, stopped: Vec::new() }
    }

    /// Stops what listens at `port` and belongs to somebody who `goes`. `false`: there is nothing of the kind.
    ///
    /// # Errors
    /// The system does not stop it.
    pub fn stop(&mut self, port: u16, goes: impl Fn(Owner) -> bool) -> io::Result<bool> {
        let (now, rest) = std::mem::take(&mut self.listening)
            .into_iter()
            .partition(|lent| lent.address.port() == port && goes(lent.owner));
        self.listening = rest;
        let count = self.stopped.len();
        for lent in now {
            lent.socket.shutdown(Shutdown::Read)?;
            self.stopped.push(lent);
        }
        Ok(self.stopped.len() > count)
    }

    /// What was stopped stays so: its owner closes it.
    pub fn leave(mut self) {
        self.stopped.clear();
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        for Lent { address, socket, .. } in &self.stopped {
            if let Err(error) = socket.listen(LISTEN_BACKLOG) {
                tracing::error!(target: "error", "Error: the broker cannot listen on {address} again: {error}. Restart it.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Listening;
    use std::net::TcpStream;

    /// A port that was asked for by its number, as those of a configuration are. One that the system chose is given back when
    /// its socket stops.
    fn listening() -> Listening {
        let any = Listening::bind(SocketAddr::from(([127, 0, 0, 1], 0)), 0).expect("a free port");
        let address = SocketAddr::from(([127, 0, 0, 1], any.port));
        drop(any);
        Listening::bind(address, 0).expect("it is free still")
    }

    fn lent(of: &Listening) -> Lent {
        of.lend(Owner::Mqtt(0)).expect("a name more").expect("it is on the network")
    }

    #[test]
    fn a_socket_that_was_set_aside_makes_room_for_one_on_all_addresses_and_comes_back() {
        let one = listening();
        let all = SocketAddr::from(([0, 0, 0, 0], one.port));
        let dial = || TcpStream::connect(("127.0.0.1", one.port));
        assert_eq!(Listening::bind(all, 0).err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
        let mut aside = Aside::new(vec![lent(&one)]);
        assert!(!aside.stop(one.port, |_| false).expect("nothing to do"), "who stays is left alone");
        assert!(aside.stop(one.port, |_| true).expect("it stops"));
        dial().expect_err("nobody listens");
        assert_eq!(one.accept().err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        let other = Listening::bind(all, 0).expect("there is room");
        drop(dial().expect("the new one listens"));
        drop(other);
        drop(aside);
        drop(dial().expect("the old one listens again"));
        one.accept().expect("as before");
    }

    #[test]
    fn nobody_else_gets_the_port_of_a_socket_that_was_set_aside_without_asking_to_share_it() {
        let one = listening();
        let mut aside = Aside::new(vec![lent(&one)]);
        aside.stop(one.port, |_| true).expect("it stops");
        let stranger = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        let address = SocketAddr::from(([127, 0, 0, 1], one.port));
        assert_eq!(stranger.bind(&address.into()).err().map(|e| e.kind()), Some(io::ErrorKind::AddrInUse));
    }
}
