//! A file as numbered lines: what the three parsers have in common.

use crate::LineFault;

/// Bytes of a line, its end not counted: room for the longest user name or topic filter of MQTT
/// (65,535) and for the longest hash beside it. A longer one is not one of these files.
pub const LINE_BYTES_MAX: usize = 70_000;

/// Faults told of one file. Past this the file is something else, and the rest says nothing new.
pub const FAULTS_MAX: usize = 100;

/// A line without its end, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) number: u32,
    pub(crate) bytes: &'a [u8],
}

/// Faults found so far; the parser stops when there is no room for more.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<LineFault>);

impl Faults {
    pub(crate) fn push(&mut self, fault: LineFault) {
        self.0.push(fault);
    }

    pub(crate) fn are_too_many(&self) -> bool {
        self.0.len() >= FAULTS_MAX
    }

    /// The value when there were no faults.
    pub(crate) fn or_value<T>(self, value: T) -> Result<T, Vec<LineFault>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

impl<'a> Line<'a> {
    /// mosquitto's comments: `#` as the very first character, whatever the rest is encoded in.
    pub(crate) fn is_comment(self) -> bool {
        self.bytes.first() == Some(&b'#')
    }

    /// White space and nothing else.
    pub(crate) fn is_blank(self) -> bool {
        self.bytes.iter().all(|byte| is_blank(*byte))
    }

    pub(crate) fn fault(self, message: impl Into<String>) -> LineFault {
        LineFault::new(self.number, message)
    }

    /// The line as text without blanks at its end.
    pub(crate) fn text(self) -> Result<&'a str, LineFault> {
        if self.bytes.len() > LINE_BYTES_MAX {
            return Err(self.fault(format!(
                "the line has {} bytes, but at most {LINE_BYTES_MAX} are read; is this the right file?",
                self.bytes.len()
            )));
        }
        if self.number == 1 && self.bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(self.fault("the file begins with a byte order mark; save it as UTF-8 without one"));
        }
        let text = std::str::from_utf8(self.bytes).map_err(|error| {
            self.fault(format!("byte {} of the line is not UTF-8; save the file as UTF-8", error.valid_up_to() + 1))
        })?;
        if text.contains('\0') {
            return Err(self.fault("the line holds a zero byte; is this the right file?"));
        }
        Ok(trim_end(text))
    }
}

/// The lines of a file. What follows the last line end is a line only if there is something.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        number += 1;
        Some(Line { number, bytes: line.strip_suffix(b"\r").unwrap_or(line) })
    })
}

/// Blanks as C's `isspace` has them, which mosquitto trims by.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Whether `text` holds one of those blanks.
pub(crate) fn holds_blank(text: &str) -> bool {
    text.bytes().any(is_blank)
}

/// Without those blanks at either end.
pub(crate) fn trim(text: &str) -> &str {
    trim_end(text).trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_blank))
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches(|c: char| u8::try_from(c).is_ok_and(is_blank))
}

/// Either `value` is within `max` bytes or a message that says what is too long.
pub(crate) fn within(what: &str, value: &str, max: usize) -> Result<(), String> {
    if value.len() > max {
        return Err(format!("the {what} has {} bytes, but at most {max} are taken; shorten it", value.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u32, &[u8])> {
        lines(text).map(|line| (line.number, line.bytes)).collect()
    }

    #[test]
    fn unix_and_windows_line_ends_give_the_same_lines() {
        let wanted: Vec<(u32, &[u8])> = vec![(1, b"a"), (2, b""), (3, b"b")];
        for text in [&b"a\n\nb"[..], b"a\n\nb\n", b"a\r\n\r\nb\r\n"] {
            assert_eq!(all(text), wanted, "{text:?}");
        }
        assert_eq!(all(b""), vec![]);
        assert_eq!(all(b"\n"), vec![(1, &b""[..])]);
    }

    #[test]
    fn a_line_that_is_not_text_says_what_to_do() {
        let rows: [(&[u8], &str); 3] =
            [(b"\xef\xbb\xbfuser x", "byte order mark"), (b"user \xff", "byte 6"), (b"user a\0b", "zero byte")];
        for (text, wanted) in rows {
            let line = lines(text).next().expect("a line");
            let fault = line.text().expect_err("refused");
            assert!(fault.to_string().starts_with("line 1: "), "{fault}");
            assert!(fault.message.contains(wanted), "{fault} should hold {wanted}");
        }
    }

    #[test]
    fn a_line_as_long_as_the_limit_is_read_and_one_longer_is_not() {
        let longest = vec![b'a'; LINE_BYTES_MAX];
        assert!(Line { number: 1, bytes: &longest }.text().is_ok());
        let longer = vec![b'a'; LINE_BYTES_MAX + 1];
        assert!(Line { number: 1, bytes: &longer }.text().is_err());
    }
}
