//! PEM text: its sections, each with the line it begins at, so that an error can point there.
//!
//! Text between sections is allowed and skipped (RFC 7468 §5.2: explanatory text), and so are the
//! headers that RFC 1421 puts before a body; of those only encryption is noticed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One `-----BEGIN x-----` … `-----END x-----`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What stands after `BEGIN`, e.g. `CERTIFICATE` or `RSA PRIVATE KEY`.
    pub label: String,
    /// Line of the `BEGIN`, counted from 1.
    pub line: usize,
    /// The body, decoded.
    pub der: Vec<u8>,
    /// The body is encrypted: `ENCRYPTED PRIVATE KEY`, or a `Proc-Type: 4,ENCRYPTED` header.
    pub encrypted: bool,
}

impl Section {
    /// Whether it claims to be a certificate. (`TRUSTED CERTIFICATE` carries more than one and is not.)
    pub fn is_certificate(&self) -> bool {
        matches!(self.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE")
    }

    /// Whether it claims to be a private key, of whatever form.
    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// Where PEM text is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct PemFault {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: PemFaultKind,
}

/// The ways in which PEM text is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemFaultKind {
    /// A section begins and the text ends.
    #[error("-----BEGIN {0}----- has no -----END {0}-----: the file is cut off, or the last line was not copied")]
    NotClosed(String),
    /// The section ends with another label than it began with.
    #[error("-----END {found}----- closes -----BEGIN {wanted}-----")]
    WrongEnd {
        /// The label of the `BEGIN`.
        wanted: String,
        /// The label of the `END`.
        found: String,
    },
    /// The body is not base64.
    #[error("this line of the {0} is not base64: copy the section again, unchanged")]
    NotBase64(String),
    /// The body has nothing in it.
    #[error("the {0} is empty")]
    Empty(String),
}

/// All sections of a PEM text, in order. Bytes that are not UTF-8 can only stand between sections.
pub fn sections(text: &[u8]) -> Result<Vec<Section>, PemFault> {
    let mut found = Vec::new();
    let mut open: Option<Open> = None;
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line_number = index + 1;
        let line = String::from_utf8_lossy(line);
        let line = line.trim().trim_start_matches('\u{feff}');
        if let Some(label) = marker(line, "BEGIN") {
            if let Some(unclosed) = open {
                return Err(PemFault { line: unclosed.line, what: PemFaultKind::NotClosed(unclosed.label) });
            }
            open = Some(Open::new(label, line_number));
        } else if let Some(label) = marker(line, "END") {
            if let Some(section) = open.take() {
                found.push(section.close(label, line_number)?);
            }
        } else if let Some(section) = &mut open {
            section.take_line(line, line_number);
        }
    }
    match open {
        Some(unclosed) => Err(PemFault { line: unclosed.line, what: PemFaultKind::NotClosed(unclosed.label) }),
        None => Ok(found),
    }
}

/// Encodes one section, 64 characters to a line.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        lines.push(line.to_owned());
        rest = tail;
    }
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}

/// The label of a `-----BEGIN x-----` or `-----END x-----` line.
fn marker<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let label = line.strip_prefix("-----")?.strip_prefix(word)?.strip_suffix("-----")?;
    label.strip_prefix(' ').map(str::trim)
}

/// A section whose end has not come yet.
struct Open {
    label: String,
    line: usize,
    body: String,
    encrypted: bool,
    bad_line: Option<usize>,
}

impl Open {
    fn new(label: &str, line: usize) -> Self {
        Self {
            label: label.to_owned(),
            line,
            body: String::new(),
            encrypted: label == "ENCRYPTED PRIVATE KEY",
            bad_line: None,
        }
    }

    fn take_line(&mut self, line: &str, line_number: usize) {
        if self.body.is_empty() && line.contains(':') {
            self.encrypted |= line.starts_with("Proc-Type:") && line.contains("ENCRYPTED");
        } else {
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
            if !line.bytes().all(is_base64) && self.bad_line.is_none() {
                self.bad_line = Some(line_number);
            }
            self.body.push_str(line);
        }
    }

    fn close(self, end_label: &str, end_line: usize) -> Result<Section, PemFault> {
        let Self { label, line, body, encrypted, bad_line } = self;
        if end_label != label {
            let what = PemFaultKind::WrongEnd { wanted: label, found: end_label.to_owned() };
            return Err(PemFault { line: end_line, what });
        }
        if body.is_empty() {
            return Err(PemFault { line, what: PemFaultKind::Empty(label) });
        }
        match STANDARD.decode(&body) {
            Ok(der) if bad_line.is_none() => Ok(Section { label, line, der, encrypted }),
            _ => Err(PemFault { line: bad_line.unwrap_or(line), what: PemFaultKind::NotBase64(label) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_with_their_lines_among_other_text() {
        let text = "subject=CN=x\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\n-----END CERTIFICATE-----\r\n\n\
                    -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nBA==\n\
                    -----END RSA PRIVATE KEY-----";
        let found = sections(text.as_bytes()).unwrap();
        let short: Vec<_> = found.iter().map(|s| (s.label.as_str(), s.line, s.der.as_slice(), s.encrypted)).collect();
        assert_eq!(short, [("CERTIFICATE", 2, &[1u8, 2, 3][..], false), ("RSA PRIVATE KEY", 6, &[4][..], true)],);
    }

    #[test]
    fn what_is_broken_is_named_with_its_line() {
        let cases: [(&str, usize, PemFaultKind); 5] = [
            ("\n-----BEGIN A-----\nAQID\n", 2, PemFaultKind::NotClosed("A".into())),
            ("-----BEGIN A-----\nAQID\n-----BEGIN B-----\n", 1, PemFaultKind::NotClosed("A".into())),
            (
                "-----BEGIN A-----\nAQID\n-----END B-----\n",
                3,
                PemFaultKind::WrongEnd { wanted: "A".into(), found: "B".into() },
            ),
            ("-----BEGIN A-----\nAQID\nAQ*D\n-----END A-----\n", 3, PemFaultKind::NotBase64("A".into())),
            ("-----BEGIN A-----\n-----END A-----\n", 1, PemFaultKind::Empty("A".into())),
        ];
        for (text, line, what) in cases {
            assert_eq!(sections(text.as_bytes()), Err(PemFault { line, what }), "{text:?}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for length in [1, 47, 48, 49, 500] {
            let der = vec![7u8; length];
            let text = encode("CERTIFICATE", &der);
            assert!(text.lines().all(|line| line.len() <= 64), "{text}");
            assert_eq!(sections(text.as_bytes()).unwrap()[0].der, der);
        }
    }
}
