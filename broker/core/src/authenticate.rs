//! Enhanced authentication [5.0 §4.12]: a CONNECT that names a method, the AUTH packets that follow, and authenticating
//! again later.
//!
//! The core knows whose turn it is, what may be said meanwhile, and what a failure is; it does not know what the data
//! mean. For each step of a client the edge is asked by [`Outbox::authenticate`] and answers, at once or later, by
//! [`Broker::authenticated`].

use std::fmt;

use mqtt::{Auth, Packet, PropertiesBuf, Property, ReasonCode};

use crate::connect::Login;
use crate::link::LinkState;
use crate::{
    AUTHENTICATION_DATA_BYTES_MAX, AUTHENTICATION_STEPS_MAX, Broker, ClientFault, End, Instant, LinkId, Outbox, Refusal,
};

/// What a client says to prove who it is.
#[derive(Clone, Copy)]
pub struct AuthStep<'a> {
    /// Authentication Method, the same in all steps of a connection.
    pub method: &'a str,
    /// Authentication Data; at most [`AUTHENTICATION_DATA_BYTES_MAX`] bytes.
    pub data: Option<&'a [u8]>,
    /// Whether this is the first step of an exchange; one that was under way is over.
    pub begins: bool,
}

/// What the edge makes of a step.
#[derive(Clone, Copy, Debug)]
pub enum AuthAnswer<'a> {
    /// The client must say more.
    Continue {
        /// Authentication Data for it.
        data: Option<&'a [u8]>,
    },
    /// The client has proved who it is.
    Success {
        /// Authentication Data for it.
        data: Option<&'a [u8]>,
        /// Who it is.
        username: &'a str,
    },
    /// It has not.
    Failure {
        /// Why: [`Refusal::Method`], [`Refusal::Password`] and their like.
        why: Refusal,
        /// Who it said it was, if that is known.
        username: Option<&'a str>,
    },
}

impl fmt::Debug for AuthStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthStep").field("method", &self.method).field("begins", &self.begins).finish_non_exhaustive()
    }
}

/// What is remembered of a link whose CONNECT named a method.
#[derive(Debug)]
pub(crate) struct Authentication {
    pub method: Box<str>,
    turn: Turn,
    /// Of the exchange that is under way.
    steps: u8,
}

/// Who has to say something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// No exchange is under way: the client has proved who it is.
    Nobody,
    /// The edge was asked.
    Ours,
    /// It was sent an AUTH.
    Clients,
}

impl Broker {
    /// A CONNECT that names a method: nobody is let in before the exchange is over.
    pub(crate) fn begin_authentication(
        &mut self,
        now: Instant,
        link: LinkId,
        login: Login,
        step: AuthStep<'_>,
        out: &mut impl Outbox,
    ) {
        let Some(state) = self.links[link.0 as usize].as_mut() else { return };
        state.state = LinkState::Authenticating(Box::new(login));
        state.authentication =
            Some(Box::new(Authentication { method: step.method.into(), turn: Turn::Ours, steps: 0 }));
        self.ask(now, link, step, out);
    }

    /// What comes from a client before its CONNACK: AUTH or DISCONNECT, and nothing else [5.0 MQTT-3.1.2-30].
    pub(crate) fn handle_authenticating(
        &mut self,
        now: Instant,
        link: LinkId,
        packet: &Packet<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        match packet {
            Packet::Auth(auth) => self.on_auth(now, link, auth, out),
            Packet::Disconnect(_) => {
                self.end(now, link, End::Farewell, out);
                out.close(link);
                Ok(())
            }
            _ => Err(ClientFault::Unexpected("a packet other than AUTH before CONNACK")),
        }
    }

    /// AUTH, before and after CONNACK.
    pub(crate) fn on_auth(
        &mut self,
        now: Instant,
        link: LinkId,
        auth: &Auth<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let unexpected = |what| Err(ClientFault::Unexpected(what));
        let Some(state) = self.links[link.0 as usize].as_mut() else { return Ok(()) };
        let Some(authentication) = &mut state.authentication else {
            // [5.0 MQTT-4.12.0-7]
            return unexpected("AUTH without an authentication method in CONNECT");
        };
        let begins = match (auth.reason, authentication.turn) {
            // [5.0 MQTT-4.12.0-3]
            (ReasonCode::ContinueAuthentication, Turn::Clients) => false,
            // [5.0 MQTT-4.12.1-1]
            (ReasonCode::ReAuthenticate, Turn::Nobody) => true,
            (ReasonCode::ReAuthenticate, _) => return unexpected("an authentication while another is under way"),
            _ => return unexpected("AUTH that answers nothing"),
        };
        let properties = auth.properties;
        let Some(method) = properties.authentication_method().filter(|method| **method == *authentication.method)
        else {
            // [5.0 MQTT-4.12.0-5, MQTT-4.12.1-1]
            return unexpected("AUTH with another authentication method than CONNECT");
        };
        if begins {
            authentication.steps = 0;
        }
        authentication.turn = Turn::Ours;
        self.ask(now, link, AuthStep { method, data: properties.authentication_data(), begins }, out);
        Ok(())
    }

    /// The answer to [`Outbox::authenticate`].
    pub fn authenticated(&mut self, now: Instant, link: LinkId, answer: AuthAnswer<'_>, out: &mut impl Outbox) {
        let Some(state) = self.links.get_mut(link.0 as usize).and_then(Option::as_mut) else { return };
        let Some(authentication) = state.authentication.as_mut().filter(|of| of.turn == Turn::Ours) else { return };
        match answer {
            AuthAnswer::Continue { data } => {
                authentication.turn = Turn::Clients;
                // [5.0 MQTT-4.12.0-2]
                self.say_auth(link, ReasonCode::ContinueAuthentication, data, out);
            }
            AuthAnswer::Success { data, username } => {
                authentication.turn = Turn::Nobody;
                self.let_in(now, link, data, username, out);
            }
            AuthAnswer::Failure { why, username } => self.fail(now, link, why, username, out),
        }
    }

    /// The protocol was broken by a client that is not let in yet: it is told so in CONNACK [5.0 §4.13.1].
    ///
    /// `false` if the link is not one of those.
    pub(crate) fn refuse_authenticating(&mut self, link: LinkId, fault: ClientFault, out: &mut impl Outbox) -> bool {
        let Some(state) = self.links.get_mut(link.0 as usize).and_then(Option::as_mut) else { return false };
        if !matches!(state.state, LinkState::Authenticating(_)) {
            return false;
        }
        let LinkState::Authenticating(login) = std::mem::replace(&mut state.state, LinkState::New) else {
            return false;
        };
        let why = if fault == ClientFault::SlowLogin { Refusal::Slow } else { Refusal::Exchange(fault) };
        self.refuse(link, why, &login.client_id, login.username.as_deref(), out);
        true
    }

    fn ask(&mut self, now: Instant, link: LinkId, step: AuthStep<'_>, out: &mut impl Outbox) {
        let Some(authentication) = self.links[link.0 as usize].as_mut().and_then(|link| link.authentication.as_mut())
        else {
            return;
        };
        authentication.steps += 1;
        let fault = if step.data.is_some_and(|data| data.len() > AUTHENTICATION_DATA_BYTES_MAX) {
            "they are too long"
        } else if authentication.steps > AUTHENTICATION_STEPS_MAX {
            "the exchange has too many steps"
        } else {
            out.authenticate(link, step);
            return;
        };
        self.fail(now, link, Refusal::AuthenticationData(fault), None, out);
    }

    /// The exchange succeeded: the end of CONNECT, or of an authentication anew.
    fn let_in(&mut self, now: Instant, link: LinkId, data: Option<&[u8]>, username: &str, out: &mut impl Outbox) {
        let Some(state) = self.links[link.0 as usize].as_mut() else { return };
        match &mut state.state {
            // Who gives a User Name besides must have proved that one.
            LinkState::Authenticating(login) if login.username.as_deref().is_none_or(|name| name == username) => {
                login.username = Some(username.into());
                login.final_data = data.map(Into::into);
                let LinkState::Authenticating(login) = std::mem::replace(&mut state.state, LinkState::New) else {
                    return;
                };
                self.admit(now, link, *login, out);
            }
            LinkState::Client(key) if self.sessions[*key as usize].username.as_deref() == Some(username) => {
                self.say_auth(link, ReasonCode::Success, data, out);
            }
            _ => self.fail(now, link, Refusal::Password, Some(username), out),
        }
    }

    /// The exchange failed, and with it the connection [5.0 MQTT-4.12.0-4, MQTT-4.12.1-2].
    fn fail(&mut self, now: Instant, link: LinkId, why: Refusal, username: Option<&str>, out: &mut impl Outbox) {
        let Some(state) = self.links[link.0 as usize].as_mut() else { return };
        if matches!(state.state, LinkState::Client(_)) {
            self.say_farewell(link, ReasonCode::NotAuthorized, out);
            self.end(now, link, End::NotAuthenticated, out);
            out.close(link);
            return;
        }
        let LinkState::Authenticating(login) = std::mem::replace(&mut state.state, LinkState::New) else { return };
        self.refuse(link, why, &login.client_id, username.or(login.username.as_deref()), out);
    }

    /// AUTH to the client.
    fn say_auth(&mut self, link: LinkId, reason: ReasonCode, data: Option<&[u8]>, out: &mut impl Outbox) {
        let Some(state) = self.links[link.0 as usize].as_ref() else { return };
        let Some(authentication) = &state.authentication else { return };
        let packet_bytes_max = state.packet_bytes_max;
        let mut properties = PropertiesBuf::new();
        // [5.0 MQTT-4.12.0-5]
        properties.push(Property::AuthenticationMethod(&authentication.method));
        if let Some(data) = data {
            properties.push(Property::AuthenticationData(data));
        }
        let auth = Packet::Auth(Auth { reason, properties: properties.as_properties() });
        // What is too large for the client is not sent, and all goes on as if it had been [5.0 MQTT-3.1.2-25].
        if self.size(mqtt::ProtocolVersion::V5, &auth) <= packet_bytes_max {
            self.reply(link, &auth, out);
        }
    }
}
