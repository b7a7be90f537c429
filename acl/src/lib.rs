//! Who may come in, who may do what: password file, ACL file, PSK file.
//!
//! The three files are mosquitto's, read as mosquitto reads them. Each is parsed whole from bytes
//! that the caller has read: [`PasswordFile::parse`], [`Acl::parse`], [`PskFile::parse`] give either
//! something that can be used or all the [`LineFault`]s at once. Leave to do something is a value
//! ([`PublishGrant`] and its like) that only an [`Acl`] makes.
//!
//! [`ScramExchange`] is how a client proves its password without saying it.
//!
//! Nothing here reads a file, a clock or a random number: a salt is given by the caller. No
//! password, hash or key is ever in a message or in `Debug` output.
#![forbid(unsafe_code)]

mod fault;
mod lines;
mod password;
mod password_file;
mod psk;
mod rules;
mod scram;

pub use fault::LineFault;
pub use lines::{FAULTS_MAX, LINE_BYTES_MAX};
pub use password::{
    ARGON2_COST_MAX, ARGON2_MEMORY_KIB_MAX, HashAlgorithm, HashFault, PBKDF2_ITERATIONS_DEFAULT, PBKDF2_ITERATIONS_MAX,
    PasswordHash, SCRAM_ITERATIONS_DEFAULT, SCRAM_ITERATIONS_MIN,
};
pub use password_file::{PasswordFile, USER_NAME_BYTES_MAX};
pub use psk::{IDENTITY_BYTES_MAX, KEY_BYTES_MAX, PskFile};
pub use rules::{Acl, Asked, Because, Client, DeliverGrant, Explanation, PublishGrant, SubscribeGrant};
pub use scram::{SCRAM_SHA_256, ScramExchange, ScramFault, prepared};
