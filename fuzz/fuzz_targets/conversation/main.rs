//! Whole conversations into the core: six clients of all three versions say what they like, while time passes, sockets
//! are clogged and drained, logins are judged late, rules and settings change and the process dies. The core never
//! panics and keeps its word to each of them (`desk`); when all have gone and their sessions have ended, nothing is
//! left.
//!
//! An input is a list of steps. The first byte of each says who ([`LINKS`]) and what; `words` makes packets of the
//! bytes that follow, or they are a packet themselves.
#![no_main]

mod desk;
mod words;

use std::time::Duration;

use broker_core::{AuthAnswer, Broker, Instant, LinkId, ListenerSettings, Refusal, Settings, Trust};
use desk::{Desk, LINKS};
use libfuzzer_sys::fuzz_target;
use mqtt::{Packet, QoS, next_frame};
use words::Script;

/// How far time may go in one step, in milliseconds.
const WAITS_MS: [u64; 8] = [1, 250, 1_000, 1_500, 15_000, 20_000, 3_600_000, 5_000_000_000_000];

/// What the rules may be at any time.
const RULES: [&str; 4] = [
    "topic #\npattern readwrite $SYS/%c/#\n",
    "topic read a/#\ntopic write b\nuser u\ntopic #\n",
    "pattern readwrite +/%u\npattern read %c\n",
    "topic deny a/b\ntopic read #\nuser v\ntopic write #\n",
];

struct World {
    broker: Broker,
    desk: Desk,
    now: Instant,
}

fuzz_target!(|bytes: &[u8]| {
    let mut world = World::new();
    let mut script = Script(bytes);
    while let Some(first) = script.next() {
        world.step(LinkId(u32::from(first) % LINKS), u32::from(first) / LINKS, &mut script);
        world.is_sound();
    }
    world.ends();
});

impl World {
    fn new() -> Self {
        let broker = Broker::new(settings(0), acl::Acl::open(), 1);
        let mut world = Self { broker, desk: Desk::default(), now: Instant::from_millis(1) };
        (0..LINKS).for_each(|link| world.opens(LinkId(link)));
        world
    }

    fn opens(&mut self, link: LinkId) {
        let door = self.desk.begin(link);
        self.broker.open(self.now, link, door);
    }

    fn step(&mut self, link: LinkId, what: u32, script: &mut Script<'_>) {
        let Self { broker, desk, now } = self;
        let now = *now;
        match what {
            0..=23 => self.says(link, &words::packet(what, &self.desk.lines[link.0 as usize], script)),
            24..=27 => {
                // As it stands in the input; what is not a packet yet is lost with its connection.
                let frame = next_frame(script.0, 65_536).map(|frame| frame.map(|frame| frame.len));
                let (said, rest) = script.0.split_at(frame.ok().flatten().unwrap_or_else(|| script.0.len().min(8)));
                script.0 = rest;
                self.says(link, said);
            }
            28 | 29 => self.waits(Duration::from_millis(WAITS_MS[usize::from(script.take() % 8)])),
            30 => {
                let until = broker.next_deadline().unwrap_or(now);
                self.waits(until.since(now));
            }
            31 => desk.lines[link.0 as usize].is_clogged = true,
            32 => {
                let line = &mut desk.lines[link.0 as usize];
                line.is_clogged = false;
                if std::mem::take(&mut line.wants_drained) {
                    broker.drained(now, link, desk);
                }
            }
            33 => broker.drained(now, link, desk),
            // Late, never asked for, or about a connection before this one.
            34 | 35 => broker.verdict(now, link, Ok(()), desk),
            36 => broker.verdict(now, link, Err(Refusal::Password), desk),
            37 => {
                broker.closed(now, link, desk);
                desk.lines[link.0 as usize].is_over = true;
            }
            38 => {
                let rules = RULES.get(usize::from(script.take() % 5));
                let rules = rules.map(|text| acl::Acl::parse(text.as_bytes()).expect("a good file"));
                broker.set_acl(rules.unwrap_or_else(acl::Acl::open), desk);
            }
            39 => broker.set_settings(now, settings(script.take()), desk),
            40 => broker.dismiss(now, link, desk),
            41 => self.restarts(script.take() % 2 == 0),
            // As with verdicts: late, never asked for, or about somebody else.
            _ => {
                let answer = match script.take() % 4 {
                    0 => AuthAnswer::Continue { data: None },
                    1 => AuthAnswer::Success { data: Some(b"signature"), username: "u" },
                    2 => AuthAnswer::Success { data: None, username: "v" },
                    _ => AuthAnswer::Failure { why: Refusal::Password, username: None },
                };
                broker.authenticated(now, link, answer, desk);
            }
        }
        self.opens_what_ended();
    }

    /// A new connection takes the place of each that ended.
    fn opens_what_ended(&mut self) {
        for link in (0..LINKS).map(LinkId) {
            if self.desk.lines[link.0 as usize].is_over {
                self.opens(link);
            }
        }
    }

    fn says(&mut self, link: LinkId, bytes: &[u8]) {
        let line = &mut self.desk.lines[link.0 as usize];
        if line.awaits_verdict {
            return; // not read from meanwhile
        }
        let decoded = match next_frame(bytes, 65_536) {
            Ok(None) => {
                self.broker.closed(self.now, link, &mut self.desk);
                self.desk.lines[link.0 as usize].is_over = true;
                return;
            }
            Ok(Some(frame)) => Packet::decode(line.version, frame),
            Err(fault) => Err(fault),
        };
        match decoded {
            Ok(packet) => {
                line.hears(&packet);
                self.broker.handle(self.now, link, packet, &mut self.desk);
            }
            Err(fault) => self.broker.broken(self.now, link, fault, &mut self.desk),
        }
    }

    fn waits(&mut self, time: Duration) {
        self.now = self.now + time;
        self.broker.handle_timeout(self.now, &mut self.desk);
    }

    /// Another process goes on with what the store has, after the end of this one or its death.
    fn restarts(&mut self, says_farewell: bool) {
        if says_farewell {
            self.broker.shut_down(self.now, &mut self.desk);
        }
        self.broker = Broker::new(settings(0), acl::Acl::open(), 2);
        self.broker.restore(self.now, &self.desk.store);
        (0..LINKS).for_each(|link| self.opens(LinkId(link)));
    }

    fn is_sound(&self) {
        assert!(self.broker.next_deadline().is_none_or(|at| at > self.now), "what is due has been done");
        for (link, ..) in self.broker.clients() {
            assert!(self.desk.lines[link.0 as usize].is_greeted, "{link:?} is a client without a CONNACK");
        }
        assert!(self.broker.session_count() >= self.desk.store.sessions().count());
        assert_eq!(self.broker.retained_count(), self.desk.store.retained().count());
    }

    /// All leave, for ever.
    fn ends(mut self) {
        self.broker.shut_down(self.now, &mut self.desk);
        assert_eq!(self.broker.clients().count(), 0);
        self.broker.set_settings(self.now, settings(0), &mut self.desk);
        self.broker.set_acl(acl::Acl::open(), &mut self.desk);
        self.waits(Duration::from_millis(WAITS_MS[7]));
        // Sessions that never end do when their client says so.
        let ids: Vec<_> = self.desk.store.sessions().map(|(_, session)| session.client_id.clone()).collect();
        let topics: Vec<_> =
            self.desk.store.retained().map(|(message, _)| message.topic().as_str().to_owned()).collect();
        let link = LinkId(LINKS - 1);
        for id in &ids {
            self.opens(link);
            assert_eq!(self.desk.lines[link.0 as usize].door.trust, Trust::Ours);
            self.says(link, &words::clean_connect(id));
            self.says(link, &[0xE0, 0]);
        }
        self.opens(link);
        self.says(link, &words::clean_connect("last"));
        for topic in &topics {
            self.says(link, &words::clear_retained(topic));
        }
        self.says(link, &[0xE0, 0]);
        assert_eq!(self.broker.next_deadline(), None, "something is still awaited");
        assert_eq!(self.broker.session_count(), 0);
        assert_eq!(self.broker.subscription_count(), 0);
        assert_eq!(self.broker.retained_count(), 0, "of {topics:?}");
        assert_eq!((self.desk.store.sessions().count(), self.desk.store.retained().count()), (0, 0));
    }
}

/// Small limits, so that they are reached; one of four sets of choices.
fn settings(choice: u8) -> Settings {
    let first = ListenerSettings { allow_anonymous: true, checks_passwords: true, ..ListenerSettings::default() };
    let second = ListenerSettings { max_qos: QoS::AtLeastOnce, allow_zero_length_clientid: false, ..first.clone() };
    let listeners = vec![first, second];
    let base = Settings { listeners, max_inflight_messages: 3, max_queued_messages: 5, ..Settings::default() };
    match choice % 4 {
        0 => base,
        1 => Settings { allow_duplicate_messages: false, queue_qos0_messages: true, check_retain_source: true, ..base },
        2 => Settings {
            upgrade_outgoing_qos: true,
            max_queued_bytes: 300,
            max_inflight_bytes: 150,
            message_size_limit: 90,
            ..base
        },
        _ => {
            Settings { retain_available: false, persistent_client_expiration_s: Some(30), max_keepalive_s: 20, ..base }
        }
    }
}
