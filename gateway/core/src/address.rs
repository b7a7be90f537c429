//! Device addresses: six octets, and whether they are assigned or random.

use std::fmt;
use std::str::FromStr;

/// Six octets, most significant first, as they are written.
///
/// Displays as `98:04:ED:D6:50:A3`; parses the same in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// From the order in which HCI carries it: least significant octet first.
    pub fn from_hci(mut octets: [u8; 6]) -> Self {
        octets.reverse();
        Self(octets)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02X}")?;
        rest.iter().try_for_each(|octet| write!(f, ":{octet:02X}"))
    }
}

/// Text that was to be a MAC address and is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a MAC address: write six pairs of hexadecimal digits with colons, such as CC:1B:E0:12:34:56")]
pub struct NotAnAddress(pub String);

impl FromStr for MacAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress(text.to_owned());
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *octet = pair.and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(wrong)?;
        }
        if pairs.next().is_some() { Err(wrong()) } else { Ok(Self(octets)) }
    }
}

/// Whether an address was assigned by the IEEE or made up by the device.
///
/// A random address changes: an address is not an identity. Addresses that the controller itself
/// resolved (types 2 and 3 of HCI) are of the kind of the identity behind them.
///
/// Source: Bluetooth Core 5.4, Vol 6, Part B, §1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKind {
    /// Assigned by the IEEE.
    Public,
    /// Static, resolvable or non-resolvable random address.
    Random,
}

/// The address of an advertiser. The same six octets of the other kind are another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceAddress {
    /// The six octets.
    pub mac: MacAddress,
    /// Public or random.
    pub kind: AddressKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_is_written() {
        let mac = MacAddress::from_hci([0xA3, 0x50, 0xD6, 0xED, 0x04, 0x98]);
        assert_eq!(mac.to_string(), "98:04:ED:D6:50:A3");
        assert_eq!("98:04:ed:D6:50:A3".parse(), Ok(mac));
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in
            ["", "98:04:ED:D6:50", "98:04:ED:D6:50:A3:00", "98:04:ED:D6:50:+3", "9804EDD650A3", "98:04:ED:D6:50:é"]
        {
            assert_eq!(text.parse::<MacAddress>(), Err(NotAnAddress(text.to_owned())));
        }
    }
}
