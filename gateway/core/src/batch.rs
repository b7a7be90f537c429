//! Messages out of reports: JSON arrays, one per time slice (`report_interval`).
//!
//! A slice begins with the first report after the last message and is as long as the interval; all
//! that is heard in it goes into one array, whoever sent it. With an interval of 0 each report is a message
//! of its own. A message is closed before its time when one more report would break its [`Limits`].

use std::time::Duration;

use crate::dialect_a::Encoder;
use crate::{Advertisement, Timestamp};

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

/// One payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A JSON array.
    pub payload: Vec<u8>,
    /// How many reports are in it; at least 1.
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
    encoder: Encoder,
    open: Option<Open>,
    /// The latest report alone; kept to use its memory again.
    report: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    began_at: Timestamp,
    /// Without its closing bracket.
    json: Vec<u8>,
    reports: usize,
}

impl Batches {
    /// No report gathered yet.
    pub fn new(interval: Duration, limits: Limits, encoder: Encoder) -> Self {
        Self { interval, limits, encoder, open: None, report: Vec::new() }
    }

    /// Takes one advertisement, whose `received_at` is the time.
    pub fn add(&mut self, advertisement: &Advertisement, out: &mut Vec<Message>) {
        let now = advertisement.received_at;
        self.handle_timeout(now, out);
        self.report.clear();
        self.encoder.report(advertisement, &mut self.report);
        if !self.has_room() {
            self.flush(out);
        }
        match &mut self.open {
            Some(open) => {
                self.encoder.comma(&mut open.json);
                open.json.extend_from_slice(&self.report);
                open.reports += 1;
            }
            None => self.open = Some(Open { began_at: now, json: [b"[", self.report.as_slice()].concat(), reports: 1 }),
        }
        // An interval of 0 is over as soon as it has begun.
        self.handle_timeout(now, out);
    }

    /// When [`Batches::handle_timeout`] is to be called; `None`: nothing is gathered.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.began_at + self.interval)
    }

    /// Closes the message whose slice is over at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Message>) {
        let Some(open) = &self.open else { return };
        // A clock set back would keep the message open for all that time.
        if now < open.began_at || now >= open.began_at + self.interval {
            self.flush(out);
        }
    }

    /// Closes the message, whatever time it is.
    pub fn flush(&mut self, out: &mut Vec<Message>) {
        if let Some(Open { mut json, reports, .. }) = self.open.take() {
            json.push(b']');
            out.push(Message { payload: json, reports });
        }
    }

    fn has_room(&self) -> bool {
        /// Comma and space before the report, bracket after it.
        const AROUND: usize = 3;
        self.open.as_ref().is_none_or(|open| {
            open.reports < self.limits.reports_max
                && open.json.len() + self.report.len() + AROUND <= self.limits.bytes_max
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect_a::Style;
    use crate::{AddressKind, DeviceAddress, EventType, MacAddress};

    fn heard(millis: u64) -> Advertisement {
        Advertisement {
            received_at: Timestamp::from_micros(1_000_000_000 + millis * 1000),
            address: DeviceAddress { mac: MacAddress([1; 6]), kind: AddressKind::Public },
            event_type: EventType::AdvInd,
            rssi_dbm: Some(-60),
            data: vec![2, 1, 6],
            extended: None,
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
            batches.add(&heard(millis), &mut out);
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
        batches.add(&heard(0), &mut out);
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
        batches(0, Limits::default()).add(&heard(0), &mut one);
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
            batches.add(&heard(millis), &mut out);
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
