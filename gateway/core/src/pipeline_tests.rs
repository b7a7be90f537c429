//! From the events that a controller would give to the lines that the guide prints.

use std::time::Duration;

use super::*;
use crate::batch::Limits;
use crate::dialect_a::Encoder;
use crate::duplicates::DuplicateRule;

/// Gathers for 100 ms, in the guide's style.
fn pipeline(filters: Filters, rule: DuplicateRule) -> Pipeline {
    let batches = Batches::new(Duration::from_millis(100), Limits::default(), Encoder::default());
    Pipeline::new(filters, Duplicates::new(rule), batches)
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
    let (mut pipeline, mut out) = (pipeline(Filters::default(), DuplicateRule::Off), Vec::new());
    for (millis, event) in heard {
        pipeline.hear(at(millis), 0, &event, &mut out).unwrap();
    }
    pipeline.flush(&mut out);
    let lines: Vec<_> = out.into_iter().map(|m| String::from_utf8(m.payload).unwrap()).collect();
    assert_eq!(lines, GUIDE);
}

#[test]
fn everything_heard_is_counted_where_it_went() {
    let filters = Filters { macs: "98:04*".parse().unwrap(), ..Filters::default() };
    let (mut pipeline, mut out) = (pipeline(filters, DuplicateRule::OncePerDevice), Vec::new());
    let mut hear = |event: &[u8]| pipeline.hear(at(0), 0, event, &mut out);
    hear(&event(0, 0, IBEACON.0, IBEACON.1, -60)).unwrap();
    hear(&event(0, 0, IBEACON.0, IBEACON.1, -60)).unwrap();
    hear(&event(0, 1, PHONE.0, PHONE.1, -60)).unwrap();
    hear(&[0x0E, 4, 1, 3, 0x0C, 0]).unwrap();
    hear(&event(7, 1, PHONE.0, PHONE.1, -60)).unwrap_err();
    assert_eq!(
        pipeline.counts(),
        Counts {
            reports: 3,
            faults: 1,
            advertisements: 3,
            filtered: 1,
            duplicates: 1,
            reported: 1,
            ..Counts::default()
        }
    );
    pipeline.handle_timeout(pipeline.next_deadline().unwrap(), &mut out);
    assert_eq!((pipeline.counts().messages, out.len()), (1, 1));
}
