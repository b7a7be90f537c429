//! The file as a whole: its beginning, and its chunks one after the other, past what is damaged.
//!
//! Chunks have no checksum. What has changed is noticed where a length, a kind or a text is none any more; a changed
//! payload is not. After a length that is wrong, reading goes on where two chunks follow each other that are right to
//! the last byte, or one at the end.

use std::fmt;

use crate::chunk::{CLIENT, CONFIG, Chunk, decode, name_of};
use crate::cursor::Cursor;
use crate::{fixed, running};

/// What every file begins with.
const MAGIC: &[u8; 15] = b"\x00\xb5\x00mosquitto db";
/// The beginning, a checksum that was never used, the version.
const HEADER_BYTES: usize = MAGIC.len() + 4 + 4;
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=6;

/// A file whose beginning was understood.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    version: u32,
    bytes: &'a [u8],
}

/// Why a file is not read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was ever saved.
    #[error("the file is empty")]
    Empty,
    /// It begins with something else.
    #[error("this is not a mosquitto.db: it does not begin as mosquitto's files do")]
    NotOurs,
    /// It is of another version.
    #[error("this mosquitto.db has version {0}; versions 2 to 6 (mosquitto up to 2.1) are known")]
    Version(u32),
}

/// What lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A chunk that is right.
    Chunk(Chunk<'a>),
    /// Something that is not.
    Damage(Damage),
}

/// Something that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins in the file.
    pub offset: usize,
    /// How long it is.
    pub bytes: usize,
    /// What is wrong.
    pub harm: Harm,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// One chunk of this kind cannot be understood.
    Chunk(u32),
    /// Nobody can say where a chunk begins.
    Lost,
    /// The file ends within a chunk.
    CutShort,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, bytes, harm } = self;
        match harm {
            Harm::Chunk(kind @ CONFIG..=CLIENT) => {
                write!(f, "at byte {offset}: a {} ({bytes} bytes) cannot be understood", name_of(*kind))
            }
            Harm::Chunk(kind) => write!(f, "at byte {offset}: a chunk ({bytes} bytes) of unknown kind {kind}"),
            Harm::Lost => write!(f, "at byte {offset}: {bytes} bytes are damaged"),
            Harm::CutShort => write!(f, "at byte {offset}: the file ends within a chunk; {bytes} bytes of it are left"),
        }
    }
}

impl<'a> File<'a> {
    /// Looks at the beginning.
    ///
    /// # Errors
    /// If it is not the beginning of a file of mosquitto's, or of a version that is not known.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Err(Refusal::Empty);
        }
        let head = bytes.first_chunk::<HEADER_BYTES>().ok_or(Refusal::NotOurs)?;
        let rest = head.strip_prefix(MAGIC).ok_or(Refusal::NotOurs)?;
        let mut cursor = Cursor(rest);
        let _never_used = cursor.u32();
        let version = cursor.u32().ok_or(Refusal::NotOurs)?;
        if VERSIONS.contains(&version) { Ok(Self { version, bytes }) } else { Err(Refusal::Version(version)) }
    }

    /// 2 to 6.
    pub fn version(self) -> u32 {
        self.version
    }

    /// From the beginning to the end.
    pub fn pieces(self) -> Pieces<'a> {
        Pieces { file: self, at: HEADER_BYTES }
    }

    /// What begins at `at`: kind, and the bytes behind the chunk's head.
    fn chunk_at(self, at: usize) -> At<'a> {
        let mut cursor = Cursor(self.bytes.get(at..).unwrap_or_default());
        let header = if self.version >= 5 { fixed::header(&mut cursor) } else { running::header(&mut cursor) };
        let Some((kind, len)) = header else { return At::Nothing };
        let head = self.bytes.len() - at - cursor.0.len();
        match usize::try_from(len).ok().and_then(|len| cursor.take(len)) {
            Some(body) => At::Whole { kind, body, end: at + head + body.len() },
            None => At::Nothing,
        }
    }

    /// The chunk at `at`, if all of it is right, and where it ends.
    fn right_at(self, at: usize) -> Option<(Chunk<'a>, usize)> {
        let At::Whole { kind, body, end } = self.chunk_at(at) else { return None };
        Some((decode(self.version, kind, body)?, end))
    }

    /// Whether a chunk seems to begin at `at`.
    fn begins_at(self, at: usize) -> bool {
        matches!(self.chunk_at(at), At::Whole { kind: CONFIG..=CLIENT, body, .. } if !body.is_empty())
    }

    /// Where chunks begin again after `at`.
    fn resume(self, at: usize) -> Option<usize> {
        (at + 1..self.bytes.len()).find(|at| {
            let next = self.right_at(*at).map(|(_, end)| end);
            next.is_some_and(|next| next == self.bytes.len() || self.right_at(next).is_some())
        })
    }
}

enum At<'a> {
    Whole { kind: u32, body: &'a [u8], end: usize },
    Nothing,
}

/// Goes through a file.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    file: File<'a>,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let Self { file, at } = *self;
        let len = file.bytes.len();
        if at >= len {
            return None;
        }
        let whole = file.chunk_at(at);
        if let At::Whole { kind, body, end } = whole {
            if let Some(chunk) = decode(file.version, kind, body) {
                self.at = end;
                return Some(Piece::Chunk(chunk));
            }
            if file.begins_at(end) {
                self.at = end;
                return Some(Piece::Damage(Damage { offset: at, bytes: end - at, harm: Harm::Chunk(kind) }));
            }
        }
        let (end, harm) = match (file.resume(at), whole) {
            (Some(end), _) => (end, Harm::Lost),
            (None, At::Nothing) => (len, Harm::CutShort),
            (None, At::Whole { kind, end, .. }) if end == len => (len, Harm::Chunk(kind)),
            (None, At::Whole { .. }) => (len, Harm::Lost),
        };
        self.at = end;
        Some(Piece::Damage(Damage { offset: at, bytes: end - at, harm }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{VERSIONS, file, rows};

    fn pieces(bytes: &[u8]) -> Vec<Piece<'_>> {
        File::open(bytes).expect("a file").pieces().collect()
    }

    fn whole(version: u32) -> Vec<u8> {
        file(version, rows(version).iter().map(|row| row.bytes))
    }

    #[test]
    fn every_chunk_of_every_version_is_read_as_mosquitto_wrote_it() {
        for version in VERSIONS {
            let bytes = whole(version);
            let wanted: Vec<_> = rows(version).into_iter().map(|row| Piece::Chunk(row.wanted)).collect();
            assert_eq!(pieces(&bytes), wanted, "version {version}");
            assert_eq!(File::open(&bytes).expect("a file").version(), version);
        }
    }

    #[test]
    fn a_file_that_is_not_mosquittos_is_refused() {
        let whole = whole(6);
        for (bytes, wanted) in [
            (&b""[..], Refusal::Empty),
            (&whole[..22], Refusal::NotOurs),
            (&b"SQLite format 3\0 and so on, and more"[..], Refusal::NotOurs),
            (&file(1, []), Refusal::Version(1)),
            (&file(7, []), Refusal::Version(7)),
        ] {
            assert_eq!(File::open(bytes).map(File::version), Err(wanted), "{bytes:?}");
        }
        assert_eq!(pieces(&file(6, [])), []);
    }

    #[test]
    fn wherever_a_file_is_cut_the_chunks_before_the_cut_are_read() {
        for version in VERSIONS {
            let bytes = whole(version);
            for len in HEADER_BYTES..bytes.len() {
                let mut at = HEADER_BYTES;
                let mut wanted = Vec::new();
                for row in rows(version) {
                    if at + row.bytes.len() > len {
                        break;
                    }
                    at += row.bytes.len();
                    wanted.push(Piece::Chunk(row.wanted));
                }
                if at < len {
                    wanted.push(Piece::Damage(Damage { offset: at, bytes: len - at, harm: Harm::CutShort }));
                }
                assert_eq!(pieces(&bytes[..len]), wanted, "version {version}, cut at {len}");
            }
        }
    }

    #[test]
    fn a_changed_bit_costs_no_chunk_but_its_own_and_a_wrong_length_no_more_than_the_next() {
        for version in VERSIONS {
            let whole = whole(version);
            let rows = rows(version);
            for bit in HEADER_BYTES * 8..whole.len() * 8 {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let read = pieces(&bytes);
                let kept = rows.iter().filter(|row| read.contains(&Piece::Chunk(row.wanted.clone()))).count();
                // The last chunk but one cannot be told from noise if the last has gone: there is none behind it.
                assert!(kept + 1 >= rows.len(), "version {version}, bit {bit}: {kept} are left of {}", rows.len());
                assert!(read.len() <= rows.len() + 1, "version {version}, bit {bit}: {read:?}");
            }
        }
    }

    #[test]
    fn after_a_wrong_length_reading_goes_on_at_the_next_chunk() {
        for version in VERSIONS {
            let rows = rows(version);
            let mut bytes = whole(version);
            let at = HEADER_BYTES + rows[0].bytes.len();
            let length_at = if version >= 5 { at + 4 } else { at + 2 };
            bytes[length_at + 3] = 0xee;
            let read = pieces(&bytes);
            let lost = Damage { offset: at, bytes: rows[1].bytes.len(), harm: Harm::Lost };
            assert_eq!(read[1], Piece::Damage(lost), "version {version}");
            assert_eq!(read[2..], rows[2..].iter().map(|row| Piece::Chunk(row.wanted.clone())).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_looks_like_one_chunk_in_a_payload_is_not_taken_for_one() {
        let rows = rows(3);
        let payload = [rows[6].bytes, b"more"].concat();
        let mut message =
            b"\x00\x02\xff\x00\x00\x2b\x07\0\0\0\0\0\0\0\x00\x00\x00\x00\x00\x00\x00\x01a\x01\x00".to_vec();
        message.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        message.extend_from_slice(&payload);
        let bytes = file(3, [&message[..], rows[5].bytes, rows[6].bytes]);
        let lost = Damage { offset: HEADER_BYTES, bytes: message.len(), harm: Harm::Lost };
        let wanted = [Piece::Damage(lost), Piece::Chunk(rows[5].wanted.clone()), Piece::Chunk(rows[6].wanted.clone())];
        assert_eq!(pieces(&bytes), wanted);
    }

    #[test]
    fn a_chunk_that_is_not_known_is_passed_over() {
        let rows = rows(6);
        let bytes = file(6, [rows[0].bytes, b"\0\0\0\x09\0\0\0\x03abc", rows[6].bytes]);
        let damage = Damage { offset: 47, bytes: 11, harm: Harm::Chunk(9) };
        let wanted =
            [Piece::Chunk(rows[0].wanted.clone()), Piece::Damage(damage), Piece::Chunk(rows[6].wanted.clone())];
        assert_eq!(pieces(&bytes), wanted);
        assert_eq!(damage.to_string(), "at byte 47: a chunk (11 bytes) of unknown kind 9");
    }

    #[test]
    fn what_compilers_and_machines_lay_out_otherwise_is_read_too() {
        let client = |ends_at_s| {
            Chunk::Client(crate::Client {
                client_id: "c",
                username: Some("v"),
                has_left_over_username: false,
                port: 1883,
                last_packet_id: 9,
                expiry_s: 3600,
                ends_at_s: Some(ends_at_s),
            })
        };
        let config = Chunk::Config { at_shutdown: false, id_bytes: 8 };
        let old = Chunk::Client(crate::Client {
            client_id: "c",
            username: None,
            has_left_over_username: false,
            port: 0,
            last_packet_id: 9,
            expiry_s: u32::MAX,
            ends_at_s: None,
        });
        let rows: [(&str, u32, &[u8], Chunk<'_>); 4] = [
            (
                "i386: eight bytes begin at any fourth",
                6,
                b"\0\0\0\x06\0\0\0\x16\x00\x94\x35\x77\0\0\0\0\0\0\x0e\x10\x00\x09\x00\x01\x07\x5b\x00\x01cv",
                client(2_000_000_000),
            ),
            ("i386", 6, b"\0\0\0\x01\0\0\0\x0c\x09\0\0\0\0\0\0\0\0\x08\0\0", config),
            (
                "big-endian",
                6,
                b"\0\0\0\x06\0\0\0\x1a\0\0\0\0\x77\x35\x94\0\0\0\x0e\x10\x00\x09\x00\x01\x07\x5b\x00\x01\0\0\0\0cv",
                client(2_000_000_000),
            ),
            ("times of four bytes", 3, b"\x00\x06\x00\x00\x00\x09\x00\x01c\x00\x09\xef\xcd\xab\x68", old),
        ];
        for (what, version, bytes, wanted) in rows {
            assert_eq!(pieces(&file(version, [bytes])), [Piece::Chunk(wanted)], "{what}");
        }
    }

    #[test]
    fn a_user_name_that_mosquitto_left_over_from_the_client_before_is_none() {
        // 2.0: the length of "user" with its bytes in the wrong order, and what lay behind the name in memory.
        let mut body = b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x00\x09\x00\x01\x07\x5b\x04\x00\0\0\0\0cuser\0".to_vec();
        body.resize(24 + 1 + 0x400, 0xaa);
        let mut chunk = b"\0\0\0\x06".to_vec();
        chunk.extend_from_slice(&(body.len() as u32).to_be_bytes());
        chunk.extend_from_slice(&body);
        let bytes = file(6, [&chunk[..]]);
        let [Piece::Chunk(Chunk::Client(client))] = &pieces(&bytes)[..] else { panic!("one client") };
        assert_eq!((client.client_id, client.username, client.has_left_over_username), ("c", None, true));
    }

    #[test]
    fn whatever_the_bytes_are_every_byte_is_told_of_once_and_nothing_panics() {
        let mut random = 11_u64;
        let mut below = |end: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % end
        };
        for version in VERSIONS {
            let whole = whole(version);
            for _ in 0..1_000 {
                let mut bytes = whole.clone();
                for _ in 0..=below(8) {
                    let at = HEADER_BYTES + below(bytes.len() - HEADER_BYTES);
                    match below(3) {
                        0 => bytes[at] = below(256) as u8,
                        1 => drop(bytes.remove(at)),
                        _ => bytes.insert(at, below(7) as u8),
                    }
                }
                crate::read_for_fuzzing(&bytes);
            }
        }
    }
}
