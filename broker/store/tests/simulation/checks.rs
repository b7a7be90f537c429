//! What the broker gave in one call, held against what it owed.

use broker_core::{LinkId, Stats};
use mqtt::{Packet, Publish, ReasonCodes, next_frame};

use crate::edge::{Greeting, Line};
use crate::model::{Model, On, Owed, Reply, State, identifiers};
use crate::words::{Size, number};

impl Model {
    /// A packet was given for a line. Which delivery it is, if it is one.
    pub(crate) fn check_given(&mut self, link: LinkId, line: &mut Line, bytes: &[u8]) -> Option<u32> {
        let Greeting { client, version, packet_bytes_max, .. } = line.greeting;
        assert!(
            bytes.len() as u64 <= u64::from(packet_bytes_max),
            "c{client} takes no packet of {} bytes",
            bytes.len()
        );
        let frame = next_frame(bytes, u32::MAX).unwrap().expect("packets are given whole");
        assert_eq!(frame.len, bytes.len(), "one packet at a time");
        let packet = Packet::decode(version, frame).expect("the broker speaks MQTT");
        let reply = match packet {
            Packet::Publish(publish) => {
                let topic = line.topic_of(&publish, false);
                return Some(self.check_publish(link, client, topic, &publish));
            }
            Packet::ConnAck(ack) => Reply::ConnAck(ack.reason, ack.session_present),
            Packet::PubAck(ack) => Reply::PubAck(ack.packet_id.get(), ack.reason),
            Packet::PubRec(ack) => Reply::PubRec(ack.packet_id.get(), ack.reason),
            Packet::PubRel(ack) => Reply::PubRel(ack.packet_id.get()),
            Packet::PubComp(ack) => Reply::PubComp(ack.packet_id.get()),
            Packet::SubAck(ack) => Reply::SubAck(ack.packet_id.get(), codes(ack.reasons)),
            Packet::UnsubAck(ack) => Reply::UnsubAck(ack.packet_id.get(), codes(ack.reasons)),
            Packet::PingResp => Reply::PingResp,
            Packet::Disconnect(farewell) => Reply::Disconnect(farewell.reason),
            other => panic!("c{client} is told {other:?}"),
        };
        let wanted = (link, reply);
        if let Some(place) = self.replies.iter().position(|reply| *reply == wanted) {
            self.replies.remove(place);
            return None;
        }
        let Reply::PubRel(id) = wanted.1 else {
            panic!("c{client} is told {:?}; it is to be told {:?}", wanted.1, self.replies)
        };
        // Said again on a new connection, if PUBREC came on an earlier one.
        let owed = self.in_flight(client, id).unwrap_or_else(|| panic!("c{client}: PUBREL {id} for nothing"));
        let session = self.session(client);
        let State::InFlight { released: true, is_here: false, turn, .. } = session.owed[&owed] else {
            panic!("c{client}: PUBREL {id} again: {:?}", session.owed[&owed])
        };
        session.owed.insert(owed, State::InFlight { id, released: true, is_here: true, turn });
        None
    }

    fn check_publish(&mut self, link: LinkId, client: usize, topic: usize, publish: &Publish<'_>) -> u32 {
        self.counts.sent += 1;
        let on = self.sessions[client].as_ref().and_then(|session| session.on);
        let on = on.filter(|on| on.link == link).unwrap_or_else(|| panic!("c{client} is not at {link:?}"));
        let id = publish.packet_id.map_or(0, mqtt::PacketId::get);
        let user = self.session(client).user;
        assert!(self.rights.may_read(user, topic), "c{client} may not read {}", crate::words::TOPICS[topic]);
        let owed = match self.in_flight(client, id) {
            Some(owed) => {
                self.check_repeat(client, on, owed, publish);
                owed
            }
            None => self.check_first(client, on, topic, publish),
        };
        let wanted = &self.owed[owed as usize];
        let message = &self.messages[wanted.message as usize];
        assert_eq!(topic, message.topic);
        assert_eq!(publish.qos.as_u8(), wanted.qos);
        assert_eq!(publish.payload.len(), message.payload_bytes(wanted.message));
        assert!(
            wanted.retain.is_none_or(|retain| retain == publish.retain),
            "c{client}: RETAIN of {publish:?}: {wanted:?}"
        );
        let fits = !on.version.is_v5() || wanted.identifiers == identifiers_of(publish);
        assert!(fits, "c{client}: subscription identifiers of {publish:?}: {wanted:?}");
        let left_s = self.left_s(wanted).filter(|_| on.version.is_v5());
        assert_eq!(publish.properties.message_expiry_interval(), left_s, "c{client}: message expiry of {wanted:?}");
        owed
    }

    /// On a new connection each message in flight comes once more, in the old order, before any other.
    fn check_repeat(&mut self, client: usize, on: On, owed: u32, publish: &Publish<'_>) {
        assert!(publish.dup, "c{client}: identifier of {owed} in flight is given again: {publish:?}");
        let State::InFlight { id, released, is_here, turn } = self.session(client).owed[&owed] else { unreachable!() };
        assert!(!released && !is_here, "c{client}: {publish:?} comes again");
        assert_eq!(
            number(publish.payload).unwrap_or(self.owed[owed as usize].message),
            self.owed[owed as usize].message
        );
        self.check_overtaking(client, on, owed, publish.qos.as_u8());
        self.session(client).owed.insert(owed, State::InFlight { id, released, is_here: true, turn });
        self.check_window(client, on);
    }

    fn check_first(&mut self, client: usize, on: On, topic: usize, publish: &Publish<'_>) -> u32 {
        assert!(!publish.dup, "c{client}: a repeat of nothing: {publish:?}");
        let owed = self.find(client, on, topic, publish);
        self.check_overtaking(client, on, owed, publish.qos.as_u8());
        self.turns += 1;
        let turn = self.turns;
        let bytes_max = self.settings.max_inflight_bytes;
        let has_bytes = bytes_max == 0 || self.in_flight_bytes(client) < bytes_max;
        assert!(publish.packet_id.is_none() || has_bytes, "c{client}: {owed} is above max_inflight_bytes");
        let state = publish.packet_id.map(|id| State::InFlight { id: id.get(), released: false, is_here: true, turn });
        self.set(owed, state);
        self.check_window(client, on);
        owed
    }

    /// The first delivery that waits and is what was sent.
    fn find(&mut self, client: usize, on: On, topic: usize, publish: &Publish<'_>) -> u32 {
        let message = number(publish.payload);
        let identifiers = identifiers_of(publish);
        let left_s = publish.properties.message_expiry_interval();
        let is_it = |owed: &u32| {
            if self.has_expired(*owed) {
                return false;
            }
            let wanted = &self.owed[*owed as usize];
            let is_message = match message {
                Some(message) => wanted.message == message,
                None => {
                    let empty = self.messages[wanted.message as usize];
                    empty.size == Size::Empty && empty.topic == topic
                }
            };
            is_message
                && wanted.qos == publish.qos.as_u8()
                && wanted.retain.is_none_or(|retain| retain == publish.retain)
                && (!on.version.is_v5() || (wanted.identifiers == identifiers && self.left_s(wanted) == left_s))
        };
        let session = self.sessions[client].as_ref().unwrap();
        let found = session.waiting().find(is_it);
        // An earlier one of the same message may have been given up too early: it is that, if it is not this one's turn.
        let in_turn = found.filter(|owed| !(self.has_loose(client, *owed) && self.is_behind(client, on, *owed)));
        let found = in_turn.or_else(|| self.take_from_pool(client, on, topic, publish)).or(found);
        found.unwrap_or_else(|| {
            let (waiting, pool) = (self.wants_of(client), &self.pool);
            panic!("c{client} is not owed {publish:?} ({message:?}). What waits: {waiting:#?}; in the pool: {pool:#?}")
        })
    }

    /// Whether something else has to be sent before.
    fn is_behind(&self, client: usize, on: On, owed: u32) -> bool {
        let Some(session) = &self.sessions[client] else { return false };
        let Owed { message, qos, .. } = self.owed[owed as usize];
        session.waiting().take_while(|earlier| *earlier < owed).any(|earlier| {
            let Owed { message: other, qos: level, .. } = self.owed[earlier as usize];
            let is_over = self.has_expired(earlier) || self.is_too_large(earlier, on);
            other != message && !is_over && (qos > 0 || level == 0)
        })
    }

    fn wants_of(&self, client: usize) -> Vec<(u32, &crate::model::Owed)> {
        let session = self.sessions[client].as_ref().unwrap();
        session.waiting().map(|owed| (owed, &self.owed[owed as usize])).collect()
    }

    /// What was to go before and has not: it had expired, or was too large, or waits for a window that QoS 0 needs not.
    fn check_overtaking(&mut self, client: usize, on: On, by: u32, qos: u8) {
        let by_turn = match self.session(client).owed.get(&by) {
            Some(State::InFlight { turn, .. }) => *turn,
            _ => u64::MAX,
        };
        let is_earlier = |owed: u32, state: State| match state {
            State::InFlight { turn, .. } => turn < by_turn,
            State::Waiting => owed < by,
        };
        let all = self.session(client).owed.iter().map(|(owed, state)| (*owed, *state));
        let earlier: Vec<_> = all.filter(|(owed, state)| is_earlier(*owed, *state)).collect();
        // What comes by way of others has no place among what was owed before.
        let has_order = self.owed[by as usize].share.is_none();
        for (owed, state) in earlier {
            let is_large = self.is_too_large(owed, on);
            let same_message = self.owed[owed as usize].message == self.owed[by as usize].message;
            match state {
                State::InFlight { is_here: true, .. } => {}
                State::Waiting if !has_order && (is_large || self.has_expired(owed)) => self.let_be_lost(owed),
                State::Waiting if !has_order => {}
                _ if qos == 0 && self.owed[owed as usize].qos > 0 => {}
                State::Waiting if self.has_expired(owed) => self.expire(owed),
                State::Waiting | State::InFlight { released: false, .. } if is_large => self.drop(owed),
                State::Waiting if same_message => {}
                _ => {
                    let (by, owed) = (&self.owed[by as usize], &self.owed[owed as usize]);
                    panic!("c{client}: {by:?} overtakes {owed:?} ({state:?})")
                }
            }
        }
    }

    /// Receive Maximum, and max_inflight_messages: never more in flight than either allows.
    fn check_window(&mut self, client: usize, on: On) {
        let in_flight = self.session(client).owed.values();
        let in_flight = in_flight.filter(|state| matches!(state, State::InFlight { is_here: true, .. })).count();
        assert!(in_flight <= on.window, "c{client} takes {} in flight, not {in_flight}", on.window);
    }

    pub(crate) fn drop(&mut self, owed: u32) {
        self.given_up.insert(owed);
        if self.is_told {
            eprintln!("{:>9} to be dropped: {owed} {:?}", self.now, self.owed[owed as usize]);
        }
        self.set(owed, None);
        self.counts.dropped += 1;
    }

    fn expire(&mut self, owed: u32) {
        self.given_up.insert(owed);
        if self.is_told {
            eprintln!("{:>9} to expire: {owed} {:?}", self.now, self.owed[owed as usize]);
        }
        self.set(owed, None);
        self.counts.expired += 1;
    }

    /// The broker has said all that it says in this call.
    pub(crate) fn check_end_of_call(&mut self, stats: Stats, closed: &[LinkId], expired: &mut Vec<String>) {
        assert!(self.replies.is_empty(), "never said: {:?}", self.replies);
        let (mut wanted, mut closed) = (std::mem::take(&mut self.closed), closed.to_vec());
        wanted.sort_unstable();
        closed.sort_unstable();
        assert_eq!(closed, wanted, "connections closed");
        let mut wanted = std::mem::take(&mut self.expired);
        wanted.sort_unstable();
        expired.sort_unstable();
        assert_eq!(*expired, wanted, "sessions expired");
        expired.clear();
        for owed in std::mem::take(&mut self.fresh) {
            self.check_fresh(owed);
        }
        (0..self.sessions.len()).for_each(|client| self.check_progress(client));
        let counts = crate::model::Counts {
            received: stats.publishes_received,
            sent: stats.publishes_sent,
            dropped: stats.publishes_dropped,
            expired: stats.publishes_expired,
            connects: stats.connects,
            refusals: stats.refusals,
        };
        if self.has_shares {
            // Which of the members had to drop a message, nobody can tell.
            (self.counts.dropped, self.counts.expired) = (counts.dropped, counts.expired);
        }
        assert_eq!(counts, self.counts, "what was counted, and what there was to count");
    }

    /// A delivery that began in this call and was not sent in it: it waits, if it may; or there was no room.
    pub(crate) fn check_fresh(&mut self, owed: u32) {
        let Owed { client, qos, is_asked, .. } = self.owed[owed as usize];
        let Some(session) = &self.sessions[client] else { return };
        if is_asked || session.owed.get(&owed) != Some(&State::Waiting) {
            return;
        }
        let on = session.on;
        let earlier: Vec<_> = session.waiting().take_while(|waiting| *waiting < owed).collect();
        let qos0_waits = earlier.iter().any(|waiting| self.owed[*waiting as usize].qos == 0);
        if let Some(on) = on.filter(|_| qos == 0 && !qos0_waits) {
            if self.pool_has_qos0(client) {
                // It waits behind its share of something, if that is what waits here: nobody can tell.
                return self.let_be_lost(owed);
            }
            let why = on.is_clogged || self.is_too_large(owed, on);
            assert!(why, "c{client}: for no reason this was not sent: {:?}", self.owed[owed as usize]);
            return self.drop(owed);
        }
        if let Some(on) = on.filter(|on| earlier.is_empty() && !on.is_clogged && self.is_too_large(owed, *on))
            && self.has_window(client, on)
        {
            return if self.has_a_share(client) { self.let_be_lost(owed) } else { self.drop(owed) };
        }
        if self.is_full(&earlier) {
            let gone = earlier.iter().take_while(|waiting| self.has_expired(**waiting)).copied().collect::<Vec<_>>();
            for waiting in &gone {
                self.expire(*waiting);
            }
            if self.is_full(&earlier[gone.len()..]) {
                self.drop(owed);
            }
        }
    }

    /// max_queued_messages and max_queued_bytes: retained messages that were asked for do not count.
    fn is_full(&self, waiting: &[u32]) -> bool {
        let size = |owed: u32| self.payload_bytes(owed);
        let waiting = waiting.iter().filter(|owed| !self.owed[**owed as usize].is_asked);
        let (messages, bytes) = waiting.fold((0, 0), |(messages, bytes), owed| (messages + 1, bytes + size(*owed)));
        let (messages_max, bytes_max) = (self.settings.max_queued_messages, self.settings.max_queued_bytes);
        // As mosquitto counts: the message that reaches the limit of bytes may go past it.
        (messages_max > 0 && messages >= messages_max) || (bytes_max > 0 && bytes >= bytes_max)
    }

    fn has_window(&self, client: usize, on: On) -> bool {
        let Some(session) = &self.sessions[client] else { return false };
        let bytes_max = self.settings.max_inflight_bytes;
        self.has_all_here(client)
            && session.owed.values().filter(|state| **state != State::Waiting).count() < on.window
            && (bytes_max == 0 || self.in_flight_bytes(client) < bytes_max)
    }

    fn in_flight_bytes(&self, client: usize) -> usize {
        let Some(session) = &self.sessions[client] else { return 0 };
        let in_flight = session.owed.iter().filter(|(_, state)| **state != State::Waiting);
        in_flight.map(|(owed, _)| self.payload_bytes(*owed)).sum()
    }

    fn payload_bytes(&self, owed: u32) -> usize {
        let message = self.owed[owed as usize].message;
        self.messages[message as usize].payload_bytes(message)
    }

    /// All that is in flight was sent on the present connection.
    fn has_all_here(&self, client: usize) -> bool {
        let Some(session) = &self.sessions[client] else { return true };
        !session.owed.values().any(|state| matches!(state, State::InFlight { is_here: false, .. }))
    }

    /// Nothing waits for a client that is there and has room for it.
    fn check_progress(&mut self, client: usize) {
        let Some(on) = self.sessions[client].as_ref().and_then(|session| session.on) else { return };
        if on.is_clogged || self.session(client).owed.is_empty() {
            return;
        }
        let in_flight = self.session(client).owed.values();
        let here = in_flight.filter(|state| matches!(state, State::InFlight { is_here: true, .. })).count();
        let room = on.window.saturating_sub(here);
        let rest: Vec<_> = self.session(client).owed.iter().map(|(owed, state)| (*owed, *state)).collect();
        for (owed, state) in rest {
            let is_large = self.is_too_large(owed, on);
            let has_window = self.has_window(client, on);
            let all_here = self.has_all_here(client);
            let is_qos0 = self.owed[owed as usize].qos == 0 && !self.session(client).is_stuck;
            match state {
                State::InFlight { is_here: true, .. } => {}
                State::InFlight { released: false, .. } if is_large && room > 0 => self.drop(owed),
                State::InFlight { .. } => {
                    assert_eq!(room, 0, "c{client}: {owed} in flight does not come again");
                }
                State::Waiting if (has_window || (is_qos0 && all_here)) && self.has_expired(owed) => self.expire(owed),
                State::Waiting if (has_window || (is_qos0 && all_here)) && is_large => self.drop(owed),
                // QoS 0 needs no window, but waits until all in flight was repeated; an acknowledgement brings it out.
                State::Waiting => assert!(!has_window, "c{client}: {owed} waits for nothing"),
            }
        }
    }
}

fn identifiers_of(publish: &Publish<'_>) -> Vec<u32> {
    identifiers(publish.properties.iter().map(|property| match property {
        mqtt::Property::SubscriptionIdentifier(identifier) => identifier,
        _ => 0,
    }))
}

fn codes(codes: ReasonCodes<'_>) -> Vec<u8> {
    codes.iter().map(mqtt::ReasonCode::as_u8).collect()
}
