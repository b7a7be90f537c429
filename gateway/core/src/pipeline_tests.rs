//! From the events that a controller would give to the lines that the guide prints.

use std::time::Duration;

use super::*;
use crate::batch::Limits;
use crate::dialect_a::Encoder;
use crate::duplicates::DuplicateRule;
use crate::{AdvertisementFault, Ear, Heard};

/// One ear, one sink that gathers for 100 ms, in the guide's style.
struct Chain {
    ear: Ear,
    pipeline: Pipeline,
    out: Vec<Message>,
}

fn chain(filters: Filters, rule: DuplicateRule) -> Chain {
    let batches = Batches::new(Duration::from_millis(100), Limits::default(), Encoder::default());
    Chain { ear: Ear::default(), pipeline: Pipeline::new(filters, Duplicates::new(rule), batches), out: Vec::new() }
}

impl Chain {
    fn hear(&mut self, now: Timestamp, event: &[u8]) -> Result<(), AdvertisementFault> {
        let mut heard = Vec::new();
        let outcome = self.ear.hear(now, 0, event, &mut heard);
        for advertisement in &heard {
            self.pipeline.take(advertisement, &mut self.out);
        }
        outcome
    }

    fn lines(mut self) -> Vec<String> {
        self.pipeline.flush(&mut self.out);
        self.out.into_iter().map(|message| String::from_utf8(message.payload).unwrap()).collect()
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000 + millis * 1000)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// An LE Advertising Report event of one report [Core 5.4, Vol 4, Part E, §7.7.65.2].
fn event(event_type: u8, random: u8, mac: &str, data: &str, rssi: i8) -> Vec<u8> {
    let (mut address, data) = (bytes(&mac.replace(':', "")), bytes(data));
    address.reverse();
    let tail = [&[data.len() as u8], data.as_slice(), &[rssi.cast_unsigned()]].concat();
    let parameters = [&[2, 1, event_type, random], address.as_slice(), &tail].concat();
    [&[0x3E, parameters.len() as u8], parameters.as_slice()].concat()
}

const IBEACON: (&str, &str) = ("98:04:ED:D6:50:A3", "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5");
const PHONE: (&str, &str) = ("5C:32:2A:B4:0C:EC", "02011A0AFF4C0010050318BF4AB1");

/// The guide's six lines, as `mosquitto_sub` printed them.
const GUIDE: [&str; 6] = [
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -67, "adData": "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5", "bdaddrs": [{"bdaddr": "98:04:ED:D6:50:A3", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -79, "adData": "02011A0AFF4C0010050318BF4AB1", "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}, {"name": "(unknown)", "evtType": 0, "rssi": -58, "adData": "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5", "bdaddrs": [{"bdaddr": "98:04:ED:D6:50:A3", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -58, "adData": "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5", "bdaddrs": [{"bdaddr": "98:04:ED:D6:50:A3", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "HSE96722001CEC", "evtType": 0, "rssi": -72, "adData": "0201060F094853453936373232303031434543020AFE", "bdaddrs": [{"bdaddr": "E9:67:22:00:1C:EC", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "HSE967220019BC", "evtType": 0, "rssi": -74, "adData": "0201060F094853453936373232303031394243020AFE", "bdaddrs": [{"bdaddr": "E9:67:22:00:19:BC", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -80, "adData": "02011A0AFF4C0010050318BF4AB1", "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}, {"name": "(unknown)", "scanData": "", "evtType": 4, "rssi": -80, "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}]"#,
];

#[test]
fn the_events_of_the_guide_give_the_lines_of_the_guide() {
    let (ibeacon, phone) = (|rssi| event(0, 0, IBEACON.0, IBEACON.1, rssi), |rssi| event(0, 1, PHONE.0, PHONE.1, rssi));
    let heard = [
        (0, ibeacon(-67)),
        (200, phone(-79)),
        (250, ibeacon(-58)),
        (400, ibeacon(-58)),
        (600, event(0, 0, "E9:67:22:00:1C:EC", "0201060F094853453936373232303031434543020AFE", -72)),
        (800, event(0, 0, "E9:67:22:00:19:BC", "0201060F094853453936373232303031394243020AFE", -74)),
        (1000, phone(-80)),
        (1001, event(4, 1, PHONE.0, "", -80)),
    ];
    let mut chain = chain(Filters::default(), DuplicateRule::Off);
    for (millis, event) in heard {
        chain.hear(at(millis), &event).unwrap();
    }
    assert_eq!(chain.pipeline.counts().paired, 1);
    assert_eq!(chain.lines(), GUIDE);
}

#[test]
fn everything_heard_is_counted_where_it_went() {
    let filters = Filters { macs: "98:04*".parse().unwrap(), ..Filters::default() };
    let mut chain = chain(filters, DuplicateRule::OncePerDevice);
    let mut hear = |event: &[u8]| chain.hear(at(0), event);
    hear(&event(0, 0, IBEACON.0, IBEACON.1, -60)).unwrap();
    hear(&event(0, 0, IBEACON.0, IBEACON.1, -60)).unwrap();
    hear(&event(0, 1, PHONE.0, PHONE.1, -60)).unwrap();
    hear(&[0x0E, 4, 1, 3, 0x0C, 0]).unwrap();
    hear(&event(7, 1, PHONE.0, PHONE.1, -60)).unwrap_err();
    assert_eq!(chain.ear.counts(), Heard { reports: 3, faults: 1, advertisements: 3, ..Heard::default() });
    let counts = Counts { filtered: 1, duplicates: 1, reported: 1, ..Counts::default() };
    assert_eq!(chain.pipeline.counts(), counts);
    chain.pipeline.handle_timeout(chain.pipeline.next_deadline().unwrap(), &mut chain.out);
    assert_eq!((chain.pipeline.counts().messages, chain.out.len()), (1, 1));
}

const SENSOR: &str = "C4:11:22:33:44:55";
/// Service data alone, and a name alone.
const HALVES: (&str, &str) = ("03031A18", "060954482D3037");

/// What happens, what is heard at which millisecond, how many reports each message has, how many responses were paired.
type Row<'a> = (&'static str, Vec<(u64, &'a [u8])>, &'static [usize], u64);

#[test]
fn a_slice_that_would_part_a_scan_response_from_its_advertisement_waits_for_it() {
    let adv = event(0, 1, SENSOR, HALVES.0, -60);
    let response = event(4, 1, SENSOR, HALVES.1, -60);
    let other = event(0, 0, IBEACON.0, IBEACON.1, -60);
    let rows: [Row<'_>; 6] = [
        ("comes in time", vec![(0, &other), (99, &adv), (101, &response), (102, &other)], &[3, 1], 1),
        ("another comes first", vec![(0, &other), (99, &adv), (100, &other), (101, &response)], &[2, 2], 0),
        ("comes too late", vec![(0, &other), (99, &adv), (119, &response)], &[2, 1], 0),
        ("never comes", vec![(0, &other), (99, &adv), (200, &other)], &[2, 1], 0),
        ("within the slice", vec![(0, &other), (50, &adv), (52, &response), (99, &other)], &[4], 1),
        ("long before the end", vec![(0, &adv), (105, &response)], &[1, 1], 0),
    ];
    for (what, events, wanted, paired) in rows {
        let mut chain = chain(Filters::default(), DuplicateRule::Off);
        for (millis, event) in events {
            chain.hear(at(millis), event).unwrap();
        }
        chain.pipeline.flush(&mut chain.out);
        let reports: Vec<_> = chain.out.iter().map(|message| message.reports).collect();
        assert_eq!((reports.as_slice(), chain.pipeline.counts().paired), (wanted, paired), "{what}");
    }
}

#[test]
fn the_deadline_of_a_slice_is_put_off_by_the_pair_and_by_no_more() {
    let mut chain = chain(Filters::default(), DuplicateRule::Off);
    chain.hear(at(0), &event(0, 0, IBEACON.0, IBEACON.1, -60)).unwrap();
    assert_eq!(chain.pipeline.next_deadline(), Some(at(100)));
    chain.hear(at(95), &event(0, 1, SENSOR, HALVES.0, -60)).unwrap();
    assert_eq!(chain.pipeline.next_deadline(), Some(at(115)));
    chain.pipeline.handle_timeout(at(114), &mut chain.out);
    assert!(chain.out.is_empty());
    chain.pipeline.handle_timeout(at(115), &mut chain.out);
    assert_eq!(chain.out.len(), 1);
}

#[test]
fn a_filter_of_pairs_passes_both_halves_and_one_of_packets_only_its_own() {
    let events = [
        (0, event(0, 1, SENSOR, HALVES.0, -60)),
        (1, event(3, 0, IBEACON.0, IBEACON.1, -60)),
        (2, event(4, 1, SENSOR, HALVES.1, -60)),
        (50, event(0, 1, SENSOR, HALVES.0, -60)),
    ];
    for (together, wanted, filtered) in [(false, 1, 3), (true, 2, 2)] {
        let filters = Filters { names: "TH*".parse().unwrap(), ..Filters::default() };
        let mut chain = chain(filters, DuplicateRule::Off);
        chain.pipeline = chain.pipeline.judging_pairs(together);
        for (millis, event) in &events {
            chain.hear(at(*millis), event).unwrap();
        }
        // The last one is held until nobody can answer any more.
        while let Some(deadline) = chain.pipeline.next_deadline() {
            chain.pipeline.handle_timeout(deadline, &mut chain.out);
        }
        let counts = chain.pipeline.counts();
        assert_eq!((counts.reported, counts.filtered, counts.paired), (wanted, filtered, u64::from(together)));
        assert_eq!(chain.out[0].reports as u64, wanted);
    }
}

#[test]
fn nothing_is_held_where_no_filter_could_tell_the_halves_apart() {
    let filters = Filters { macs: "C4*".parse().unwrap(), ..Filters::default() };
    let mut chain = chain(filters, DuplicateRule::Off);
    chain.pipeline = chain.pipeline.judging_pairs(true);
    chain.hear(at(0), &event(0, 1, SENSOR, HALVES.0, -60)).unwrap();
    assert_eq!(chain.pipeline.counts().reported, 1);
}
