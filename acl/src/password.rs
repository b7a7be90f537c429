//! Password hashes as mosquitto writes them: made, read, written and verified.
//!
//! ```text
//! $6$<salt>$<hash>                              SHA-512 of password and salt    (mosquitto 1)
//! $7$<iterations>$<salt>$<hash>                 PBKDF2 with HMAC-SHA-512        (mosquitto 2.0)
//! $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>                     (mosquitto 2.1)
//! $scram-sha-256$<iterations>$<salt>$<StoredKey>$<ServerKey>                    (ours alone)
//! ```
//!
//! Salt, hash and keys are Base64, not padded in argon2id, padded in the others. The last is what
//! [`ScramExchange`](crate::ScramExchange) needs, which no other hash gives; a password is verified by it as well.

use std::fmt;
use std::str::FromStr;

use argon2::Argon2;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use crate::scram::{self, KEY_BYTES, ScramVerifier};

/// Iterations of `$7$`, at most: about two seconds of one core. A file that asks for more could
/// hold up every login behind one.
pub const PBKDF2_ITERATIONS_MAX: u32 = 2_000_000;

/// Iterations of `$7$` where none are asked for, as in mosquitto 2.1.
pub const PBKDF2_ITERATIONS_DEFAULT: u32 = 1_000;

/// Iterations of `$scram-sha-256$`, at least: what RFC 7677 §4 asks for, and clients insist on.
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;

/// Iterations of `$scram-sha-256$` where none are asked for: what OWASP advises for PBKDF2 with SHA-256 (2023),
/// and about the tenth of a second of RFC 7677 §4 where the processor has SHA instructions. It is the client's time, at
/// each login; a microcontroller wants fewer.
pub const SCRAM_ITERATIONS_DEFAULT: u32 = 600_000;

/// Memory that verifying one argon2id hash may take: 256 MiB. mosquitto 2.1 asks for 46 MiB.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Memory times passes of argon2id, in KiB, at most: about as long as [`PBKDF2_ITERATIONS_MAX`] takes.
pub const ARGON2_COST_MAX: u32 = 1024 * 1024;

/// Lanes of argon2id, at most. mosquitto 2.1 asks for one.
const ARGON2_LANES_MAX: u32 = 16;

/// What mosquitto 2.1 asks for, and we too.
const ARGON2_MEMORY_KIB: u32 = 47_104;
const ARGON2_PASSES: u32 = 1;
const ARGON2_LANES: u32 = 1;

/// Bytes of SHA-512.
const SHA512_BYTES: usize = 64;

/// Bytes of a salt. The least is argon2's; mosquitto has 12 or 64.
const SALT_BYTES_MIN: usize = 8;
const SALT_BYTES_MAX: usize = 64;

/// Bytes of an argon2id hash; mosquitto has 64.
const ARGON2_HASH_BYTES_MIN: usize = 16;
const ARGON2_HASH_BYTES_MAX: usize = 64;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// `$argon2id$`: the one to choose; mosquitto 2.1 and later read it.
    #[default]
    Argon2id,
    /// `$7$`: for files that mosquitto 2.0 must read too.
    Sha512Pbkdf2,
    /// `$6$`: for mosquitto 1; one pass of SHA-512, easily tried out by who has the file.
    Sha512,
    /// `$scram-sha-256$`: for users that log in by SCRAM-SHA-256. No mosquitto reads it.
    ScramSha256,
}

impl HashAlgorithm {
    /// Bytes of salt that every mosquitto which knows the algorithm can read.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::Argon2id => 64,
            Self::Sha512Pbkdf2 | Self::Sha512 => 12,
            // As in the example of RFC 7677.
            Self::ScramSha256 => 16,
        }
    }

    /// Whether the number of iterations can be chosen.
    pub const fn has_iterations(self) -> bool {
        matches!(self, Self::Sha512Pbkdf2 | Self::ScramSha256)
    }
}

impl FromStr for HashAlgorithm {
    type Err = String;

    /// The names that mosquitto_passwd takes, and `scram-sha-256`.
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "argon2id" => Ok(Self::Argon2id),
            "sha512-pbkdf2" => Ok(Self::Sha512Pbkdf2),
            "sha512" => Ok(Self::Sha512),
            "scram-sha-256" => Ok(Self::ScramSha256),
            _ => Err("the hash types are argon2id, sha512-pbkdf2, sha512 and scram-sha-256".into()),
        }
    }
}

/// Why a hash cannot be used or made. Never says what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// Not one of the four forms: perhaps a password that was never hashed.
    #[error("this is not a hash; a plain password must be hashed first (passwd -U FILE hashes a whole file)")]
    NotAHash,
    /// A scheme that mosquitto does not have.
    #[error(
        "the hash is of an unknown kind: $argon2id$, $7$, $6$ and $scram-sha-256$ are known; set the password again"
    )]
    UnknownKind,
    /// Too few or too many parts.
    #[error("the hash is cut off or has parts too many; set the password again")]
    Parts,
    /// The salt is not Base64, or is too short or too long.
    #[error("the salt of the hash is not Base64 of {SALT_BYTES_MIN} to {SALT_BYTES_MAX} bytes; set the password again")]
    Salt,
    /// The hash is not Base64 of the right length.
    #[error("the hash is not Base64 of the right length, it may be cut off; set the password again")]
    Hash,
    /// Not a number or out of range.
    #[error("the iterations of a $7$ hash are 1 to {PBKDF2_ITERATIONS_MAX}; set the password again")]
    Iterations,
    /// Not a number or out of range.
    #[error(
        "the iterations of a $scram-sha-256$ hash are {SCRAM_ITERATIONS_MIN} to {PBKDF2_ITERATIONS_MAX}; \
         set the password again"
    )]
    ScramIterations,
    /// Iterations were asked for where there are none.
    #[error("only sha512-pbkdf2 and scram-sha-256 take iterations")]
    NoIterations,
    /// SASLprep refuses the password.
    #[error(
        "the password is not UTF-8, or holds characters that SASLprep forbids: no client could log in with it by SCRAM"
    )]
    NotPrepared,
    /// The parameters cannot be read, or would take too much.
    #[error(
        "the parameters of an $argon2id$ hash are v=19 and m=,t=,p= with m (KiB) at most {ARGON2_MEMORY_KIB_MAX}, \
         m times t at most {ARGON2_COST_MAX}, p at most {ARGON2_LANES_MAX} and m at least 8 times p; \
         set the password again"
    )]
    Argon2Parameters,
    /// There was not the memory to compute it.
    #[error("there is not enough memory to compute the hash")]
    Memory,
}

/// A password that was hashed; the password cannot be had back from it.
#[derive(Clone)]
pub struct PasswordHash {
    kind: Kind,
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sha512,
    Pbkdf2 {
        iterations: u32,
    },
    Argon2id {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    },
    /// The hash is StoredKey and ServerKey, one behind the other.
    ScramSha256 {
        iterations: u32,
    },
}

impl PasswordHash {
    /// Hashes `password`. Slow by nature. The caller gives the salt, fresh random bytes,
    /// [`HashAlgorithm::salt_bytes`] of them.
    ///
    /// # Errors
    ///
    /// [`HashFault::Salt`], [`HashFault::Iterations`] and [`HashFault::ScramIterations`] out of their ranges,
    /// [`HashFault::NoIterations`] where the algorithm has none, [`HashFault::NotPrepared`], [`HashFault::Memory`].
    pub fn create(
        algorithm: HashAlgorithm,
        iterations: Option<u32>,
        password: &[u8],
        salt: &[u8],
    ) -> Result<Self, HashFault> {
        let kind = match (algorithm, iterations) {
            (HashAlgorithm::Sha512Pbkdf2, asked) => {
                Kind::Pbkdf2 { iterations: iterations_within(asked.unwrap_or(PBKDF2_ITERATIONS_DEFAULT))? }
            }
            (HashAlgorithm::ScramSha256, asked) => {
                if std::str::from_utf8(password).ok().and_then(scram::prepared).is_none() {
                    return Err(HashFault::NotPrepared);
                }
                Kind::ScramSha256 { iterations: scram_iterations(asked.unwrap_or(SCRAM_ITERATIONS_DEFAULT))? }
            }
            (_, Some(_)) => return Err(HashFault::NoIterations),
            (HashAlgorithm::Sha512, None) => Kind::Sha512,
            (HashAlgorithm::Argon2id, None) => {
                Kind::Argon2id { memory_kib: ARGON2_MEMORY_KIB, passes: ARGON2_PASSES, lanes: ARGON2_LANES }
            }
        };
        let mut hash = [0; SHA512_BYTES];
        kind.compute(password, salt_within(salt)?, &mut hash)?;
        Ok(Self { kind, salt: salt.into(), hash: Box::new(hash) })
    }

    /// Reads what stands behind `user:` in a password file.
    ///
    /// # Errors
    ///
    /// [`HashFault`] for all that is not exactly one of the four forms within the limits.
    pub fn parse(text: &str) -> Result<Self, HashFault> {
        let parts: Vec<&str> = text.strip_prefix('$').ok_or(HashFault::NotAHash)?.split('$').collect();
        match parts.as_slice() {
            ["6", salt, hash] => Self::parse_sha2(Kind::Sha512, salt, hash),
            ["7", iterations, salt, hash] => {
                let iterations = number(iterations).ok_or(HashFault::Iterations).and_then(iterations_within)?;
                Self::parse_sha2(Kind::Pbkdf2 { iterations }, salt, hash)
            }
            ["argon2id", version, parameters, salt, hash] => Self::parse_argon2id(version, parameters, salt, hash),
            ["scram-sha-256", iterations, salt, stored_key, server_key] => {
                let iterations = number(iterations).ok_or(HashFault::ScramIterations).and_then(scram_iterations)?;
                Self::parse_scram(Kind::ScramSha256 { iterations }, salt, [stored_key, server_key])
            }
            ["6" | "7" | "argon2id" | "scram-sha-256", ..] => Err(HashFault::Parts),
            [_, _, ..] => Err(HashFault::UnknownKind),
            _ => Err(HashFault::NotAHash),
        }
    }

    /// Whether `password` is the one. As slow as making the hash; takes the same time for every
    /// password that is as long.
    pub fn verify(&self, password: &[u8]) -> bool {
        let mut hash = [0; ARGON2_HASH_BYTES_MAX];
        let Some(hash) = hash.get_mut(..self.hash.len()) else { return false };
        // Without the memory to compute it nobody comes in.
        self.kind.compute(password, &self.salt, hash).is_ok() && bool::from(self.hash.ct_eq(hash))
    }

    /// Memory that [`PasswordHash::verify`] takes while it runs, in KiB: what bounds how many run at once.
    pub fn memory_kib(&self) -> u32 {
        match self.kind {
            Kind::Argon2id { memory_kib, .. } => memory_kib,
            Kind::Sha512 | Kind::Pbkdf2 { .. } | Kind::ScramSha256 { .. } => 0,
        }
    }

    /// What SCRAM-SHA-256 needs; only a hash that was made for it has that.
    pub(crate) fn scram(&self) -> Option<ScramVerifier> {
        let Kind::ScramSha256 { iterations } = self.kind else { return None };
        let (stored_key, server_key) = self.hash.split_first_chunk::<KEY_BYTES>()?;
        let server_key = server_key.try_into().ok()?;
        Some(ScramVerifier { iterations, salt: self.salt.clone(), stored_key: *stored_key, server_key })
    }

    /// Iterations and bytes of salt that a client of SCRAM-SHA-256 is told.
    pub(crate) fn scram_shape(&self) -> Option<(u32, usize)> {
        let Kind::ScramSha256 { iterations } = self.kind else { return None };
        Some((iterations, self.salt.len()))
    }

    /// A rough order of how long verifying takes, among the hashes of one file.
    pub(crate) fn cost(&self) -> u32 {
        match self.kind {
            Kind::Sha512 => 0,
            // A PBKDF2 iteration takes about as long as half a KiB of argon2id.
            Kind::Pbkdf2 { iterations } => iterations / 2,
            // SHA-256 is half of that, and less where the processor has an instruction for it.
            Kind::ScramSha256 { iterations } => iterations / 4,
            Kind::Argon2id { memory_kib, passes, .. } => memory_kib.saturating_mul(passes),
        }
    }

    fn parse_sha2(kind: Kind, salt: &str, hash: &str) -> Result<Self, HashFault> {
        let salt = STANDARD.decode(salt).map_err(|_| HashFault::Salt)?;
        let hash = STANDARD.decode(hash).map_err(|_| HashFault::Hash)?;
        salt_within(&salt)?;
        if hash.len() != SHA512_BYTES {
            return Err(HashFault::Hash);
        }
        Ok(Self { kind, salt: salt.into(), hash: hash.into() })
    }

    fn parse_scram(kind: Kind, salt: &str, keys: [&str; 2]) -> Result<Self, HashFault> {
        let salt = STANDARD.decode(salt).map_err(|_| HashFault::Salt)?;
        salt_within(&salt)?;
        let mut hash = Vec::with_capacity(2 * KEY_BYTES);
        for key in keys {
            let key = STANDARD.decode(key).ok().filter(|key| key.len() == KEY_BYTES);
            hash.extend(key.ok_or(HashFault::Hash)?);
        }
        Ok(Self { kind, salt: salt.into(), hash: hash.into() })
    }

    fn parse_argon2id(version: &str, parameters: &str, salt: &str, hash: &str) -> Result<Self, HashFault> {
        let kind = (version == "v=19").then_some(()).and_then(|()| argon2_parameters(parameters));
        let kind = kind.ok_or(HashFault::Argon2Parameters)?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| HashFault::Salt)?;
        let hash = STANDARD_NO_PAD.decode(hash).map_err(|_| HashFault::Hash)?;
        salt_within(&salt)?;
        if !(ARGON2_HASH_BYTES_MIN..=ARGON2_HASH_BYTES_MAX).contains(&hash.len()) {
            return Err(HashFault::Hash);
        }
        Ok(Self { kind, salt: salt.into(), hash: hash.into() })
    }
}

impl Kind {
    fn compute(self, password: &[u8], salt: &[u8], hash: &mut [u8]) -> Result<(), HashFault> {
        match self {
            Self::Sha512 => {
                let digest = Sha512::new().chain_update(password).chain_update(salt).finalize();
                if hash.len() != digest.len() {
                    return Err(HashFault::Hash);
                }
                hash.copy_from_slice(&digest);
            }
            Self::Pbkdf2 { iterations } => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, hash),
            Self::Argon2id { memory_kib, passes, lanes } => {
                let parameters = argon2::Params::new(memory_kib, passes, lanes, Some(hash.len()))
                    .map_err(|_| HashFault::Argon2Parameters)?;
                Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters)
                    .hash_password_into(password, salt, hash)
                    .map_err(|_| HashFault::Memory)?;
            }
            Self::ScramSha256 { iterations } => {
                let (keys, rest) = hash.split_first_chunk_mut::<{ 2 * KEY_BYTES }>().ok_or(HashFault::Hash)?;
                debug_assert!(rest.is_empty(), "two keys and no more");
                // What cannot be prepared is not the password of anybody; it is hashed all the same, to take as long.
                let prepared = std::str::from_utf8(password).ok().and_then(scram::prepared);
                let password = prepared.as_deref().map_or(password, str::as_bytes);
                let (stored_key, server_key) = scram::derive(password, salt, iterations);
                keys[..KEY_BYTES].copy_from_slice(&stored_key);
                keys[KEY_BYTES..].copy_from_slice(&server_key);
            }
        }
        Ok(())
    }
}

impl fmt::Display for PasswordHash {
    /// As it stands in a password file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base64 = match self.kind {
            Kind::Argon2id { .. } => STANDARD_NO_PAD,
            Kind::Sha512 | Kind::Pbkdf2 { .. } | Kind::ScramSha256 { .. } => STANDARD,
        };
        match self.kind {
            Kind::Sha512 => write!(f, "$6$")?,
            Kind::Pbkdf2 { iterations } => write!(f, "$7${iterations}$")?,
            Kind::Argon2id { memory_kib, passes, lanes } => {
                write!(f, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}$")?;
            }
            Kind::ScramSha256 { iterations } => write!(f, "$scram-sha-256${iterations}$")?,
        }
        if let Some((stored_key, server_key)) = self.scram().map(|verifier| (verifier.stored_key, verifier.server_key))
        {
            return write!(
                f,
                "{}${}${}",
                base64.encode(&self.salt),
                base64.encode(stored_key),
                base64.encode(server_key)
            );
        }
        write!(f, "{}${}", base64.encode(&self.salt), base64.encode(&self.hash))
    }
}

impl fmt::Debug for PasswordHash {
    /// The kind alone: a hash in a log is a password to be tried out at leisure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PasswordHash").field(&self.kind).finish()
    }
}

/// `m=<KiB>,t=<passes>,p=<lanes>`, within the limits.
fn argon2_parameters(text: &str) -> Option<Kind> {
    let mut parts = text.split(',');
    let memory_kib = number(parts.next()?.strip_prefix("m=")?)?;
    let passes = number(parts.next()?.strip_prefix("t=")?)?;
    let lanes = number(parts.next()?.strip_prefix("p=")?)?;
    let cost = memory_kib.checked_mul(passes)?;
    let within = (1..=ARGON2_LANES_MAX).contains(&lanes)
        && memory_kib >= 8 * lanes
        && memory_kib <= ARGON2_MEMORY_KIB_MAX
        && (1..=ARGON2_COST_MAX).contains(&cost);
    (within && parts.next().is_none()).then_some(Kind::Argon2id { memory_kib, passes, lanes })
}

/// Digits alone, without a sign and without a zero in front: what is read is what would be written.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if digits { text.parse().ok() } else { None }
}

fn iterations_within(iterations: u32) -> Result<u32, HashFault> {
    if (1..=PBKDF2_ITERATIONS_MAX).contains(&iterations) { Ok(iterations) } else { Err(HashFault::Iterations) }
}

fn scram_iterations(iterations: u32) -> Result<u32, HashFault> {
    let is_within = (SCRAM_ITERATIONS_MIN..=PBKDF2_ITERATIONS_MAX).contains(&iterations);
    if is_within { Ok(iterations) } else { Err(HashFault::ScramIterations) }
}

fn salt_within(salt: &[u8]) -> Result<&[u8], HashFault> {
    if (SALT_BYTES_MIN..=SALT_BYTES_MAX).contains(&salt.len()) { Ok(salt) } else { Err(HashFault::Salt) }
}

#[cfg(test)]
mod tests;
