//! The text of an ACL file into rules.
//!
//! ```text
//! # a comment: only where # is the first character of the line
//! topic read news/#                  before the first user: for clients without a user name
//! user roger                         what follows is for roger, until the next user
//! topic [read|write|readwrite|deny] <filter to the end of the line>
//! pattern [read|write|readwrite|deny] devices/%c/#        for every client, wherever it stands
//! ```
//!
//! Words are parted by spaces, not by tabs. Everything after the access word is the filter.

use mqtt::{TopicFilter, TopicFilterBuf};

use super::pattern::Pattern;
use super::{Access, Rules, TopicRules};
use crate::LineFault;
use crate::lines::{Faults, Line, holds_blank, lines, trim, within};
use crate::password_file::USER_NAME_BYTES_MAX;

/// Warnings told of one file, for the same reason as [`crate::FAULTS_MAX`].
const WARNINGS_MAX: usize = crate::FAULTS_MAX;

/// How the filter of a shared subscription begins.
const SHARE: &str = "$share/";

/// What stands before the filter.
#[derive(Clone, Copy, Debug)]
enum Verb {
    Allow(Access),
    Deny,
}

pub(super) fn rules(text: &[u8]) -> Result<Rules, Vec<LineFault>> {
    let mut reader = Reader::default();
    let mut faults = Faults::default();
    for line in lines(text) {
        if line.is_comment() || line.is_blank() {
            continue;
        }
        if let Err(fault) = reader.read(line) {
            faults.push(fault);
        }
        if faults.are_too_many() {
            break;
        }
    }
    faults.or_value(reader.rules)
}

#[derive(Debug, Default)]
struct Reader {
    rules: Rules,
    /// Whose `topic` lines come now; `None` before the first `user`.
    user: Option<Box<str>>,
}

impl Reader {
    fn read(&mut self, line: Line<'_>) -> Result<(), LineFault> {
        // Spaces before the word are skipped; a tab would be part of it, as it is to mosquitto.
        let text = line.text()?.trim_start_matches(' ');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "user" => self.user(line, trim(rest)),
            "topic" => self.topic(line, rest.trim_start_matches(' ')),
            "pattern" => self.pattern(line, rest.trim_start_matches(' ')),
            _ => Err(line.fault(unknown_word(word))),
        }
    }

    fn user(&mut self, line: Line<'_>, name: &str) -> Result<(), LineFault> {
        if name.is_empty() {
            // Whose rules follow is unknown: better nobody's than the user's above.
            self.user = Some("".into());
            return Err(line.fault("user needs a name: `user <name>`"));
        }
        self.user = Some(name.into());
        within("user name", name, USER_NAME_BYTES_MAX).map_err(|message| line.fault(message))?;
        if holds_blank(name) {
            self.warn(
                line,
                format!(
                    "the user name is {name:?}, blanks included; a comment must stand on a line of its own, \
                     which begins with #"
                ),
            );
        }
        Ok(())
    }

    fn topic(&mut self, line: Line<'_>, rest: &str) -> Result<(), LineFault> {
        let (verb, text) = verb_and_filter(line, "topic", rest)?;
        let filter = filter(line, text)?;
        self.warn_of_filter(line, text);
        if text.contains("%c") || text.contains("%u") {
            self.warn(
                line,
                format!(
                    "in a topic line %c and %u are only letters; to have them filled in write `pattern` for {text:?}"
                ),
            );
        }
        let at = line.number;
        let own = self.own_rules();
        match (verb, filter) {
            (_, None) => {}
            (Verb::Deny, Some(filter)) => own.denied.push((at, filter)),
            (Verb::Allow(access), Some(filter)) => own.allowed.push((at, access, filter)),
        }
        Ok(())
    }

    fn pattern(&mut self, line: Line<'_>, rest: &str) -> Result<(), LineFault> {
        let (verb, text) = verb_and_filter(line, "pattern", rest)?;
        let filter = filter(line, text)?;
        self.warn_of_filter(line, text);
        let pattern = Pattern::new(text);
        if !pattern.names_the_client() {
            self.warn(line, format!("the pattern {text:?} holds neither %c nor %u: it is for every client alike"));
        }
        match (verb, filter) {
            (_, None) => {}
            (Verb::Deny, Some(_)) => self.rules.patterns.denied.push((line.number, pattern)),
            (Verb::Allow(access), Some(_)) => self.rules.patterns.allowed.push((line.number, access, pattern)),
        }
        Ok(())
    }

    fn own_rules(&mut self) -> &mut TopicRules {
        match &self.user {
            None => &mut self.rules.anonymous,
            Some(name) => self.rules.users.entry(name.clone()).or_default(),
        }
    }

    fn warn_of_filter(&mut self, line: Line<'_>, text: &str) {
        if ["read", "write", "readwrite", "deny"].contains(&text) {
            self.warn(line, format!("{text:?} is taken for a topic, to be read and written; is the filter missing?"));
        } else if text.contains(char::is_control) {
            self.warn(
                line,
                format!(
                    "no topic holds a tab or another control character, so {text:?} is for none; part the words with \
                     spaces, not with tabs"
                ),
            );
        } else if holds_blank(text) {
            self.warn(
                line,
                format!(
                    "the rest of the line is the filter: {text:?}, blanks included; a comment must stand on a line of \
                     its own, which begins with #"
                ),
            );
        }
        if text.starts_with(SHARE) {
            self.warn(
                line,
                format!("no message has the topic {text:?}; name the topics themselves, without $share and the group"),
            );
        }
    }

    fn warn(&mut self, line: Line<'_>, message: String) {
        if self.rules.warnings.len() < WARNINGS_MAX {
            self.rules.warnings.push(line.fault(message));
        }
    }
}

/// `rest` is what follows `topic` or `pattern`: an access word and a filter, or a filter alone.
fn verb_and_filter<'a>(line: Line<'_>, keyword: &str, rest: &'a str) -> Result<(Verb, &'a str), LineFault> {
    if rest.is_empty() {
        return Err(line.fault(format!("{keyword} needs a filter: `{keyword} [read|write|readwrite|deny] <filter>`")));
    }
    let Some((word, filter)) = rest.split_once(' ') else {
        return Ok((Verb::Allow(Access::ReadWrite), rest));
    };
    let verb = match word {
        "read" => Verb::Allow(Access::Read),
        "write" => Verb::Allow(Access::Write),
        "readwrite" => Verb::Allow(Access::ReadWrite),
        "deny" => Verb::Deny,
        other => {
            return Err(line.fault(format!(
                "{other:?} is not a kind of access: read, write, readwrite or deny stands before the filter \
                 (and a filter that holds a space needs one of them before it)"
            )));
        }
    };
    Ok((verb, trim(filter)))
}

/// `None` for a filter that mosquitto takes and that no message's topic can match.
fn filter(line: Line<'_>, text: &str) -> Result<Option<TopicFilterBuf>, LineFault> {
    if text.starts_with(SHARE) || text.contains(char::is_control) {
        let rest = text.strip_prefix(SHARE).unwrap_or(text).replace(char::is_control, "_");
        // Its wildcards must stand right all the same.
        return if rest.is_empty() { Ok(None) } else { well_formed(line, &rest).map(|_| None) };
    }
    well_formed(line, text).map(|filter| Some(filter.into()))
}

fn well_formed<'a>(line: Line<'_>, text: &'a str) -> Result<TopicFilter<'a>, LineFault> {
    TopicFilter::new(text).map_err(|_| {
        line.fault(if holds_blank(text) {
            format!(
                "{text:?} is not a topic filter: the rest of the line is the filter, so a comment must stand on a \
                 line of its own, which begins with #"
            )
        } else {
            format!(
                "{text:?} is not a topic filter: + stands for a whole level and # for the last levels, as in a/+/b \
                 and a/#"
            )
        })
    })
}

fn unknown_word(word: &str) -> String {
    let shown: String = word.chars().take(40).collect();
    let hint = if word.contains('\t') {
        "; part the words with spaces, not with tabs"
    } else if word.starts_with('#') {
        "; a comment begins with # as the first character of its line"
    } else {
        ""
    };
    format!("a line begins with user, topic, pattern or #, not with {shown:?}{hint}")
}
