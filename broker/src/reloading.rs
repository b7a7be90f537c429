//! What is taken over while the broker runs: rules, passwords, settings, certificates, and listeners that come and go. All
//! of it was read and checked before, and new ports are open already, so nothing here fails.

use std::io;

use broker_core::LinkId;

use crate::appliance::{Reloaded, ReloadedListener};
use crate::listener::{Listening, Protection};
use crate::reactor::Reactor;

impl Reactor {
    /// All of it counts from now on.
    pub(crate) fn reload(&mut self, loaded: Reloaded) {
        self.core.set_acl(loaded.rules, &mut self.desk);
        self.desk.acl_files = loaded.acl_files;
        let connections = &self.desk.connections;
        let listener_of = |link: LinkId| connections.get(link.0 as usize).map(|connection| connection.listener);
        for (link, user) in self.desk.logins.set_files(loaded.passwords, listener_of) {
            tracing::info!(target: "notice",
                "User '{user}' is no longer in the password file, or has another password: a connection is closed.");
            let now = self.now();
            self.core.dismiss(now, link, &mut self.desk);
        }
        self.connections_max = loaded.connections_max;
        self.desk.tells_connections = loaded.connection_messages;
        let mut are_others = false;
        for (number, fate) in loaded.listeners.into_iter().enumerate() {
            are_others |= self.take_over(number, fate);
        }
        if are_others && let Err(error) = self.listen_again() {
            tracing::error!(target: "error", "Error: cannot wait for new connections: {error}.");
        }
        self.desk.names_from = self.listeners.iter().map(|listener| listener.protection.names).collect();
        self.workers.protect(self.listeners.iter().map(|listener| listener.protection.clone()));
        if let (Some(http), Some(access)) = (&self.http, loaded.http_access) {
            http.reload(access);
        }
        self.packet_bytes_max = loaded.settings.max_packet_size;
        self.memory_bytes_max = loaded.settings.memory_bytes_max;
        let now = self.now();
        self.core.set_settings(now, loaded.settings, &mut self.desk);
        tracing::info!(target: "information",
            "Reloaded: passwords, rules, keys and certificates are those of the files now.");
    }

    /// A handshake that is under way goes on with what it began with.
    pub(crate) fn protect(&mut self, protections: Vec<Option<Protection>>, of_http: Vec<Protection>) {
        for (listener, protection) in self.listeners.iter_mut().zip(protections) {
            if let Some(protection) = protection {
                listener.protection = protection;
            }
        }
        self.desk.names_from = self.listeners.iter().map(|listener| listener.protection.names).collect();
        self.workers.protect(self.listeners.iter().map(|listener| listener.protection.clone()));
        if let Some(http) = &self.http {
            http.protect(of_http);
        }
    }

    /// `true` if sockets came or went.
    fn take_over(&mut self, number: usize, fate: ReloadedListener) -> bool {
        match fate {
            ReloadedListener::Stays { protection, max_connections } => {
                let Some(listener) = self.listeners.get_mut(number) else { return false };
                listener.max_connections = max_connections;
                if let Some(protection) = protection {
                    listener.protection = protection;
                }
                false
            }
            ReloadedListener::Opened(opened) => {
                for mut socket in opened.sockets {
                    socket.listener = number as u16;
                    match socket.path() {
                        Some(path) => {
                            tracing::info!(target: "information", "Opening unix listen socket on path {}.", path.display());
                        }
                        None => tracing::info!(target: "information", "Opening listen socket on port {}.", socket.port),
                    }
                    self.sockets.push(socket);
                }
                match self.listeners.get_mut(number) {
                    Some(free) => *free = opened.config,
                    None => {
                        self.listeners.push(opened.config);
                        self.connected.push(0);
                    }
                }
                true
            }
            ReloadedListener::Closed => {
                let before = self.sockets.len();
                let is_its = |socket: &Listening| usize::from(socket.listener) == number;
                for socket in self.sockets.iter().filter(|socket| is_its(socket)) {
                    match socket.path() {
                        Some(path) => {
                            tracing::info!(target: "information", "Closing unix listen socket on path {}.", path.display());
                        }
                        None => tracing::info!(target: "information", "Closing listen socket on port {}.", socket.port),
                    }
                }
                self.sockets.retain(|socket| !is_its(socket));
                before != self.sockets.len()
            }
        }
    }

    /// A socket's token is its place, and places have changed.
    fn listen_again(&mut self) -> io::Result<()> {
        let registry = self.poll.registry();
        for (at, socket) in self.sockets.iter_mut().enumerate() {
            socket.register_again(registry, Listening::token(at))?;
            // Whoever came between the two.
            socket.has_more = true;
        }
        Ok(())
    }
}
