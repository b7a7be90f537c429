//! `filter_value`: bytes that the data of a packet has, anywhere or at one place.
//!
//! It is a JSON array of objects with the keys `data` (hexadecimal digits) and `offset` (a number, or a number as
//! text), such as `[{"offset":"1","data":"0201060A"}]`. A packet passes when any of them matches. Cassia's manual
//! does not say what an offset counts; here it is **bytes** of the raw data (lengths and types of its AD structures
//! are part of it):
//!
//! * 1 to 62: `data` begins at the byte of this number; 1 is the first one.
//! * −1 to −62: `data` begins so many bytes before the end; −1 is the last one.
//! * left out, or an empty text: `data` is anywhere.

use std::str::FromStr;

use serde_json::Value;

use super::{ENTRIES_MAX, FilterFault, List};

/// The furthest offset, from the beginning or from the end: as Cassia has it.
pub const OFFSET_MAX: i64 = 62;

/// The longest `data`, in bytes: as many as one fragment of an extended advertisement has, and more than are useful.
pub const VALUE_BYTES_MAX: usize = 255;

/// Bytes that are looked for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePattern {
    place: Place,
    data: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// So many bytes are before it.
    FromBegin(usize),
    /// It begins so many bytes before the end.
    FromEnd(usize),
}

impl ValuePattern {
    /// Whether `data`, the raw data of a packet, has these bytes at this place.
    pub fn matches(&self, data: &[u8]) -> bool {
        match self.place {
            Place::Anywhere => data.windows(self.data.len()).any(|bytes| *bytes == *self.data),
            Place::FromBegin(before) => data.get(before..).is_some_and(|rest| rest.starts_with(&self.data)),
            Place::FromEnd(bytes) => {
                let at = data.len().checked_sub(bytes);
                at.and_then(|at| data.get(at..)).is_some_and(|rest| rest.starts_with(&self.data))
            }
        }
    }
}

/// The whole of `filter_value`; an empty text is an empty list.
impl FromStr for List<ValuePattern> {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let json: Value = serde_json::from_str(text).map_err(|fault| FilterFault::Json(fault.to_string()))?;
        let Value::Array(entries) = json else {
            return Err(FilterFault::Json("it is no array, which begins with [".to_owned()));
        };
        if entries.len() > ENTRIES_MAX {
            return Err(FilterFault::TooMany { entries: entries.len() });
        }
        let pattern =
            |(at, entry): (usize, &Value)| pattern(entry).map_err(|problem| FilterFault::Value { at: at + 1, problem });
        entries.iter().enumerate().map(pattern).collect::<Result<_, _>>().map(List::of)
    }
}

fn pattern(entry: &Value) -> Result<ValuePattern, String> {
    let Value::Object(entry) = entry else { return Err("is no object, which begins with {".to_owned()) };
    if let Some(key) = entry.keys().find(|key| !["offset", "data"].contains(&key.as_str())) {
        return Err(format!("has the key {key:?}, but only \"offset\" and \"data\" are known"));
    }
    let digits = entry.get("data").and_then(Value::as_str).ok_or("has no \"data\", a text of hexadecimal digits")?;
    let data = bytes(digits).ok_or_else(|| {
        format!(
            "has the data {digits:?}, but it takes an even number of hexadecimal digits, 2 to {}",
            2 * VALUE_BYTES_MAX
        )
    })?;
    Ok(ValuePattern { place: place(entry.get("offset"))?, data })
}

fn place(offset: Option<&Value>) -> Result<Place, String> {
    let wrong = |there: &Value| {
        Err(format!("has the offset {there}, but it takes 1 to {OFFSET_MAX}, or -1 to -{OFFSET_MAX} from the end"))
    };
    let number = match offset {
        None => return Ok(Place::Anywhere),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(Place::Anywhere),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_i64(),
    };
    match (number, offset) {
        (Some(at @ 1..=OFFSET_MAX), _) => Ok(Place::FromBegin(at.unsigned_abs() as usize - 1)),
        (Some(at), _) if (-OFFSET_MAX..=-1).contains(&at) => Ok(Place::FromEnd(at.unsigned_abs() as usize)),
        (_, Some(there)) => wrong(there),
        (_, None) => Ok(Place::Anywhere),
    }
}

fn bytes(digits: &str) -> Option<Box<[u8]>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let octet = |&[high, low]: &[u8; 2]| Some((nibble(high)? << 4 | nibble(low)?) as u8);
    let fits = rest.is_empty() && (1..=VALUE_BYTES_MAX).contains(&pairs.len());
    if fits { pairs.iter().map(octet).collect() } else { None }
}
