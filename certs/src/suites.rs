//! mosquitto's `ciphers` and `ciphers_tls1.3`, in OpenSSL's words, as what rustls has of them.
//!
//! Words that stand for many suites (`HIGH`, `DEFAULT`, `!aNULL`) are resolved by OpenSSL, and what rustls has not is left
//! out. A suite that is named and is not there is an error: whoever names one wants that one.

use crate::error::CertError;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream, SslVersion};
use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite as ring;
use std::io::{self, Read, Write};

/// The suites of TLS 1.2 and their names in OpenSSL, best first.
const TLS12: [(&str, SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", ring::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", ring::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", ring::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", ring::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", ring::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", ring::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// The suites of TLS 1.3.
const TLS13: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", ring::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", ring::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", ring::TLS13_CHACHA20_POLY1305_SHA256),
];

/// The suites of TLS 1.2 that `list` asks for, in its order. `has_psk`: suites for pre-shared keys in it are another
/// door's, and there may be nothing else.
pub(crate) fn tls12(list: &str, has_psk: bool) -> Result<Vec<SupportedCipherSuite>, CertError> {
    let bad = |cause: String| CertError::Ciphers { ciphers: list.to_owned(), cause };
    for word in words(list) {
        if word.starts_with(['!', '-', '+', '@']) || has(&TLS12, word).is_some() || (has_psk && word.contains("PSK")) {
            continue;
        }
        // One alone is a suite's own name; more are those that a word stands for.
        if resolved(word).len() < 2 {
            return Err(bad(format!("{word} is none of those there are: {}", names(&TLS12))));
        }
    }
    let number = |suite: &SupportedCipherSuite| u16::from(suite.suite());
    let found: Vec<_> = resolved(list)
        .iter()
        .filter_map(|wanted| TLS12.iter().map(|(_, suite)| *suite).find(|suite| number(suite) == *wanted))
        .collect();
    if found.is_empty() && !has_psk {
        return Err(bad(format!("none of those there are is in it: {}", names(&TLS12))));
    }
    Ok(found)
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([':', ',', ' ']).filter(|word| !word.is_empty())
}

/// The suites of TLS 1.3 that `list` names, in its order.
pub(crate) fn tls13(list: &str) -> Result<Vec<SupportedCipherSuite>, CertError> {
    let bad = |cause: String| CertError::Ciphers13 { ciphers: list.to_owned(), cause };
    let found = words(list)
        .map(|word| {
            has(&TLS13, word).ok_or_else(|| bad(format!("{word} is none of those there are: {}", names(&TLS13))))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err(bad(format!("it names none of {}", names(&TLS13)))) } else { Ok(found) }
}

fn has(suites: &[(&str, SupportedCipherSuite)], name: &str) -> Option<SupportedCipherSuite> {
    suites.iter().find(|(own, _)| *own == name).map(|(_, suite)| *suite)
}

fn names(suites: &[(&str, SupportedCipherSuite)]) -> String {
    suites.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The numbers of the suites of TLS 1.2 that OpenSSL reads in a list, in its order; none if it knows none of its words.
///
/// It has no other way to say so than the greeting of a client with that list.
fn resolved(list: &str) -> Vec<u16> {
    let greeting = || {
        let mut context = SslContext::builder(SslMethod::tls_client())?;
        context.set_cipher_list(list)?;
        context.set_max_proto_version(Some(SslVersion::TLS1_2))?;
        let mut stream = SslStream::new(Ssl::new(&context.build())?, Said::default())?;
        let _ = stream.connect(); // nobody answers
        Ok::<_, openssl::error::ErrorStack>(std::mem::take(&mut stream.get_mut().0))
    };
    greeting().ok().and_then(|said| suites_of(&said)).unwrap_or_default()
}

/// The suites of a ClientHello in one record, without the one that stands for no suite (RFC 5746 §3.3, RFC 5246 §7.4.1.2).
fn suites_of(record: &[u8]) -> Option<Vec<u16>> {
    const RENEGOTIATION: u16 = 0x00FF;
    // Record header, handshake header, version, random.
    let session = record.get(5 + 4 + 2 + 32..)?;
    let (session_bytes, rest) = session.split_first()?;
    let (length, rest) = rest.get(usize::from(*session_bytes)..)?.split_first_chunk::<2>()?;
    let suites = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    let numbers = suites.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Some(numbers.filter(|number| *number != RENEGOTIATION).collect())
}

/// Keeps what is said, and says nothing.
#[derive(Debug, Default)]
struct Said(Vec<u8>);

impl Read for Said {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(found: Result<Vec<SupportedCipherSuite>, CertError>) -> Result<Vec<&'static str>, String> {
        let name = |suite: &SupportedCipherSuite| {
            TLS12.iter().chain(&TLS13).find(|(_, own)| own.suite() == suite.suite()).map_or("?", |(name, _)| *name)
        };
        found.map(|found| found.iter().map(name).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_is_read_as_openssl_reads_it_and_keeps_its_order() {
        let rows: [(&str, bool, &[&str]); 5] = [
            (
                "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256",
                false,
                &["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"],
            ),
            ("ECDHE+AESGCM:!aNULL:!AES256:!ECDSA", false, &["ECDHE-RSA-AES128-GCM-SHA256"]),
            ("HIGH:!CHACHA20:!AES128:!ECDSA:!aNULL:@STRENGTH", false, &["ECDHE-RSA-AES256-GCM-SHA384"]),
            ("PSK-AES128-CBC-SHA:ECDHE-RSA-AES128-GCM-SHA256", true, &["ECDHE-RSA-AES128-GCM-SHA256"]),
            ("PSK-AES128-CBC-SHA", true, &[]),
        ];
        for (list, has_psk, wanted) in rows {
            assert_eq!(named(tls12(list, has_psk)).as_deref(), Ok(wanted), "{list}");
        }
        assert_eq!(named(tls12("DEFAULT", false)).expect("suites").len(), TLS12.len());
        let thirteen = named(tls13("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"));
        assert_eq!(thirteen.as_deref(), Ok(&["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"][..]));
    }

    #[test]
    fn a_suite_that_is_named_and_is_not_there_is_an_error_that_lists_those_that_are() {
        for list in ["NOPE", "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA", "eNULL"] {
            let error = named(tls12(list, false)).expect_err(list);
            assert!(error.starts_with(&format!("Unable to set TLS ciphers. Check cipher list \"{list}\".")), "{error}");
            assert!(error.contains("ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-ECDSA-AES128-GCM-SHA256, "), "{error}");
        }
        for list in ["NOPE", "TLS_AES_128_CCM_SHA256", ":"] {
            let error = named(tls13(list)).expect_err(list);
            assert!(error.starts_with("Unable to set TLS 1.3 ciphersuites. Check cipher_tls13 list"), "{error}");
            assert!(error.contains("TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, "), "{error}");
        }
    }
}
