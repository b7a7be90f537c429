//! What is taken over while the broker runs: rules, passwords, settings, certificates, and listeners that come and go. All
//! of it was read and checked before, and new ports are open already, so nothing here fails.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use broker_core::LinkId;

use crate::appliance::{Reloaded, ReloadedListener, Waited};
use crate::aside::{Lent, Owner};
use crate::connection::{Connection, Stage};
use crate::http_api::ReloadedHttp;
use crate::judging::Objection;
use crate::listener::{ListenerConfig, Listening, OpenListener, Protection};
use crate::reactor::Reactor;

/// A reload that is under way in this thread, and in that for HTTP. It is told of when both have let go of it, and then who
/// asked for it goes on.
pub(crate) struct Done(#[allow(dead_code, reason = "it is let go of with the rest")] Waited);

impl Drop for Done {
    fn drop(&mut self) {
        tracing::info!(target: "information",
            "Reloaded: passwords, rules, keys and certificates are those of the files now.");
    }
}

impl Reactor {
    /// All of it counts from now on.
    pub(crate) fn reload(&mut self, loaded: Reloaded, waited: Waited) {
        // Before the rules: what they take away is told with the file that it stands in.
        self.desk.acl_files = loaded.acl_files;
        self.core.set_acl(loaded.rules, &mut self.desk);
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
        let before = self.listeners.clone();
        let mut are_others = false;
        for (number, fate) in loaded.listeners.into_iter().enumerate() {
            are_others |= self.take_over(number, fate);
        }
        if are_others && let Err(error) = self.listen_again() {
            tracing::error!(target: "error", "Error: cannot wait for new connections: {error}.");
        }
        self.doors_changed(&before);
        let done = Arc::new(Done(waited));
        self.take_over_http(loaded.http, &done);
        self.packet_bytes_max = loaded.settings.max_packet_size;
        self.memory_bytes_max = loaded.settings.memory_bytes_max;
        let now = self.now();
        self.core.set_settings(now, loaded.settings, &mut self.desk);
    }

    /// Listeners are protected so from now on. A handshake that is under way goes on with what it began with.
    pub(crate) fn protect(&mut self, protections: Vec<Option<Protection>>, of_http: Vec<Protection>, waited: Waited) {
        let before = self.listeners.clone();
        for (listener, protection) in self.listeners.iter_mut().zip(protections) {
            if let Some(protection) = protection {
                listener.protection = protection;
            }
        }
        self.doors_changed(&before);
        if let Some(http) = &self.http {
            http.protect(of_http, waited);
        }
    }

    /// Who needs to know what stands before the listeners is told.
    fn doors_changed(&mut self, before: &[ListenerConfig]) {
        self.desk.names_from = self.listeners.iter().map(|listener| listener.protection.names).collect();
        self.workers.set_doors(&self.listeners);
        self.send_away(before);
        self.judging.begin();
    }

    /// Sends away who could not come in now as it did: without TLS where there is TLS now, to an address that is no longer
    /// listened at, with a key that is gone. (Workers look after their own.)
    fn send_away(&mut self, before: &[ListenerConfig]) {
        let listeners = &self.listeners;
        let objection = |connection: &mut Connection| {
            let number = usize::from(connection.listener);
            let now = listeners.get(number).filter(|_| connection.peer.is_outside())?;
            connection.transport.hold_to(&now.protection);
            now.objects(before.get(number)?, &connection.transport, connection.stage.is_knocking())
        };
        let all = self.desk.connections.iter_mut();
        let gone: Vec<_> = all.filter_map(|(at, one)| Some((at as u32, objection(one)?))).collect();
        for (at, objection) in gone {
            self.dismiss(at, &objection);
        }
    }

    /// Goes on with verifying the certificates of those who are here.
    pub(crate) fn judge(&mut self) {
        if !self.judging.is_under_way() {
            return;
        }
        let Self { desk, listeners, judging, .. } = self;
        let gone = judging.go_on(desk.connections.capacity(), |at| {
            let connection = desk.connections.get(at).filter(|connection| connection.stage != Stage::Leaving)?;
            listeners.get(usize::from(connection.listener))?.verify(&connection.transport)
        });
        for (at, objection) in gone {
            self.dismiss(at as u32, &objection);
        }
    }

    /// A connection's listener would no longer let it in.
    pub(crate) fn dismiss(&mut self, at: u32, objection: &Objection) {
        if self.desk.connections.get(at as usize).is_some_and(|connection| connection.stage != Stage::Leaving) {
            if let Some(line) = objection.line() {
                tracing::info!(target: "notice", "{line}");
            }
            let now = self.now();
            self.core.dismiss(now, LinkId(at), &mut self.desk);
        }
    }

    fn take_over_http(&mut self, loaded: Option<ReloadedHttp>, done: &Arc<Done>) {
        let Some(ReloadedHttp { access, listeners, thread }) = loaded else {
            if let Some(http) = self.http.take() {
                http.close(Arc::clone(done));
            }
            return;
        };
        if self.http.is_none() {
            self.http = thread;
        }
        if let Some(http) = &self.http {
            http.take_over(access, listeners, Some(Arc::clone(done)));
        }
    }

    /// Gives other names for all sockets that listen to who wants to open others in their place. Whatever cannot be lent
    /// cannot be replaced, which is found out there.
    pub(crate) fn lend(&self, to: &Sender<Vec<Lent>>) {
        let lent = self.sockets.iter().filter_map(|socket| {
            let owner = Owner::Mqtt(usize::from(socket.listener));
            socket.lend(owner).ok().flatten()
        });
        let _ = to.send(lent.collect());
        if let Some(http) = &self.http {
            http.lend(to.clone());
        }
    }

    /// `true` if sockets came or went.
    fn take_over(&mut self, number: usize, fate: ReloadedListener) -> bool {
        match fate {
            ReloadedListener::Stays { protection, max_connections } => {
                let Some(listener) = self.listeners.get_mut(number) else { return false };
                (listener.max_connections, listener.protection) = (max_connections, protection);
                false
            }
            ReloadedListener::Moved(opened) => {
                self.close_listener(number);
                self.open_listener(number, opened);
                true
            }
            ReloadedListener::Opened(opened) => {
                self.open_listener(number, opened);
                true
            }
            ReloadedListener::Closed => self.close_listener(number),
        }
    }

    fn open_listener(&mut self, number: usize, opened: OpenListener) {
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
    }

    /// `false`: it was closed already.
    fn close_listener(&mut self, number: usize) -> bool {
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
