//! CONNECT to CONNACK: who is let in, and with which session.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use mqtt::{
    ConnAck, Connect, DecodeFault, Packet, PropertiesBuf, Property, ProtocolVersion, QoS, ReasonCode, Will as Testament,
};

use crate::alias_table::AliasTable;
use crate::filter_set::FilterSet;
use crate::link::{Door, LinkState, Trust};
use crate::message::{Item, Message};
use crate::mount::whole_name;
use crate::publish::is_too_deep;
use crate::refusing::reason;
use crate::rules::Origin;
use crate::session::{Expiry, Online, Session};
use crate::taken::Unreleased;
use crate::tally::Counted;
use crate::timers::Due;
use crate::will::Will;
use crate::{
    AuthStep, Broker, CLIENT_ID_BYTES_MAX, ClientFault, Credentials, End, Event, Instant, LinkId, Outbox, Refusal,
};

/// A CONNECT whose credentials are being checked.
#[derive(Debug)]
pub(crate) struct Login {
    clean: bool,
    keep_alive_s: u16,
    /// Told to a 5.0 client that asked for more than it gets.
    keep_alive_is_ours: bool,
    /// What proves us to a client that came in by enhanced authentication.
    pub(crate) final_data: Option<Box<[u8]>>,
    /// Told only to those whose credentials are right, as mosquitto does.
    refusal: Option<Refusal>,
    pub(crate) client_id: Arc<str>,
    /// The client sent none, and is told this one.
    client_id_is_ours: bool,
    pub(crate) username: Option<Box<str>>,
    will: Option<Box<Will>>,
    expiry: Expiry,
    window: u16,
    pub(crate) packet_bytes_max: u32,
    /// Topic Aliases that we may use towards it.
    aliases_max: u16,
}

impl Broker {
    pub(crate) fn on_connect(
        &mut self,
        now: Instant,
        link: LinkId,
        connect: &Connect<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let mut connect = connect;
        let (topic, whole);
        if let Some(will) = connect.will
            && let Some(mount) = self.mount(link)
        {
            topic = whole_name(mount, will.topic)?;
            whole = Connect { will: Some(Testament { topic: topic.as_name(), ..will }), ..*connect };
            connect = &whole;
        }
        // What goes into a tree has its levels counted at the door: a will is published without asking again.
        if connect.will.is_some_and(|will| is_too_deep(will.topic.as_str())) {
            return Err(ClientFault::Packet(DecodeFault::InvalidTopicName));
        }
        let Some(state) = self.links[link.0 as usize].as_mut() else { return Ok(()) };
        state.version = connect.version;
        state.is_bridge = connect.is_bridge;
        state.wants_problem_information = connect.properties.request_problem_information().unwrap_or(true);
        state.packet_bytes_max = connect.properties.maximum_packet_size().unwrap_or(u32::MAX);
        let door = state.door;
        let listener = &self.settings.listeners[usize::from(door.listener)];
        let method = connect.properties.authentication_method();
        let is_named = listener.names_by_door && door.trust == Trust::Stranger;
        let (name, named);
        if is_named {
            // What it says itself is not looked at: the door knows better.
            name = out.identity(link);
            named = Connect { username: name.as_deref(), password: None, ..*connect };
            connect = &named;
        }
        let refusal = if !listener.versions.has(connect.version) {
            Some(Refusal::Version)
        } else if is_named && connect.username.is_none() {
            Some(Refusal::Identity)
        } else if method.is_some() && (!listener.checks_passwords || is_named) {
            // There is nothing to prove anything against.
            Some(Refusal::Method)
        } else if method.is_none()
            && connect.username.is_none()
            && !listener.allow_anonymous
            && door.trust == Trust::Stranger
        {
            Some(Refusal::Anonymous)
        } else {
            None
        };
        let (checks, anonymous) = (listener.checks_passwords && !is_named, listener.allow_anonymous || is_named);
        let login = match refusal.map_or_else(|| self.login(connect, door, out), Err) {
            Ok(login) => login,
            Err(why) => {
                self.refuse(link, why, connect.client_id, connect.username, out);
                return Ok(());
            }
        };
        if let Some(method) = method {
            // A password besides is not looked at.
            let step = AuthStep { method, data: connect.properties.authentication_data(), begins: true };
            self.begin_authentication(now, link, login, step, out);
            return Ok(());
        }
        match (connect.username, door.trust) {
            // Clients say it whose form was left empty; mosquitto takes it for none.
            (Some(""), Trust::Stranger) if anonymous => self.admit(now, link, login, out),
            (Some(username), Trust::Stranger) if checks => {
                if let Some(state) = self.links[link.0 as usize].as_mut() {
                    state.state = LinkState::AwaitingVerdict(Box::new(login));
                }
                out.verify(link, Credentials { username, password: connect.password });
            }
            (Some(_), Trust::Stranger) if !anonymous => {
                self.refuse(link, Refusal::Password, connect.client_id, connect.username, out);
            }
            _ => self.admit(now, link, login, out),
        }
        Ok(())
    }

    /// The answer to [`Outbox::verify`]: the credentials are right, or why the client is not let in.
    pub fn verdict(&mut self, now: Instant, link: LinkId, verdict: Result<(), Refusal>, out: &mut impl Outbox) {
        let Some(state) = self.links.get_mut(link.0 as usize).and_then(Option::as_mut) else { return };
        // A verdict that nobody waits for changes nothing: its connection may have ended, and its number been given anew.
        if !matches!(state.state, LinkState::AwaitingVerdict(_)) {
            return;
        }
        let LinkState::AwaitingVerdict(login) = std::mem::replace(&mut state.state, LinkState::New) else { return };
        match verdict {
            Ok(()) => self.admit(now, link, *login, out),
            Err(why) => self.refuse(link, why, &login.client_id, login.username.as_deref(), out),
        }
    }

    /// Reads what the client wants and whether it may have it.
    fn login(&self, connect: &Connect<'_>, door: Door, out: &mut impl Outbox) -> Result<Login, Refusal> {
        let settings = &self.settings;
        let Door { listener, trust } = door;
        let listener = &settings.listeners[usize::from(listener)];
        let v5 = connect.version.is_v5();
        let limit = settings.max_keepalive_s;
        let too_long = limit > 0 && (connect.keep_alive_s == 0 || connect.keep_alive_s > limit);
        let client_id_is_ours = connect.client_id.is_empty();
        let client_id: Arc<str> = if client_id_is_ours {
            // 3.1 has no empty identifiers; in 3.1.1 they go with Clean Session only [3.1.1 MQTT-3.1.3-8].
            let may = match connect.version {
                ProtocolVersion::V31 => false,
                ProtocolVersion::V311 => connect.clean_start,
                ProtocolVersion::V5 => true,
            };
            if !may || !listener.allow_zero_length_clientid {
                return Err(Refusal::ClientId);
            }
            made_client_id(&listener.auto_id_prefix, out.unique()).into()
        } else if connect.client_id.len() > CLIENT_ID_BYTES_MAX {
            return Err(Refusal::ClientId);
        } else {
            connect.client_id.into()
        };
        let prefix = settings.client_id_prefix.as_deref().filter(|_| trust == Trust::Stranger);
        if prefix.is_some_and(|prefix| !client_id.starts_with(prefix)) {
            return Err(Refusal::Prefix);
        }
        // After the rules for what it says itself, as in mosquitto.
        let client_id = if listener.username_as_client_id && trust == Trust::Stranger {
            let username = connect.username.filter(|username| !username.is_empty()).ok_or(Refusal::NoUsername)?;
            if username.len() > CLIENT_ID_BYTES_MAX {
                return Err(Refusal::ClientId);
            }
            username.into()
        } else {
            client_id
        };
        let will_bytes_max = settings.message_size_limit as usize;
        let will = match &connect.will {
            Some(will) if will.retain && !settings.retain_available => return Err(Refusal::WillRetain),
            Some(will) if will.qos > listener.max_qos => return Err(Refusal::WillQoS),
            Some(will) if will_bytes_max > 0 && will.payload.len() > will_bytes_max => return Err(Refusal::WillSize),
            Some(will) => Some(Box::new(Will {
                message: Message::keep(
                    &Item {
                        topic: will.topic,
                        payload: will.payload,
                        properties: will.properties,
                        expires_at: None,
                        qos: will.qos,
                    },
                    Counted::not(0),
                ),
                retain: will.retain,
                delay: Duration::from_secs(will.properties.will_delay_interval().unwrap_or(0).into()),
                expiry_s: will.properties.message_expiry_interval(),
            })),
            None => None,
        };
        let expiry = match (v5, connect.clean_start) {
            (true, _) => Expiry::from_interval(connect.properties.session_expiry_interval().unwrap_or(0)),
            (false, true) => Expiry::AtDisconnect,
            (false, false) => Expiry::Never,
        };
        let ours = if settings.max_inflight_messages == 0 { u16::MAX } else { settings.max_inflight_messages };
        Ok(Login {
            clean: connect.clean_start,
            keep_alive_s: if too_long { limit } else { connect.keep_alive_s },
            keep_alive_is_ours: too_long,
            final_data: None,
            refusal: (too_long && !v5).then_some(Refusal::KeepAlive),
            client_id,
            client_id_is_ours,
            username: connect.username.map(Into::into),
            will,
            expiry,
            window: connect.properties.receive_maximum().unwrap_or(u16::MAX).min(ours),
            packet_bytes_max: connect.properties.maximum_packet_size().unwrap_or(u32::MAX),
            aliases_max: connect.properties.topic_alias_maximum().unwrap_or(0).min(listener.max_topic_alias_broker),
        })
    }

    /// Says no, in the version's words, and ends the link.
    pub(crate) fn refuse(
        &mut self,
        link: LinkId,
        why: Refusal,
        client_id: &str,
        username: Option<&str>,
        out: &mut impl Outbox,
    ) {
        self.stats.refusals += 1;
        if let Some(reason) = reason(why, self.version(link)) {
            let words = match why {
                // Nothing that helps a guesser.
                Refusal::Anonymous | Refusal::Password => String::new(),
                why if self.settings.reason_strings => why.to_string(),
                _ => String::new(),
            };
            let mut properties =
                if words.is_empty() { PropertiesBuf::new() } else { self.reason_string(link, &words, 0, true) };
            // Told in a refusal too, as mosquitto does: it may be what was asked too much of.
            let listener = self.links.get(link.0 as usize).and_then(Option::as_ref).map(|link| link.door.listener);
            let max_qos = listener.map(|listener| self.settings.listeners[usize::from(listener)].max_qos);
            if let Some(max_qos) = max_qos.filter(|max_qos| *max_qos < QoS::ExactlyOnce) {
                properties.push(Property::MaximumQoS(max_qos));
            }
            let ack = ConnAck { session_present: false, reason, properties: properties.as_properties() };
            self.reply(link, &Packet::ConnAck(ack), out);
        }
        if let Some(ended) = self.links.get_mut(link.0 as usize).and_then(Option::take) {
            self.timers.unset(ended.silence_at, Due::Silence(link));
        }
        out.tell(Event::Refused { link, client_id, username, why });
        out.close(link);
    }

    /// Lets the client in: takes over, resumes or begins its session, and says so.
    pub(crate) fn admit(&mut self, now: Instant, link: LinkId, mut login: Login, out: &mut impl Outbox) {
        if let Some(why) = login.refusal {
            self.refuse(link, why, &login.client_id, login.username.as_deref(), out);
            return;
        }
        let version = self.version(link);
        let properties = if version.is_v5() { self.granted(link, &login) } else { PropertiesBuf::default() };
        let mut ack =
            ConnAck { session_present: false, reason: ReasonCode::Success, properties: properties.as_properties() };
        if self.size(version, &Packet::ConnAck(ack)) > login.packet_bytes_max {
            self.refuse(link, Refusal::AnswerSize, &login.client_id, login.username.as_deref(), out);
            return;
        }
        let held = self.by_client_id.get(&login.client_id).copied();
        let was_durable = held.is_some_and(|key| self.sessions[key as usize].expiry.is_durable());
        // A session with topics that its client would not see here, and could not end, is another's world: it begins anew.
        let is_mounted = self.mount(link).is_some();
        let is_elsewhere = is_mounted && held.is_some_and(|key| !self.is_all_seen(link, key));
        let begins_anew = login.clean || is_elsewhere;
        if self.store_is_full && login.expiry.is_durable() && (begins_anew || !was_durable) {
            // Who comes back to a session may: what waits for it makes room when it goes.
            self.refuse(link, Refusal::StoreFull, &login.client_id, login.username.as_deref(), out);
            return;
        }
        if self.memory_is_full && held.is_none() {
            self.refuse(link, Refusal::MemoryFull, &login.client_id, login.username.as_deref(), out);
            return;
        }
        if let Some(key) = held {
            self.take_over(now, key, begins_anew, &login, out);
        }
        // Taking over may have ended the session.
        let held = self.by_client_id.get(&login.client_id).copied();
        let is_full = self.settings.clients_max.is_some_and(|most| self.by_client_id.len() >= most as usize);
        if held.is_none() && is_full {
            self.refuse(link, Refusal::Full, &login.client_id, login.username.as_deref(), out);
            return;
        }
        let (key, session_present) = match held {
            Some(key) if begins_anew => {
                // The old session ends now, and a will that waits for its delay comes no later [5.0 §3.1.3.2.2].
                self.publish_will(now, key, out);
                self.forget(now, key, out);
                (self.begin(&login), false)
            }
            Some(key) => (key, true),
            None => (self.begin(&login), false),
        };
        self.stats.connects += 1;
        self.connected += 1;
        let origin = self.rules.origin_by(self.links[link.0 as usize].as_ref().map(|link| link.door));
        let on = Online { link, version, window: login.window, is_mounted, packet_bytes_max: login.packet_bytes_max };
        let session = &mut self.sessions[key as usize];
        let another_user = session.username != login.username;
        let other_rules = another_user || self.rules.place(session.origin) != self.rules.place(origin);
        let is_another = another_user || session.origin != origin;
        session.on = Some(on);
        session.will = login.will.take();
        session.aliases = AliasTable::new(login.aliases_max);
        if is_another {
            session.username.clone_from(&login.username);
            session.origin = origin;
            session.as_publisher = None;
        }
        self.keep_back(key, out);
        self.set_expiry(key, login.expiry, is_another, out);
        if session_present {
            if other_rules || self.has_mounts() {
                // The rules may say something else for this user, or be others, or it may see something else by this listener.
                self.routes.changed();
            }
            // Or for what was queued before the process began.
            self.revoke(key, out);
        }
        self.begin_listening(now, link, key, login.keep_alive_s);
        out.tell(Event::Connected {
            link,
            client_id: &login.client_id,
            version,
            clean: login.clean,
            keep_alive_s: login.keep_alive_s,
            username: login.username.as_deref(),
            will: self.sessions[key as usize].will.as_deref().map(|will| (&*will.message, will.retain)),
        });
        // 3.1 has no such flag.
        ack.session_present = session_present && version != ProtocolVersion::V31;
        // That an older session has ended is promised too: it must not come back with what it had.
        let promises = was_durable || login.expiry.is_durable();
        self.acknowledge(link, &Packet::ConnAck(ack), promises, out);
        if session_present {
            self.resume(now, key, out);
        }
    }

    /// The older connection of the same Client Identifier goes [3.1.1 MQTT-3.1.4-2, 5.0 MQTT-3.1.4-3].
    fn take_over(&mut self, now: Instant, key: u32, begins_anew: bool, login: &Login, out: &mut impl Outbox) {
        let session = &mut self.sessions[key as usize];
        let Some(on) = session.on else { return };
        // As mosquitto: the will of a session that goes on is not published.
        if session.expiry.is_durable() && !begins_anew {
            session.will = None;
        }
        out.tell(Event::TakenOver { client_id: &login.client_id });
        self.say_farewell(on.link, ReasonCode::SessionTakenOver, out);
        self.end(now, on.link, End::TakenOver, out);
        out.close(on.link);
    }

    fn begin(&mut self, login: &Login) -> u32 {
        self.last_number.0 += 1;
        let key = self.sessions.insert(Session {
            client_id: Arc::clone(&login.client_id),
            username: None,
            origin: Origin::default(),
            number: self.last_number,
            on: None,
            expiry: Expiry::AtDisconnect,
            ends_at: None,
            will: None,
            will_at: None,
            subscriptions: FilterSet::default(),
            taken: Unreleased::default(),
            outgoing: None,
            aliases: None,
            as_publisher: None,
        }) as u32;
        self.by_client_id.insert(Arc::clone(&login.client_id), key);
        key
    }

    fn begin_listening(&mut self, now: Instant, link: LinkId, key: u32, keep_alive_s: u16) {
        let Some(state) = self.links[link.0 as usize].as_mut() else { return };
        self.timers.unset(state.silence_at.take(), Due::Silence(link));
        state.state = LinkState::Client(key);
        state.silence_ms_max = u32::from(keep_alive_s) * 1500;
        if keep_alive_s > 0 {
            let at = now + Duration::from_millis(u64::from(state.silence_ms_max));
            state.silence_at = Some(at);
            self.timers.set(at, Due::Silence(link));
        }
    }

    /// What a 5.0 client is told of our limits, in mosquitto's order.
    fn granted(&self, link: LinkId, login: &Login) -> PropertiesBuf {
        let settings = &self.settings;
        let listener = self.links[link.0 as usize].as_ref().map_or(0, |link| usize::from(link.door.listener));
        let listener = &settings.listeners[listener];
        let mut granted = PropertiesBuf::default();
        if let Expiry::After(seconds) = self.lasting(login.expiry)
            && self.lasting(login.expiry) != login.expiry
        {
            granted.push(Property::SessionExpiryInterval(seconds));
        }
        if listener.max_topic_alias > 0 {
            granted.push(Property::TopicAliasMaximum(listener.max_topic_alias));
        }
        if login.keep_alive_is_ours {
            granted.push(Property::ServerKeepAlive(login.keep_alive_s));
        }
        if login.client_id_is_ours {
            granted.push(Property::AssignedClientIdentifier(&login.client_id));
        }
        if !settings.retain_available {
            granted.push(Property::RetainAvailable(false));
        }
        if settings.max_packet_size > 0 {
            granted.push(Property::MaximumPacketSize(settings.max_packet_size));
        }
        if settings.max_inflight_messages > 0 {
            granted.push(Property::ReceiveMaximum(settings.max_inflight_messages));
        }
        if listener.max_qos < QoS::ExactlyOnce {
            granted.push(Property::MaximumQoS(listener.max_qos));
        }
        if let Some(authentication) = self.links[link.0 as usize].as_ref().and_then(|link| link.authentication.as_ref())
        {
            // [5.0 MQTT-4.12.0-5]
            granted.push(Property::AuthenticationMethod(&authentication.method));
            if let Some(data) = &login.final_data {
                granted.push(Property::AuthenticationData(data));
            }
        }
        granted
    }
}

/// The prefix and a UUID, as mosquitto makes them.
fn made_client_id(prefix: &str, unique: [u8; 16]) -> String {
    let mut id = String::with_capacity(prefix.len() + 36);
    id.push_str(prefix);
    for (at, byte) in unique.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        let _ = write!(id, "{byte:02X}");
    }
    id
}
