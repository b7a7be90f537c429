//! AD structures: what an advertisement says, field by field.
//!
//! [`structures`] reads what is whole. Controllers deliver what was on the air, and what is on the air
//! is not always well formed: a structure that goes over the end, and what follows a length of zero
//! (early termination), is left unread and is no error.
//!
//! Source: Bluetooth Core 5.4, Vol 3, Part C, §11; types: Supplement to the Core Specification, Part A, §1,
//! and Assigned Numbers, §2.3.

use std::borrow::Cow;

use crate::Uuid;

const SHORTENED_LOCAL_NAME: u8 = 0x08;
const COMPLETE_LOCAL_NAME: u8 = 0x09;

/// One AD structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure<'a> {
    /// AD type.
    pub ad_type: u8,
    /// AD data, without length and type; may be empty.
    pub data: &'a [u8],
}

/// The structures of `advertisement`, in order.
pub fn structures(advertisement: &[u8]) -> Structures<'_> {
    Structures { left: advertisement }
}

/// See [`structures`].
#[derive(Clone, Debug)]
pub struct Structures<'a> {
    left: &'a [u8],
}

impl<'a> Iterator for Structures<'a> {
    type Item = Structure<'a>;

    fn next(&mut self) -> Option<Structure<'a>> {
        let (&length, left) = self.left.split_first()?;
        // Zero: early termination, all after it is zero too [Core 5.4, Vol 3, Part C, §11].
        let (structure, left) = left.split_at_checked(length.into())?;
        let (&ad_type, data) = structure.split_first()?;
        self.left = left;
        Some(Structure { ad_type, data })
    }
}

/// The device's name: the complete one, or else the shortened one; the first of each that says something.
///
/// It is UTF-8 by the specification [CSS Part A, §1.2]; bytes that are not become U+FFFD, so that a
/// name is always text and a device with a broken name is still seen to have one. NULs at the end, with
/// which some devices pad, are not part of it; a name that is empty then is none.
pub fn local_name(advertisement: &[u8]) -> Option<Cow<'_, str>> {
    let of_type =
        |wanted| structures(advertisement).filter(move |s| s.ad_type == wanted).find_map(|s| name_text(s.data));
    of_type(COMPLETE_LOCAL_NAME).or_else(|| of_type(SHORTENED_LOCAL_NAME))
}

fn name_text(data: &[u8]) -> Option<Cow<'_, str>> {
    let end = data.iter().rposition(|&byte| byte != 0)? + 1;
    Some(String::from_utf8_lossy(data.get(..end)?))
}

/// The services that an advertisement names: in its lists of service UUIDs, complete or not, and as
/// the UUIDs of its service data.
///
/// A UUID that is cut off at the end of its list is left out. Source: CSS Part A, §1.1 and §1.11.
pub fn service_uuids(advertisement: &[u8]) -> impl Iterator<Item = Uuid> {
    structures(advertisement).flat_map(|structure| {
        let (octets, data) = match structure.ad_type {
            0x02 | 0x03 => (2, structure.data),
            0x04 | 0x05 => (4, structure.data),
            0x06 | 0x07 => (16, structure.data),
            // Of service data only what stands before the data is a UUID.
            0x16 => (2, structure.data.get(..2).unwrap_or_default()),
            0x20 => (4, structure.data.get(..4).unwrap_or_default()),
            0x21 => (16, structure.data.get(..16).unwrap_or_default()),
            _ => (2, &[][..]),
        };
        data.chunks_exact(octets).filter_map(Uuid::from_le_bytes)
    })
}

/// Data of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceData<'a> {
    /// Whose data it is.
    pub service: Uuid,
    /// What it means is the service's affair.
    pub data: &'a [u8],
}

/// The service data of an advertisement [CSS Part A, §1.11]. One too short for its UUID is left out.
pub fn service_data(advertisement: &[u8]) -> impl Iterator<Item = ServiceData<'_>> {
    structures(advertisement).filter_map(|structure| {
        let octets = match structure.ad_type {
            0x16 => 2,
            0x20 => 4,
            0x21 => 16,
            _ => return None,
        };
        let (uuid, data) = structure.data.split_at_checked(octets)?;
        Some(ServiceData { service: Uuid::from_le_bytes(uuid)?, data })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_read_and_the_rest_is_left() {
        type Row = (&'static str, &'static [u8], &'static [(u8, &'static [u8])]);
        let rows: &[Row] = &[
            ("§11: length, type, data", &[2, 1, 6, 3, 0x19, 0x40, 0x03], &[(1, &[6]), (0x19, &[0x40, 0x03])]),
            ("§11: a type alone", &[1, 0x0A], &[(0x0A, &[])]),
            ("§11: early termination", &[2, 1, 6, 0, 2, 1, 5], &[(1, &[6])]),
            ("a structure over the end", &[2, 1, 6, 5, 9, b'a'], &[(1, &[6])]),
            ("a length alone", &[2, 1, 6, 2], &[(1, &[6])]),
            ("nothing", &[], &[]),
        ];
        for (source, bytes, wanted) in rows {
            let seen: Vec<_> = structures(bytes).map(|s| (s.ad_type, s.data)).collect();
            assert_eq!(&seen, wanted, "{source}");
        }
    }

    #[test]
    fn the_complete_name_comes_before_the_shortened_one() {
        let rows: &[(&str, &[u8], Option<&str>)] = &[
            ("CSS A §1.2: complete", b"\x02\x01\x06\x03\x09TH", Some("TH")),
            ("CSS A §1.2: shortened", b"\x03\x08TH", Some("TH")),
            ("complete wins, wherever it stands", b"\x02\x08T\x04\x09T-1", Some("T-1")),
            ("UTF-8", "\u{7}\u{9}温度".as_bytes(), Some("温度")),
            ("not UTF-8", b"\x04\x09a\xFFb", Some("a\u{FFFD}b")),
            ("padded", b"\x05\x09TH\0\0", Some("TH")),
            ("NUL inside stays", b"\x04\x09a\0b", Some("a\0b")),
            ("only padding", b"\x03\x09\0\0", None),
            ("empty", b"\x01\x09", None),
            ("an empty complete one hides nothing", b"\x01\x09\x03\x08TH", Some("TH")),
            ("none", b"\x02\x01\x06", None),
            ("cut off", b"\x05\x09TH", None),
        ];
        for (source, bytes, wanted) in rows {
            assert_eq!(local_name(bytes).as_deref(), *wanted, "{source}");
        }
    }

    #[test]
    fn service_uuids_of_every_width_are_found() {
        let full = [0xFB, 0x34, 0x9B, 0x5F, 0x80, 0, 0, 0x80, 0, 0x10, 0, 0, 0x0D, 0x18, 0, 0];
        let rows: &[(&str, Vec<u8>, &[u32])] = &[
            ("CSS A §1.1: 16 bit, incomplete", vec![5, 0x02, 0x0D, 0x18, 0x0F, 0x18], &[0x180D, 0x180F]),
            ("CSS A §1.1: 16 bit, complete", vec![3, 0x03, 0xAA, 0xFE], &[0xFEAA]),
            ("CSS A §1.1: 32 bit", vec![5, 0x05, 0x0D, 0x18, 0x01, 0x00], &[0x0001_180D]),
            ("CSS A §1.1: 128 bit", [&[17, 0x07][..], &full].concat(), &[0x180D]),
            ("CSS A §1.11: service data", vec![5, 0x16, 0x1A, 0x18, 0xA4, 0xC1], &[0x181A]),
            ("a UUID cut off", vec![4, 0x03, 0x0D, 0x18, 0x0F], &[0x180D]),
            ("service data without room for it", vec![2, 0x16, 0x1A], &[]),
        ];
        for (source, bytes, wanted) in rows {
            let wanted: Vec<_> = wanted.iter().copied().map(Uuid::from_alias).collect();
            assert_eq!(service_uuids(bytes).collect::<Vec<_>>(), wanted, "{source}");
        }
    }

    #[test]
    fn service_data_is_told_apart_from_its_uuid() {
        let seen: Vec<_> = service_data(&[2, 1, 6, 5, 0x16, 0x1A, 0x18, 0xA4, 0xC1, 2, 0x16, 0x1A]).collect();
        assert_eq!(seen, [ServiceData { service: Uuid::from_alias(0x181A), data: &[0xA4, 0xC1] }]);
    }
}
