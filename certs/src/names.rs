//! The user name that a client's certificate gives it: mosquitto's `use_identity_as_username` and `use_subject_as_username`.
//!
//! Whether the certificate is good was decided in the handshake; here it is only read. What a user name must not hold
//! (control characters, bytes that are not UTF-8, nothing at all) gives none, and the client does not come in.

use std::fmt::Write as _;

use openssl::asn1::Asn1Object;
use openssl::nid::Nid;
use x509_parser::asn1_rs::{Any, Tag, ToDer as _};
use x509_parser::oid_registry::OID_X509_COMMON_NAME;
use x509_parser::x509::AttributeTypeAndValue;

/// What of a certificate is the user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFrom {
    /// Its common name; of a client with a pre-shared key the identity.
    Identity,
    /// Its whole subject as RFC 2253 writes it. A pre-shared key has none.
    Subject,
}

/// Bytes of a user name: as many as an MQTT string has [3.1.1 §1.5.3, 5.0 §1.5.4].
const NAME_BYTES_MAX: usize = 65_535;

/// The user name in the certificate of this DER; `None` if it has none that can be one.
pub fn user_name(certificate: &[u8], from: NameFrom) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let subject = parsed.subject();
    let name = match from {
        // The first, where there are several, and as it is written: a text of two bytes a character has zeros in it.
        NameFrom::Identity => {
            let common = subject.iter_attributes().find(|attribute| *attribute.attr_type() == OID_X509_COMMON_NAME)?;
            std::str::from_utf8(common.attr_value().data).ok()?.to_owned()
        }
        NameFrom::Subject => {
            // The last comes first, in a set of several too.
            let mut text = String::new();
            let sets: Vec<Vec<_>> = subject.iter_rdn().map(|set| set.iter().collect()).collect();
            for set in sets.iter().rev() {
                for (at, attribute) in set.iter().rev().enumerate() {
                    if !text.is_empty() {
                        text.push(if at == 0 { ',' } else { '+' });
                    }
                    write_attribute(&mut text, attribute)?;
                }
            }
            text
        }
    };
    is_user_name(&name).then_some(name)
}

/// Whether a name found by a door can be a user's.
pub fn is_user_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

/// `CN=value`; an attribute that OpenSSL has no name for has its number and the DER of its value.
fn write_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) -> Option<()> {
    let number = attribute.attr_type().to_id_string();
    let nid = Asn1Object::from_str(&number).ok()?.nid();
    let value = attribute.attr_value();
    if nid == Nid::UNDEF {
        text.push_str(&number);
        text.push('=');
        return write_der(text, value);
    }
    text.push_str(nid.short_name().ok()?);
    text.push('=');
    match bytes_per_character(value.tag()) {
        Some(width) => write_escaped(text, &characters(value.data, width)?),
        None => write_der(text, value)?,
    }
    Some(())
}

/// How a kind of text is written: with so many bytes for each character, 0 for UTF-8. `None`: it is no text.
const fn bytes_per_character(tag: Tag) -> Option<usize> {
    Some(match tag {
        Tag::Utf8String => 0,
        Tag::BmpString => 2,
        Tag::UniversalString => 4,
        Tag::NumericString
        | Tag::PrintableString
        | Tag::T61String
        | Tag::Ia5String
        | Tag::VisibleString
        | Tag::UtcTime
        | Tag::GeneralizedTime => 1,
        _ => return None,
    })
}

/// `None` if the text is broken.
fn characters(bytes: &[u8], width: usize) -> Option<String> {
    if width == 0 {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    let chunks = bytes.chunks_exact(width);
    if !chunks.remainder().is_empty() {
        return None;
    }
    chunks.map(|bytes| char::from_u32(bytes.iter().fold(0, |code, byte| code << 8 | u32::from(*byte)))).collect()
}

/// RFC 2253 §2.4, with everything beyond ASCII as the bytes of its UTF-8.
fn write_escaped(text: &mut String, value: &str) {
    for (at, byte) in value.bytes().enumerate() {
        let is_first = at == 0;
        let is_last = at + 1 == value.len();
        match byte {
            0..0x20 | 0x7f.. => _ = write!(text, "\\{byte:02X}"), // writing to a String cannot fail
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => text.extend(['\\', char::from(byte)]),
            b' ' if is_first || is_last => text.push_str("\\ "),
            b'#' if is_first => text.push_str("\\#"),
            _ => text.push(char::from(byte)),
        }
    }
}

fn write_der(text: &mut String, value: &Any<'_>) -> Option<()> {
    text.push('#');
    for byte in value.to_der_vec().ok()? {
        let _ = write!(text, "{byte:02X}");
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::asn1::{Asn1Time, Asn1Type};
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::x509::{X509, X509NameBuilder};
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn key() -> PKey<Private> {
        let group = openssl::ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
        PKey::from_ec_key(openssl::ec::EcKey::generate(&group).expect("a key")).expect("a key")
    }

    /// A certificate with these attributes, in this order.
    fn certificate(attributes: &[Attribute], key: &PKey<Private>) -> X509 {
        let mut name = X509NameBuilder::new().expect("a name");
        for (field, value, kind) in attributes {
            name.append_entry_by_text_with_type(field, value, *kind).expect(value);
        }
        let name = name.build();
        let mut made = X509::builder().expect("a certificate");
        made.set_subject_name(&name).expect("a subject");
        made.set_issuer_name(&name).expect("an issuer");
        made.set_pubkey(key).expect("a key");
        made.set_not_before(&Asn1Time::days_from_now(0).expect("a day")).expect("a day");
        made.set_not_after(&Asn1Time::days_from_now(1).expect("a day")).expect("a day");
        made.sign(key, MessageDigest::sha256()).expect("signed");
        made.build()
    }

    /// As the openssl program prints the subject.
    fn openssl_prints(certificate: &X509) -> String {
        let mut child = Command::new("openssl")
            .args(["x509", "-noout", "-subject", "-nameopt", "RFC2253"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the openssl program is installed");
        child.stdin.take().expect("piped").write_all(&certificate.to_pem().expect("PEM")).expect("it reads");
        let said = child.wait_with_output().expect("it ends").stdout;
        String::from_utf8(said)
            .expect("UTF-8")
            .trim_end_matches('\n')
            .strip_prefix("subject=")
            .expect("its words")
            .to_owned()
    }

    /// Field, value, and how it is written.
    type Attribute = (&'static str, &'static str, Asn1Type);

    const UTF8: Asn1Type = Asn1Type::UTF8STRING;

    #[test]
    fn the_subject_is_written_as_openssl_writes_it() {
        let key = key();
        let rows: &[&[Attribute]] = &[
            &[("C", "DE", Asn1Type::PRINTABLESTRING), ("O", "Haus", UTF8), ("CN", "router", UTF8)],
            &[("O", "a,b+c\"d\\e<f>g;h=i#j", UTF8), ("CN", " both ends ", UTF8)],
            &[("CN", "#first", UTF8)],
            &[("CN", " ", UTF8)],
            &[("CN", "Grün 路由器 😀", UTF8)],
            &[("CN", "tab\there", UTF8), ("emailAddress", "a@example.org", Asn1Type::IA5STRING)],
            &[("CN", "\0w\0i\0d\0e", Asn1Type::BMPSTRING)],
            &[("CN", "old\u{7f}", Asn1Type::TELETEXSTRING)],
            &[("1.2.3.4.5", "of our own", UTF8), ("CN", "x", UTF8)],
            &[("serialNumber", "7", Asn1Type::PRINTABLESTRING), ("UID", "u", UTF8), ("DC", "org", Asn1Type::IA5STRING)],
            &[("GN", "one", UTF8), ("SN", "two", UTF8), ("title", "three", UTF8), ("ST", "four", UTF8)],
            &[("CN", "first", UTF8), ("CN", "second", UTF8)],
        ];
        for row in rows {
            let certificate = certificate(row, &key);
            let der = certificate.to_der().expect("DER");
            assert_eq!(user_name(&der, NameFrom::Subject).as_deref(), Some(&*openssl_prints(&certificate)), "{row:?}");
        }
    }

    #[test]
    fn attributes_that_make_one_level_together_are_joined_as_openssl_joins_them() {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-batch",
                "-multivalue-rdn",
            ])
            .args(["-keyout", "/dev/null", "-subj", "/O=Haus/CN=router+UID=7/OU=cellar", "-outform", "DER"])
            .output()
            .expect("the openssl program is installed");
        let certificate = X509::from_der(&made.stdout).expect("a certificate");
        let ours = user_name(&made.stdout, NameFrom::Subject).expect("a name");
        assert_eq!(ours, openssl_prints(&certificate));
        assert!(ours.contains('+'), "{ours}");
    }

    #[test]
    fn the_identity_is_the_first_common_name_as_it_stands() {
        let key = key();
        let rows: &[(&[Attribute], Option<&str>)] = &[
            (&[("O", "Haus", UTF8), ("CN", "router 1", UTF8)], Some("router 1")),
            (&[("CN", "first", UTF8), ("CN", "second", UTF8)], Some("first")),
            (&[("CN", "路由器", UTF8)], Some("路由器")),
            (&[("O", "nobody", UTF8)], None),
            (&[("CN", "\0w\0i\0d\0e", Asn1Type::BMPSTRING)], None),
            (&[("CN", "line\nbreak", UTF8)], None),
        ];
        for (row, wanted) in rows {
            let der = certificate(row, &key).to_der().expect("DER");
            assert_eq!(user_name(&der, NameFrom::Identity).as_deref(), *wanted, "{row:?}");
        }
        assert_eq!(user_name(b"no certificate", NameFrom::Identity), None);
    }

    #[test]
    fn a_name_without_anything_or_with_too_much_is_nobodys() {
        assert!(!is_user_name("") && !is_user_name(&"x".repeat(NAME_BYTES_MAX + 1)));
        assert!(is_user_name(&"x".repeat(NAME_BYTES_MAX)));
    }
}
