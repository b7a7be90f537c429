//! The password file: `user:hash` lines.

use std::collections::BTreeMap;

use crate::lines::{Faults, Line, lines, trim, within};
use crate::scram::{self, Key, ScramVerifier};
use crate::{LineFault, PasswordHash};

/// Bytes of a user name, as MQTT has it [5.0 §1.5.4].
pub const USER_NAME_BYTES_MAX: usize = 65_535;

/// Who may come in with which password.
#[derive(Debug, Default)]
pub struct PasswordFile {
    users: BTreeMap<Box<str>, Entry>,
    /// The costliest hash there is: verified in place of the one that an unknown user does not have.
    decoy: Option<PasswordHash>,
    /// Iterations and bytes of salt of each line of SCRAM: an unknown user is answered with one of them.
    scram_shapes: Vec<(u32, usize)>,
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
        file.scram_shapes = file.users.values().filter_map(|entry| entry.hash.scram_shape()).collect();
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

    /// Whether anybody can log in by SCRAM-SHA-256.
    pub fn offers_scram(&self) -> bool {
        !self.scram_shapes.is_empty()
    }

    /// What SCRAM-SHA-256 needs for a user: hers, or something that looks like it. `None` if no line is of SCRAM.
    ///
    /// Takes as long for every name.
    pub(crate) fn scram_verifier(&self, user: &str, secret: &Key) -> Option<ScramVerifier> {
        let digest = scram::hmac(secret, &[b"line:", user.as_bytes()]);
        let picked = u64::from_be_bytes(*digest.first_chunk()?).checked_rem(self.scram_shapes.len() as u64)?;
        let decoy = ScramVerifier::decoy(user, secret, *self.scram_shapes.get(picked as usize)?);
        Some(self.hash_of(user).and_then(PasswordHash::scram).unwrap_or(decoy))
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
        if hash.scram_shape().is_some() && scram::prepared(user).as_deref() != Some(user) {
            return Err(line.fault(format!(
                "user {user:?}: SASLprep makes another name of this one, so nobody could log in with it by SCRAM; \
                 choose another name, or another kind of hash"
            )));
        }
        if let Some(before) = self.users.get(user) {
            return Err(
                line.fault(format!("user {user:?} is on line {} already; take one of the two lines out", before.line))
            );
        }
        self.users.insert(user.into(), Entry { line: line.number, hash });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$7$101$1jlWVUHT4+32r7xP$M3CTjWvBsW7QJ0i9GEzi90wvAueE/fCLReTPBQMhIlVG/+FV97Vk/BbriPqJYNp6clHD2c3OhfUM3a4N44Ti6g==";
    const PASSWORD: &[u8] = b"cassiamqtt";

    /// As Debian installs it; its passwords are not known.
    const DEBIAN_EXAMPLE: &str = "\
roger:$6$clQ4Ocu312S0qWgl$Cv2wUxgEN73c6C6jlBkswqR4AkHsvDLWvtEXZZ8NpsBLgP1WAo/qA+WXcmEN/mjDNgdUwcxRAveqNMs2xUVQYA==
sub_client:$6$U+qg0/32F0g2Fh+n$fBPSkq/rfNyEQ/TkEjRgwGTTVBpvNhKSyGShovH9KHewsvJ731tD5Zx26IHhR5RYCICt0L9qBW0/KK31UkCliw==
pub_client:$6$vxQ89y+7WrsnL2yn$fSPMmEZn9TSrC8s/jaPmxJ9NijWpkP2e7bMJLz78JXR1vW2x8+T3FZ23byJA6xs5Mt+LeOybAHwcUv0OCl40rA==
";

    fn file(text: &str) -> PasswordFile {
        PasswordFile::parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{text:?}: {faults:?}"))
    }

    #[test]
    fn the_file_that_debian_installs_is_read() {
        let file = file(DEBIAN_EXAMPLE);
        assert_eq!(file.users().collect::<Vec<_>>(), ["pub_client", "roger", "sub_client"]);
    }

    #[test]
    fn a_user_comes_in_with_her_password_and_nobody_else_does() {
        let file = file(&format!("# ours\r\n cassiamqtt : {HASH} \r\nnew user:{HASH}"));
        assert_eq!(file.len(), 2);
        assert!(file.verify("cassiamqtt", PASSWORD) && file.verify("new user", PASSWORD));
        assert!(!file.verify("cassiamqtt", b"cassiamqt") && !file.verify("cassiamqtt", b""));
        assert!(!file.verify("nobody", PASSWORD) && !file.verify("", PASSWORD) && !file.verify("# ours", PASSWORD));
    }

    #[test]
    fn an_empty_file_lets_nobody_in() {
        let file = file("");
        assert!(file.is_empty() && !file.verify("", b"") && file.hash_of("").is_none());
    }

    #[test]
    fn every_faulty_line_is_told_and_none_becomes_a_user_without_a_password() {
        let rows = [
            ("", "blank"),
            ("  \t", "blank"),
            ("roger", "no : between"),
            ("roger:", "\"roger\" has no password"),
            ("roger: ", "\"roger\" has no password"),
            (":$7$", "no user name"),
            ("roger:secret", "not a hash"),
            ("roger:$6$", "cut off"),
            ("roger:$5$a$b", "unknown kind"),
            ("roger:$scram-sha-256$4095$a$b$c", "4096 to 2000000"),
            ("ro\u{1}ger:x", "control character"),
            ("a:b:c", "not a hash"),
        ];
        let text: String = rows.iter().flat_map(|(line, _)| [line, "\n"]).collect();
        let faults = PasswordFile::parse(text.as_bytes()).expect_err("faults");
        assert_eq!(faults.len(), rows.len(), "{faults:?}");
        for ((fault, (line, wanted)), number) in faults.iter().zip(rows).zip(1..) {
            assert!(fault.line == number && fault.message.contains(wanted), "{line:?}: {fault} should hold {wanted}");
        }
    }

    #[test]
    fn a_user_who_is_there_twice_is_a_fault_that_names_both_lines() {
        let text = format!("roger:{HASH}\nanna:{HASH}\nroger :{HASH}\n");
        let faults = PasswordFile::parse(text.as_bytes()).expect_err("a fault");
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].to_string(), "line 3: user \"roger\" is on line 1 already; take one of the two lines out");
    }

    #[test]
    fn a_blank_line_at_the_end_is_a_fault_but_the_last_line_end_is_not() {
        assert!(PasswordFile::parse(format!("roger:{HASH}\n").as_bytes()).is_ok());
        assert!(PasswordFile::parse(format!("roger:{HASH}\n\n").as_bytes()).is_err());
    }

    #[test]
    fn messages_and_debug_show_no_password() {
        for text in ["roger:hunter2", "hunter2", "roger:$hunter2$x", "a:$6$hunter2$hunter2", ":hunter2"] {
            let faults = PasswordFile::parse(text.as_bytes()).expect_err("a fault");
            assert!(!format!("{faults:?}").contains("hunter2"), "{text}: {faults:?}");
        }
        assert!(!format!("{:?}", file(&format!("roger:{HASH}"))).contains("M3CTjWv"));
    }

    /// RFC 5802 §5.1: the server looks for the name that SASLprep makes of the one it was told.
    #[test]
    fn a_line_for_scram_whose_name_saslprep_would_change_is_a_fault() {
        let hash = PasswordHash::create(crate::HashAlgorithm::ScramSha256, Some(4096), b"x", &[7; 16]).expect("a hash");
        for user in ["\u{2168}", "a\u{ad}b", "a\u{a0}b", "\u{627}a"] {
            let faults = PasswordFile::parse(format!("{user}:{hash}\n").as_bytes()).expect_err("a fault");
            assert!(faults.len() == 1 && faults[0].message.contains("SASLprep"), "{faults:?}");
            assert!(PasswordFile::parse(format!("{user}:{HASH}\n").as_bytes()).is_ok(), "{user:?} with another hash");
        }
        assert!(file(&format!("a,b=c d:{hash}\n")).verify("a,b=c d", b"x"));
    }

    #[test]
    fn an_unknown_user_is_verified_against_the_costliest_hash() {
        let file = file(&format!("{DEBIAN_EXAMPLE}cassiamqtt:{HASH}\n"));
        let decoy = file.decoy.as_ref().map(ToString::to_string);
        assert_eq!(decoy.as_deref(), Some(HASH));
    }
}
