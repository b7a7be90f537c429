//! The text of a password file, changed line by line: the lines it is not about stay as they were,
//! comments and line ends included.

use std::fmt;

use acl::PasswordHash;

use super::PasswdFault;

/// What setting a password turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Updated,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "Adding",
            Self::Updated => "Updating",
        })
    }
}

enum Line<'a> {
    Comment,
    User { name: &'a [u8], password: &'a [u8] },
}

/// The file with the user's hash set: where she is, else at the end. Of several lines of hers, which no
/// broker of ours would read, the first stays.
pub(super) fn set_user(text: &[u8], user: &str, hash: &str) -> Result<(Vec<u8>, Change), PasswdFault> {
    let own = format!("{user}:{hash}\n");
    let mut change = Change::Added;
    let mut new = rewritten(text, |name, _, whole, new| {
        if name != user.as_bytes() {
            new.extend_from_slice(whole);
        } else if change == Change::Added {
            change = Change::Updated;
            new.extend_from_slice(own.as_bytes());
        }
        Ok(())
    })?;
    if change == Change::Added {
        end_last_line(&mut new);
        new.extend_from_slice(own.as_bytes());
    }
    Ok((new, change))
}

/// The file without the user.
pub(super) fn delete_user(text: &[u8], user: &str) -> Result<Vec<u8>, PasswdFault> {
    let mut found = false;
    let new = rewritten(text, |name, _, whole, new| {
        if name == user.as_bytes() {
            found = true;
        } else {
            new.extend_from_slice(whole);
        }
        Ok(())
    })?;
    if found { Ok(new) } else { Err(PasswdFault::UserNotFound(user.to_owned())) }
}

/// The file with every plain password hashed, by `hash` of name and password. What is a hash already stays: hashed once more it would
/// be a password that nobody knows.
pub(super) fn hash_plain(
    text: &[u8],
    hash: impl Fn(&[u8], &[u8]) -> Result<String, PasswdFault>,
) -> Result<Vec<u8>, PasswdFault> {
    rewritten(text, |name, password, whole, new| {
        let hashed = std::str::from_utf8(password).is_ok_and(|text| PasswordHash::parse(text).is_ok());
        if hashed {
            new.extend_from_slice(whole);
        } else {
            new.extend_from_slice(name);
            new.push(b':');
            new.extend_from_slice(hash(name, password)?.as_bytes());
            new.push(b'\n');
        }
        Ok(())
    })
}

/// Copies the text; for each user's line `change` writes what comes in its place, given her name, what
/// stands behind the colon, and the whole line with its end.
fn rewritten<'a>(
    text: &'a [u8],
    mut change: impl FnMut(&'a [u8], &'a [u8], &'a [u8], &mut Vec<u8>) -> Result<(), PasswdFault>,
) -> Result<Vec<u8>, PasswdFault> {
    let mut new = Vec::with_capacity(text.len());
    for (index, whole) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match parse(whole).map_err(|cause| PasswdFault::Corrupt { line: index + 1, cause })? {
            Line::Comment => new.extend_from_slice(whole),
            Line::User { name, password } => change(name, password, whole, &mut new)?,
        }
    }
    Ok(new)
}

fn parse(whole: &[u8]) -> Result<Line<'_>, &'static str> {
    if whole.starts_with(b"#") {
        return Ok(Line::Comment);
    }
    let line = whole.trim_ascii();
    if line.is_empty() {
        return Err("the line is blank; take it out");
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or("there is no : between user and password")?;
    let (name, password) = line.split_at(colon);
    let (name, password) = (name.trim_ascii(), password[1..].trim_ascii());
    match (name.is_empty(), password.is_empty()) {
        (true, _) => Err("there is no user name"),
        (_, true) => Err("there is no password"),
        _ => Ok(Line::User { name, password }),
    }
}

fn end_last_line(text: &mut Vec<u8>) {
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"# ours\nroger:one\r\nanna: two \nlast:three";

    #[test]
    fn a_password_is_set_where_the_user_is_and_other_lines_stay_byte_for_byte() {
        let (new, change) = set_user(TWO, "anna", "new").expect("a password file");
        assert_eq!(new, b"# ours\nroger:one\r\nanna:new\nlast:three");
        assert_eq!(change, Change::Updated);
    }

    #[test]
    fn a_new_user_comes_on_a_line_of_her_own_even_after_a_last_line_without_an_end() {
        let (new, change) = set_user(TWO, "new", "hash").expect("a password file");
        assert_eq!(new, b"# ours\nroger:one\r\nanna: two \nlast:three\nnew:hash\n");
        assert_eq!(change, Change::Added);
        assert_eq!(set_user(b"", "new", "hash").expect("an empty file").0, b"new:hash\n");
    }

    #[test]
    fn a_user_who_is_there_twice_is_there_once_after_setting_and_not_at_all_after_deleting() {
        let text = b"a:1\nb:2\na:3\n";
        assert_eq!(set_user(text, "a", "new").expect("set").0, b"a:new\nb:2\n");
        assert_eq!(delete_user(text, "a").expect("deleted"), b"b:2\n");
    }

    #[test]
    fn a_user_who_is_not_there_cannot_be_deleted() {
        assert!(matches!(delete_user(TWO, "nobody"), Err(PasswdFault::UserNotFound(name)) if name == "nobody"));
    }

    #[test]
    fn a_line_that_is_no_user_is_told_by_its_number_and_nothing_is_changed() {
        let rows: [(&[u8], usize); 5] =
            [(b"a:1\n\nb:2\n", 2), (b"a:1\nplain\n", 2), (b":1\n", 1), (b"a:\n", 1), (b"a:1\n \t\r\n", 2)];
        for (text, wanted) in rows {
            for result in [set_user(text, "a", "x").map(|_| ()), delete_user(text, "a").map(|_| ())] {
                assert!(
                    matches!(result, Err(PasswdFault::Corrupt { line, .. }) if line == wanted),
                    "{text:?}: {result:?}"
                );
            }
        }
    }

    #[test]
    fn plain_passwords_are_hashed_and_hashes_are_not_hashed_again() {
        let hashed = "a:$7$101$AAAAAAAAAAAAAAAA$MEhZYBYqgLxcDV7iGxYRnzr5dDFTxW7BPgTVnEl7YAPGQk4gVG57YRBJLFI4BTpFvEBSrf2yNkXO1bRkSzbBpA==\n";
        let text = format!("{hashed}b: se:cret \n");
        let new = hash_plain(text.as_bytes(), |_, password| {
            assert_eq!(password, b"se:cret");
            Ok("hash".into())
        });
        assert_eq!(String::from_utf8(new.expect("hashed")).expect("text"), format!("{hashed}b:hash\n"));
    }
}
