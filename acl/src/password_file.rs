//! The password file: `user:hash` lines.

use std::collections::BTreeMap;

use crate::lines::{Faults, Line, lines, trim, within};
use crate::{LineFault, PasswordHash};

/// Bytes of a user name, as MQTT has it [5.0 §1.5.4].
pub const USER_NAME_BYTES_MAX: usize = 65_535;

/// Who may come in with which password.
#[derive(Debug, Default)]
pub struct PasswordFile {
    users: BTreeMap<Box<str>, Entry>,
    /// The costliest hash there is: verified in place of the one that an unknown user does not have.
    decoy: Option<PasswordHash>,
}

#[derive(Debug)]
struct Entry {
    line: u32,
    hash: PasswordHash,
}

impl PasswordFile {
    /// Reads a password file: a user and a hash on each line, parted by `:`; a line that begins with
    /// `#` is a comment.
    ///
    /// # Errors
    ///
    /// All the faults of the file, at most [`crate::FAULTS_MAX`]: a blank line, one without `:`, an
    /// empty, repeated or impossible user name, anything that is not a hash. No user is ever made
    /// without a password.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<LineFault>> {
        let mut file = Self::default();
        let mut faults = Faults::default();
        for line in lines(text).filter(|line| !line.is_comment()) {
            if let Err(fault) = file.read(line) {
                faults.push(fault);
            }
            if faults.are_too_many() {
                break;
            }
        }
        file.decoy = file.users.values().map(|entry| &entry.hash).max_by_key(|hash| hash.cost()).cloned();
        faults.or_value(file)
    }

    /// The hash of a user's password; `None` for a user that the file does not have.
    pub fn hash_of(&self, user: &str) -> Option<&PasswordHash> {
        self.users.get(user).map(|entry| &entry.hash)
    }

    /// Whether the user is in the file and the password is hers.
    ///
    /// Slow by nature, for an unknown user too: how long it took does not tell who is in the file.
    /// (It does in a file of mixed hashes, for the users of the cheaper ones.)
    pub fn verify(&self, user: &str, password: &[u8]) -> bool {
        match (self.hash_of(user), &self.decoy) {
            (Some(hash), _) => hash.verify(password),
            (None, Some(decoy)) => {
                let _ = decoy.verify(password);
                false
            }
            (None, None) => false,
        }
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are none, so that nobody comes in.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The users, in the order of their names' bytes.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(AsRef::as_ref)
    }

    fn read(&mut self, line: Line<'_>) -> Result<(), LineFault> {
        if line.is_blank() {
            return Err(line.fault("the line is blank; take it out (every line is user:hash)"));
        }
        // Nothing of the line is ever shown but the user name: the rest may be a password.
        let (user, hash) = line.text()?.split_once(':').ok_or_else(|| {
            line.fault("there is no : between user and hash; set the password again, or take the line out")
        })?;
        let (user, hash) = (trim(user), trim(hash));
        if user.is_empty() {
            return Err(line.fault("there is no user name before the colon; every line is user:hash"));
        }
        within("user name", user, USER_NAME_BYTES_MAX).map_err(|message| line.fault(message))?;
        if user.contains(|c: char| c.is_ascii_control()) {
            return Err(line.fault("the user name holds a control character; take it out"));
        }
        if hash.is_empty() {
            return Err(line.fault(format!("user {user:?} has no password; set one, or take the line out")));
        }
        let hash = PasswordHash::parse(hash).map_err(|fault| line.fault(format!("user {user:?}: {fault}")))?;
        if let Some(before) = self.users.get(user) {
            return Err(
                line.fault(format!("user {user:?} is on line {} already; take one of the two lines out", before.line))
            );
        }
        self.users.insert(user.into(), Entry { line: line.number, hash });
        Ok(())
    }
}
