//! What every client is asked to do, whatever its language. Both ends of each conversation are the library's clients.

use super::{How, Library, Message, Version};
use crate::conversations::OPEN;
use crate::folder::Folder;
use crate::harness::Appliance;

const HOUR_S: u32 = 3600;

/// Makes the library's side of a conversation: for a port, and with a version.
pub(crate) type Maker = fn(u16, Version) -> Box<dyn Library>;

/// 3.1 §3.1, 3.1.1 §3.1, 5.0 §3.1: with its version, clean or not, and after a DISCONNECT once more.
pub(crate) fn connects(version: Version, maker: Maker) {
    let mut talk = Conversation::start(version, maker);
    assert!(!talk.library.connect("c", &talk.clean()), "a session before the first connection");
    talk.appliance.log.wait_for(&format!(" as c (p{}, c1, k60).", version.level()));
    talk.leave("c");
    assert!(!talk.library.connect("c", &talk.durable()), "a session after a clean one");
    talk.appliance.log.wait_for(&format!(" as c (p{}, c0, k60).", version.level()));
}

/// 3.1.1 MQTT-3.8.4-6, 5.0 MQTT-3.8.4-8: the lower one of the two levels is delivered, each message once.
pub(crate) fn exchanges_each_qos(version: Version, maker: Maker) {
    let mut talk = Conversation::start(version, maker);
    talk.connect_all(&["reader", "writer"]);
    let mut wanted = Vec::new();
    for asked in 0..3 {
        assert_eq!(talk.library.subscribe("reader", &format!("q/{asked}/+"), asked), asked, "the QoS that is granted");
    }
    for asked in 0..3 {
        for given in 0..3 {
            let (topic, payload) = (format!("q/{asked}/{given}"), format!("{given} for {asked}"));
            talk.library.publish("writer", &Message::new(&topic, &payload, given));
            wanted.push(Message::new(&topic, &payload, given.min(asked)));
        }
    }
    let mut heard = talk.heard("reader", "writer");
    // A library hands out QoS 2 when its four packets are complete, so between the levels there is no order.
    heard.sort_by(|a, b| a.topic.cmp(&b.topic));
    assert_eq!(heard, wanted);
}

/// 3.1.1 MQTT-3.1.2-8 and MQTT-3.14.4-3, 5.0 MQTT-3.1.2-8 and MQTT-3.14.4-3: the will of who vanishes is published,
/// the will of who leaves is not.
pub(crate) fn leaves_a_will(version: Version, maker: Maker) {
    let mut talk = Conversation::start(version, maker);
    talk.connect_all(&["witness", "writer"]);
    talk.library.subscribe("witness", "will/#", 2);
    for qos in 0..3 {
        let (who, topic) = (format!("dying{qos}"), format!("will/{qos}"));
        let mut will = Message::new(&topic, "gone", qos);
        will.retain = qos == 1;
        let how = How { will: Some(will), ..talk.clean() };
        talk.library.connect(&who, &how);
        talk.vanish(&who);
        // To a subscriber that was there already it does not come as a retained one [3.1.1 MQTT-3.3.1-9].
        assert_eq!(talk.library.message("witness"), Message::new(&topic, "gone", qos));
    }
    let how = How { will: Some(Message::new("will/polite", "gone", 1)), ..talk.clean() };
    talk.library.connect("polite", &how);
    talk.leave("polite");
    assert_eq!(talk.heard("witness", "writer"), [], "after a DISCONNECT there is no will");
    talk.connect_all(&["late"]);
    talk.library.subscribe("late", "will/#", 2);
    assert_eq!(
        talk.heard("late", "writer"),
        [Message::new("will/1", "gone", 1).retained()],
        "a will that was retained"
    );
}

/// 3.1.1 MQTT-3.3.1-6, MQTT-3.3.1-10, 5.0 MQTT-3.3.1-5, MQTT-3.3.1-6: the last one of each topic comes to a new subscriber, and none
/// after an empty payload.
pub(crate) fn gets_what_is_retained(version: Version, maker: Maker) {
    let mut talk = Conversation::start(version, maker);
    talk.connect_all(&["writer", "live", "late", "later"]);
    talk.library.subscribe("live", "r/#", 2);
    for qos in 0..3 {
        talk.library.publish("writer", &Message::new(&format!("r/{qos}"), "old", qos).retained());
        talk.library.publish("writer", &Message::new(&format!("r/{qos}"), "kept", qos).retained());
    }
    let fresh = ["old", "kept"].map(|payload| [0, 1, 2].map(|qos| Message::new(&format!("r/{qos}"), payload, qos)));
    let mut heard = talk.heard("live", "writer");
    heard.sort_by(|a, b| b.payload.cmp(&a.payload).then(a.topic.cmp(&b.topic)));
    assert_eq!(heard, fresh.concat(), "to a subscription that was there");

    talk.library.subscribe("late", "r/#", 2);
    let mut heard = talk.heard("late", "writer");
    heard.sort_by(|a, b| a.topic.cmp(&b.topic));
    assert_eq!(heard, fresh[1].clone().map(Message::retained), "to a new subscription");

    for topic in ["r/0", "r/1"] {
        talk.library.publish("writer", &Message::new(topic, "", 1).retained());
    }
    talk.library.subscribe("later", "r/#", 2);
    assert_eq!(talk.heard("later", "writer"), [Message::new("r/2", "kept", 2).retained()], "after two were cleared");
}

/// 5.0 §4.8.2, and mosquitto has it for 3.1 and 3.1.1 too: each message comes to one of the members, and all to the one
/// that is left.
pub(crate) fn shares_a_subscription(version: Version, maker: Maker) {
    let mut talk = Conversation::start(version, maker);
    talk.connect_all(&["one", "two", "writer"]);
    for who in ["one", "two"] {
        assert_eq!(talk.library.subscribe(who, "$share/us/work/+", 2), 2, "the QoS that is granted");
    }
    let work: Vec<Message> = (0..24_u8).map(|n| Message::new("work/a", &format!("{n:02}"), n % 3)).collect();
    for message in &work {
        talk.library.publish("writer", message);
    }
    let (one, two) = (talk.heard("one", "writer"), talk.heard("two", "writer"));
    assert!(!one.is_empty() && !two.is_empty(), "{} for the one, {} for the other", one.len(), two.len());
    let mut all = [one, two].concat();
    all.sort_by(|a, b| a.payload.cmp(&b.payload));
    assert_eq!(all, work, "what both had together");

    talk.leave("one");
    for message in &work {
        talk.library.publish("writer", message);
    }
    let mut all = talk.heard("two", "writer");
    all.sort_by(|a, b| a.payload.cmp(&b.payload));
    assert_eq!(all, work, "what the one that was left had");
}

/// 3.1.1 MQTT-3.1.2-4, MQTT-3.2.2-2, 5.0 MQTT-3.1.2-5, MQTT-3.2.2-3: what is published while a client
/// is away comes when it is there again, in order, once, and after a DISCONNECT as after a loss.
pub(crate) fn resumes_its_session(version: Version, maker: Maker) {
    let mut talk = Conversation::start(version, maker);
    talk.connect_all(&["writer"]);
    // CONNACK says so since 3.1.1.
    let has_words = version != Version::V3_1;
    assert!(!talk.library.connect("keeper", &talk.durable()), "a session before the first connection");
    for (filter, qos) in [("s/1", 1), ("s/2", 2), ("end", 2)] {
        assert_eq!(talk.library.subscribe("keeper", filter, qos), qos);
    }

    talk.leave("keeper");
    for (topic, payload, qos) in
        [("s/1", "a", 1), ("s/1", "b", 2), ("s/2", "not kept", 0), ("s/2", "c", 2), ("s/2", "d", 2)]
    {
        talk.library.publish("writer", &Message::new(topic, payload, qos));
    }
    assert_eq!(talk.library.connect("keeper", &talk.durable()), has_words, "a session after a DISCONNECT");
    let missed = [("s/1", "a", 1), ("s/1", "b", 1), ("s/2", "c", 2), ("s/2", "d", 2)];
    assert_eq!(talk.heard("keeper", "writer"), missed.map(|(topic, payload, qos)| Message::new(topic, payload, qos)));

    talk.vanish("keeper");
    talk.library.publish("writer", &Message::new("s/2", "after the loss", 2));
    assert_eq!(talk.library.connect("keeper", &talk.durable()), has_words, "a session after the connection was lost");
    assert_eq!(talk.heard("keeper", "writer"), [Message::new("s/2", "after the loss", 2)], "and nothing twice");

    talk.leave("keeper");
    talk.library.publish("writer", &Message::new("s/2", "forgotten", 2));
    assert!(!talk.library.connect("keeper", &talk.clean()), "a session where a clean one was wanted");
    talk.library.subscribe("keeper", "end", 2);
    assert_eq!(talk.heard("keeper", "writer"), [], "of a session that was thrown away");
}

/// 5.0 MQTT-3.3.2-5, MQTT-3.3.2-6 and MQTT-3.1.2-23: a message that expires while the client is away does not come, one
/// that does not tells what is left of it; a session ends when its interval has passed, and not before.
pub(crate) fn sees_things_expire(version: Version, maker: Maker) {
    let mut talk = Conversation::start(version, maker);
    talk.connect_all(&["writer", "late"]);
    let for_seconds = |seconds| How { clean: false, session_expiry_s: Some(seconds), will: None };
    talk.library.connect("keeper", &for_seconds(HOUR_S));
    talk.library.subscribe("keeper", "e/#", 1);
    talk.library.subscribe("keeper", "end", 2);
    talk.leave("keeper");
    let message = |topic| Message::new(topic, "m", 1);
    talk.library.publish("writer", &message("e/second").expiring(1));
    talk.library.publish("writer", &message("e/hour").expiring(HOUR_S));
    talk.library.publish("writer", &message("e/ever"));
    talk.library.publish("writer", &message("e/kept/second").retained().expiring(1));
    talk.library.publish("writer", &message("e/kept/hour").retained().expiring(HOUR_S));

    // The broker's own clock: when this session has ended, a second that began before it has passed.
    talk.library.connect("clock", &for_seconds(2));
    talk.leave("clock");
    talk.appliance.log.wait_for("Expiring client clock due to timeout.");
    assert!(!talk.library.connect("clock", &for_seconds(2)), "a session that has expired");

    assert!(talk.library.connect("keeper", &for_seconds(HOUR_S)), "a session that has not expired");
    let heard = talk.heard("keeper", "writer");
    let topics: Vec<&str> = heard.iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(topics, ["e/hour", "e/ever", "e/kept/hour"], "of what was published while it was away");
    assert_counted_down(&heard[0]);
    assert_eq!(heard[1].expiry_s, None, "of a message that never expires");
    assert_counted_down(&heard[2]);

    talk.library.subscribe("late", "e/#", 1);
    let heard = talk.heard("late", "writer");
    let topics: Vec<&str> = heard.iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(topics, ["e/kept/hour"], "of what was retained");
    assert_counted_down(&heard[0]);
}

/// It waited two seconds at least, and less than patience many times over.
fn assert_counted_down(message: &Message) {
    let left = message.expiry_s.unwrap_or_else(|| panic!("no expiry came with {message:?}"));
    assert!((HOUR_S - 600..=HOUR_S - 2).contains(&left), "{left} s are left of {HOUR_S} s: {message:?}");
}

/// A library's clients and the appliance that they speak to.
struct Conversation {
    library: Box<dyn Library>,
    appliance: Appliance,
    version: Version,
    marks: u32,
}

impl Conversation {
    fn start(version: Version, maker: Maker) -> Self {
        // Who speaks WebSocket finds it at the same port of another address.
        let conf = format!("{OPEN}listener PORT 127.0.0.2\nprotocol websockets\n");
        let appliance = Appliance::start(&conf, Folder::new());
        Self { library: maker(appliance.port, version), appliance, version, marks: 0 }
    }

    fn clean(&self) -> How {
        How { clean: true, session_expiry_s: self.expiry(0), will: None }
    }

    fn durable(&self) -> How {
        How { clean: false, session_expiry_s: self.expiry(HOUR_S), will: None }
    }

    fn expiry(&self, seconds: u32) -> Option<u32> {
        (self.version == Version::V5).then_some(seconds)
    }

    /// Clients with clean sessions that can be [`heard`](Self::heard).
    fn connect_all(&mut self, clients: &[&str]) {
        for who in clients {
            let how = self.clean();
            self.library.connect(who, &how);
            assert_eq!(self.library.subscribe(who, "end", 2), 2, "the QoS that is granted");
        }
    }

    /// Disconnects, and waits until the broker says so: before that the client is not away, whatever it thinks itself.
    fn leave(&mut self, who: &str) {
        let line = self.end(who, |library| library.leave(who));
        assert!(line.ends_with("] disconnected."), "a DISCONNECT came: {line}");
    }

    /// As [`Self::leave`], by losing the connection.
    fn vanish(&mut self, who: &str) {
        let line = self.end(who, |library| library.vanish(who));
        assert!(!line.ends_with("] disconnected."), "no DISCONNECT came: {line}");
    }

    fn end(&mut self, who: &str, how: impl FnOnce(&mut dyn Library)) -> String {
        let ends = format!("Client {who} [");
        let before = self.appliance.log.count(&ends);
        how(self.library.as_mut());
        let mut lines = self.appliance.log.wait_for_count(&ends, before + 1);
        lines.swap_remove(before)
    }

    /// What came to a client until now: the messages before a mark that `writer` publishes now.
    ///
    /// The mark has QoS 2, whose delivery takes longest: messages with QoS 2 that were sent before it come before it.
    fn heard(&mut self, reader: &str, writer: &str) -> Vec<Message> {
        self.marks += 1;
        let mark = format!("mark {}", self.marks);
        self.library.publish(writer, &Message::new("end", &mark, 2));
        let mut found = Vec::new();
        loop {
            let message = self.library.message(reader);
            if message.payload == mark {
                return found;
            }
            // An earlier mark is still to come to who was not asked then.
            if !message.payload.starts_with("mark ") {
                found.push(message);
            }
        }
    }
}
