//! The beginning of each file: that it is ours, how its records are written, which it is. It stands there twice, so
//! that one changed bit does not make a file unreadable.

use crate::coding::VERSION;

const COPY_BYTES: usize = 48;
/// Where records begin.
pub(crate) const HEADER_BYTES: usize = 2 * COPY_BYTES;
const MAGIC: &[u8; 16] = b"nightjar store\n\0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// How records are written.
    pub version: u16,
    /// The same in all files of a store; see [`crate::frame`].
    pub salt: u64,
    /// Numbers the files in their order.
    pub number: u64,
    /// So many bytes of the file before this one count. What stands behind them was never promised.
    pub previous_bytes: u64,
}

impl Header {
    pub(crate) fn new(salt: u64, number: u64, previous_bytes: u64) -> Self {
        Self { version: VERSION, salt, number, previous_bytes }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let mut copy = MAGIC.to_vec();
        copy.extend_from_slice(&u32::from(self.version).to_le_bytes());
        for number in [self.salt, self.number, self.previous_bytes] {
            copy.extend_from_slice(&number.to_le_bytes());
        }
        copy.extend_from_slice(&crc32fast::hash(&copy).to_le_bytes());
        copy.repeat(2)
    }

    /// `None`: neither copy is right.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.chunks_exact(COPY_BYTES).take(2).find_map(|copy| {
            let (copy, sum) = copy.split_last_chunk::<4>()?;
            let rest = copy.strip_prefix(MAGIC)?;
            if crc32fast::hash(copy).to_le_bytes() != *sum {
                return None;
            }
            let (version, rest) = rest.split_first_chunk::<4>()?;
            let (salt, rest) = rest.split_first_chunk::<8>()?;
            let (number, rest) = rest.split_first_chunk::<8>()?;
            Some(Self {
                version: u32::from_le_bytes(*version).try_into().unwrap_or(u16::MAX),
                salt: u64::from_le_bytes(*salt),
                number: u64::from_le_bytes(*number),
                previous_bytes: u64::from_le_bytes(*rest.first_chunk()?),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_long_as_one_of_its_copies_is_right() {
        let header = Header::new(0x1234_5678_9abc_def0, 9, 4_000);
        let bytes = header.encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bytes), Some(header), "bit {bit}");
            bytes[(bit / 8 + COPY_BYTES) % HEADER_BYTES] ^= 1;
            assert_eq!(Header::decode(&bytes), None, "bit {bit} and the same byte of the other copy");
        }
        for len in 0..HEADER_BYTES {
            assert_eq!(Header::decode(&bytes[..len]).is_some(), len >= COPY_BYTES, "{len} bytes");
        }
    }
}
