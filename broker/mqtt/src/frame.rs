//! Where one packet ends and the next begins. What is in it is `decode`'s.

use crate::DecodeFault;

/// The upper four bits of a packet's first byte [3.1.1 §2.2.1, 5.0 §2.1.2].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the standard's
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    /// Since 5.0.
    Auth = 15,
}

impl PacketType {
    /// `None` for the reserved type 0.
    #[inline]
    pub const fn from_first_byte(first_byte: u8) -> Option<Self> {
        Some(match first_byte >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The first byte of a packet of this type with these lower four bits.
    pub(crate) const fn first_byte(self, flags: u8) -> u8 {
        (self as u8) << 4 | flags
    }
}

/// One whole packet, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Packet type and flags.
    pub first_byte: u8,
    /// Variable header and payload.
    pub body: &'a [u8],
    /// Bytes of the whole packet, fixed header included: where the next one begins.
    pub len: usize,
}

impl Frame<'_> {
    /// `None` for the reserved type 0.
    #[inline]
    pub const fn packet_type(&self) -> Option<PacketType> {
        PacketType::from_first_byte(self.first_byte)
    }

    /// The lower four bits of the first byte.
    #[inline]
    pub(crate) const fn flags(&self) -> u8 {
        self.first_byte & 0x0F
    }

    /// Whether the Remaining Length was said in no more bytes than it needs. 5.0 demands it [5.0 MQTT-1.5.5-1],
    /// 3.1 and 3.1.1 do not, so `decode` asks when it knows the version.
    #[inline]
    pub(crate) const fn length_is_minimal(&self) -> bool {
        self.len.saturating_sub(self.body.len()) <= 1 + variable_byte_integer_len(self.body.len())
    }
}

/// Takes the first packet off `bytes`, which is what a connection has sent and nobody has read. `None`: more bytes
/// are needed.
///
/// `packet_bytes_max` bounds the whole packet, fixed header included; 0 is no limit. A longer packet is refused as
/// soon as its length is known, so nobody waits for, or makes room for, what was only announced.
///
/// # Errors
/// [`DecodeFault::PacketTooLarge`]; [`DecodeFault::IntegerTooLong`] where the length has a fifth byte;
/// [`DecodeFault::ReservedPacketType`].
#[inline]
pub fn next_frame(bytes: &[u8], packet_bytes_max: u32) -> Result<Option<Frame<'_>>, DecodeFault> {
    let Some((&first_byte, rest)) = bytes.split_first() else { return Ok(None) };
    if first_byte < 0x10 {
        return Err(DecodeFault::ReservedPacketType);
    }
    let Some((remaining, length_len)) = variable_byte_integer(rest)? else { return Ok(None) };
    let header_len = 1 + length_len;
    let len = header_len + remaining as usize;
    if packet_bytes_max != 0 && len > packet_bytes_max as usize {
        return Err(DecodeFault::PacketTooLarge);
    }
    Ok(bytes.get(header_len..len).map(|body| Frame { first_byte, body, len }))
}

/// A Variable Byte Integer at the front of `bytes` and how many bytes it has; `None` if it goes on beyond them.
#[inline]
pub(crate) fn variable_byte_integer(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeFault> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(DecodeFault::IntegerTooLong) }
}

/// How many bytes `value` needs as a Variable Byte Integer [5.0 §1.5.5, table 1-1].
#[inline]
pub(crate) const fn variable_byte_integer_len(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_the_standards_table_says() {
        // [3.1.1 §2.2.3 table 2.4, 5.0 §1.5.5 table 1-1]
        let rows: &[(&[u8], u32)] = &[
            (&[0x00], 0),
            (&[0x7F], 127),
            (&[0x80, 0x01], 128),
            (&[0xFF, 0x7F], 16_383),
            (&[0x80, 0x80, 0x01], 16_384),
            (&[0xFF, 0xFF, 0x7F], 2_097_151),
            (&[0x80, 0x80, 0x80, 0x01], 2_097_152),
            (&[0xFF, 0xFF, 0xFF, 0x7F], 268_435_455),
        ];
        for &(bytes, value) in rows {
            assert_eq!(variable_byte_integer(bytes), Ok(Some((value, bytes.len()))), "{bytes:02x?}");
            assert_eq!(variable_byte_integer_len(value as usize), bytes.len(), "{value}");
            assert_eq!(variable_byte_integer(&bytes[..bytes.len() - 1]), Ok(None), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_frame_is_had_only_when_its_last_byte_came() {
        let bytes = [0x30, 0x04, 0x00, 0x01, b'a', b'x', 0xC0, 0x00];
        for end in 0..6 {
            assert_eq!(next_frame(&bytes[..end], 0), Ok(None), "{end} bytes");
        }
        let frame = next_frame(&bytes, 0).unwrap().unwrap();
        assert_eq!(frame, Frame { first_byte: 0x30, body: &bytes[2..6], len: 6 });
        assert_eq!(frame.packet_type(), Some(PacketType::Publish));
        assert_eq!(next_frame(&bytes[6..], 0), Ok(Some(Frame { first_byte: 0xC0, body: &[], len: 2 })));
    }

    #[test]
    fn what_cannot_become_a_packet_is_refused_before_its_body_came() {
        type Row = (&'static str, &'static [u8], u32, Result<Option<Frame<'static>>, DecodeFault>);
        use DecodeFault::{IntegerTooLong, PacketTooLarge, ReservedPacketType};
        let rows: &[Row] = &[
            ("5.0 §3.2.2.3.6", &[0x30, 0x63], 100, Err(PacketTooLarge)),
            ("5.0 §3.2.2.3.6", &[0x30, 0x62], 100, Ok(None)),
            ("5.0 §3.2.2.3.6", &[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 2_000_000, Err(PacketTooLarge)),
            ("no limit", &[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 0, Ok(None)),
            ("3.1.1 §2.2.3, 5.0 §1.5.5", &[0x30, 0x80, 0x80, 0x80, 0x80], 0, Err(IntegerTooLong)),
            ("3.1.1 §2.2.1, 5.0 §2.1.2", &[0x00], 0, Err(ReservedPacketType)),
            ("3.1.1 §2.2.1, 5.0 §2.1.2", &[0x0F, 0x00], 0, Err(ReservedPacketType)),
        ];
        for (source, bytes, packet_bytes_max, wanted) in rows {
            assert_eq!(next_frame(bytes, *packet_bytes_max), *wanted, "{source}: {bytes:02x?}");
        }
    }

    #[test]
    fn a_frame_knows_whether_its_length_was_minimal() {
        for (bytes, minimal) in
            [(&[0xC0, 0x00][..], true), (&[0xC0, 0x80, 0x00], false), (&[0xC0, 0x80, 0x80, 0x00], false)]
        {
            let frame = next_frame(bytes, 0).unwrap().unwrap();
            assert_eq!(
                (frame.len, frame.length_is_minimal()),
                (bytes.len(), minimal),
                "5.0 MQTT-1.5.5-1: {bytes:02x?}"
            );
        }
    }
}
