//! Which advertisements are of interest: by name, address, service UUID, bytes of data and signal strength.
//!
//! The vocabulary is that of a Cassia router: comma lists of full values or of values with one `*`.
//! An advertisement passes when it matches **every** kind of filter that is set, and for each kind
//! **any** entry of its list. Cassia does not spell this out; it is our reading.
//!
//! | filter | entries | case |
//! |---|---|---|
//! | name | `TH-07`, `TH-*`, `*-07` | as written: `th-07` is another name |
//! | MAC | `CC:DD:EE:00:11:22`, `CC:DD:EE*`, `CC:D*` | either |
//! | UUID | `180D`, `0x180D`, `0000180D`, the full form; `18*`, `*0D`: see [`uuid`] | either |
//! | value | a JSON array: see [`value`] | either |
//!
//! Each packet is judged by itself, without memory of its device, as on a Cassia router. So a filter by name passes
//! the scan response of a device that has its name there, and not its advertisement. Who wants both sets
//! `filter_pairs`: name, UUID and value are then looked for in both halves of a pair ([`crate::pairs`]).

use std::str::FromStr;

use crate::{Advertisement, ad};

mod mac;
mod name;
pub mod uuid;
pub mod value;

pub use mac::MacPattern;
pub use name::NamePattern;
pub use uuid::UuidPattern;
pub use value::ValuePattern;

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
    pub uuids: List<UuidPattern>,
    /// Bytes, of which it must have some.
    pub values: List<ValuePattern>,
    /// The weakest signal that passes, in dBm. A packet of unknown strength does not pass.
    pub rssi_dbm_min: Option<i8>,
}

impl Filters {
    /// Whether `advertisement` is of interest, judged by itself.
    pub fn pass(&self, advertisement: &Advertisement) -> bool {
        self.pass_halves(advertisement, &[advertisement])
    }

    /// Whether `advertisement` is of interest, judged together with the other half of its pair: strength and address
    /// are its own, of the rest either half may have what is asked for.
    pub fn pass_with(&self, advertisement: &Advertisement, other: &Advertisement) -> bool {
        self.pass_halves(advertisement, &[advertisement, other])
    }

    /// Whether anything is asked that the two halves of a pair may answer differently.
    pub fn judge_content(&self) -> bool {
        !(self.names.is_empty() && self.uuids.is_empty() && self.values.is_empty())
    }

    fn pass_halves(&self, advertisement: &Advertisement, halves: &[&Advertisement]) -> bool {
        let either = |pass: fn(&Self, &[u8]) -> bool| halves.iter().any(|half| pass(self, &half.data));
        // The cheap ones first.
        self.pass_rssi(advertisement)
            && self.macs.none_or_any(|pattern| pattern.matches(advertisement.address.mac.0))
            && either(Self::pass_value)
            && either(Self::pass_name)
            && either(Self::pass_uuid)
    }

    fn pass_rssi(&self, advertisement: &Advertisement) -> bool {
        self.rssi_dbm_min.is_none_or(|min| advertisement.rssi_dbm.is_some_and(|rssi| rssi >= min))
    }

    fn pass_value(&self, data: &[u8]) -> bool {
        self.values.none_or_any(|pattern| pattern.matches(data))
    }

    fn pass_name(&self, data: &[u8]) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let Some(name) = ad::local_name(data) else { return false };
        self.names.none_or_any(|pattern| pattern.matches(&name))
    }

    fn pass_uuid(&self, data: &[u8]) -> bool {
        self.uuids.is_empty()
            || ad::service_uuids(data).any(|uuid| self.uuids.none_or_any(|pattern| pattern.matches(uuid)))
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

    const fn of(entries: Vec<T>) -> Self {
        Self(entries)
    }

    fn none_or_any(&self, matches: impl FnMut(&T) -> bool) -> bool {
        self.0.is_empty() || self.0.iter().any(matches)
    }
}

/// What a comma list can be of.
pub trait Entry: FromStr<Err = FilterFault> {}

impl Entry for NamePattern {}
impl Entry for MacPattern {}
impl Entry for UuidPattern {}

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
    /// Neither a UUID nor the beginning or end of one.
    #[error(
        "{0:?} is not a UUID filter: write 4, 8 or 32 hexadecimal digits, such as 180D or 0000180d-0000-1000-8000-00805f9b34fb, or its beginning or end and a `*`, such as 18* or *0D"
    )]
    Uuid(String),
    /// Not a JSON array.
    #[error("not a list of values, such as [{{\"offset\":\"1\",\"data\":\"0201060A\"}}]: {0}")]
    Json(String),
    /// One entry of the array is not what it takes.
    #[error("entry {at} of the list {problem}")]
    Value {
        /// Which entry, counted from 1.
        at: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl<T: Entry> FromStr for List<T> {
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
            text => text.parse(),
        };
        text.split(',').enumerate().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests;
