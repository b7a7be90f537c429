//! Reads fields off the front of a packet's body. What they mean is `decode`'s.

use crate::frame::{variable_byte_integer, variable_byte_integer_len};
use crate::{DecodeFault, PacketId};

/// What is left of a body. Nothing here copies.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    #[inline]
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    #[inline]
    pub(crate) const fn end(self) -> Result<(), DecodeFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeFault::TrailingBytes) }
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeFault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeFault::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeFault> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeFault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeFault> {
        self.take::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeFault> {
        self.take().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeFault> {
        self.take().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeFault> {
        PacketId::new(self.u16()?).ok_or(DecodeFault::ZeroPacketId)
    }

    /// A Variable Byte Integer inside a packet: 5.0 only, so it must be minimal [5.0 MQTT-1.5.5-1].
    #[inline]
    pub(crate) fn variable_byte_integer(&mut self) -> Result<u32, DecodeFault> {
        let (value, len) = variable_byte_integer(self.rest)?.ok_or(DecodeFault::Truncated)?;
        if len != variable_byte_integer_len(value as usize) {
            return Err(DecodeFault::IntegerNotMinimal);
        }
        self.bytes(len)?;
        Ok(value)
    }

    /// Binary Data [5.0 §1.5.6].
    #[inline]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeFault> {
        let len = self.u16()?;
        self.bytes(len.into())
    }

    /// A UTF-8 Encoded String [3.1.1 §1.5.3, 5.0 §1.5.4].
    pub(crate) fn string(&mut self) -> Result<&'a str, DecodeFault> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| DecodeFault::InvalidUtf8)?;
        check_text(text)?;
        Ok(text)
    }

    /// Text that a checking type will look through at once ([`crate::TopicName`], [`crate::TopicFilter`]).
    #[inline]
    pub(crate) fn utf8(&mut self) -> Result<&'a str, DecodeFault> {
        std::str::from_utf8(self.binary()?).map_err(|_| DecodeFault::InvalidUtf8)
    }
}

/// What a UTF-8 Encoded String may not contain although it is UTF-8: U+0000 [3.1.1 MQTT-1.5.3-2, 5.0 MQTT-1.5.4-2],
/// control characters and Unicode's non-characters [3.1.1 §1.5.3, 5.0 §1.5.4: "MAY" be refused, as mosquitto does].
///
/// # Errors
/// [`DecodeFault::NullCharacter`], [`DecodeFault::ForbiddenCharacter`].
#[inline]
pub fn check_text(text: &str) -> Result<(), DecodeFault> {
    // One pass without branches for what nearly every text is: printable ASCII.
    let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if plain { Ok(()) } else { check_characters(text) }
}

#[cold]
fn check_characters(text: &str) -> Result<(), DecodeFault> {
    for character in text.chars() {
        let point = u32::from(character);
        if point == 0 {
            return Err(DecodeFault::NullCharacter);
        }
        if character.is_control() || matches!(point, 0xFDD0..=0xFDEF) || point & 0xFFFE == 0xFFFE {
            return Err(DecodeFault::ForbiddenCharacter);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_utf8_without_what_the_standards_keep_out() {
        use DecodeFault::{ForbiddenCharacter, InvalidUtf8, NullCharacter, Truncated};
        let rows: &[(&str, &[u8], Result<&str, DecodeFault>)] = &[
            ("5.0 §1.5.4", b"\0\0", Ok("")),
            ("5.0 §1.5.4", b"\0\x01a", Ok("a")),
            ("5.0 §1.5.4 figure 1-2", b"\0\x05A\xF0\xAA\x9B\x94", Ok("A\u{2A6D4}")),
            ("5.0 §1.5.4", b"\0\x02a", Err(Truncated)),
            ("5.0 §1.5.4", b"\0", Err(Truncated)),
            ("5.0 MQTT-1.5.4-1, a surrogate", b"\0\x03\xED\xA0\x80", Err(InvalidUtf8)),
            ("5.0 MQTT-1.5.4-1, overlong", b"\0\x02\xC0\x80", Err(InvalidUtf8)),
            ("5.0 MQTT-1.5.4-1, above U+10FFFF", b"\0\x04\xF4\x90\x80\x80", Err(InvalidUtf8)),
            ("5.0 MQTT-1.5.4-2", b"\0\x01\0", Err(NullCharacter)),
            ("3.1.1 MQTT-1.5.3-3, 5.0 MQTT-1.5.4-3", b"\0\x03\xEF\xBB\xBF", Ok("\u{FEFF}")),
            ("5.0 §1.5.4, U+0001", b"\0\x01\x01", Err(ForbiddenCharacter)),
            ("5.0 §1.5.4, U+001F", b"\0\x01\x1F", Err(ForbiddenCharacter)),
            ("5.0 §1.5.4, U+007F", b"\0\x01\x7F", Err(ForbiddenCharacter)),
            ("5.0 §1.5.4, U+009F", b"\0\x02\xC2\x9F", Err(ForbiddenCharacter)),
            ("5.0 §1.5.4, U+00A0", b"\0\x02\xC2\xA0", Ok("\u{A0}")),
            ("5.0 §1.5.4, U+FDD0", b"\0\x03\xEF\xB7\x90", Err(ForbiddenCharacter)),
            ("5.0 §1.5.4, U+FFFF", b"\0\x03\xEF\xBF\xBF", Err(ForbiddenCharacter)),
            ("5.0 §1.5.4, U+1FFFE", b"\0\x04\xF0\x9F\xBF\xBE", Err(ForbiddenCharacter)),
            ("5.0 §1.5.4, U+FFFD", b"\0\x03\xEF\xBF\xBD", Ok("\u{FFFD}")),
        ];
        for (source, bytes, wanted) in rows {
            assert_eq!(Reader::new(bytes).string(), *wanted, "{source}: {bytes:02x?}");
        }
    }

    #[test]
    fn a_number_inside_a_packet_has_no_more_bytes_than_it_needs() {
        let rows: &[(&[u8], Result<u32, DecodeFault>)] = &[
            (&[0x00], Ok(0)),
            (&[0xFF, 0xFF, 0xFF, 0x7F], Ok(268_435_455)),
            (&[0x80, 0x00], Err(DecodeFault::IntegerNotMinimal)),
            (&[0xFF, 0x80, 0x00], Err(DecodeFault::IntegerNotMinimal)),
            (&[0x80], Err(DecodeFault::Truncated)),
            (&[0x80, 0x80, 0x80, 0x80, 0x01], Err(DecodeFault::IntegerTooLong)),
        ];
        for (bytes, wanted) in rows {
            assert_eq!(Reader::new(bytes).variable_byte_integer(), *wanted, "5.0 MQTT-1.5.5-1: {bytes:02x?}");
        }
    }
}
