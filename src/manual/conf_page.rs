//! nightjar.conf(5): the options of mosquitto.conf, from the table that the parser reads by.
//!
//! The page has our name, although the file has mosquitto's: where mosquitto stays installed its own mosquitto.conf(5)
//! stays too. For who types that name where it does not, the same page has it as a second name. It is written twice: a
//! link would point nowhere once somebody has compressed the pages, and `.so` depends on where `man` was started.

use broker_conf::{Cannot, OptionSpec, Reload, Status, Takes, themes};
use roff::{Roff, bold, italic, roman};

use super::page::{Draft, Page};
use super::prose;

const ABOUT: &str = "the options of mosquitto.conf, as nightjar carries them out";

/// What stands before the options, section by section.
const BEFORE: &[(&str, &str)] = &[
    ("Synopsis", "  /etc/mosquitto/mosquitto.conf\n  /etc/nightjar/mosquitto.conf\n"),
    (
        "Description",
        "nightjar(1) reads the configuration of mosquitto as it is, with all options of mosquitto 2.1.2; what they have no words for
stands in nightjar.toml(5). Each option below says what it takes and does, its default, its scope (of what it speaks) and
whether a new value counts at SIGHUP. An option that is not carried out stops the start by its name, unless it asks for
what is done anyway.

An option that is unknown or has a wrong value stops the start with the file and the line, in mosquitto's words, and exit
status 3. `nightjar check -c FILE` says all faults at once, and what is unwise. At SIGHUP a fault leaves everything as it was.",
    ),
    (
        "Form of the file",
        "One option in a line: its name, a blank, its value. A line whose very first character is `#` is a comment; empty lines and the
line ends of Windows are no matter. Only a blank separates, no tab.

  true|false  Or 1 and 0, and nothing else.
  NUMBER  Decimal, hexadecimal (0x10) or octal (010).
  TEXT, PATH  The rest of the line, without blanks at its ends, in UTF-8, 65535 bytes at most. What is given twice where it
        may be given once is a fault.

The order of lines counts. `listener` begins a listener, `connection` a bridge and `plugin` a plugin, and options that speak
of one of them speak of the last one above. Some options of a listener may stand before any `listener`: they then speak of a
default listener on port 1883, which mosquitto calls deprecated.",
    ),
    (
        "Without a listener",
        "Without a file, or with one that has neither `listener` nor `port`, only this machine can connect: at 127.0.0.1 and ::1 on
port 1883, or on each port of `-p`, without a user name; and `http_api` is at 127.0.0.1:9883. With a listener, who has no
user name may come in only with `allow_anonymous true`.",
    ),
];

/// What stands behind them.
const BEHIND: &str = "Password file:
  NAME:HASH  A user in each line. Hashes are `$argon2id$`, `$7$` (PBKDF2) and `$6$` (SHA-512), as mosquitto_passwd(1) and
        nightjar-passwd(1) make them, and `$scram-sha-256$` for enhanced authentication. A plain password is a fault.

ACL file:
  user NAME  Begins the rules of this user. Rules above the first hold for clients without a user name.
  topic [read|write|readwrite|deny] FILTER  What may be done with topics that match; without a word, readwrite.
  pattern [read|write|readwrite|deny] FILTER  The same for every client, with `%c` for its Client Identifier and `%u` for
        its user name.

What no rule allows is refused. nightjar-acl-explain(1) says which line decides.

Key file:
  IDENTITY:KEY  A pre-shared key in each line, hexadecimal.

Files:
  mosquitto.db  What mosquitto saved, in persistence_location; it is taken over at the first start and stays as it is.
  nightjar.store  The folder beside it, in which the broker keeps what outlives it.
  nightjar.toml  Beside mosquitto.conf.
";

/// By both of its names.
pub(super) fn pages() -> [Page; 2] {
    [page(&["nightjar.conf", "mosquitto.conf"], false), page(&["mosquitto.conf", "nightjar.conf"], true)]
}

fn page(names: &[&str], is_mosquittos: bool) -> Page {
    let mut draft = Draft::new(names, 5, ABOUT, is_mosquittos);
    for (title, text) in BEFORE {
        draft.heading(title);
        draft.prose(text);
    }
    for theme in themes() {
        draft.heading(theme.title);
        for option in theme.options {
            draft.put(&entry(option));
        }
    }
    draft.prose(BEHIND);
    draft.see_also(&[
        ("nightjar", 1),
        ("nightjar-run", 1),
        ("nightjar-check", 1),
        ("nightjar-passwd", 1),
        ("nightjar-acl-explain", 1),
        ("nightjar.toml", 5),
    ])
}

fn entry(option: &OptionSpec) -> Roff {
    let mut piece = Roff::new();
    for (index, name) in std::iter::once(&option.name).chain(option.aliases).enumerate() {
        piece.control(if index == 0 { "TP" } else { "TQ" }, []);
        piece.text([bold(*name), roman(" "), italic(value_of(option))]);
    }
    piece.text(prose::words(option.means));
    if option.deprecated.is_some() {
        piece.text([roman("Deprecated.")]);
    }
    if matches!(option.takes, Takes::Int { .. } | Takes::Form(_)) {
        piece.text([roman(format!("Takes {}.", option.takes))]);
    }
    if option.repeatable {
        piece.text([roman("May be given again.")]);
    }
    piece.control("br", []);
    let reload = if option.reload == Reload::Yes { "yes" } else { "no" };
    piece.text([roman(format!("Default: {}. Scope: {}. SIGHUP: {reload}.", option.default, option.scope))]);
    if let Some(status) = status(option) {
        piece.control("br", []);
        piece.text([roman(status)]);
    }
    piece
}

/// What stands behind its name, in one word.
fn value_of(option: &OptionSpec) -> &'static str {
    match option.takes {
        Takes::Bool => "true|false",
        Takes::Int { .. } => "NUMBER",
        Takes::Text => "TEXT",
        Takes::Path => "PATH",
        Takes::Form(_) => "VALUE",
    }
}

fn status(option: &OptionSpec) -> Option<String> {
    match option.status() {
        Status::Carried => None,
        Status::NotYet => Some("Not carried out yet.".to_owned()),
        Status::Cannot(Cannot { why, instead }) => Some(format!("Cannot be carried out: {why}. {instead}")),
        Status::Ignored(why) => {
            Some(format!("Ignored: {}.", why.strip_prefix("Warning: ").unwrap_or(why).trim_end_matches('.')))
        }
    }
}
