//! The client's two messages, read strictly [RFC 5802 §7].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{KEY_BYTES, ScramFault, prepared};

/// Letters that SCRAM gives a meaning; an extension has another.
const TAKEN: &str = "aceimnprsv";

/// `client-first-message`.
#[derive(Debug)]
pub(super) struct ClientFirst<'a> {
    /// `gs2-header`, with its last comma.
    pub(super) header: &'a str,
    /// What follows it, as it came: it is signed.
    pub(super) bare: &'a str,
    pub(super) username: String,
    pub(super) nonce: &'a str,
}

/// `client-final-message`.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    pub(super) without_proof: &'a str,
    /// `gs2-header` in Base64; there would be channel binding data behind it.
    pub(super) binding: &'a str,
    pub(super) nonce: &'a str,
    pub(super) proof: [u8; KEY_BYTES],
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ScramFault> {
        const WRONG: ScramFault = ScramFault::Malformed("the first message is not [n or y],[a=name],n=name,r=nonce");
        let text = text(bytes)?;
        let (flag, rest) = text.split_once(',').ok_or(WRONG)?;
        match flag {
            // `y`: the client could bind, and thinks that we cannot; it is right.
            "n" | "y" => {}
            _ if flag.starts_with("p=") => return Err(ScramFault::ChannelBinding),
            _ => return Err(WRONG),
        }
        let (identity, bare) = rest.split_once(',').ok_or(WRONG)?;
        let mut attributes = bare.split(',');
        let first = attributes.next().ok_or(WRONG)?;
        if first.starts_with("m=") {
            return Err(ScramFault::Extension);
        }
        let username = name(first.strip_prefix("n=").ok_or(WRONG)?)?;
        let nonce = attributes.next().and_then(|next| next.strip_prefix("r=")).filter(|nonce| is_nonce(nonce));
        let nonce = nonce.ok_or(WRONG)?;
        check_extensions(attributes)?;
        if !identity.is_empty() && name(identity.strip_prefix("a=").ok_or(WRONG)?)? != username {
            return Err(ScramFault::Identity);
        }
        Ok(Self { header: &text[..text.len() - bare.len()], bare, username, nonce })
    }
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ScramFault> {
        const WRONG: ScramFault = ScramFault::Malformed("the last message is not c=header,r=nonce,p=proof");
        // The proof is the last, and Base64 has no comma.
        let (without_proof, proof) = text(bytes)?.rsplit_once(",p=").ok_or(WRONG)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|next| next.strip_prefix("c=")).ok_or(WRONG)?;
        let nonce = attributes.next().and_then(|next| next.strip_prefix("r=")).ok_or(WRONG)?;
        check_extensions(attributes)?;
        let proof = STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(WRONG)?;
        Ok(Self { without_proof, binding, nonce, proof })
    }
}

fn text(bytes: &[u8]) -> Result<&str, ScramFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| ScramFault::Malformed("a message is not UTF-8"))?;
    if text.contains('\0') { Err(ScramFault::Malformed("a message holds a zero byte")) } else { Ok(text) }
}

/// `saslname`: `,` and `=` are written `=2C` and `=3D`, and no other `=` may be there.
fn name(written: &str) -> Result<String, ScramFault> {
    let mut parts = written.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match part {
            _ if part.starts_with("2C") => (',', &part[2..]),
            _ if part.starts_with("3D") => ('=', &part[2..]),
            _ => return Err(ScramFault::Malformed("a name holds = that is neither =3D (for =) nor =2C (for a comma)")),
        };
        name.push(character);
        name.push_str(rest);
    }
    prepared(&name).ok_or(ScramFault::Name)
}

/// Printable ASCII without commas, and not nothing.
fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// What may be left out may be there without being understood; it is signed with the rest.
fn check_extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), ScramFault> {
    let is_extension = |attribute: &str| {
        let mut letters = attribute.chars();
        let letter = letters.next().filter(char::is_ascii_alphabetic);
        letter.is_some_and(|letter| !TAKEN.contains(letter)) && letters.next() == Some('=') && letters.next().is_some()
    };
    if attributes.all(is_extension) {
        Ok(())
    } else {
        Err(ScramFault::Malformed("a message has an attribute that has no place there"))
    }
}
