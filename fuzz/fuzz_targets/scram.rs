//! SCRAM: a stranger's two messages, which may be anything, and may be nearly right. Nothing panics, and nobody comes in
//! without the password.
#![no_main]

use acl::{PasswordFile, ScramExchange};
use libfuzzer_sys::fuzz_target;

/// RFC 7677 §3: user "user".
const FILE: &str = "user:$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

fuzz_target!(|bytes: &[u8]| {
    let file = PasswordFile::parse(FILE.as_bytes()).expect("a good file");
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (first, last) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let Ok((exchange, ours)) = ScramExchange::begin(first, NONCE, &file, &[7; 32]) else { return };
    assert!(!exchange.username().is_empty() && ours.starts_with("r=") && ours.contains(NONCE));
    // As it came, and as an end that has nothing wrong but the proof.
    assert!(exchange.finish(last, &file).is_err(), "nobody here knows the password");
    let nonce = ours.split(',').next().unwrap_or_default();
    let end = format!("c=biws,{nonce},p={}=", "A".repeat(43));
    assert!(exchange.finish(end.as_bytes(), &file).is_err());
});
