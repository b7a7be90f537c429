//! What is wrong with a configuration, in mosquitto's words where mosquitto has words for it.

use std::fmt;

use crate::Place;

/// A configuration that cannot be used, and the line to mend.
///
/// `Display` is what mosquitto prints, with the mend as a line of its own between:
///
/// ```text
/// Error: Unknown configuration variable 'allow_anonymus'.
/// Did you mean 'allow_anonymous'?
/// Error found at mosquitto.conf:3.
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// `None` when the main file itself could not be read.
    pub at: Option<Place>,
    /// For a fault in an included file: the `include_dir` line that led to it.
    pub included_at: Option<Place>,
    /// What is wrong.
    pub fault: Box<Fault>,
}

impl ConfigError {
    /// What the process ends with: 1 when a file cannot be opened or includes others where it may not, 3 when a line is wrong.
    pub fn exit_status(&self) -> u8 {
        match *self.fault {
            Fault::FileUnreadable { .. } | Fault::FileIsDirectory { .. } | Fault::IncludeWithin => 1,
            _ => 3,
        }
    }

    /// All of it in one line, the place first, for lists of errors.
    pub fn one_line(&self) -> String {
        let message = self.fault.to_string();
        let message = message.strip_prefix("Error: ").unwrap_or(&message);
        let mend = self.fault.mend().map(|mend| format!(" {mend}")).unwrap_or_default();
        match &self.at {
            Some(at) => format!("{at}: {message}{mend}"),
            None => format!("{message}{mend}"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        if let Some(mend) = self.fault.mend() {
            write!(f, "\n{mend}")?;
        }
        for at in [&self.at, &self.included_at].into_iter().flatten() {
            write!(f, "\nError found at {at}.")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// What can be wrong. The texts are mosquitto 2.1.2's unless marked *ours*.
///
/// Names and values are shown with control characters escaped and cut at 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not in the table.
    #[error("Error: Unknown configuration variable '{name}'.")]
    UnknownOption {
        /// As written.
        name: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// An option without its value.
    #[error("Error: Empty '{name}' value in configuration.")]
    Empty {
        /// The option.
        name: String,
    },
    /// A second value where one is taken.
    #[error("Error: Duplicate '{name}' value in configuration.")]
    Duplicate {
        /// The option.
        name: String,
        /// Where it was given first.
        first: Place,
    },
    /// A value the option does not take.
    #[error("Error: Invalid '{name}' value ({value}).")]
    Invalid {
        /// The option.
        name: String,
        /// As written.
        value: String,
        /// What it does take.
        takes: String,
    },
    /// A word where a number is taken.
    #[error("Error: '{name}' value not a number.")]
    NotANumber {
        /// The option.
        name: String,
        /// As written.
        value: String,
        /// What it does take.
        takes: String,
    },
    /// A number that no option of mosquitto can hold.
    #[error("Error: '{name}' value out of range.")]
    OutOfRange {
        /// The option.
        name: String,
        /// What it does take.
        takes: String,
    },
    /// A listener's option before any listener.
    #[error("Error: The '{name}' option requires a listener to be defined first.")]
    NeedsListener {
        /// The option.
        name: String,
    },
    /// A bridge's option before any `connection`.
    #[error("Error: The '{name}' option requires a bridge to be defined first.")]
    NeedsBridge {
        /// The option.
        name: String,
    },
    /// A plugin's option before any plugin.
    #[error("Error: The '{name}' option requires plugin/global_plugin/plugin_load to be defined first.")]
    NeedsPlugin {
        /// The option.
        name: String,
    },
    /// `include_dir` in a file that was itself included.
    #[error("Error: The include_dir option is only valid in the main configuration file.")]
    IncludeWithin,
    /// Bytes of an option that are not UTF-8.
    #[error("Error: Malformed UTF-8 in configuration.")]
    NotUtf8 {
        /// The first wrong byte of the line, counted from 1.
        byte: usize,
    },
    /// `per_listener_settings` comes too late.
    #[error("Error: per_listener_settings must be set before any other security settings.")]
    PerListenerTooLate,
    /// The main file or an included one.
    #[error("Error: Unable to open config file {file}.")]
    FileUnreadable {
        /// Its path.
        file: String,
        /// What the system said.
        cause: String,
    },
    /// A folder in a file's place.
    #[error("Error: Config file {file} is a directory.")]
    FileIsDirectory {
        /// Its path.
        file: String,
    },
    /// The folder of `include_dir`.
    #[error("Error: Unable to open include_dir '{dir}'.")]
    DirUnreadable {
        /// Its path.
        dir: String,
        /// What the system said.
        cause: String,
    },
    /// *Ours.* mosquitto knows it and nightjar does not do it yet.
    #[error("Error: '{name}' is an option of mosquitto that nightjar does not carry out yet.")]
    NotYet {
        /// The option.
        name: String,
        /// A line of the same option that is carried out, if there is one.
        instead: Option<String>,
    },
    /// Said in full: *ours*, or a text that mosquitto has for this option alone.
    #[error("Error: {message}")]
    Told {
        /// The cause.
        message: String,
        /// What to do about it.
        mend: String,
    },
}

impl Fault {
    pub(crate) fn told(message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Told { message: message.into(), mend: mend.into() }
    }

    /// What to do about it, as a sentence.
    pub fn mend(&self) -> Option<String> {
        match self {
            Self::UnknownOption { hint, .. } => hint.clone(),
            Self::Duplicate { first, .. } => Some(format!("It was given first at {first}; keep one of the two.")),
            Self::Invalid { takes, .. } | Self::OutOfRange { takes, .. } => Some(format!("It takes {takes}.")),
            Self::NotANumber { takes, value, .. } => Some(format!("It takes {takes}, not '{value}'.")),
            Self::NeedsListener { .. } => Some("Put it below the listener it is for.".to_owned()),
            Self::NeedsBridge { .. } => Some("Put it below the 'connection' it is for.".to_owned()),
            Self::NeedsPlugin { .. } => Some("Put it below the plugin it is for.".to_owned()),
            Self::IncludeWithin => Some("Move the line to the main file.".to_owned()),
            Self::NotUtf8 { byte } => Some(format!("Byte {byte} of the line is not UTF-8; save the file as UTF-8.")),
            Self::PerListenerTooLate => Some("Move it to the top of the file.".to_owned()),
            Self::FileUnreadable { cause, .. } | Self::DirUnreadable { cause, .. } => {
                Some(format!("The system says: {cause}."))
            }
            Self::FileIsDirectory { .. } => Some("Name the file inside it.".to_owned()),
            Self::NotYet { instead, .. } => Some(match instead {
                Some(line) => format!("Remove the line, or write '{line}', or keep mosquitto for this."),
                None => "Remove the line, or keep mosquitto for this.".to_owned(),
            }),
            Self::Told { mend, .. } if mend.is_empty() => None,
            Self::Told { mend, .. } => Some(mend.clone()),
            Self::Empty { .. } => None,
        }
    }
}

/// A configuration that can be used, but perhaps not as was meant. Said at every start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// `None` when no one line is the cause.
    pub at: Option<Place>,
    /// At which of mosquitto's log types it is said.
    pub level: Level,
    /// The cause, then the mend.
    pub message: String,
}

/// How loud a [`Warning`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// mosquitto's `notice`.
    Notice,
    /// mosquitto's `warning`.
    Warning,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{at}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What a person wrote, fit for a message: no control characters but the tab, and not a page of it.
pub(crate) fn shown(written: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    let mut shown = String::new();
    for c in written.chars().take(SHOWN_CHARS_MAX) {
        if c.is_control() && c != '\t' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if written.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}
