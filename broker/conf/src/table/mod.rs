//! Every option of mosquitto 2.1.2, each described once.
//!
//! The parser walks this table; its errors, the manual and `check` are made from it. An option that is
//! carried out holds the way to its place in the draft, so none can be called carried out without being so.

mod bridge;
mod general;
mod limits;
mod listener;
mod log;
mod plugin;
mod security;
mod tls;

use std::fmt;
use std::sync::LazyLock;

use crate::Fault;
use crate::draft::{Draft, Written};
use crate::lines::Line;

/// One option: what it is called, where it may stand, what it takes, what it means.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// As written in the file. A name that ends in `*` stands for all that begin like it.
    pub name: &'static str,
    /// Other names for the same.
    pub aliases: &'static [&'static str],
    /// Where it may stand.
    pub scope: Scope,
    /// What may follow the name.
    pub takes: Takes,
    /// What holds when it is not given; for people, except where [`Status::NotYet`] compares with it.
    pub default: &'static str,
    /// A second line adds to the first.
    pub repeatable: bool,
    /// Whether SIGHUP applies a new value. mosquitto 2.1.2 does so with fewer.
    pub reload: Reload,
    /// What mosquitto calls it in its errors, where that is not its name.
    pub said: Option<&'static str>,
    /// What mosquitto says whenever it reads it.
    pub note: Option<&'static str>,
    /// Read and checked whole, and then refused: the work itself comes later.
    pub later: bool,
    /// What mosquitto says after "... will be removed in version 3.0."
    pub deprecated: Option<&'static str>,
    /// One sentence.
    pub means: &'static str,
    /// mosquitto's own text for a number outside the bounds, where it has one.
    pub(crate) out_of_bounds: Option<&'static str>,
    pub(crate) carry: Carry,
}

/// Where an option may stand, and what it then speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Anywhere; speaks of the whole broker.
    Global,
    /// Anywhere; speaks of the listener above it with `per_listener_settings true`, else of the whole broker.
    Security,
    /// Below a `listener`, of which it speaks.
    Listener,
    /// Below a `listener`, or before any: then it speaks of the default listener on port 1883.
    ListenerOrDefault,
    /// Below a `connection`.
    Bridge,
    /// Below a `plugin`.
    Plugin,
}

/// What follows an option's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `true` `1` `false` `0`
    Bool,
    /// A whole number within these bounds, said in words.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
        /// For people, with the unit.
        words: &'static str,
    },
    /// The rest of the line.
    Text,
    /// The rest of the line, a file or a folder.
    Path,
    /// Something with a form of its own, said in words.
    Form(&'static str),
}

/// Whether SIGHUP applies a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It does.
    Yes,
    /// Only a new start does.
    No,
}

/// What nightjar does about an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// What mosquitto does.
    Carried,
    /// Refuses it by name, unless it asks for what is done anyway.
    NotYet,
    /// The same, and for good.
    Cannot(Cannot),
    /// Accepts it and does nothing, for the reason given.
    Ignored(&'static str),
}

/// An option that cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cannot {
    /// The reason, to go on after a colon; no full stop.
    pub why: &'static str,
    /// What to do instead, a sentence.
    pub instead: &'static str,
}

/// How a value comes into the draft.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carry {
    Bool(fn(&mut Draft) -> &mut Written<bool>),
    Int(fn(&mut Draft) -> &mut Written<i64>),
    Text(fn(&mut Draft) -> &mut Written<String>),
    /// A form or an effect of its own.
    Own(fn(&mut Draft, &OptionSpec, &Line) -> Result<(), Fault>),
    NotYet,
    Cannot(Cannot),
    /// The reason; said as a warning when it begins with "Warning".
    Ignored(&'static str),
}

/// What most options are: the rows say only what differs.
pub(crate) const PLAIN: OptionSpec = OptionSpec {
    name: "",
    aliases: &[],
    scope: Scope::Global,
    takes: Takes::Text,
    default: "",
    repeatable: false,
    reload: Reload::Yes,
    said: None,
    note: None,
    later: false,
    deprecated: None,
    means: "",
    out_of_bounds: None,
    carry: Carry::NotYet,
};

/// Options of one theme.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// For people: the heading in the manual.
    pub title: &'static str,
    /// In the order of the manual.
    pub options: &'static [OptionSpec],
}

/// All options by theme, in the order of the manual.
pub fn themes() -> &'static [Theme] {
    const ALL: &[Theme] = &[
        Theme { title: "Options of the whole broker", options: general::OPTIONS },
        Theme { title: "Who may come in", options: security::OPTIONS },
        Theme { title: "Limits", options: limits::OPTIONS },
        Theme { title: "Log", options: log::OPTIONS },
        Theme { title: "Listeners", options: listener::OPTIONS },
        Theme { title: "TLS of a listener", options: tls::OPTIONS },
        Theme { title: "Plugins", options: plugin::OPTIONS },
        Theme { title: "Bridges", options: bridge::OPTIONS },
    ];
    ALL
}

/// All options, in the same order.
pub fn options() -> &'static [OptionSpec] {
    static ALL: LazyLock<Vec<OptionSpec>> =
        LazyLock::new(|| themes().iter().flat_map(|theme| theme.options).copied().collect());
    &ALL
}

/// The option that is called `name`, by any of its names.
pub fn find(name: &str) -> Option<&'static OptionSpec> {
    options().iter().find(|option| option.is_called(name))
}

impl OptionSpec {
    /// What nightjar does about it.
    pub fn status(&self) -> Status {
        match self.carry {
            _ if self.later => Status::NotYet,
            Carry::Bool(_) | Carry::Int(_) | Carry::Text(_) | Carry::Own(_) => Status::Carried,
            Carry::NotYet => Status::NotYet,
            Carry::Cannot(cannot) => Status::Cannot(cannot),
            Carry::Ignored(why) => Status::Ignored(why),
        }
    }

    /// What errors call it in `line`: as it is written there, unless mosquitto has another name for it.
    pub(crate) fn said<'a>(&self, line: &Line<'a>) -> &'a str {
        self.said.unwrap_or(line.name)
    }

    fn is_called(&self, name: &str) -> bool {
        std::iter::once(&self.name).chain(self.aliases).any(|own| match own.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => *own == name,
        })
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "true or false",
            Self::Int { words, .. } | Self::Form(words) => words,
            Self::Text => "text",
            Self::Path => "a path",
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "broker",
            Self::Security => "broker, or listener with per_listener_settings",
            Self::Listener => "listener",
            Self::ListenerOrDefault => "listener, or the default one",
            Self::Bridge => "connection",
            Self::Plugin => "plugin",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_stands_once_and_is_found() {
        let mut seen = BTreeSet::new();
        for option in options() {
            for name in std::iter::once(&option.name).chain(option.aliases) {
                assert!(seen.insert(*name), "{name} is there twice");
                assert_eq!(find(name).map(|found| found.name), Some(option.name), "{name}");
            }
        }
    }

    #[test]
    fn every_option_is_described() {
        for option in options() {
            let OptionSpec { name, means, default, .. } = option;
            assert!(means.ends_with('.') && !means.contains('|'), "{name} means {means:?}");
            assert!(!default.is_empty(), "{name} has no default in words");
        }
    }

    #[test]
    fn an_option_takes_what_its_place_in_the_draft_holds() {
        for option in options() {
            let fits = match option.carry {
                Carry::Bool(_) => option.takes == Takes::Bool,
                Carry::Int(_) => matches!(option.takes, Takes::Int { .. }),
                Carry::Text(_) => matches!(option.takes, Takes::Text | Takes::Path | Takes::Form(_)),
                _ => true,
            };
            assert!(fits, "{} takes {}", option.name, option.takes);
        }
    }

    #[test]
    fn a_star_stands_for_any_ending() {
        assert_eq!(find("plugin_opt_file").map(|option| option.name), Some("plugin_opt_*"));
        assert_eq!(find("auth_opt_file").map(|option| option.name), Some("plugin_opt_*"));
        assert!(find("plugin_op").is_none());
    }
}
