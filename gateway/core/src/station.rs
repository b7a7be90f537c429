//! The gateway as dialect C shows it to its operator: heartbeat, status, answers.
//!
//! A [`Station`] is told things (the connection is there, it is gone, a time has come, a request came) and answers with
//! messages. Of the gateway's own affairs it speaks only while it is connected: a heartbeat that was queued yesterday
//! would tell today that someone lives. At each connection it says at once how it is, then every so often.
//!
//! Answers are few: [`ANSWERS_AT_ONCE_MAX`], then one in [`ANSWER_EVERY`]. Past that a request is dropped and counted,
//! so that whoever asks without end crowds no reports out of the queue.

use std::time::Duration;

use crate::api::{Call, Request};
use crate::batch::{Kind, Message};
use crate::dialect_c::{Envelope, Ids};
use crate::json::{Style, mac_string, number, string};
use crate::radio_counts::RadioCounts;
use crate::{MacAddress, Timestamp};

/// Answers that may be given at once, after a silence.
pub const ANSWERS_AT_ONCE_MAX: u32 = 32;

/// After that, one answer in this time.
pub const ANSWER_EVERY: Duration = Duration::from_millis(50);

/// The periods in which a gateway shows that it lives. Cassia's own tool takes one for dead after 120 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two times of telling how it is.
    pub status: Duration,
}

impl Default for Periods {
    /// 30 s and 5 min, as Cassia's.
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(30), status: Duration::from_secs(300) }
    }
}

/// What of a gateway does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its own address.
    pub gateway: MacAddress,
    /// What it is.
    pub model: Box<str>,
    /// Of this program.
    pub version: Box<str>,
}

/// What of a gateway does change, as who knows it tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `wired` or `wireless`; empty: it is not known.
    pub uplink: Box<str>,
    /// Its address in its network; empty: it is not known.
    pub private_ip: Box<str>,
    /// What its radio counts, where it has one.
    pub radio: Option<RadioCounts>,
}

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Of day, for those who read it.
    pub wall: Timestamp,
    /// Since the gateway began: goes on whatever is done to clocks, and deadlines are in it.
    pub uptime: Duration,
}

/// What became of requests; each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered, with whatever.
    pub answered: u64,
    /// Not answered: too many at a time.
    pub refused: u64,
    /// Nothing to answer.
    pub passed_over: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Station {
    about: About,
    envelope: Envelope,
    ids: Ids,
    periods: Periods,
    /// `None`: not connected.
    due: Option<Due>,
    /// When the time for answers that were given is over.
    answers_until: Duration,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    heartbeat: Duration,
    status: Duration,
}

impl Station {
    /// Not connected yet.
    pub fn new(about: About, style: Style, ids: Ids, periods: Periods) -> Self {
        let envelope = Envelope { gateway: about.gateway, style };
        Self { about, envelope, ids, periods, due: None, answers_until: Duration::ZERO, counts: Counts::default() }
    }

    /// A connection is there: says so at the next [`Station::handle_timeout`], which is due now.
    pub fn connected(&mut self, now: Now) {
        self.due = Some(Due { heartbeat: now.uptime, status: now.uptime });
    }

    /// The connection is gone.
    pub fn lost(&mut self) {
        self.due = None;
    }

    /// When [`Station::handle_timeout`] wants to be called, as an uptime; `None`: not before something happens.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.due.map(|due| due.heartbeat.min(due.status))
    }

    /// Says what is due.
    pub fn handle_timeout(&mut self, now: Now, surroundings: &Surroundings, out: &mut Vec<Message>) {
        let Some(mut due) = self.due else { return };
        if now.uptime >= due.status {
            out.push(self.status(now, surroundings));
            due.status = now.uptime + self.periods.status;
        }
        if now.uptime >= due.heartbeat {
            let id = self.ids.take();
            out.push(self.message(Kind::Heartbeat, &id, "heartbeat", now, |json, _| json.extend_from_slice(b"{}")));
            due.heartbeat = now.uptime + self.periods.heartbeat;
        }
        self.due = Some(due);
    }

    /// Takes what came down, and answers it if there is something to answer.
    pub fn request(&mut self, now: Now, payload: &[u8], out: &mut Vec<Message>) {
        // First, so that what is not answered costs nothing.
        let begins = self.answers_until.max(now.uptime);
        if begins.saturating_sub(now.uptime) > ANSWER_EVERY * (ANSWERS_AT_ONCE_MAX - 1) {
            self.counts.refused += 1;
            return;
        }
        let Request::Api { id, call } = Request::read(payload) else {
            self.counts.passed_over += 1;
            return;
        };
        self.answers_until = begins + ANSWER_EVERY;
        self.counts.answered += 1;
        let style = self.envelope.style;
        out.push(self.message(Kind::ApiReply, &id, "api_reply", now, |json, station| {
            let code = if matches!(call, Call::Info | Call::ConnectedNodes) { 200 } else { 500 };
            json.push(b'{');
            style.key("code", json);
            number(code, json);
            style.next_key("body", json);
            station.body(call, now, json);
            json.push(b'}');
        }));
    }

    /// What became of requests so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn body(&self, call: Call, now: Now, json: &mut Vec<u8>) {
        let style = self.envelope.style;
        json.push(b'{');
        match call {
            Call::Info => {
                self.model_and_version(json);
                style.next_key("mac", json);
                mac_string(self.about.gateway, json);
                style.next_key("uptime", json);
                number(now.uptime.as_secs(), json);
            }
            Call::ConnectedNodes => {
                style.key("nodes", json);
                json.extend_from_slice(b"{}");
            }
            Call::NotSupported | Call::Invalid => {
                style.key("result", json);
                // Word for word as Cassia has them.
                string(if call == Call::Invalid { "parameter invalid" } else { "operation not supported" }, json);
            }
        }
        json.push(b'}');
    }

    fn status(&mut self, now: Now, surroundings: &Surroundings) -> Message {
        let id = self.ids.take();
        let style = self.envelope.style;
        self.message(Kind::GatewayStatus, &id, "gateway_status", now, |json, station| {
            json.push(b'{');
            station.model_and_version(json);
            style.next_key("uptime", json);
            number(now.uptime.as_secs(), json);
            style.next_key("uplink", json);
            string(&surroundings.uplink, json);
            style.next_key("private_ip", json);
            string(&surroundings.private_ip, json);
            if let Some(radio) = &surroundings.radio {
                // Not of Cassia's: who does not know the key passes it over.
                style.next_key("radio", json);
                json.push(b'{');
                for (at, (name, count)) in radio.entries().enumerate() {
                    if at > 0 {
                        style.comma(json);
                    }
                    style.key(name, json);
                    number(count, json);
                }
                json.push(b'}');
            }
            json.push(b'}');
        })
    }

    fn model_and_version(&self, json: &mut Vec<u8>) {
        let style = self.envelope.style;
        style.key("model", json);
        string(&self.about.model, json);
        style.next_key("version", json);
        string(&self.about.version, json);
    }

    fn message(&self, kind: Kind, id: &str, action: &str, now: Now, data: impl FnOnce(&mut Vec<u8>, &Self)) -> Message {
        let mut payload = self.envelope.open(id, action, now.wall);
        data(&mut payload, self);
        payload.push(b'}');
        Message { kind, payload, reports: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(millis: u64) -> Now {
        Now {
            wall: Timestamp::from_micros(1_800_000_000_000_000 + millis * 1000),
            uptime: Duration::from_millis(millis),
        }
    }

    fn station() -> Station {
        let gateway = "CC:1B:E0:12:34:56".parse().unwrap();
        let about = About { gateway, model: "nightjar".into(), version: "0.1.0".into() };
        Station::new(about, Style::Compact, Ids::starting_at(1), Periods::default())
    }

    fn text(message: &Message) -> &str {
        std::str::from_utf8(&message.payload).unwrap()
    }

    fn timed_out(station: &mut Station, millis: u64) -> Vec<Kind> {
        let mut out = Vec::new();
        station.handle_timeout(now(millis), &Surroundings::default(), &mut out);
        out.iter().map(|message| message.kind).collect()
    }

    #[test]
    fn it_speaks_only_while_it_is_connected_at_once_and_then_every_so_often() {
        let mut station = station();
        assert_eq!((station.next_deadline(), timed_out(&mut station, 0)), (None, vec![]));
        station.connected(now(1000));
        assert_eq!(station.next_deadline(), Some(Duration::from_secs(1)));
        assert_eq!(timed_out(&mut station, 1000), [Kind::GatewayStatus, Kind::Heartbeat]);
        assert_eq!(station.next_deadline(), Some(Duration::from_secs(31)));
        assert_eq!(timed_out(&mut station, 30_999), []);
        for beat in 1..=9 {
            assert_eq!(timed_out(&mut station, 1000 + beat * 30_000), [Kind::Heartbeat]);
        }
        assert_eq!(timed_out(&mut station, 301_000), [Kind::GatewayStatus, Kind::Heartbeat]);
        station.lost();
        assert_eq!((station.next_deadline(), timed_out(&mut station, 400_000)), (None, vec![]));
        station.connected(now(400_000));
        assert_eq!(timed_out(&mut station, 400_000), [Kind::GatewayStatus, Kind::Heartbeat]);
    }

    #[test]
    fn what_it_says_is_as_the_documentation_has_it() {
        let (mut station, mut out) = (station(), Vec::new());
        station.connected(now(90_500));
        let radio = RadioCounts { heard: 7, ..RadioCounts::default() };
        let mut surroundings = Surroundings { uplink: "wired".into(), private_ip: "192.0.2.7".into(), radio: None };
        station.handle_timeout(now(90_500), &surroundings, &mut out);
        assert_eq!(
            text(&out[0]),
            r#"{"id":"0000000000000001","action":"gateway_status","timestamp":1800000090500,"gateway":"CC:1B:E0:12:34:56","data":{"model":"nightjar","version":"0.1.0","uptime":90,"uplink":"wired","private_ip":"192.0.2.7"}}"#
        );
        assert_eq!(
            text(&out[1]),
            r#"{"id":"0000000000000002","action":"heartbeat","timestamp":1800000090500,"gateway":"CC:1B:E0:12:34:56","data":{}}"#
        );
        surroundings.radio = Some(radio);
        station.connected(now(0));
        station.handle_timeout(now(0), &surroundings, &mut out);
        let status: serde_json::Value = serde_json::from_slice(&out[2].payload).unwrap();
        assert_eq!(status["data"]["radio"]["heard"], 7);
    }

    #[test]
    fn a_request_is_answered_under_its_own_id() {
        let rows = [
            (
                "GET",
                "/cassia/info",
                r#"{"code":200,"body":{"model":"nightjar","version":"0.1.0","mac":"CC:1B:E0:12:34:56","uptime":2}}"#,
            ),
            ("GET", "/gap/nodes?connection_state=connected", r#"{"code":200,"body":{"nodes":{}}}"#),
            (
                "DELETE",
                "/gap/nodes/C4:11:22:33:44:55/connection",
                r#"{"code":500,"body":{"result":"operation not supported"}}"#,
            ),
            ("GET", "no path", r#"{"code":500,"body":{"result":"parameter invalid"}}"#),
        ];
        for (method, url, data) in rows {
            let request =
                format!(r#"{{"id":"b\"7","action":"api","data":{{"url":"{url}","method":"{method}","body":{{}}}}}}"#);
            let mut out = Vec::new();
            station().request(now(2500), request.as_bytes(), &mut out);
            let wanted = format!(
                r#"{{"id":"b\"7","action":"api_reply","timestamp":1800000002500,"gateway":"CC:1B:E0:12:34:56","data":{data}}}"#
            );
            assert_eq!((out[0].kind, text(&out[0])), (Kind::ApiReply, wanted.as_str()));
        }
    }

    #[test]
    fn whoever_asks_without_end_is_answered_a_few_times_a_second() {
        let (mut station, mut out) = (station(), Vec::new());
        let request = br#"{"id":"a","action":"api","data":{"url":"/cassia/info","method":"GET"}}"#;
        for _ in 0..100 {
            station.request(now(0), request, &mut out);
        }
        let counts = station.counts();
        assert_eq!((out.len() as u32, counts.answered, counts.refused), (ANSWERS_AT_ONCE_MAX, 32, 68));
        for millis in 1..=1000 {
            station.request(now(millis), request, &mut out);
        }
        assert_eq!(out.len(), 32 + 20);
        station.request(now(0), br#"{"id":"a","action":"heartbeat_reply","data":{}}"#, &mut out);
        assert_eq!(station.counts().refused, 68 + 980 + 1);
    }

    #[test]
    fn a_heartbeat_reply_is_taken_and_nothing_said() {
        let (mut station, mut out) = (station(), Vec::new());
        station.request(now(0), br#"{"id":"a","action":"heartbeat_reply","data":{}}"#, &mut out);
        assert!(out.is_empty());
        assert_eq!(station.counts(), Counts { passed_over: 1, ..Counts::default() });
    }
}
