//! UUIDs of services: 16 and 32 bit ones are short forms of 128 bit ones.

use std::fmt;
use std::str::FromStr;

/// Bluetooth_Base_UUID 00000000-0000-1000-8000-00805F9B34FB [Core 5.4, Vol 3, Part B, §2.5.1].
const BASE: u128 = 0x0000_0000_0000_1000_8000_0080_5F9B_34FB;

/// A UUID in its full width, so that `180D` and `0000180d-0000-1000-8000-00805f9b34fb` are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// The UUID that a 16 or 32 bit alias stands for.
    pub const fn from_alias(alias: u32) -> Self {
        Self(((alias as u128) << 96) + BASE)
    }

    /// The 16 or 32 bit alias that stands for this UUID; `None`: it is not on the Bluetooth base UUID.
    pub const fn alias(self) -> Option<u32> {
        let alias = (self.0 >> 96) as u32;
        if Self::from_alias(alias).0 == self.0 { Some(alias) } else { None }
    }

    /// All 128 bits, the first digit of the full form uppermost.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// From the order in which advertisements carry it, least significant octet first: 2, 4 or 16 octets.
    pub fn from_le_bytes(octets: &[u8]) -> Option<Self> {
        match *octets {
            [a, b] => Some(Self::from_alias(u32::from(u16::from_le_bytes([a, b])))),
            [a, b, c, d] => Some(Self::from_alias(u32::from_le_bytes([a, b, c, d]))),
            _ => Some(Self(u128::from_le_bytes(octets.try_into().ok()?))),
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let u = self.0;
        let (low, mid, high, clock, node) = (u >> 96, u >> 80, u >> 64, u >> 48, u & 0xFFFF_FFFF_FFFF);
        let short = |part: u128| part & 0xFFFF;
        write!(f, "{low:08x}-{:04x}-{:04x}-{:04x}-{node:012x}", short(mid), short(high), short(clock))
    }
}

/// Text that was to be a UUID and is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a UUID: write 4, 8 or 32 hexadecimal digits, such as 180D or 0000180d-0000-1000-8000-00805f9b34fb"
)]
pub struct NotAUuid(pub String);

/// `180D`, `0x180D`, `0000180D`, or the full form with or without dashes; in either case.
impl FromStr for Uuid {
    type Err = NotAUuid;

    fn from_str(text: &str) -> Result<Self, NotAUuid> {
        let wrong = || NotAUuid(text.to_owned());
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let dashed = digits.len() == 36 && [8, 13, 18, 23].iter().all(|&at| digits.as_bytes().get(at) == Some(&b'-'));
        let digits = if dashed { digits.replace('-', "") } else { digits.to_owned() };
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        match digits.len() {
            4 | 8 => u32::from_str_radix(&digits, 16).map(Self::from_alias).map_err(|_| wrong()),
            32 => u128::from_str_radix(&digits, 16).map(Self).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_forms_are_the_same_uuid() {
        let full: Uuid = "0000180D-0000-1000-8000-00805F9B34FB".parse().unwrap();
        for text in ["180D", "180d", "0x180D", "0000180d", "0000180d00001000800000805f9b34fb"] {
            assert_eq!(text.parse(), Ok(full), "{text}");
        }
        assert_eq!(Uuid::from_le_bytes(&[0x0D, 0x18]), Some(full));
        assert_eq!(Uuid::from_le_bytes(&[0x0D, 0x18, 0, 0]), Some(full));
        assert_eq!(full.to_string(), "0000180d-0000-1000-8000-00805f9b34fb");
    }

    #[test]
    fn what_is_not_a_uuid_is_refused() {
        for text in ["", "18", "180G", "180D*", "+180D", "0000180d-0000-1000-8000-00805f9b34f", "é80D"] {
            assert_eq!(text.parse::<Uuid>(), Err(NotAUuid(text.to_owned())));
        }
        assert_eq!(Uuid::from_le_bytes(&[1, 2, 3]), None);
    }
}
