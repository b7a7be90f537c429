//! SCRAM-SHA-256, the server's half: a client shows that it knows a password, and is shown that we know it too,
//! without the password being said [RFC 5802, RFC 7677].
//!
//! ```text
//! client-first   n,,n=user,r=<client's nonce>          -> ScramExchange::begin
//! server-first   r=<both nonces>,s=<salt>,i=<iterations>
//! client-final   c=biws,r=<both nonces>,p=<proof>      -> ScramExchange::finish
//! server-final   v=<signature>
//! ```
//!
//! Nothing here is slow: the client hashes its password, we hold two keys that were made from it and could be used by
//! nobody to log in. Who is not in the file is answered as anyone, and fails at the end as with a wrong password.
//! Channel binding is not offered.

mod message;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::generic_array::GenericArray;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{PasswordFile, PasswordHash};
use message::{ClientFinal, ClientFirst};

/// The name of the method, as the registry of SASL mechanisms and MQTT's Authentication Method have it.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";

/// Bytes of SHA-256.
pub(crate) const KEY_BYTES: usize = 32;

pub(crate) type Key = [u8; KEY_BYTES];

/// Why an exchange failed. For the operator's eyes: the client is told no more than that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramFault {
    /// Not a message of SCRAM; says what is wrong with it.
    Malformed(&'static str),
    /// The client wants the exchange bound to its TLS connection.
    ChannelBinding,
    /// An extension that must be understood.
    Extension,
    /// SASLprep refuses the user name.
    Name,
    /// The client wants to act for somebody else.
    Identity,
    /// The client's last message is not of this exchange: somebody changed a message on its way.
    Exchange,
    /// The proof is wrong: the password, or the user name.
    Proof,
}

impl ScramFault {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(what) => what,
            Self::ChannelBinding => "it asks for channel binding, which is not offered",
            Self::Extension => "it asks for an extension of SCRAM that is not known",
            Self::Name => "the user name is empty or holds characters that SASLprep forbids",
            Self::Identity => "it asks to act as another user",
            Self::Exchange => "its last message belongs to another exchange",
            Self::Proof => "wrong user name or password",
        }
    }
}

impl fmt::Display for ScramFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for ScramFault {}

/// What is kept of a password for SCRAM: nobody can log in with it who does not find out the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ScramVerifier {
    pub(crate) iterations: u32,
    pub(crate) salt: Box<[u8]>,
    pub(crate) stored_key: Key,
    pub(crate) server_key: Key,
}

/// An exchange between its two halves.
#[derive(Clone)]
pub struct ScramExchange {
    username: Box<str>,
    verifier: ScramVerifier,
    /// What the client's last message must say in `c=` and `r=`.
    binding: String,
    nonce: String,
    /// The beginning of what is signed: the client's first message without its header, and ours.
    signed: String,
}

impl ScramExchange {
    /// Reads the client's first message; gives what to answer.
    ///
    /// `nonce` is ours, fresh and random, of printable ASCII without commas. `secret` makes the salts of users that
    /// are not in `file`; as long as it is the same, so are they.
    ///
    /// # Errors
    /// [`ScramFault`], none of which depends on who is in the file.
    pub fn begin(
        first: &[u8],
        nonce: &str,
        file: &PasswordFile,
        secret: &[u8; 32],
    ) -> Result<(Self, String), ScramFault> {
        let first = ClientFirst::parse(first)?;
        let verifier = file.scram_verifier(&first.username, secret).ok_or(ScramFault::Proof)?;
        let nonce = format!("{}{nonce}", first.nonce);
        let ours = format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);
        let exchange = Self {
            binding: STANDARD.encode(first.header),
            nonce,
            signed: format!("{},{ours}", first.bare),
            username: first.username.into(),
            verifier,
        };
        Ok((exchange, ours))
    }

    /// Whom the client says it is, prepared by SASLprep. It has proved nothing before [`finish`](Self::finish).
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Reads the client's last message; gives what proves us to it. The client is [`username`](Self::username) then.
    ///
    /// `file` is the one that counts now: if the user's line is not what it was, this fails.
    ///
    /// # Errors
    /// [`ScramFault::Proof`] for a wrong password and for a user that is not there; others for a message that
    /// is not as it must be.
    pub fn finish(&self, last: &[u8], file: &PasswordFile) -> Result<String, ScramFault> {
        let last = ClientFinal::parse(last)?;
        if last.binding != self.binding || last.nonce != self.nonce {
            return Err(ScramFault::Exchange);
        }
        let signed = [self.signed.as_bytes(), b",", last.without_proof.as_bytes()];
        let mut client_key = hmac(&self.verifier.stored_key, &signed);
        client_key.iter_mut().zip(last.proof).for_each(|(key, proof)| *key ^= proof);
        let is_right: bool = Sha256::digest(client_key).as_slice().ct_eq(&self.verifier.stored_key).into();
        let is_current = file.hash_of(&self.username).and_then(PasswordHash::scram).as_ref() == Some(&self.verifier);
        if !(is_right && is_current) {
            return Err(ScramFault::Proof);
        }
        Ok(format!("v={}", STANDARD.encode(hmac(&self.verifier.server_key, &signed))))
    }
}

impl fmt::Debug for ScramExchange {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramExchange").field("username", &self.username).finish_non_exhaustive()
    }
}

impl ScramVerifier {
    /// Of somebody who is not in the file: the same for the same name, and not to be told from a real one by whoever
    /// does not know `secret`. Nobody knows a password for it.
    pub(crate) fn decoy(user: &str, secret: &Key, like: (u32, usize)) -> Self {
        let (iterations, salt_bytes) = like;
        let of = |what: &[u8]| hmac(secret, &[what, user.as_bytes()]);
        let salt = [of(b"salt:"), of(b"more salt:")].concat();
        Self {
            iterations,
            salt: salt[..salt_bytes.min(salt.len())].into(),
            stored_key: of(b"stored key:"),
            server_key: of(b"server key:"),
        }
    }
}

/// A name or a password as SASLprep prepares it [RFC 4013]; `None` for what it refuses or leaves nothing of.
pub fn prepared(text: &str) -> Option<String> {
    let prepared = stringprep::saslprep(text).ok()?;
    (!prepared.is_empty()).then(|| prepared.into_owned())
}

/// `StoredKey` and `ServerKey` of a password that is prepared [RFC 5802 §3]. Slow by nature.
pub(crate) fn derive(password: &[u8], salt: &[u8], iterations: u32) -> (Key, Key) {
    let mut salted = [0; KEY_BYTES];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted);
    let stored_key = Sha256::digest(hmac(&salted, &[b"Client Key"])).into();
    (stored_key, hmac(&salted, &[b"Server Key"]))
}

pub(crate) fn hmac(key: &Key, parts: &[&[u8]]) -> Key {
    // A key below the size of a block is filled up with zeros [RFC 2104 §2]; done here, it is never of a wrong length.
    let mut block = [0; 64];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(GenericArray::from_slice(&block));
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
