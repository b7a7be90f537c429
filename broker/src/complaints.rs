//! What the operator is told of strangers, and how seldom: once for an address, a kind and a minute, with what to do about it. Besides,
//! what mosquitto says of them, word for word and each time, for scripts that count.

use std::net::{IpAddr, Ipv4Addr};

use broker_core::Refusal;
use mqtt::{DecodeFault, next_frame};

use crate::desk::Desk;
use crate::lines;

impl Desk {
    /// What a proxy says was not taken.
    pub(crate) fn reject(&mut self, at: u32, line: &str) {
        let Some(connection) = self.connections.get(at as usize) else { return };
        if self.knocks.tell(self.now, connection.peer.ip(), connection.listener, "announcement").is_some() {
            tracing::info!(target: "notice", "{line}");
        }
    }

    /// A complaint about a stranger, once per address, kind and minute.
    pub(crate) fn complain(&mut self, at: u32, kind: &'static str, what: &str) {
        let Some(connection) = self.connections.get(at as usize) else { return };
        let (peer, listener) = (&connection.peer, connection.listener);
        if !peer.is_outside() {
            return;
        }
        let Some(held_back) = self.knocks.tell(self.now, peer.ip(), listener, kind) else { return };
        let host = peer.host();
        if held_back == 0 {
            tracing::warn!(target: "warning", "{host} {what}");
        } else {
            tracing::warn!(target: "warning", "{host} {what} ({held_back} more tries since this was said last)");
        }
    }

    /// mosquitto's line for a stranger who begins with something else than CONNECT.
    pub(crate) fn not_connect(&self, at: u32, first_byte: u8) {
        if let Some(connection) = self.connections.get(at as usize).filter(|_| self.tells_connections) {
            lines::not_connect(&connection.peer, first_byte);
        }
    }

    /// And for one whose CONNECT is not MQTT's, or of no version that we know.
    pub(crate) fn wrong_protocol(&self, at: u32, fault: DecodeFault, bytes: &[u8]) {
        let is_of_it = matches!(fault, DecodeFault::WrongProtocolName | DecodeFault::UnsupportedProtocolVersion);
        if let Some(connection) = self.connections.get(at as usize).filter(|_| is_of_it && self.tells_connections)
            && let Ok(Some(frame)) = next_frame(bytes, 0)
        {
            lines::wrong_protocol(&connection.peer, frame.body);
        }
    }

    /// Says something that is nobody's in particular, once a minute; `say` gets how often it was not said.
    pub(crate) fn say_seldom(&mut self, kind: &'static str, say: impl FnOnce(u32)) {
        if let Some(more) = self.knocks.tell(self.now, IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0, kind) {
            say(more);
        }
    }
}

/// In the operator's words: who, what, and what to change in the router's form.
pub(crate) fn login_complaint(username: Option<&str>, why: Refusal) -> String {
    match (why, username) {
        (Refusal::Identity, _) => {
            "has no certificate or pre-shared key that gives it a user name: give the router a client \
            certificate with a common name, and set require_certificate true for this listener"
                .to_owned()
        }
        (Refusal::Anonymous, _) => "sends no user name, and anonymous clients are not allowed: \
            set User Name and Password in the router's form"
            .to_owned(),
        (Refusal::Password, Some(user)) => format!(
            "sends a wrong user name or password (user name '{user}'): compare User Name and Password in the \
             router's form with the password file"
        ),
        (why, Some(user)) => format!("(user name '{user}') is refused: {why}"),
        (why, None) => format!("is refused: {why}"),
    }
}
