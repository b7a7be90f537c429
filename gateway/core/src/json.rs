//! JSON, written by hand: reports are many and their shape is known. What is read is read by `serde_json`.

use std::io::Write as _;

use crate::MacAddress;

/// White space between the tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A space after each comma and colon, as the guide prints it.
    #[default]
    Spaced,
    /// None.
    Compact,
}

impl Style {
    /// What stands between two members.
    pub(crate) fn comma(self, json: &mut Vec<u8>) {
        json.extend_from_slice(match self {
            Self::Spaced => b", ",
            Self::Compact => b",",
        });
    }

    /// A key, with its colon.
    pub(crate) fn key(self, key: &str, json: &mut Vec<u8>) {
        string(key, json);
        json.extend_from_slice(match self {
            Self::Spaced => b": ",
            Self::Compact => b":",
        });
    }

    /// A key that is not the first.
    pub(crate) fn next_key(self, key: &str, json: &mut Vec<u8>) {
        self.comma(json);
        self.key(key, json);
    }
}

pub(crate) fn number(number: impl std::fmt::Display, json: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(json, "{number}");
}

pub(crate) fn mac_string(mac: MacAddress, json: &mut Vec<u8>) {
    let _ = write!(json, "\"{mac}\"");
}

pub(crate) fn hex_string(bytes: &[u8], json: &mut Vec<u8>) {
    json.reserve(2 * bytes.len() + 2);
    json.push(b'"');
    json.extend(bytes.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 0x0F)]));
    json.push(b'"');
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + (nibble - 10) }
}

/// A JSON string [RFC 8259 §7]: quotation mark, backslash and control characters are escaped.
pub(crate) fn string(text: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => json.extend_from_slice(&[b'\\', byte]),
            // DEL needs no escape, but a name is shown on terminals.
            0..=0x1F | 0x7F => {
                json.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex_digit(byte >> 4), hex_digit(byte & 0x0F)]);
            }
            _ => json.push(byte),
        }
    }
    json.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_written_as_json_reads_it_back() {
        for text in ["", "TH-07", "a\"b\\c", "a\0\u{1F}\nb\u{7F}", "温度-1", "\u{FFFD}"] {
            let mut json = Vec::new();
            string(text, &mut json);
            assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }
    }
}
