//! The head of an HTTP/1.1 request: gathered with a bound, then read by httparse. Bodies are nobody's business here.

use httparse::{EMPTY_HEADER, Header, Request, Status};

/// Header fields of one request at most.
pub const HEADERS_MAX: usize = 100;

/// Of what a stranger wrote, so much is repeated in the log.
const SHOWN_BYTES_MAX: usize = 100;

/// Gathers a head, until the empty line that ends it.
#[derive(Debug)]
pub struct HeadReader {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Bytes of the line that is being read.
    line: usize,
}

/// Why something is no request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// It does not begin as a request does.
    #[error("it is not HTTP")]
    NotHttp,
    /// It began as one does.
    #[error("its HTTP is malformed")]
    Malformed,
    /// It is longer than the bound, or has more than [`HEADERS_MAX`] fields.
    #[error("its head is too long")]
    TooLong,
}

impl HeadReader {
    /// For a head of at most `bytes_max` bytes.
    pub const fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, line: 0 }
    }

    /// Takes the next piece of the stream; `Some(n)`: the head is whole and its last byte is the `n`th of the piece.
    ///
    /// # Errors
    /// It can be no head; all that has come of it is [`Self::so_far`].
    pub fn take(&mut self, piece: &[u8]) -> Result<Option<usize>, HeadFault> {
        for (at, byte) in piece.iter().enumerate() {
            if self.bytes.len() == self.bytes_max {
                return Err(HeadFault::TooLong);
            }
            self.bytes.push(*byte);
            match byte {
                b'\n' if self.line == 0 => return Ok(Some(at + 1)),
                b'\n' => self.line = 0,
                b'\r' => {}
                // A method is capital letters: what is MQTT or TLS is known at its first byte.
                _ if self.bytes.len() == 1 && !byte.is_ascii_uppercase() => return Err(HeadFault::NotHttp),
                _ => self.line += 1,
            }
        }
        Ok(None)
    }

    /// What has come.
    pub fn so_far(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole head.
    ///
    /// # Errors
    /// It is none.
    pub fn head(&self) -> Result<Head<'_>, HeadFault> {
        Head::parse(&self.bytes)
    }

    /// Begins anew, for the next request of the same connection.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.line = 0;
    }
}

/// What a request head says.
#[derive(Debug)]
pub struct Head<'b> {
    /// `GET` and its like.
    pub method: &'b str,
    /// Path and query, as they were sent.
    pub target: &'b str,
    /// Whether it is HTTP/1.1, and not 1.0.
    pub is_1_1: bool,
    fields: [Header<'b>; HEADERS_MAX],
    count: usize,
}

impl<'b> Head<'b> {
    /// Reads a whole head.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, HeadFault> {
        let mut fields = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HeadFault::TooLong),
            Ok(Status::Partial) | Err(_) => return Err(HeadFault::Malformed),
        }
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(HeadFault::Malformed);
        };
        let count = request.headers.len();
        Ok(Self { method, target, is_1_1: minor == 1, fields, count })
    }

    /// Every value of a field; names do not care for case.
    pub fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'b [u8]> + 'h {
        let fields = self.fields[..self.count].iter();
        fields.filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.trim_ascii())
    }

    /// The value of a field that stands once; `None`: it is not there, or more than once.
    pub fn value(&self, name: &str) -> Option<&'b [u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Every element of a field that is a list: by commas, in as many fields as there are.
    pub fn list<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'b [u8]> + 'h {
        let elements = self.values(name).flat_map(|value| value.split(|byte| *byte == b','));
        elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
    }

    /// Whether a list has an element, whatever its case.
    pub fn has(&self, name: &str, element: &str) -> bool {
        self.list(name).any(|each| each.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// The path alone, as it was sent.
    pub fn path(&self) -> &'b str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }
}

/// A stranger's words, for the log: short, and without what a terminal would obey.
pub fn shown(bytes: &[u8]) -> String {
    let part = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    let mut text: String =
        String::from_utf8_lossy(part).chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if part.len() < bytes.len() {
        text.push('…');
    }
    text
}

/// A text in percent-encoding was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a percent sign is not followed by two hexadecimal digits, or what they say is not UTF-8")]
pub struct Percent;

/// What a path in percent-encoding says [RFC 3986 §2.1].
///
/// # Errors
/// It is not encoded as it must be.
pub fn percent_decoded(text: &str) -> Result<String, Percent> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(Percent);
        decoded.push((digit()? << 4 | digit()?) as u8);
    }
    String::from_utf8(decoded).map_err(|_| Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "GET /mqtt?x=1 HTTP/1.1\r\nHost: h\r\nconnection: keep-alive , Upgrade\r\nConnection: x\r\nOrigin:  a \r\n\r\n";

    #[test]
    fn a_head_is_whole_at_its_empty_line_whatever_pieces_it_comes_in() {
        let bytes = [HEAD.as_bytes(), b"more"].concat();
        for size in 1..=bytes.len() {
            let (mut reader, mut used) = (HeadReader::new(4096), None);
            for (number, piece) in bytes.chunks(size).enumerate() {
                if let Some(count) = reader.take(piece).expect("a head") {
                    used = Some(number * size + count);
                    break;
                }
            }
            assert_eq!(used, Some(HEAD.len()), "in pieces of {size}");
            let head = reader.head().expect("a head");
            assert_eq!((head.method, head.target, head.path(), head.is_1_1), ("GET", "/mqtt?x=1", "/mqtt", true));
        }
    }

    #[test]
    fn fields_are_found_whatever_their_case_and_lists_in_as_many_fields_as_there_are() {
        let head = Head::parse(HEAD.as_bytes()).expect("a head");
        assert!(head.has("Connection", "upgrade") && head.has("CONNECTION", "X") && !head.has("Connection", "keep"));
        assert_eq!((head.value("origin"), head.value("Connection"), head.value("none")), (Some(&b"a"[..]), None, None));
    }

    #[test]
    fn what_is_no_head_is_refused_as_early_as_it_can_be() {
        let rows: &[(&[u8], HeadFault)] = &[
            (&[0x10, 0x0C, 0, 4], HeadFault::NotHttp),
            (&[0x16, 3, 1], HeadFault::NotHttp),
            (b"\r\n", HeadFault::Malformed),
            (b"GET / HTTP/1.1\r\nx y: z\r\n\r\n", HeadFault::Malformed),
            (b"GET /\r\n\r\n", HeadFault::Malformed),
            (b"GET / HTTP/2.0\r\n\r\n", HeadFault::Malformed),
            (&[b'A'; 65], HeadFault::TooLong),
        ];
        for (bytes, wanted) in rows {
            let mut reader = HeadReader::new(64);
            let found = reader.take(bytes).and_then(|_| reader.head().map(|_| ()));
            assert_eq!(found, Err(*wanted), "{}", shown(bytes));
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(Head::parse(many.as_bytes()).map(|_| ()), Err(HeadFault::TooLong));
    }

    #[test]
    fn a_head_of_just_as_many_bytes_as_may_be_is_one() {
        let mut reader = HeadReader::new(HEAD.len());
        assert_eq!(reader.take(HEAD.as_bytes()), Ok(Some(HEAD.len())));
        let mut reader = HeadReader::new(HEAD.len() - 1);
        assert_eq!(reader.take(HEAD.as_bytes()), Err(HeadFault::TooLong));
    }

    #[test]
    fn what_is_shown_of_a_strangers_words_is_short_and_harmless() {
        assert_eq!(shown(b"http://a\x1b[2J\n\xff"), "http://a\u{FFFD}[2J\u{FFFD}\u{FFFD}");
        assert_eq!(shown(&[b'a'; 200]), format!("{}…", "a".repeat(100)));
    }

    #[test]
    fn percent_signs_are_decoded_or_refused() {
        let rows = [
            ("/a%20b", Ok("/a b")),
            ("/%2E%2e/x", Ok("/../x")),
            ("/%", Err(Percent)),
            ("/%4", Err(Percent)),
            ("/%zz", Err(Percent)),
            ("/%ff", Err(Percent)),
            ("/%C3%A9", Ok("/é")),
        ];
        for (text, wanted) in rows {
            assert_eq!(percent_decoded(text).as_deref(), wanted.as_ref().copied(), "{text}");
        }
    }
}
