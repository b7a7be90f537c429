//! `filter_mac`: addresses of devices, whole or by their beginning.

use std::str::FromStr;

use super::FilterFault;

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
