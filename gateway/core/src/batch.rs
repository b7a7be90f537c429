//! Messages out of reports: JSON arrays, one per time slice (`report_interval`).
//!
//! A slice begins with the first report after the last message and is as long as the interval; all
//! that is heard in it goes into one array, whoever sent it. With an interval of 0 each report is a message
//! of its own. A message is closed before its time when one more report would break its [`Limits`].
//!
//! So that a scan response is in the message of its advertisement, a slice that would end between the two waits for
//! the response: until [`PAIR_WINDOW`] after the advertisement, or until anything else is reported. (With an interval
//! of 0 it waits for nothing.)

use std::time::Duration;

use crate::dialect::Dialect;
use crate::pairs::PAIR_WINDOW;
use crate::{Advertisement, DeviceAddress, Timestamp};

/// What one message may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Reports.
    pub reports_max: usize,
    /// Bytes of payload. A report that alone is longer is still sent: it is at most some 9 KB.
    pub bytes_max: usize,
}

impl Default for Limits {
    /// 1,000 reports in 128 KiB, which is what the large cloud brokers take.
    fn default() -> Self {
        Self { reports_max: 1_000, bytes_max: 128 * 1024 }
    }
}

/// What a message is about: to which topic it goes, and at which QoS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Reports.
    Scan,
    /// What the gateway says of itself.
    GatewayStatus,
    /// That it is there.
    Heartbeat,
    /// Its answer to a request.
    ApiReply,
}

/// One payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub kind: Kind,
    /// JSON.
    pub payload: Vec<u8>,
    /// How many reports are in it; at least 1 in one of [`Kind::Scan`], else 0.
    pub reports: usize,
}

/// Gathers reports.
///
/// Call [`Batches::add`] for each advertisement and [`Batches::handle_timeout`] when
/// [`Batches::next_deadline`] is reached; both append what is ready.
#[derive(Debug)]
pub struct Batches {
    interval: Duration,
    limits: Limits,
    dialect: Dialect,
    open: Option<Open>,
    /// The latest report alone; kept to use its memory again.
    report: Vec<u8>,
    paired: u64,
}

#[derive(Debug)]
struct Open {
    began_at: Timestamp,
    latest_at: Timestamp,
    /// The array without its closing bracket.
    json: Vec<u8>,
    reports: usize,
    /// Whose scan response may come next: the report before was what it answers.
    unanswered: Option<Unanswered>,
}

#[derive(Clone, Copy, Debug)]
struct Unanswered {
    address: DeviceAddress,
    chip: u16,
    until: Timestamp,
}

impl Unanswered {
    fn of(heard: &Advertisement) -> Option<Self> {
        let until = heard.received_at + PAIR_WINDOW;
        heard.is_scannable().then_some(Self { address: heard.address, chip: heard.chip, until })
    }

    fn is_answered_by(self, heard: &Advertisement) -> bool {
        heard.is_scan_response()
            && (heard.address, heard.chip) == (self.address, self.chip)
            && heard.received_at < self.until
    }
}

impl Batches {
    /// No report gathered yet.
    pub fn new(interval: Duration, limits: Limits, dialect: impl Into<Dialect>) -> Self {
        Self { interval, limits, dialect: dialect.into(), open: None, report: Vec::new(), paired: 0 }
    }

    /// Takes one advertisement at `now`, which is not long after it was heard.
    pub fn add(&mut self, now: Timestamp, advertisement: &Advertisement, out: &mut Vec<Message>) {
        let is_answer =
            self.open.as_ref().and_then(|open| open.unanswered).is_some_and(|u| u.is_answered_by(advertisement));
        if !is_answer {
            self.close_at(now, self.slice_ends(), out);
        }
        self.report.clear();
        self.dialect.report(advertisement, &mut self.report);
        if !self.has_room() {
            self.flush(out);
        }
        let unanswered = Unanswered::of(advertisement).filter(|_| !self.interval.is_zero());
        match &mut self.open {
            Some(open) => {
                self.paired += u64::from(is_answer);
                self.dialect.comma(&mut open.json);
                open.json.extend_from_slice(&self.report);
                open.reports += 1;
                (open.latest_at, open.unanswered) = (now, unanswered);
            }
            None => {
                let json = [b"[", self.report.as_slice()].concat();
                self.open = Some(Open { began_at: now, latest_at: now, json, reports: 1, unanswered });
            }
        }
        // An interval of 0 is over as soon as it has begun, and one that waited for an answer has it now.
        self.handle_timeout(now, out);
    }

    /// When [`Batches::handle_timeout`] is to be called; `None`: nothing is gathered.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let until = self.open.as_ref()?.unanswered.map(|unanswered| unanswered.until);
        self.slice_ends().max(until)
    }

    /// Closes the message whose slice is over at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Message>) {
        self.close_at(now, self.next_deadline(), out);
    }

    /// Closes the message, whatever time it is.
    pub fn flush(&mut self, out: &mut Vec<Message>) {
        if let Some(Open { latest_at, mut json, reports, .. }) = self.open.take() {
            json.push(b']');
            let payload = self.dialect.message(latest_at, json);
            out.push(Message { kind: Kind::Scan, payload, reports });
        }
    }

    /// Scan responses that stand right after their advertisement.
    pub(crate) fn paired(&self) -> u64 {
        self.paired
    }

    fn slice_ends(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.began_at + self.interval)
    }

    fn close_at(&mut self, now: Timestamp, deadline: Option<Timestamp>, out: &mut Vec<Message>) {
        let Some(open) = &self.open else { return };
        // A clock set back would keep the message open for all that time.
        if now < open.began_at || deadline.is_some_and(|deadline| now >= deadline) {
            self.flush(out);
        }
    }

    fn has_room(&self) -> bool {
        /// Comma and space before the report, bracket after it.
        const AROUND: usize = 3;
        self.open.as_ref().is_none_or(|open| {
            let bytes = open.json.len() + self.report.len() + AROUND + self.dialect.around_bytes_max();
            open.reports < self.limits.reports_max && bytes <= self.limits.bytes_max
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect_a::{Encoder, Style};
    use crate::{AddressKind, DeviceAddress, EventType, MacAddress};

    fn heard(millis: u64) -> Advertisement {
        Advertisement {
            received_at: Timestamp::from_micros(1_000_000_000 + millis * 1000),
            address: DeviceAddress { mac: MacAddress([1; 6]), kind: AddressKind::Public },
            event_type: EventType::AdvInd,
            rssi_dbm: Some(-60),
            data: vec![2, 1, 6],
            extended: None,
            chip: 0,
        }
    }

    fn batches(interval_ms: u64, limits: Limits) -> Batches {
        let encoder = Encoder { style: Style::Compact, gateway: None };
        Batches::new(Duration::from_millis(interval_ms), limits, encoder)
    }

    /// How many reports each message has when advertisements are heard at these times.
    fn slices(batches: &mut Batches, at_millis: &[u64]) -> Vec<usize> {
        let mut out = Vec::new();
        for &millis in at_millis {
            batches.add(heard(millis).received_at, &heard(millis), &mut out);
        }
        batches.flush(&mut out);
        out.iter().map(|message| message.reports).collect()
    }

    #[test]
    fn reports_are_gathered_by_slices_of_time() {
        let rows: [(u64, &[u64], &[usize]); 5] = [
            (0, &[0, 0, 5], &[1, 1, 1]),
            (100, &[0, 50, 99, 100, 150, 500], &[3, 2, 1]),
            // A slice begins with its first report, not with the clock.
            (100, &[90, 110, 189, 190], &[3, 1]),
            (1000, &[], &[]),
            // The clock was set back.
            (1000, &[5000, 5001, 10, 20], &[2, 2]),
        ];
        for (interval, at, wanted) in rows {
            assert_eq!(slices(&mut batches(interval, Limits::default()), at), wanted, "{interval} ms, {at:?}");
        }
    }

    #[test]
    fn a_slice_is_closed_when_its_deadline_is_reached() {
        let mut batches = batches(100, Limits::default());
        let mut out = Vec::new();
        assert_eq!(batches.next_deadline(), None);
        batches.add(heard(0).received_at, &heard(0), &mut out);
        let deadline = batches.next_deadline().unwrap();
        assert_eq!(deadline, heard(100).received_at);
        batches.handle_timeout(heard(99).received_at, &mut out);
        assert!(out.is_empty());
        batches.handle_timeout(deadline, &mut out);
        assert_eq!((out.len(), batches.next_deadline()), (1, None));
        batches.handle_timeout(deadline, &mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn a_message_keeps_its_limits() {
        let few = Limits { reports_max: 2, ..Limits::default() };
        assert_eq!(slices(&mut batches(100, few), &[0, 1, 2, 3, 4]), [2, 2, 1]);

        let mut one = Vec::new();
        batches(0, Limits::default()).add(heard(0).received_at, &heard(0), &mut one);
        let bytes = one[0].payload.len();
        // Two reports share the brackets, and have a comma between them.
        let short = |bytes_max| Limits { bytes_max, ..Limits::default() };
        let two = 2 * bytes - 2 + 1;
        // The bound counts a space after the comma, which this style leaves out.
        assert_eq!(slices(&mut batches(100, short(two + 1)), &[0, 1, 2]), [2, 1]);
        assert_eq!(slices(&mut batches(100, short(two - 1)), &[0, 1]), [1, 1]);
        assert_eq!(slices(&mut batches(100, short(1)), &[0, 1]), [1, 1]);
    }

    #[test]
    fn every_payload_is_an_array_and_within_its_limit() {
        let limits = Limits { bytes_max: 1000, ..Limits::default() };
        let mut batches = batches(1000, limits);
        let mut out = Vec::new();
        for millis in 0..100 {
            batches.add(heard(millis).received_at, &heard(millis), &mut out);
        }
        batches.flush(&mut out);
        assert_eq!(out.iter().map(|m| m.reports).sum::<usize>(), 100);
        for message in out {
            let text = String::from_utf8(message.payload).unwrap();
            assert!(text.starts_with("[{") && text.ends_with("}]") && text.len() <= 1000);
            assert_eq!(text.matches("\"name\"").count(), message.reports);
        }
    }
}
