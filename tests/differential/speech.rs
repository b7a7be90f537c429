//! What clients say, packet by packet: right, or now and then with one thing in it that is not.

use mqtt::ProtocolVersion;

use crate::brokers::Configuration;
use crate::bytes::{
    AUTH, CONNECT, DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE, field, packet,
};
use crate::dice::Dice;
use crate::properties::{self, Place};

/// Client Identifiers: few, so that clients meet their own sessions and each other. The long one is beyond what 3.1
/// allows.
const CLIENT_IDS: [&str; 6] = ["a", "a", "b", "c", "a client of more than 23 characters", "ü/+#"];
const TOPICS: [&str; 10] = ["t/a", "t/a", "t/b", "t/a/b", "t", "t/", "/t", "t//b", "u", "only/read"];
const SELDOM_TOPICS: [&str; 6] = ["$data/x", "$SYS/x", "$share/g/t", "$CONTROL/x", "only/write", "own/a/roger"];
const FILTERS: [&str; 16] = [
    "t/a",
    "t/a",
    "t/b",
    "t/+",
    "t/+",
    "t/#",
    "t/#",
    "#",
    "+/a",
    "+/+",
    "t/+/b",
    "+",
    "/+",
    "t/a/#",
    "only/#",
    "own/+/roger",
];
const SELDOM_FILTERS: [&str; 3] = ["$data/#", "$data/+", "$SYS/nothing"];
const SHARED_FILTERS: [&str; 4] = ["$share/g/t/a", "$share/g/t/#", "$share/h/t/a", "$share/g/#"];
const STRANGE_FILTERS: [&[u8]; 9] =
    [b"", b"$share", b"a#", b"#/a", b"a+/b", b"t/#/b", b"$share/g", b"$share//t", b"$share/+/t"];
/// Texts that may not stand anywhere, or not as a topic.
const STRANGE_TEXTS: [&[u8]; 12] = [
    b"",
    b"\0",
    b"t\0a",
    b"\xFF",
    b"t/\xC3",
    b"\xC0\x80",
    b"\xED\xA0\x80",
    b"\xF4\x90\x80\x80",
    b"\xEF\xBF\xBF",
    b"t\x01",
    b"t\x7F",
    b"\xEF\xBB\xBFt",
];

/// The one who speaks for the clients of a conversation.
pub(crate) struct Speaker {
    pub dice: Dice,
    pub configuration: &'static Configuration,
    /// One packet in so many has something strange in it; 0: none.
    pub strange: usize,
    /// This packet still may have.
    may_err: bool,
}

impl Speaker {
    pub(crate) const fn new(dice: Dice, configuration: &'static Configuration, strange: usize) -> Self {
        Self { dice, configuration, strange, may_err: false }
    }

    /// A packet begins: is it one that may have something strange in it?
    fn begin(&mut self) {
        self.may_err = self.strange > 0 && self.dice.one_in(self.strange);
    }

    /// Whether the packet's one strange thing is here.
    fn errs(&mut self, one_in: usize) -> bool {
        let errs = self.may_err && self.dice.one_in(one_in);
        self.may_err &= !errs;
        errs
    }

    /// The whole packet; where nothing strange is in it yet, perhaps the damage is to its bytes.
    fn finish(&mut self, first: u8, body: &[u8]) -> Vec<u8> {
        let whole = packet(first, body);
        if self.errs(2) { crate::damage::damaged(&mut self.dice, first, body) } else { whole }
    }

    fn text(&mut self, text: &str) -> Vec<u8> {
        if self.errs(6) { field(self.dice.pick(&STRANGE_TEXTS)) } else { field(text.as_bytes()) }
    }

    fn topic(&mut self) -> Vec<u8> {
        if self.errs(6) {
            return field(self.dice.pick(&[&b"t/#"[..], b"+", b"t/+/a", b"#"]));
        }
        if self.errs(20) {
            return self.deep();
        }
        let topic = if self.dice.one_in(15) { self.dice.pick(&SELDOM_TOPICS) } else { self.dice.pick(&TOPICS) };
        self.text(topic)
    }

    fn filter(&mut self) -> Vec<u8> {
        if self.errs(4) {
            return field(self.dice.pick(&STRANGE_FILTERS));
        }
        if self.errs(20) {
            return self.deep();
        }
        let filter = match self.dice.below(20) {
            0 => self.dice.pick(&SELDOM_FILTERS),
            1 => self.dice.pick(&SHARED_FILTERS),
            _ => self.dice.pick(&FILTERS),
        };
        self.text(filter)
    }

    /// As many levels as mosquitto goes into, or one more or less.
    fn deep(&mut self) -> Vec<u8> {
        let separators = self.dice.pick(&[199, 200, 201]);
        field("/".repeat(separators).as_bytes())
    }

    fn payload(&mut self) -> Vec<u8> {
        let len = self.dice.pick(&[0, 0, 1, 5, 30, 39, 40, 41, 200, 3000]);
        vec![b'x'; if self.dice.one_in(4) { len } else { 1 + self.dice.below(9) }]
    }

    /// Properties where the version has them.
    fn properties(&mut self, version: ProtocolVersion, place: Place) -> Vec<u8> {
        if !version.is_v5() {
            return Vec::new();
        }
        let errs = self.errs(3);
        properties::some(&mut self.dice, place, errs)
    }

    pub(crate) fn connect(&mut self, version: ProtocolVersion) -> Vec<u8> {
        self.begin();
        let (name, level) = match version {
            ProtocolVersion::V31 => ("MQIsdp", 3),
            ProtocolVersion::V311 => ("MQTT", 4),
            ProtocolVersion::V5 => ("MQTT", 5),
        };
        let name = if self.errs(12) { self.dice.pick(&["MQTTT", "mqtt", "MQIsdp", "MQTT", "", "HTTP"]) } else { name };
        // Other brokers that bring and fetch messages say that they do, in mosquitto's way; and are never anything else.
        let is_bridge = !version.is_v5() && self.dice.one_in(15);
        let level = if is_bridge { level | 0x80 } else { level };
        let level = if self.errs(10) { self.dice.pick(&[0, 3, 4, 5, 6, 0x83, 0x84, 0x85, 0xFF]) } else { level };
        let client_id = match self.dice.below(12) {
            _ if is_bridge => "bridge",
            0 => "",
            _ => self.dice.pick(&CLIENT_IDS),
        };
        let (mut username, mut password) = self.dice.pick(self.configuration.logins);
        if self.configuration.name == "window" {
            // A session keeps its user: 2.0.11 leaves what another may not read in the window for ever.
            (username, password) = self.configuration.logins[client_id.len() % self.configuration.logins.len()];
        }
        // Before 5.0 there is no password without a user name.
        let password = password.filter(|_| username.is_some() || version.is_v5() || self.errs(1));
        let has_will = self.dice.one_in(3);
        let mut flags = if self.dice.one_in(2) { 0x02 } else { 0 };
        flags |= if username.is_some() { 0x80 } else { 0 } | if password.is_some() { 0x40 } else { 0 };
        if has_will {
            let qos = self.dice.pick(&[0, 1, 2]);
            flags |= 0x04 | qos << 3 | if self.dice.one_in(3) { 0x20 } else { 0 };
        }
        if self.errs(6) {
            flags ^= self.dice.pick(&[0x01, 0x04, 0x08, 0x18, 0x20, 0x40, 0x80]);
        }
        let is_bounded = self.configuration.name == "limits" && !self.dice.one_in(40);
        let keep_alives: &[u16] = if is_bounded { &[60, 600, 700] } else { &[0, 60, 60, 600, 700, 701, 65535] };
        let keep_alive = self.dice.pick(keep_alives);
        let mut body = field(name.as_bytes());
        body.extend([level, flags]);
        body.extend(keep_alive.to_be_bytes());
        body.extend(self.properties(version, Place::Connect));
        body.extend(self.text(client_id));
        if has_will {
            body.extend(self.properties(version, Place::Will));
            body.extend(self.topic());
            body.extend(field(&self.payload()));
        }
        if let Some(username) = username {
            let is_wrong = self.errs(3);
            body.extend(if is_wrong { field(self.dice.pick(&STRANGE_TEXTS)) } else { field(username.as_bytes()) });
        }
        if let Some(password) = password {
            body.extend(field(password.as_bytes()));
        }
        self.finish(CONNECT, &body)
    }

    pub(crate) fn publish(&mut self, version: ProtocolVersion, id: u16) -> Vec<u8> {
        self.begin();
        let qos = if self.errs(10) { 3 } else { self.dice.pick(&[0, 1, 1, 2, 2]) };
        let dup = qos > 0 && self.dice.one_in(8) || self.errs(10);
        let retain = self.dice.one_in(5);
        let mut body = if version.is_v5() && self.dice.one_in(6) { field(b"") } else { self.topic() };
        let by_alias = body == [0, 0];
        if qos > 0 {
            body.extend(if self.errs(10) { 0 } else { id }.to_be_bytes());
        }
        let place = if by_alias && !self.errs(4) { Place::PublishByAlias } else { Place::Publish };
        body.extend(self.properties(version, place));
        body.extend(self.payload());
        self.finish(PUBLISH | u8::from(dup) << 3 | qos << 1 | u8::from(retain), &body)
    }

    pub(crate) fn subscribe(&mut self, version: ProtocolVersion, id: u16) -> Vec<u8> {
        self.begin();
        let mut body = if self.errs(10) { 0 } else { id }.to_be_bytes().to_vec();
        body.extend(self.properties(version, Place::Subscribe));
        let filters = if self.errs(10) { 0 } else { self.dice.pick(&[1, 1, 1, 2, 3]) };
        for _ in 0..filters {
            let filter = self.filter();
            let mut options = self.dice.pick(&[0, 1, 1, 2, 2]);
            if version.is_v5() {
                options |= self.dice.pick(&[0, 0, 0x10, 0x20]);
                // 2.0.11 does not change these when a subscription is made again: a filter has them or not.
                let (no_local, retain_as_published) = (0x04, 0x08);
                if filter.len().is_multiple_of(2) && !filter[2..].starts_with(b"$share") {
                    options |= no_local;
                }
                if filter.iter().map(|byte| usize::from(*byte)).sum::<usize>().is_multiple_of(2) {
                    options |= retain_as_published;
                }
            }
            let is_shared = filter[2..].starts_with(b"$share/");
            body.extend(filter);
            let wrong = if is_shared { 0x04 } else { self.dice.pick(&[0x03, 0x40, 0x80, 0x30]) };
            body.push(if self.errs(if is_shared { 2 } else { 8 }) { options | wrong } else { options });
        }
        if self.errs(10) {
            body.extend(field(b""));
        }
        self.finish(SUBSCRIBE, &body)
    }

    pub(crate) fn unsubscribe(&mut self, version: ProtocolVersion, id: u16) -> Vec<u8> {
        self.begin();
        let mut body = if self.errs(10) { 0 } else { id }.to_be_bytes().to_vec();
        body.extend(self.properties(version, Place::Unsubscribe));
        let filters = if self.errs(10) { 0 } else { self.dice.pick(&[1, 1, 2]) };
        for _ in 0..filters {
            body.extend(self.filter());
        }
        self.finish(UNSUBSCRIBE, &body)
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP for `id`.
    pub(crate) fn acknowledgement(&mut self, version: ProtocolVersion, first: u8, id: u16) -> Vec<u8> {
        self.begin();
        let mut body = if self.errs(10) { 0 } else { id }.to_be_bytes().to_vec();
        if version.is_v5() && self.dice.one_in(4) {
            let fit: &[u8] = match first {
                PUBACK | PUBREC => &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
                _ => &[0, 0x92],
            };
            body.push(if self.errs(3) { self.dice.byte() } else { self.dice.pick(fit) });
            if self.dice.one_in(2) {
                body.extend(self.properties(version, Place::Answer));
            }
        }
        self.finish(first, &body)
    }

    /// An acknowledgement that nobody waits for.
    pub(crate) fn unasked(&mut self, version: ProtocolVersion) -> Vec<u8> {
        let any = [PUBACK, PUBREC, PUBREL, PUBREL, PUBCOMP];
        let first = if self.configuration.is_narrow { PUBREL } else { self.dice.pick(&any) };
        let id = self.dice.pick(&[1, 1, 2, 3, 9, 0x1234]);
        self.acknowledgement(version, first, id)
    }

    pub(crate) fn disconnect(&mut self, version: ProtocolVersion) -> Vec<u8> {
        self.begin();
        let mut body = Vec::new();
        if version.is_v5() && self.dice.one_in(2) {
            body.push(if self.errs(3) { self.dice.byte() } else { self.dice.pick(&[0, 0, 4, 0x80, 0x93, 0x98]) });
            if self.dice.one_in(2) {
                body.extend(self.properties(version, Place::Disconnect));
            }
        }
        self.finish(DISCONNECT, &body)
    }

    pub(crate) fn ping(&mut self) -> Vec<u8> {
        self.begin();
        self.finish(crate::bytes::PINGREQ[0], &[])
    }

    /// What clients never say: a second CONNECT, what only servers send, what does not exist, noise.
    pub(crate) fn forbidden(&mut self, version: ProtocolVersion) -> Vec<u8> {
        match self.dice.below(8) {
            0 | 1 => self.connect(version),
            2 => packet(0x20, &[0, 0]),
            3 => packet(0x90, if version.is_v5() { &[0, 1, 0, 0] } else { &[0, 1, 0] }),
            4 => packet(0xB0, if version.is_v5() { &[0, 1, 0, 0] } else { &[0, 1] }),
            5 => crate::bytes::PINGRESP.to_vec(),
            6 => packet(AUTH, self.dice.pick(&[&[][..], &[0], &[0x18], &[0x19, 0], b"\x18\x04\x15\0\x01m"])),
            _ => {
                let len = self.dice.below(6);
                let body: Vec<u8> = (0..len).map(|_| self.dice.byte()).collect();
                let first = self.dice.byte();
                packet(first, &body)
            }
        }
    }
}
