//! The PSK file: `identity:key` lines, the key in hexadecimal digits.

use std::collections::BTreeMap;
use std::fmt;

use crate::LineFault;
use crate::lines::{Faults, Line, lines, trim, within};

/// Bytes of an identity: what OpenSSL takes in a handshake.
pub const IDENTITY_BYTES_MAX: usize = 256;

/// Bytes of a key, two digits each: what OpenSSL takes in a handshake.
pub const KEY_BYTES_MAX: usize = 512;

/// Who may come in with which pre-shared key.
#[derive(Debug, Default)]
pub struct PskFile {
    keys: BTreeMap<Box<str>, Entry>,
    warnings: Vec<LineFault>,
}

struct Entry {
    line: u32,
    key: Box<[u8]>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("line", &self.line).finish_non_exhaustive()
    }
}

impl PskFile {
    /// Reads a PSK file: an identity and a key on each line, parted by `:`; a line that begins with
    /// `#` is a comment, and a blank one is nothing.
    ///
    /// # Errors
    ///
    /// All the faults of the file, at most [`crate::FAULTS_MAX`]: a line without `:`, an empty,
    /// repeated or too long identity, a key that is empty, too long or not hexadecimal.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<LineFault>> {
        let mut file = Self::default();
        let mut faults = Faults::default();
        for line in lines(text).filter(|line| !line.is_comment() && !line.is_blank()) {
            if let Err(fault) = file.read(line) {
                faults.push(fault);
            }
            if faults.are_too_many() {
                break;
            }
        }
        faults.or_value(file)
    }

    /// The key of an identity, 1 to [`KEY_BYTES_MAX`] bytes.
    pub fn key_of(&self, identity: &str) -> Option<&[u8]> {
        self.keys.get(identity).map(|entry| entry.key.as_ref())
    }

    /// How many identities there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none, so that nobody comes in.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Keys that are read as mosquitto reads them but that another client may read otherwise.
    pub fn warnings(&self) -> &[LineFault] {
        &self.warnings
    }

    fn read(&mut self, line: Line<'_>) -> Result<(), LineFault> {
        // Nothing of the line is ever shown but the identity: the rest may be a key.
        let (identity, key) = line
            .text()?
            .split_once(':')
            .ok_or_else(|| line.fault("there is no : between identity and key; every line is identity:key"))?;
        let (identity, key) = (trim(identity), trim(key));
        if identity.is_empty() {
            return Err(line.fault("there is no identity before the colon; every line is identity:key"));
        }
        within("identity", identity, IDENTITY_BYTES_MAX).map_err(|message| line.fault(message))?;
        let digits = key.len();
        let key = bytes_of(key).map_err(|cause| line.fault(format!("the key of {identity:?} {cause}")))?;
        if let Some(before) = self.keys.get(identity) {
            return Err(line.fault(format!(
                "identity {identity:?} is on line {} already; take one of the two lines out",
                before.line
            )));
        }
        if digits % 2 == 1 && self.warnings.len() < crate::FAULTS_MAX {
            self.warnings.push(line.fault(format!(
                "the key of {identity:?} has an odd number of digits; it is read as mosquitto does, with a zero in \
                 front, but write that zero so that every client reads it alike"
            )));
        }
        self.keys.insert(identity.into(), Entry { line: line.number, key });
        Ok(())
    }
}

/// Hexadecimal digits into bytes, an odd number of them as mosquitto reads it.
///
/// The key is one number to mosquitto, but for whole zero bytes in front, which it keeps: `12345` is
/// 01 23 45 and `0012` is 00 12; of an odd number of digits the zero left in front counts for nothing,
/// so that `012` is 12.
fn bytes_of(key: &str) -> Result<Box<[u8]>, String> {
    if key.is_empty() {
        return Err("is empty; write it in hexadecimal digits, two a byte".into());
    }
    let digits: Option<Vec<u8>> =
        key.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits.ok_or("holds something else than hexadecimal digits; write it with 0-9 and a-f, two a byte")?;
    if digits.len().div_ceil(2) > KEY_BYTES_MAX {
        return Err(format!(
            "has {} bytes, but at most {KEY_BYTES_MAX} are taken; make a shorter one",
            digits.len().div_ceil(2)
        ));
    }
    let (zeros, number) = if digits.len() % 2 == 0 { (0, digits.as_slice()) } else { split_odd(&digits) };
    let mut bytes = vec![0; zeros];
    let (first, rest) = number.split_at(number.len() % 2);
    bytes.extend_from_slice(first);
    bytes.extend(rest.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)));
    Ok(bytes.into())
}

/// How many zero bytes stand in front, and the number after them without its leading zero.
fn split_odd(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.chunks_exact(2).take_while(|pair| pair.iter().all(|digit| *digit == 0)).count();
    let number = digits.get(zeros * 2..).unwrap_or_default();
    (zeros, number.strip_prefix(&[0]).unwrap_or(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> PskFile {
        PskFile::parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{text:?}: {faults:?}"))
    }

    #[test]
    fn identities_have_their_keys() {
        let file = file("# ours\r\n\r\n cassia : 00aAfF \r\nwith space:01");
        assert_eq!(file.key_of("cassia"), Some(&[0x00, 0xaa, 0xff][..]));
        assert_eq!(file.key_of("with space"), Some(&[1][..]));
        assert_eq!((file.key_of("# ours"), file.key_of("")), (None, None));
        assert_eq!(file.len(), 2);
    }

    #[test]
    fn the_file_that_debian_installs_is_read_and_its_odd_key_is_warned_of() {
        let file = file("id:deadbeef\neasy:12345\n");
        assert_eq!(file.key_of("id"), Some(&[0xde, 0xad, 0xbe, 0xef][..]));
        assert_eq!(file.key_of("easy"), Some(&[0x01, 0x23, 0x45][..]));
        assert_eq!(file.warnings().iter().map(|warning| warning.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn zeros_in_front_are_kept_as_mosquitto_keeps_them() {
        let rows: [(&str, &[u8]); 8] = [
            ("0012", &[0, 0x12]),
            ("012", &[0x12]),
            ("00012", &[0, 0x12]),
            ("00", &[0]),
            ("000", &[0]),
            ("1", &[1]),
            ("0001", &[0, 1]),
            ("123", &[1, 0x23]),
        ];
        for (digits, wanted) in rows {
            assert_eq!(bytes_of(digits).expect(digits).as_ref(), wanted, "{digits}");
        }
    }

    #[test]
    fn every_faulty_line_is_told_and_shows_no_key() {
        let long_key = "0".repeat(2 * KEY_BYTES_MAX + 1);
        let long_identity = "i".repeat(IDENTITY_BYTES_MAX + 1);
        let rows = [
            ("deadbeef".to_owned(), "no : between"),
            (":deadbeef".into(), "no identity"),
            ("a:".into(), "is empty"),
            ("b:deadbeefx".into(), "hexadecimal"),
            ("c:deadbeef:deadbeef".into(), "hexadecimal"),
            ("d:dead beef".into(), "hexadecimal"),
            ("e:0xdeadbeef".into(), "hexadecimal"),
            (format!("f:{long_key}"), "513 bytes, but at most 512"),
            (format!("{long_identity}:deadbeef"), "257 bytes, but at most 256"),
        ];
        let text: String = rows.iter().flat_map(|(line, _)| [line, "\n"]).collect();
        let faults = PskFile::parse(text.as_bytes()).expect_err("faults");
        assert_eq!(faults.len(), rows.len(), "{faults:?}");
        for ((fault, (line, wanted)), number) in faults.iter().zip(rows).zip(1..) {
            assert!(fault.line == number && fault.message.contains(wanted), "{line:?}: {fault} should hold {wanted}");
            assert!(!fault.message.contains("dead"), "{fault}");
        }
    }

    #[test]
    fn a_key_as_long_as_the_limit_is_read() {
        let file = file(&format!("a:{}", "f".repeat(2 * KEY_BYTES_MAX)));
        assert_eq!(file.key_of("a").map(<[u8]>::len), Some(KEY_BYTES_MAX));
    }

    #[test]
    fn an_identity_that_is_there_twice_is_a_fault_that_names_both_lines() {
        let faults = PskFile::parse(b"a:01\n\na:02\n").expect_err("a fault");
        assert_eq!(faults[0].to_string(), "line 3: identity \"a\" is on line 1 already; take one of the two lines out");
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", file("a:7777").keys), "{\"a\": Entry { line: 1, .. }}");
    }
}
