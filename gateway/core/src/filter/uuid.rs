//! `filter_uuid`: UUIDs of services, whole or with one `*`.
//!
//! A whole UUID is written with 4, 8 or 32 hexadecimal digits and is the same service in each form. A pattern is
//! compared, digit by digit and in either case, with every form in which the service can be written: always the 32
//! digits; for one on the Bluetooth base UUID also the 8 digits; and its 4 digits, if the first four of the 8 are
//! zeros. Dashes do not count. So:
//!
//! | pattern | matches | because of |
//! |---|---|---|
//! | `18*` | 180D, 181A; 18xxxxxx-… | the 4 digits; the 32 digits |
//! | `*0D` | 180D | the 4 digits, and the 8 |
//! | `0000180*` | 180D, 180F | the 8 digits, and the 32 |
//! | `6e4000*` | 6E400001-B5A3-F393-E0A9-E50E24DCCA9E | the 32 digits |
//! | `*34FB` | 180D, all that have a short form | the 32 digits, which end as the base UUID does |
//! | `*` | every service | |

use std::str::FromStr;

use super::FilterFault;
use crate::Uuid;

/// A service, or the beginning or end of what it can be written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UuidPattern {
    /// The service itself, however long it is written.
    Whole(Uuid),
    /// How it begins: at most 32 values of hexadecimal digits.
    Prefix(Box<[u8]>),
    /// How it ends.
    Suffix(Box<[u8]>),
}

const DIGITS: usize = 32;

impl UuidPattern {
    /// Whether `uuid` is one of these.
    pub fn matches(&self, uuid: Uuid) -> bool {
        match self {
            Self::Whole(whole) => *whole == uuid,
            Self::Prefix(prefix) => forms(uuid).any(|form| form.starts_with(prefix)),
            Self::Suffix(suffix) => forms(uuid).any(|form| form.ends_with(suffix)),
        }
    }
}

/// The forms of a UUID, as values of digits.
fn forms(uuid: Uuid) -> impl Iterator<Item = Form> {
    let alias = uuid.alias();
    let short = alias.and_then(|alias| u16::try_from(alias).ok());
    let of = |value: u128, digits| Form::new(value, digits);
    [Some(of(uuid.as_u128(), DIGITS)), alias.map(|alias| of(alias.into(), 8)), short.map(|alias| of(alias.into(), 4))]
        .into_iter()
        .flatten()
}

struct Form {
    digits: [u8; DIGITS],
    /// So many of them, from the end, are the form.
    count: usize,
}

impl Form {
    fn new(value: u128, count: usize) -> Self {
        let digits = std::array::from_fn(|at| (value >> (4 * (DIGITS - 1 - at)) & 0x0F) as u8);
        Self { digits, count }
    }

    fn starts_with(&self, prefix: &[u8]) -> bool {
        self.digits.get(DIGITS - self.count..).is_some_and(|digits| digits.starts_with(prefix))
    }

    fn ends_with(&self, suffix: &[u8]) -> bool {
        suffix.len() <= self.count && self.digits.ends_with(suffix)
    }
}

impl FromStr for UuidPattern {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(prefix), _) => {
                let prefix = prefix.strip_prefix("0x").or(prefix.strip_prefix("0X")).unwrap_or(prefix);
                digits(prefix).map(Self::Prefix).ok_or_else(|| FilterFault::Uuid(text.to_owned()))
            }
            (None, Some(suffix)) => digits(suffix).map(Self::Suffix).ok_or_else(|| FilterFault::Uuid(text.to_owned())),
            (None, None) => text.parse().map(Self::Whole).map_err(|_| FilterFault::Uuid(text.to_owned())),
        }
    }
}

/// The values of hexadecimal digits, 32 at most, between which dashes may stand.
fn digits(text: &str) -> Option<Box<[u8]>> {
    let values =
        text.chars().filter(|character| *character != '-').map(|character| Some(character.to_digit(16)? as u8));
    let values: Box<[u8]> = values.collect::<Option<_>>()?;
    (values.len() <= DIGITS).then_some(values)
}
