//! Filters, a row for each case.

use super::*;
use crate::{AddressKind, DeviceAddress, EventType, Timestamp};

fn advertisement(mac: &str, rssi_dbm: Option<i8>, data: &[u8]) -> Advertisement {
    Advertisement {
        received_at: Timestamp::default(),
        address: DeviceAddress { mac: mac.parse().unwrap(), kind: AddressKind::Random },
        event_type: EventType::AdvInd,
        rssi_dbm,
        data: data.to_vec(),
        extended: None,
        chip: 0,
    }
}

fn filters(names: &str, macs: &str, uuids: &str, rssi_dbm_min: Option<i8>) -> Filters {
    let (names, macs, uuids) = (names.parse().unwrap(), macs.parse().unwrap(), uuids.parse().unwrap());
    Filters { names, macs, uuids, rssi_dbm_min, ..Filters::default() }
}

#[test]
fn a_packet_passes_when_every_kind_has_one_entry_that_matches() {
    let th07 = advertisement("C4:11:22:33:44:55", Some(-61), b"\x06\x09TH-07\x03\x03\x1A\x18\x05\x16\xAA\xFE\x00\x00");
    let rows = [
        // CASSIA §1.3     names            MACs                         UUIDs        RSSI       passes
        ("nothing set", "", "", "", None, true),
        ("full name", "TH-07", "", "", None, true),
        ("part of it", "TH-0", "", "", None, false),
        ("case of names", "th-07", "", "", None, false),
        ("name prefix", "TH*", "", "", None, true),
        ("name suffix", "*07", "", "", None, true),
        ("not a suffix", "*TH", "", "", None, false),
        ("any name", "*", "", "", None, true),
        ("list: or", "HSE*, TH-07", "", "", None, true),
        ("full MAC", "", "C4:11:22:33:44:55", "", None, true),
        ("MAC case", "", "c4:11:22:33:44:55", "", None, true),
        ("MAC prefix", "", "C4:11*", "", None, true),
        ("with colon", "", "C4:11:*", "", None, true),
        ("half an octet", "", "C4:1*", "", None, true),
        ("another prefix", "", "C4:2*", "", None, false),
        ("MAC list", "", "98:04*,C4:11:22:33:44:55", "", None, true),
        ("UUID", "", "", "181a", None, true),
        ("UUID of data", "", "", "FEAA", None, true),
        ("another UUID", "", "", "180D,180F", None, false),
        ("strong enough", "", "", "", Some(-61), true),
        ("too weak", "", "", "", Some(-60), false),
        ("kinds: and", "TH*", "98:04*", "181A", None, false),
        ("kinds: and", "TH*", "C4*", "181A", Some(-70), true),
    ];
    for (what, names, macs, uuids, rssi, passes) in rows {
        assert_eq!(filters(names, macs, uuids, rssi).pass(&th07), passes, "{what}");
    }
}

#[test]
fn what_a_packet_does_not_tell_does_not_match() {
    let silent = advertisement("C4:11:22:33:44:55", None, &[]);
    assert!(!filters("*", "", "", None).pass(&silent));
    assert!(!filters("", "", "180D", None).pass(&silent));
    assert!(!filters("", "", "", Some(-127)).pass(&silent));
}

#[test]
fn a_list_that_cannot_be_meant_is_refused() {
    for text in ["A*B", "*A*", "**", "A,*B*"] {
        assert!(matches!(text.parse::<List<NamePattern>>(), Err(FilterFault::Name(_))), "{text}");
    }
    let not_macs = [
        "C4",
        "C4:11:22:33:44",
        "C411*",
        "C4:11:22:33:44:55:*",
        "C4-11*",
        "G4*",
        "C4:11:22:33:44:55:66",
        "*C4",
        "C4:1é*",
    ];
    for text in not_macs {
        assert_eq!(text.parse::<List<MacPattern>>(), Err(FilterFault::Mac(text.to_owned())));
    }
    for text in ["18", "180G", "*18*", "18*0D", "**", "180D-*-", "é*", &format!("{}*", "0".repeat(33)), "*0x18"] {
        assert_eq!(text.parse::<List<UuidPattern>>(), Err(FilterFault::Uuid(text.to_owned())));
    }
    assert_eq!("A,,B".parse::<List<NamePattern>>(), Err(FilterFault::EmptyEntry { at: 2 }));
    assert_eq!("A,".parse::<List<NamePattern>>(), Err(FilterFault::EmptyEntry { at: 2 }));
    let long = vec!["A"; ENTRIES_MAX + 1].join(",");
    assert_eq!(long.parse::<List<NamePattern>>(), Err(FilterFault::TooMany { entries: ENTRIES_MAX + 1 }));
    assert!(vec!["A"; ENTRIES_MAX].join(",").parse::<List<NamePattern>>().is_ok());
}

#[test]
fn uuids_are_compared_in_every_form_in_which_they_can_be_written() {
    const NORDIC: &str = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E";
    let rows = [
        // pattern                              service       matches
        ("180D", "180D", true),
        ("0000180d-0000-1000-8000-00805f9b34fb", "180D", true),
        ("18*", "180D", true),
        ("0x18*", "181A", true),
        ("18*", "FEAA", false),
        ("180D*", "180D", true),
        ("180D0*", "180D", false),
        ("*0D", "180D", true),
        ("*0d", "180D", true),
        ("*180D", "180D", true),
        ("*0000180D", "180D", true),
        ("0000180*", "180D", true),
        ("00*", "180D", true),
        ("0000180d-0000*", "180D", true),
        ("*34FB", "180D", true),
        ("*9b34fb", NORDIC, false),
        ("6e4000*", NORDIC, true),
        ("6E400001-B5A3*", NORDIC, true),
        ("*CA9E", NORDIC, true),
        ("*dc-ca9e", NORDIC, true),
        ("6E40*", "6E40", true),
        // 32 bits that are no 16: there are no 4 digits.
        ("0001180D", "0001180D", true),
        ("180D*", "0001180D", false),
        ("*180D", "0001180D", true),
        ("0001*", "0001180D", true),
        ("*", "180D", true),
        ("*", NORDIC, true),
    ];
    for (pattern, service, wanted) in rows {
        let matches = pattern.parse::<UuidPattern>().unwrap().matches(service.parse().unwrap());
        assert_eq!(matches, wanted, "{pattern} {service}");
    }
    // And in the data of a packet, in a list.
    let packet = advertisement("C4:11:22:33:44:55", None, b"\x03\x03\x1A\x18");
    assert!(filters("", "", "FE*, *1A", None).pass(&packet));
    assert!(!filters("", "", "FE*, *1B", None).pass(&packet));
}

#[test]
fn bytes_are_found_at_their_place_or_anywhere() {
    let data = b"\x02\x01\x06\x0A\xFF\x4C\x00\x10\x05";
    let rows = [
        // value                                        matches
        (r#"[{"offset":"1","data":"020106"}]"#, true),
        (r#"[{"offset":1,"data":"020106"}]"#, true),
        (r#"[{"offset":"2","data":"0106"}]"#, true),
        (r#"[{"offset":"2","data":"020106"}]"#, false),
        (r#"[{"offset":"5","data":"ff4C"}]"#, true),
        (r#"[{"offset":"9","data":"05"}]"#, true),
        (r#"[{"offset":"9","data":"0500"}]"#, false),
        (r#"[{"offset":"62","data":"05"}]"#, false),
        (r#"[{"offset":"-1","data":"05"}]"#, true),
        (r#"[{"offset":-2,"data":"1005"}]"#, true),
        (r#"[{"offset":"-2","data":"10"}]"#, true),
        (r#"[{"offset":"-1","data":"10"}]"#, false),
        (r#"[{"offset":"-62","data":"02"}]"#, false),
        (r#"[{"data":"4C00"}]"#, true),
        (r#"[{"offset":"","data":"4C00"}]"#, true),
        (r#"[{"data":"4C01"}]"#, false),
        (r#"[{"data":"0201060AFF4C001005"}]"#, true),
        (r#"[{"data":"0201060AFF4C00100500"}]"#, false),
        (r#"[{"data":"4C01"},{"offset":"1","data":"02"}]"#, true),
        ("[]", true),
        ("", true),
    ];
    for (text, wanted) in rows {
        let filters = Filters { values: text.parse().unwrap(), ..Filters::default() };
        assert_eq!(filters.pass(&advertisement("C4:11:22:33:44:55", None, data)), wanted, "{text}");
        let nothing = advertisement("C4:11:22:33:44:55", None, &[]);
        assert_eq!(filters.pass(&nothing), filters.values.is_empty(), "{text}");
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_their_entry() {
    let long = format!(r#"[{{"data":"{}"}}]"#, "00".repeat(256));
    let many = format!("[{}]", vec![r#"{"data":"00"}"#; ENTRIES_MAX + 1].join(","));
    let rows = [
        ("0201060A", "not a list of values"),
        (r#"{"data":"02"}"#, "not a list of values"),
        (r#"[{"data":"02"}"#, "not a list of values"),
        ("[1]", "entry 1 of the list is no object"),
        (r#"[{"data":"02"},{"offset":"1"}]"#, "entry 2 of the list has no \"data\""),
        (r#"[{"data":""}]"#, "entry 1 of the list has the data \"\""),
        (r#"[{"data":"020"}]"#, "entry 1 of the list has the data \"020\""),
        (r#"[{"data":"0é"}]"#, "entry 1 of the list has the data"),
        (&long, "entry 1 of the list has the data"),
        (r#"[{"data":"02","offset":0}]"#, "entry 1 of the list has the offset 0, but it takes 1 to 62"),
        (r#"[{"data":"02","offset":"63"}]"#, "entry 1 of the list has the offset \"63\""),
        (r#"[{"data":"02","offset":-63}]"#, "entry 1 of the list has the offset -63"),
        (r#"[{"data":"02","offset":"1.5"}]"#, "entry 1 of the list has the offset \"1.5\""),
        (r#"[{"data":"02","offset":null}]"#, "entry 1 of the list has the offset null"),
        (r#"[{"data":"02","ofset":1}]"#, "entry 1 of the list has the key \"ofset\""),
        (&many, "257 entries, but a list takes at most 256"),
    ];
    for (text, wanted) in rows {
        let fault = text.parse::<List<ValuePattern>>().unwrap_err().to_string();
        assert!(fault.starts_with(wanted), "{text}: {fault}");
    }
}

#[test]
fn of_a_pair_either_half_may_have_what_is_asked_for_but_strength_is_its_own() {
    let advertisement_half = advertisement("C4:11:22:33:44:55", Some(-61), b"\x03\x03\x1A\x18");
    let response = advertisement("C4:11:22:33:44:55", Some(-90), b"\x06\x09TH-07");
    let rows = [
        ("name", filters("TH*", "", "", None), [true, true]),
        ("UUID", filters("", "", "181A", None), [true, true]),
        ("both, one in each half", filters("TH*", "", "181A", None), [true, true]),
        ("neither", filters("HSE*", "", "181A", None), [false, false]),
        ("strength", filters("TH*", "", "", Some(-80)), [true, false]),
        ("value", Filters { values: r#"[{"data":"1A18"}]"#.parse().unwrap(), ..Filters::default() }, [true, true]),
    ];
    for (what, filters, wanted) in rows {
        let passes =
            [filters.pass_with(&advertisement_half, &response), filters.pass_with(&response, &advertisement_half)];
        assert_eq!(passes, wanted, "{what}");
    }
}
