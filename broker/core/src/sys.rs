//! `$SYS`: what the broker says of itself, as retained messages. Which topics there are, what each counts, and when it is
//! said, as mosquitto does: all of them at the start, later what has changed since the last time.

use std::fmt::Write as _;

use acl::PublishGrant;
use mqtt::{Properties, QoS, TopicName};

use crate::message::Item;
use crate::timers::Due;
use crate::{Broker, DropCause, EdgeCounts, Instant, Outbox, Stats};

/// All topics begin so.
const ROOT: &str = "$SYS/broker/";

/// Everything that is counted, at one time.
struct Figures {
    core: Stats,
    edge: EdgeCounts,
    clients_total: u64,
    clients_connected: u64,
    clients_most: u64,
    kept_messages: u64,
    kept_bytes: u64,
    retained_messages: u64,
    subscriptions: u64,
    shared_subscriptions: u64,
}

/// A topic below [`ROOT`] and what it counts.
type Figure = (&'static str, fn(&Figures) -> u64);

const NUMBERS: [Figure; 35] = [
    ("clients/total", |f| f.clients_total),
    ("clients/maximum", |f| f.clients_most.max(1)),
    ("clients/disconnected", |f| f.clients_total - f.clients_connected),
    ("clients/inactive", |f| f.clients_total - f.clients_connected), // the older name
    ("clients/connected", |f| f.clients_connected),
    ("clients/active", |f| f.clients_connected), // the older name
    ("clients/expired", |f| f.core.sessions_expired),
    ("messages/received", |f| f.core.packets_received),
    ("messages/sent", |f| f.core.packets_sent),
    ("messages/stored", |f| f.kept_messages), // the older name of the next
    ("store/messages/count", |f| f.kept_messages),
    ("store/messages/bytes", |f| f.kept_bytes),
    ("retained messages/count", |f| f.retained_messages),
    ("bytes/received", |f| f.edge.bytes_received),
    ("bytes/sent", |f| f.edge.bytes_sent),
    ("publish/messages/received", |f| f.core.publishes_received),
    ("publish/messages/sent", |f| f.core.publishes_sent),
    ("publish/messages/dropped", |f| f.core.publishes_dropped),
    ("publish/bytes/received", |f| f.core.publish_bytes_received),
    ("publish/bytes/sent", |f| f.core.publish_bytes_sent),
    ("packet/out/count", |f| f.edge.waiting_packets),
    ("packet/out/bytes", |f| f.edge.waiting_bytes),
    ("connections/socket/count", |f| f.edge.sockets),
    ("subscriptions/count", |f| f.subscriptions),
    ("shared_subscriptions/count", |f| f.shared_subscriptions),
    ("heap/current", |f| f.edge.heap_bytes),
    // Those below are ours: mosquitto has none like them. docs/overload.md says what each means.
    ("overload/dropped/socket", |f| f.core.dropped_for(DropCause::Socket)),
    ("overload/dropped/queue", |f| f.core.dropped_for(DropCause::Queue)),
    ("overload/dropped/size", |f| f.core.dropped_for(DropCause::Size)),
    ("overload/dropped/refused", |f| f.core.dropped_for(DropCause::Refused)),
    ("overload/dropped/rules", |f| f.core.dropped_for(DropCause::Rules)),
    ("overload/clients/behind", |f| f.edge.behind),
    ("overload/clients/stalled", |f| f.edge.stalled),
    ("overload/turns/cut", |f| f.edge.turns_cut),
    ("overload/turns/unheard", |f| f.edge.unheard),
];

/// The place of `clients/maximum` in [`NUMBERS`]: it is not said before it is above 1.
const CLIENTS_MAXIMUM: usize = 1;

/// How often a minute, over the last 1, 5 and 15 minutes.
const LOADS: [Figure; 9] = [
    ("load/messages/received", |f| f.core.packets_received),
    ("load/messages/sent", |f| f.core.packets_sent),
    ("load/publish/dropped", |f| f.core.publishes_dropped),
    ("load/publish/received", |f| f.core.publishes_received),
    ("load/publish/sent", |f| f.core.publishes_sent),
    ("load/bytes/received", |f| f.edge.bytes_received),
    ("load/bytes/sent", |f| f.edge.bytes_sent),
    ("load/sockets", |f| f.edge.sockets_opened),
    ("load/connections", |f| f.core.connect_packets),
];

/// The spans that loads are averaged over, in seconds.
const SPANS: [(&str, f64); 3] = [("/1min", 60.0), ("/5min", 300.0), ("/15min", 900.0)];

/// What was said last.
#[derive(Debug, Default)]
pub(crate) struct Sys {
    /// When the broker began, once it has.
    began_at: Option<Instant>,
    /// Where the next round stands in the timers.
    next_at: Option<Instant>,
    last_at: Instant,
    /// Of each of [`NUMBERS`].
    numbers: Vec<u64>,
    heap_most: u64,
    counted: [u64; LOADS.len()],
    loads: [[f64; SPANS.len()]; LOADS.len()],
    clients_most: u64,
}

impl Broker {
    /// The broker begins to speak of itself, if `sys_interval` lets it. Called once, before the first connection.
    pub fn start(&mut self, now: Instant, out: &mut impl Outbox) {
        self.sys.began_at = Some(now);
        self.sys.last_at = now;
        self.sys.numbers = vec![0; NUMBERS.len()];
        self.schedule_sys(now, out);
        self.schedule_retained_look(now);
    }

    /// Every topic that counts something, and its number by now, whether `sys_interval` lets it be said or not.
    pub fn systree(&mut self, now: Instant, out: &impl Outbox) -> Vec<(String, u64)> {
        let figures = self.figures(out);
        let uptime_s = now.since(self.sys.began_at.unwrap_or(now)).as_secs();
        let more = [("heap/maximum", figures.edge.heap_bytes_most), ("uptime", uptime_s)];
        let numbers = NUMBERS.iter().map(|(topic, figure)| (*topic, figure(&figures)));
        numbers.chain(more).map(|(topic, number)| (format!("{ROOT}{topic}"), number)).collect()
    }

    /// Other settings count: the next round comes after the new interval.
    pub(crate) fn schedule_sys(&mut self, now: Instant, out: &mut impl Outbox) {
        self.timers.unset(self.sys.next_at.take(), Due::Sys);
        let interval_s = self.settings.sys_interval_s;
        let Some(began_at) = self.sys.began_at.filter(|_| interval_s > 0) else { return };
        if now == began_at {
            self.say_all(now, out);
        }
        let at = now + std::time::Duration::from_secs(interval_s.into());
        self.sys.next_at = Some(at);
        self.timers.set(at, Due::Sys);
    }

    /// The first round: everything.
    fn say_all(&mut self, now: Instant, out: &mut impl Outbox) {
        let version = self.settings.version.clone();
        self.say(now, "version", &version, out);
        let figures = self.figures(out);
        for (at, (topic, figure)) in NUMBERS.iter().enumerate() {
            self.sys.numbers[at] = figure(&figures);
            if at != CLIENTS_MAXIMUM {
                self.say(now, topic, &figure(&figures).to_string(), out);
            }
        }
        self.say_heap_most(now, &figures, true, out);
        for (at, (topic, figure)) in LOADS.iter().enumerate() {
            self.sys.counted[at] = figure(&figures);
            for (span, _) in SPANS {
                self.say(now, &format!("{topic}{span}"), "0.00", out);
            }
        }
        self.say_uptime(now, out);
    }

    /// A later round: what has changed.
    pub(crate) fn say_changes(&mut self, now: Instant, out: &mut impl Outbox) {
        let figures = self.figures(out);
        for (at, (topic, figure)) in NUMBERS.iter().enumerate() {
            let number = figure(&figures);
            if std::mem::replace(&mut self.sys.numbers[at], number) != number {
                self.say(now, topic, &number.to_string(), out);
            }
        }
        self.say_heap_most(now, &figures, false, out);
        let passed_s = now.since(self.sys.last_at).as_secs_f64();
        if passed_s > 0.0 {
            self.sys.last_at = now;
            self.say_loads(now, &figures, passed_s, out);
        }
        self.say_uptime(now, out);
        self.schedule_sys(now, out);
    }

    fn say_loads(&mut self, now: Instant, figures: &Figures, passed_s: f64, out: &mut impl Outbox) {
        for (at, (topic, figure)) in LOADS.iter().enumerate() {
            let count = figure(figures);
            let per_minute = (count - self.sys.counted[at]) as f64 * 60.0 / passed_s;
            self.sys.counted[at] = count;
            for (span_at, (span, span_s)) in SPANS.iter().enumerate() {
                let load = &mut self.sys.loads[at][span_at];
                let was = *load;
                *load = per_minute + (-passed_s / span_s).exp() * (was - per_minute);
                let (before, text) = (format!("{was:.2}"), format!("{load:.2}"));
                if text != before {
                    self.say(now, &format!("{topic}{span}"), &text, out);
                }
            }
        }
    }

    fn say_heap_most(&mut self, now: Instant, figures: &Figures, always: bool, out: &mut impl Outbox) {
        let most = figures.edge.heap_bytes_most;
        if std::mem::replace(&mut self.sys.heap_most, most) != most || always {
            self.say(now, "heap/maximum", &most.to_string(), out);
        }
    }

    fn say_uptime(&mut self, now: Instant, out: &mut impl Outbox) {
        let began_at = self.sys.began_at.unwrap_or(now);
        self.say(now, "uptime", &format!("{} seconds", now.since(began_at).as_secs()), out);
    }

    fn figures(&mut self, out: &impl Outbox) -> Figures {
        let clients_total = self.sessions.len() as u64;
        self.sys.clients_most = self.sys.clients_most.max(clients_total);
        let (kept_messages, kept_bytes) = self.kept.counted();
        Figures {
            core: self.stats,
            edge: out.counts(),
            clients_total,
            clients_connected: self.connected,
            clients_most: self.sys.clients_most,
            kept_messages,
            kept_bytes,
            retained_messages: self.retained.len() as u64,
            subscriptions: self.subscriptions.len() as u64,
            shared_subscriptions: self.subscriptions.shares.member_count() as u64,
        }
    }

    /// Publishes a line of the log at `$SYS/broker/log/<severity>`, as mosquitto does: at QoS 2, not retained, and of no
    /// interest to anybody after twenty seconds.
    pub fn say_log(&mut self, now: Instant, severity: &str, line: &str, out: &mut impl Outbox) {
        const EXPIRY: std::time::Duration = std::time::Duration::from_secs(20);
        let name = format!("{ROOT}log/{severity}");
        let Ok(topic) = TopicName::new(&name) else { return };
        let item = Item {
            topic,
            payload: line.as_bytes(),
            properties: Properties::EMPTY,
            expires_at: Some(now + EXPIRY),
            qos: QoS::ExactlyOnce,
        };
        let place = self.routes.place(topic, None);
        self.route(now, &item, false, PublishGrant::of_the_broker(), None, place, None, out);
    }

    /// Publishes one topic below [`ROOT`], retained, at QoS 2 as mosquitto does.
    fn say(&mut self, now: Instant, topic: &str, text: &str, out: &mut impl Outbox) {
        let mut name = String::with_capacity(ROOT.len() + topic.len());
        let _ = write!(name, "{ROOT}{topic}");
        let Ok(topic) = TopicName::new(&name) else { return };
        let item = Item {
            topic,
            payload: text.as_bytes(),
            properties: Properties::EMPTY,
            expires_at: None,
            qos: QoS::ExactlyOnce,
        };
        let place = self.routes.place(topic, None);
        self.route(now, &item, true, PublishGrant::of_the_broker(), None, place, None, out);
    }
}
