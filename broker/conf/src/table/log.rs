//! What is logged, and where to.

use super::{Carry, OptionSpec, PLAIN, Takes};
use crate::draft::{Draft, LogDestinations, Written};
use crate::fault::Level;
use crate::lines::Line;
use crate::log::LogTypes;
use crate::{Fault, Located, values};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "log_dest",
        takes: Takes::Form("stdout, stderr, syslog, topic, journal, json, none, or file and a path"),
        default: "stderr",
        repeatable: true,
        means: "Where the log goes: journal is systemd's, with fields; json is lines on stdout; topic is $SYS/broker/log/E and so on.",
        carry: Carry::Own(log_dest),
        ..PLAIN
    },
    OptionSpec {
        name: "log_type",
        takes: Takes::Form(
            "debug, error, warning, notice, information, subscribe, unsubscribe, websockets, internal, none or all",
        ),
        default: "error, warning, notice and information",
        repeatable: true,
        means: "What is logged. debug is a line for each packet. Nothing is of the kinds internal and websockets, which are mosquitto's libraries'.",
        carry: Carry::Own(log_type),
        ..PLAIN
    },
    OptionSpec {
        name: "log_timestamp",
        takes: Takes::Bool,
        default: "true",
        means: "Put the time in front of each line.",
        carry: Carry::Bool(|draft| &mut draft.global.log_timestamp),
        ..PLAIN
    },
    OptionSpec {
        name: "log_timestamp_format",
        takes: Takes::Form("text in the words of strftime"),
        default: "seconds since 1970",
        means: "How that time is written.",
        carry: Carry::Text(|draft| &mut draft.global.log_timestamp_format),
        ..PLAIN
    },
    OptionSpec {
        name: "connection_messages",
        takes: Takes::Bool,
        default: "true",
        means: "Log clients that come and go.",
        carry: Carry::Bool(|draft| &mut draft.global.connection_messages),
        ..PLAIN
    },
    OptionSpec {
        name: "log_facility",
        takes: Takes::Int { min: 0, max: 7, words: "0 to 7" },
        default: "daemon",
        means: "The facility of syslog: local0 to local7.",
        carry: Carry::Int(|draft| &mut draft.global.log_facility),
        ..PLAIN
    },
];

fn log_dest(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let word = values::word(option.name, line)?;
    let file = if word == "file" { Some(file_of(line)?) } else { None };
    let at = draft.place();
    let overriding = draft.overriding;
    let log = &mut draft.global.log_dest;
    // Where nothing is sent does not count: the log goes on to stderr if there is no other.
    log.given |= word != "dlt";
    match word {
        "stderr" => log.stderr = true,
        "stdout" => log.stdout = true,
        "none" => *log = LogDestinations { given: true, ..LogDestinations::default() },
        "file" => {
            if let (Some(first), false) = (log.file.get(), overriding) {
                return Err(Fault::told(
                    "Duplicate \"log_dest file\" value.",
                    format!("It was given first at {}; keep one of the two.", first.at),
                ));
            }
            log.file = Written(file.map(|path| Located::new(path, at)));
        }
        "syslog" => log.syslog = true,
        "topic" => log.topic = true,
        "journal" => log.journal = true,
        "json" => log.json = true,
        "dlt" => {
            let message = "Warning: nightjar knows no DLT (automotive logging): nothing is sent there. Use syslog or journal; without another log_dest the log goes to stderr.";
            draft.warn(Level::Warning, message);
        }
        other => return Err(values::invalid(option.name, other, &option.takes.to_string())),
    }
    Ok(())
}

/// What follows `file` and its blank: a path may hold blanks.
fn file_of(line: &Line) -> Result<String, Fault> {
    let after = line.text().and_then(|text| text.strip_prefix("file")).unwrap_or_default();
    let path = Line { name: line.name, rest: after }.text().map(str::to_owned);
    path.ok_or_else(|| Fault::told("Empty \"log_dest file\" value in configuration.", "Write the path after it."))
}

fn log_type(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let word = values::word(option.name, line)?;
    let types = draft.global.log_types.unwrap_or(LogTypes::NONE).with(word);
    let types = types.ok_or_else(|| values::invalid(option.name, word, &option.takes.to_string()))?;
    draft.global.log_types = Some(types);
    Ok(())
}
