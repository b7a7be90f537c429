//! Which advertisements are of interest: by name, address, service UUID and signal strength.
//!
//! The vocabulary is that of a Cassia router: comma lists of full values or of values with one `*`.
//! An advertisement passes when it matches **every** kind of filter that is set, and for each kind
//! **any** entry of its list. Cassia does not spell this out; it is our reading.
//!
//! | filter | entries | case |
//! |---|---|---|
//! | name | `TH-07`, `TH-*`, `*-07` | as written: `th-07` is another name |
//! | MAC | `CC:DD:EE:00:11:22`, `CC:DD:EE*`, `CC:D*` | either |
//! | UUID | `180D`, `0x180D`, `0000180D`, the full form | either |
//!
//! Each packet is judged by itself, without memory of its device. So a filter by name passes the scan
//! response of a device that has its name there, and not its advertisement.

use std::str::FromStr;

use crate::{Advertisement, NotAUuid, Uuid, ad};

/// Entries that one list may have; it keeps the work per packet bounded.
pub const ENTRIES_MAX: usize = 256;

/// What is reported; a filter that is not set passes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Local names, of which the packet must carry one. A packet without a name never matches.
    pub names: List<NamePattern>,
    /// Addresses, of which it must come from one. The address kind does not matter.
    pub macs: List<MacPattern>,
    /// Services, of which it must name one, in a list of services or as service data.
    pub uuids: List<Uuid>,
    /// The weakest signal that passes, in dBm. A packet of unknown strength does not pass.
    pub rssi_dbm_min: Option<i8>,
}

impl Filters {
    /// Whether `advertisement` is of interest.
    pub fn pass(&self, advertisement: &Advertisement) -> bool {
        // The cheap ones first.
        self.pass_rssi(advertisement)
            && self.macs.none_or_any(|pattern| pattern.matches(advertisement.address.mac.0))
            && self.pass_name(advertisement)
            && self.pass_uuid(advertisement)
    }

    fn pass_rssi(&self, advertisement: &Advertisement) -> bool {
        self.rssi_dbm_min.is_none_or(|min| advertisement.rssi_dbm.is_some_and(|rssi| rssi >= min))
    }

    fn pass_name(&self, advertisement: &Advertisement) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let Some(name) = ad::local_name(&advertisement.data) else { return false };
        self.names.none_or_any(|pattern| pattern.matches(&name))
    }

    fn pass_uuid(&self, advertisement: &Advertisement) -> bool {
        self.uuids.is_empty()
            || ad::service_uuids(&advertisement.data).any(|uuid| self.uuids.none_or_any(|u| *u == uuid))
    }
}

/// A comma list. Spaces around its entries do not count; an empty text is an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> List<T> {
    /// Whether there is nothing in it: the filter is not set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn none_or_any(&self, matches: impl FnMut(&T) -> bool) -> bool {
        self.0.is_empty() || self.0.iter().any(matches)
    }
}

/// Text that was to be a filter and is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterFault {
    /// Two commas in a row, or one at an end.
    #[error("entry {at} of the list is empty: put exactly one comma between two entries")]
    EmptyEntry {
        /// Which entry, counted from 1.
        at: usize,
    },
    /// More than [`ENTRIES_MAX`].
    #[error("{entries} entries, but a list takes at most {ENTRIES_MAX}: use prefixes such as `TH-*`")]
    TooMany {
        /// How many.
        entries: usize,
    },
    /// A `*` inside, or two of them.
    #[error("{0:?} is not a name filter: it takes one `*`, at its beginning or at its end")]
    Name(String),
    /// Neither an address nor the beginning of one.
    #[error(
        "{0:?} is not an address filter: write a whole address such as CC:1B:E0:12:34:56, or its beginning and a `*`, such as CC:1B:E0*"
    )]
    Mac(String),
    /// Not a UUID; there are no wildcards for them.
    #[error(transparent)]
    Uuid(#[from] NotAUuid),
}

impl<T: FromStr<Err: Into<FilterFault>>> FromStr for List<T> {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let entries = text.split(',').count();
        if entries > ENTRIES_MAX {
            return Err(FilterFault::TooMany { entries });
        }
        let entry = |(at, text): (usize, &str)| match text.trim() {
            "" => Err(FilterFault::EmptyEntry { at: at + 1 }),
            text => text.parse().map_err(Into::into),
        };
        text.split(',').enumerate().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

/// `TH-07`, `TH-*`, `*-07`; `*` alone is every packet that has a name. A comma cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// The whole name.
    Whole(Box<str>),
    /// How it begins.
    Prefix(Box<str>),
    /// How it ends.
    Suffix(Box<str>),
}

impl NamePattern {
    /// Whether `name` is one of these.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Whole(whole) => **whole == *name,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
            Self::Suffix(suffix) => name.ends_with(&**suffix),
        }
    }
}

impl FromStr for NamePattern {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        let pattern = match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(prefix), _) => Self::Prefix(prefix.into()),
            (None, Some(suffix)) => Self::Suffix(suffix.into()),
            (None, None) => Self::Whole(text.into()),
        };
        let (Self::Whole(rest) | Self::Prefix(rest) | Self::Suffix(rest)) = &pattern;
        if rest.contains('*') { Err(FilterFault::Name(text.to_owned())) } else { Ok(pattern) }
    }
}

/// `CC:DD:EE:00:11:22` or the beginning of an address, to the digit, and a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacPattern {
    /// Hexadecimal digits' values, at most 12.
    nibbles: Vec<u8>,
}

impl MacPattern {
    /// Whether the address (most significant octet first) is one of these.
    pub fn matches(&self, octets: [u8; 6]) -> bool {
        let address = octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]);
        self.nibbles.iter().copied().zip(address).all(|(wanted, there)| wanted == there)
    }
}

impl FromStr for MacPattern {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        let wrong = || FilterFault::Mac(text.to_owned());
        let (digits, is_prefix) = text.strip_suffix('*').map_or((text, false), |prefix| (prefix, true));
        let mut nibbles = Vec::new();
        for (at, character) in digits.chars().enumerate() {
            // Every third place is a colon; a prefix may end with one.
            match (at % 3, character) {
                (2, ':') => {}
                (0 | 1, digit) => nibbles.push(digit.to_digit(16).ok_or_else(wrong)? as u8),
                _ => return Err(wrong()),
            }
        }
        let whole = nibbles.len() == 12 && digits.len() == 17;
        let prefix = is_prefix && digits.len() < 17;
        if whole || prefix { Ok(Self { nibbles }) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
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
        }
    }

    fn filters(names: &str, macs: &str, uuids: &str, rssi_dbm_min: Option<i8>) -> Filters {
        let (names, macs, uuids) = (names.parse().unwrap(), macs.parse().unwrap(), uuids.parse().unwrap());
        Filters { names, macs, uuids, rssi_dbm_min }
    }

    #[test]
    fn a_packet_passes_when_every_kind_has_one_entry_that_matches() {
        let th07 =
            advertisement("C4:11:22:33:44:55", Some(-61), b"\x06\x09TH-07\x03\x03\x1A\x18\x05\x16\xAA\xFE\x00\x00");
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
        assert!(matches!("180D*".parse::<List<Uuid>>(), Err(FilterFault::Uuid(_))));
        assert_eq!("A,,B".parse::<List<NamePattern>>(), Err(FilterFault::EmptyEntry { at: 2 }));
        assert_eq!("A,".parse::<List<NamePattern>>(), Err(FilterFault::EmptyEntry { at: 2 }));
        let long = vec!["A"; ENTRIES_MAX + 1].join(",");
        assert_eq!(long.parse::<List<NamePattern>>(), Err(FilterFault::TooMany { entries: ENTRIES_MAX + 1 }));
        assert!(vec!["A"; ENTRIES_MAX].join(",").parse::<List<NamePattern>>().is_ok());
    }
}
