//! Bytes, read from the front. What is not there is `None`.

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// In network order.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// In network order.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// In the order of the machine that wrote it, which the file does not tell: of use to compare, not to count.
    pub(crate) fn id(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Seconds since 1970 in eight bytes, in the order of the machine that wrote them; 0 if there is none.
    ///
    /// Read in the wrong order, a time of this age of the world is one that nobody waits for.
    pub(crate) fn seconds(&mut self) -> Option<u64> {
        const LATEST: u64 = 1 << 40;
        let bytes = self.array()?;
        let seconds = [u64::from_le_bytes(bytes), u64::from_be_bytes(bytes)];
        Some(seconds.into_iter().find(|seconds| *seconds < LATEST).unwrap_or(0))
    }

    /// A length in two bytes, and so much text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.u16()?;
        self.text_of(len.into())
    }

    pub(crate) fn text_of(&mut self, len: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(len)?).ok()
    }

    /// A Variable Byte Integer [5.0 §1.5.5].
    pub(crate) fn variable(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_either_order_of_bytes() {
        let now: u64 = 1_750_000_000;
        for (bytes, wanted) in [
            (now.to_le_bytes(), now),
            (now.to_be_bytes(), now),
            (0_u64.to_le_bytes(), 0),
            ((-1_i64).to_le_bytes(), 0),
            ([1, 2, 3, 4, 5, 6, 7, 8], 0),
        ] {
            assert_eq!(Cursor(&bytes).seconds(), Some(wanted), "{bytes:?}");
        }
        assert_eq!(Cursor(&[0; 7]).seconds(), None);
    }

    #[test]
    fn variable_byte_integers_have_at_most_four_bytes() {
        // [5.0 §1.5.5]
        for (bytes, wanted) in [
            (&[0x7f][..], Some(127)),
            (&[0x80, 0x01], Some(128)),
            (&[0xff, 0xff, 0xff, 0x7f], Some(268_435_455)),
            (&[0xff, 0xff, 0xff, 0xff, 0x01], None),
            (&[0x80], None),
        ] {
            assert_eq!(Cursor(bytes).variable(), wanted, "{bytes:?}");
        }
    }
}
