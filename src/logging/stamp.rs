//! How the time stands before each line of the log: `log_timestamp` and `log_timestamp_format`, in the words of C's
//! `strftime`. Nothing is written here, and nothing is decided about what is worth a line.

use std::fmt::Write as _;

use broker_conf::LogSettings;
use chrono::{Local, Offset as _, Utc};

/// What glibc's `strftime` knows of one letter and chrono knows, too, in the same meaning. (`%+`, `%f`, `%v` and others
/// are chrono's alone.)
const DIRECTIVES: &str = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";
/// How a number is filled up; chrono has the same.
const FLAGS: &str = "-_0";
/// Asks for the words of the locale's calendar, which in the locale "C" are the usual ones.
const MODIFIERS: &str = "EO";

/// How the time stands before each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Not at all.
    None,
    /// Seconds since 1970.
    Epoch,
    /// In chrono's words.
    Format(String),
}

impl Stamp {
    pub(super) fn of(settings: &LogSettings) -> Self {
        match (&settings.timestamp_format, settings.timestamp) {
            (_, false) => Self::None,
            (None, true) => Self::Epoch,
            (Some(format), true) => Self::Format(in_chronos_words(format)),
        }
    }

    /// Begins `line`. A format that cannot be carried out after all is left out, not the line.
    pub(super) fn begin(&self, line: &mut String) {
        let start = line.len();
        let written = match self {
            Self::None => Ok(()),
            Self::Epoch => write!(line, "{}: ", Utc::now().timestamp()),
            Self::Format(format) => {
                let now = Local::now();
                if now.offset().fix().local_minus_utc() == 0 {
                    // `%Z` is a name then. Of other zones chrono knows the offset only.
                    write!(line, "{}: ", now.with_timezone(&Utc).format(format))
                } else {
                    write!(line, "{}: ", now.format(format))
                }
            }
        };
        if written.is_err() {
            line.truncate(start);
        }
    }
}

/// What `strftime` does not know stands there as it was written, as with glibc.
fn in_chronos_words(format: &str) -> String {
    let mut words = String::with_capacity(format.len());
    let mut rest = format;
    while let Some((text, after)) = rest.split_once('%') {
        words.push_str(text);
        let letters = after.trim_start_matches(|letter| MODIFIERS.contains(letter));
        let (flag, letters) = match letters.chars().next().filter(|letter| FLAGS.contains(*letter)) {
            Some(flag) => (Some(flag), &letters[1..]),
            None => (None, letters),
        };
        if let Some(letter) = letters.chars().next().filter(|letter| DIRECTIVES.contains(*letter)) {
            words.push('%');
            words.extend(flag);
            words.push(letter);
            rest = &letters[1..];
        } else {
            words.push_str("%%");
            rest = after;
        }
    }
    words + rest
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_format_is_read_as_glibc_reads_it() {
        let time = Utc.with_ymd_and_hms(2026, 3, 5, 7, 8, 9).single().expect("there is such a time");
        for (format, wanted) in [
            ("%Y-%m-%dT%H:%M:%S", "2026-03-05T07:08:09"),
            ("%z %Z", "+0000 UTC"),
            ("%Ey %Od", "26 05"),
            ("%-d %_d %0e", "5  5 05"),
            // What it does not know stays; chrono would refuse some of it, and has something else for the rest.
            ("%Q %N %f %+ %v %:z %.3f", "%Q %N %f %+ %v %:z %.3f"),
            ("%", "%"),
            ("%E", "%E"),
            ("100%% é%Y%é", "100% é2026%é"),
            ("%%Y", "%Y"),
        ] {
            let mut found = String::new();
            write!(found, "{}", time.format(&in_chronos_words(format))).expect(format);
            assert_eq!(found, wanted, "{format}");
        }
    }
}
