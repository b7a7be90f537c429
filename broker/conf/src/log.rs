//! What is logged, and where to.

use std::path::PathBuf;

use crate::Located;

/// `log_dest`, `log_type` and their companions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Log to standard error; so when nothing was asked for.
    pub to_stderr: bool,
    /// Log to standard output.
    pub to_stdout: bool,
    /// Log to standard output, a JSON object a line.
    pub to_json: bool,
    /// Log to syslog.
    pub to_syslog: bool,
    /// Log to the journal of systemd.
    pub to_journal: bool,
    /// Publish the log at `$SYS/broker/log/…`.
    pub to_topic: bool,
    /// syslog's `local0` to `local7`; `None`: `daemon`.
    pub facility: Option<u8>,
    /// Log to this file, appending.
    pub to_file: Option<Located<PathBuf>>,
    /// Which messages.
    pub types: LogTypes,
    /// Put the time in front of each line.
    pub timestamp: bool,
    /// As C's `strftime`; `None`: seconds since 1970.
    pub timestamp_format: Option<String>,
    /// Log clients that come and go.
    pub connection_messages: bool,
}

/// `log_type`: which messages are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTypes {
    /// `debug`
    pub debug: bool,
    /// `information`
    pub information: bool,
    /// `notice`
    pub notice: bool,
    /// `warning`
    pub warning: bool,
    /// `error`
    pub error: bool,
    /// `subscribe`
    pub subscribe: bool,
    /// `unsubscribe`
    pub unsubscribe: bool,
    /// `websockets`
    pub websockets: bool,
    /// `internal`
    pub internal: bool,
}

impl LogTypes {
    /// `log_type none`
    pub const NONE: Self = Self {
        debug: false,
        information: false,
        notice: false,
        warning: false,
        error: false,
        subscribe: false,
        unsubscribe: false,
        websockets: false,
        internal: false,
    };

    /// `log_type all`; also `-v`.
    pub const ALL: Self = Self {
        debug: true,
        information: true,
        notice: true,
        warning: true,
        error: true,
        subscribe: true,
        unsubscribe: true,
        websockets: true,
        internal: true,
    };

    /// Without any `log_type` line.
    pub const DEFAULT: Self = Self { information: true, notice: true, warning: true, error: true, ..Self::NONE };

    /// What one more `log_type` line adds, or `None` for a word it does not take.
    pub(crate) fn with(mut self, word: &str) -> Option<Self> {
        match word {
            "debug" => self.debug = true,
            "information" => self.information = true,
            "notice" => self.notice = true,
            "warning" => self.warning = true,
            "error" => self.error = true,
            "subscribe" => self.subscribe = true,
            "unsubscribe" => self.unsubscribe = true,
            "websockets" => self.websockets = true,
            "internal" => self.internal = true,
            "all" => return Some(Self::ALL),
            "none" => return Some(Self::NONE),
            _ => return None,
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_type_lines_add_up_and_none_clears() {
        let rows: [(&[&str], Option<LogTypes>); 5] = [
            (&["error"], Some(LogTypes { error: true, ..LogTypes::NONE })),
            (&["error", "debug"], Some(LogTypes { error: true, debug: true, ..LogTypes::NONE })),
            (&["error", "none"], Some(LogTypes::NONE)),
            (&["all"], Some(LogTypes::ALL)),
            (&["verbose"], None),
        ];
        for (words, wanted) in rows {
            let types = words.iter().try_fold(LogTypes::NONE, |types, word| types.with(word));
            assert_eq!(types, wanted, "{words:?}");
        }
    }
}
