//! The seam of the encoders: how reports become the payload of a message.
//!
//! A new dialect is one more variant: how a report is written, and what is around an array of them.

use crate::dialect_c::ENVELOPE_BYTES_MAX;
use crate::json::Style;
use crate::{Advertisement, Timestamp, dialect_a, dialect_c};

/// In which of Cassia's ways reports are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The array of 2020's bypass mode.
    A(dialect_a::Encoder),
    /// The envelope of the MQTT API, around an array of later firmware's items.
    C(dialect_c::Encoder),
}

impl Dialect {
    /// Appends one report, a JSON object, to `json`.
    pub(crate) fn report(&self, advertisement: &Advertisement, json: &mut Vec<u8>) {
        match self {
            Self::A(encoder) => encoder.report(advertisement, json),
            Self::C(encoder) => encoder.items.item(advertisement, json),
        }
    }

    /// What stands between two reports.
    pub(crate) fn comma(&self, json: &mut Vec<u8>) {
        self.style().comma(json);
    }

    /// The payload of a message of the reports in `array` (whole, with its brackets), which is closed at `at`.
    pub(crate) fn message(&mut self, at: Timestamp, array: Vec<u8>) -> Vec<u8> {
        match self {
            Self::A(_) => array,
            Self::C(encoder) => encoder.message(at, &array),
        }
    }

    /// Bytes of a message beside the array, at most.
    pub(crate) fn around_bytes_max(&self) -> usize {
        match self {
            Self::A(_) => 0,
            Self::C(_) => ENVELOPE_BYTES_MAX,
        }
    }

    fn style(&self) -> Style {
        match self {
            Self::A(encoder) => encoder.style,
            Self::C(encoder) => encoder.items.style,
        }
    }
}

impl From<dialect_a::Encoder> for Dialect {
    fn from(encoder: dialect_a::Encoder) -> Self {
        Self::A(encoder)
    }
}

impl From<dialect_c::Encoder> for Dialect {
    fn from(encoder: dialect_c::Encoder) -> Self {
        Self::C(encoder)
    }
}
