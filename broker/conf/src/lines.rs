//! A file as numbered lines, and a line as a name and its value: mosquitto's way of cutting them.

use crate::Fault;
use crate::fault::shown;

/// Bytes of a value, blanks around it not counted.
pub const VALUE_BYTES_MAX: usize = 65_535;

/// Bytes of a line, its end not counted: the longest value, a name, and some blanks.
pub const LINE_BYTES_MAX: usize = VALUE_BYTES_MAX + 4_096;

/// An option line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    /// What follows the name and one space; blanks around it are still there.
    pub(crate) rest: &'a str,
}

impl<'a> Line<'a> {
    /// The next word. Like mosquitto, what follows it is not read.
    pub(crate) fn word(&self) -> Option<&'a str> {
        words(self.rest).next()
    }

    /// The rest of the line without blanks around it; `None` when nothing is left.
    pub(crate) fn text(&self) -> Option<&'a str> {
        Some(self.rest.trim_matches(is_blank)).filter(|text| !text.is_empty())
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = &'a str> {
        words(self.rest)
    }
}

/// Parts between spaces. A tab is not a separator.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// Blanks as C's `isspace` has them.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// The lines of a file, without their ends. What follows the last line end is a line only if there is something.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let without_last_end = text.strip_suffix(b"\n").unwrap_or(text);
    let empty = text.is_empty();
    (1..).zip(without_last_end.split(|byte| *byte == b'\n')).filter(move |_| !empty).map(|(number, line)| {
        let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        (number, line.get(..end).unwrap_or_default())
    })
}

/// Cuts one line; `None` for a comment or an empty line.
///
/// A comment is a line whose very first byte is `#`; it may hold any bytes.
pub(crate) fn cut(number: u32, line: &[u8]) -> Result<Option<Line<'_>>, Fault> {
    if line.is_empty() || line.first() == Some(&b'#') {
        return Ok(None);
    }
    if line.len() > LINE_BYTES_MAX {
        return Err(Fault::told(
            format!("the line has {} bytes, but at most {LINE_BYTES_MAX} are read.", line.len()),
            "Is this the right file?",
        ));
    }
    if number == 1 && line.starts_with(b"\xef\xbb\xbf") {
        return Err(Fault::told(
            "the file begins with a byte order mark, which mosquitto takes for a part of the first option.",
            "Save it as UTF-8 without one.",
        ));
    }
    if let Some(at) = line.iter().position(|byte| *byte == 0) {
        return Err(Fault::told(format!("byte {} of the line is zero.", at + 1), "Is this the right file?"));
    }
    let text = std::str::from_utf8(line).map_err(|error| Fault::NotUtf8 { byte: error.valid_up_to() + 1 })?;
    let text = text.trim_start_matches(' ');
    if text.is_empty() {
        return Ok(None);
    }
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(Some(Line { name, rest }))
}

/// A text value: trimmed, not empty, not too long.
pub(crate) fn text_of<'a>(name: &str, line: &Line<'a>, bytes_max: usize) -> Result<&'a str, Fault> {
    let text = line.text().ok_or_else(|| Fault::Empty { name: name.to_owned() })?;
    if text.len() > bytes_max {
        return Err(Fault::Invalid {
            name: name.to_owned(),
            value: shown(text),
            takes: format!("at most {bytes_max} bytes, but these are {}", text.len()),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u32, &[u8])> {
        lines(text).collect()
    }

    #[test]
    fn unix_and_windows_line_ends_give_the_same_lines() {
        let wanted: Vec<(u32, &[u8])> = vec![(1, b"a"), (2, b""), (3, b"b")];
        for text in [&b"a\n\nb"[..], b"a\n\nb\n", b"a\r\n\r\nb\r\n", b"a\r\r\n\nb\r"] {
            assert_eq!(all(text), wanted, "{text:?}");
        }
        assert_eq!(all(b""), vec![]);
        assert_eq!(all(b"\n"), vec![(1, &b""[..])]);
    }

    #[test]
    fn a_line_is_cut_where_mosquitto_cuts_it() {
        // line, name, word, text
        let rows: [(&str, &str, Option<&str>, Option<&str>); 6] = [
            ("port 1883", "port", Some("1883"), Some("1883")),
            ("  port   1883  ", "port", Some("1883"), Some("1883")),
            ("port 1883 # the port", "port", Some("1883"), Some("1883 # the port")),
            ("pid_file /run/a b \t", "pid_file", Some("/run/a"), Some("/run/a b")),
            ("port\t1883", "port\t1883", None, None),
            ("port", "port", None, None),
        ];
        for (text, name, word, rest) in rows {
            let line = cut(1, text.as_bytes()).expect("readable").expect("an option");
            assert_eq!((line.name, line.word(), line.text()), (name, word, rest), "{text:?}");
        }
    }

    #[test]
    fn only_a_hash_in_the_first_column_makes_a_comment_and_it_may_hold_any_bytes() {
        for text in [&b"# x"[..], b"#\xff\xfe\0", b"#\xb2\xbb\xd4\xca\xd0\xed", b"", b"   "] {
            assert_eq!(cut(1, text), Ok(None), "{text:?}");
        }
        let line = cut(1, b" # x").expect("readable").expect("an option, as mosquitto has it");
        assert_eq!(line.name, "#");
    }

    #[test]
    fn a_line_that_is_not_text_says_what_to_do() {
        let long = vec![b'a'; LINE_BYTES_MAX + 1];
        let rows: [(&[u8], &str); 4] = [
            (b"\xef\xbb\xbfuser x", "byte order mark"),
            (b"user \xff", "Byte 6 of the line is not UTF-8"),
            (b"user a\0b", "byte 7 of the line is zero"),
            (&long, "at most 69631 are read"),
        ];
        for (text, wanted) in rows {
            let fault = cut(1, text).expect_err("refused");
            let told = format!("{fault} {}", fault.mend().unwrap_or_default());
            assert!(told.contains(wanted), "{told} should hold {wanted}");
        }
        assert!(cut(1, &long[1..]).is_ok());
    }

    #[test]
    fn a_value_as_long_as_the_limit_is_taken_and_one_longer_is_not() {
        let text = format!("user {}", "a".repeat(VALUE_BYTES_MAX));
        let line = cut(1, text.as_bytes()).expect("readable").expect("an option");
        assert!(text_of("user", &line, VALUE_BYTES_MAX).is_ok());
        assert!(text_of("user", &line, VALUE_BYTES_MAX - 1).is_err());
    }
}
