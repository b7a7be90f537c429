//! Whole records out of a btsnoop stream that comes in pieces. What is in them is read by `gateway_core::btsnoop`.

use gateway_core::btsnoop::PACKET_BYTES_MAX;

const HEADER_BYTES: usize = 16;
const RECORD_HEADER_BYTES: usize = 24;

/// Holds what came of a stream and was not taken yet: its header of 16 bytes, and a record that is not whole, of
/// [`PACKET_BYTES_MAX`] at most.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    bytes: Vec<u8>,
}

impl Framing {
    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The header and all whole records after it: a recording of its own. What is damaged counts as whole, so that who
    /// reads it says what is wrong. Empty while the header is not there.
    pub(crate) fn whole(&self) -> &[u8] {
        self.bytes.get(..self.whole_bytes()).unwrap_or_default()
    }

    /// The whole records alone.
    pub(crate) fn records(&self) -> &[u8] {
        self.whole().get(HEADER_BYTES..).unwrap_or_default()
    }

    /// Forgets the whole records; the header stays for the next ones.
    pub(crate) fn take(&mut self) {
        let end = self.whole_bytes();
        if end > HEADER_BYTES {
            self.bytes.drain(HEADER_BYTES..end);
        }
    }

    fn whole_bytes(&self) -> usize {
        if self.bytes.len() < HEADER_BYTES {
            return 0;
        }
        let mut end = HEADER_BYTES;
        while let Some([_, _, _, _, a, b, c, d]) = self.bytes.get(end..).and_then(|left| left.first_chunk()) {
            let included = u32::from_be_bytes([*a, *b, *c, *d]);
            if included > PACKET_BYTES_MAX {
                return self.bytes.len();
            }
            let next = end + RECORD_HEADER_BYTES + included as usize;
            if next > self.bytes.len() {
                break;
            }
            end = next;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::btsnoop;

    const RECORDING: &[u8] = include_bytes!("../../gateway/recordings/data-test.btsnoop");

    #[test]
    fn in_whatever_pieces_a_stream_comes_its_records_are_whole() {
        let whole = &RECORDING[..20_000];
        for piece in [1, 7, 24, 100, 4096, 20_000] {
            let (mut framing, mut records, mut together) = (Framing::default(), 0, whole[..16].to_vec());
            for piece in whole.chunks(piece) {
                framing.push(piece);
                if !framing.whole().is_empty() {
                    records += btsnoop::records(framing.whole()).expect("a header").flatten().count();
                }
                together.extend_from_slice(framing.records());
                framing.take();
            }
            assert!(framing.bytes.len() > 16, "20,000 bytes end within a record");
            assert!(whole.starts_with(&together), "in pieces of {piece}");
            let cut = btsnoop::records(whole).expect("a header").map_while(Result::ok).count();
            assert_eq!(records, cut, "in pieces of {piece}");
        }
    }

    #[test]
    fn damage_is_handed_on_to_be_told() {
        let mut framing = Framing::default();
        let mut damaged = RECORDING[..3000].to_vec();
        damaged[16 + 4..16 + 8].fill(0xFF);
        framing.push(&damaged);
        let fault = btsnoop::records(framing.whole()).expect("a header").find_map(Result::err).expect("a fault");
        assert!(fault.to_string().starts_with("byte 16: a record of 4294967295 bytes"), "{fault}");
        let mut framing = Framing::default();
        framing.push(b"not a btsnoop recording");
        assert!(btsnoop::records(framing.whole()).is_err());
    }
}
