//! Options of the whole broker.

use super::{Carry, OptionSpec, PLAIN, Reload, Takes};
use crate::draft::Draft;
use crate::fault::{Level, shown};
use crate::lines::{Line, VALUE_BYTES_MAX, text_of};
use crate::{Fault, values};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "include_dir",
        takes: Takes::Path,
        default: "none",
        repeatable: true,
        means: "Reads every *.conf file of this folder, in order of their names, as if each stood here; only in the main file.",
        carry: Carry::Own(include_dir),
        ..PLAIN
    },
    OptionSpec {
        name: "user",
        default: "mosquitto",
        reload: Reload::No,
        means: "The user to become when started as root; root stays root.",
        carry: Carry::Text(|draft| &mut draft.global.user),
        ..PLAIN
    },
    OptionSpec {
        name: "pid_file",
        takes: Takes::Path,
        default: "none",
        reload: Reload::No,
        means: "Where the process id is written.",
        carry: Carry::Text(|draft| &mut draft.global.pid_file),
        ..PLAIN
    },
    OptionSpec {
        name: "allow_duplicate_messages",
        takes: Takes::Bool,
        default: "true",
        deprecated: Some("The behaviour will default to true."),
        means: "Whether a client whose subscriptions overlap gets a message once for each; false: once.",
        carry: Carry::Bool(|draft| &mut draft.global.allow_duplicate_messages),
        ..PLAIN
    },
    OptionSpec {
        name: "check_retain_source",
        takes: Takes::Bool,
        default: "false",
        means: "Ask whether the publisher still has the right to publish before its retained message is sent.",
        carry: Carry::Bool(|draft| &mut draft.global.check_retain_source),
        ..PLAIN
    },
    OptionSpec {
        name: "queue_qos0_messages",
        takes: Takes::Bool,
        default: "false",
        means: "Keep QoS 0 messages too for a durable session whose client is away.",
        carry: Carry::Bool(|draft| &mut draft.global.queue_qos0_messages),
        ..PLAIN
    },
    OptionSpec {
        name: "retain_available",
        takes: Takes::Bool,
        default: "true",
        means: "Whether messages may be retained; a client that tries all the same is disconnected.",
        carry: Carry::Bool(|draft| &mut draft.global.retain_available),
        ..PLAIN
    },
    OptionSpec {
        name: "set_tcp_nodelay",
        takes: Takes::Bool,
        default: "false",
        means: "Send small packets at once instead of gathering them: less delay, more packets.",
        carry: Carry::Bool(|draft| &mut draft.global.set_tcp_nodelay),
        ..PLAIN
    },
    OptionSpec {
        name: "sys_interval",
        takes: Takes::Int { min: 0, max: 65_535, words: "0 to 65535 seconds; 0 for none" },
        default: "10",
        means: "How often the $SYS topics are published.",
        carry: Carry::Int(|draft| &mut draft.global.sys_interval),
        ..PLAIN
    },
    OptionSpec {
        name: "upgrade_outgoing_qos",
        takes: Takes::Bool,
        default: "false",
        means: "Deliver at the QoS of the subscription even where the message was published at a lower one.",
        carry: Carry::Bool(|draft| &mut draft.global.upgrade_outgoing_qos),
        ..PLAIN
    },
    OptionSpec {
        name: "persistent_client_expiration",
        takes: Takes::Form("a number and one of h, d, w, m (30 days), y, as in 14d"),
        default: "never",
        means: "Forget durable sessions whose client has been away this long.",
        carry: Carry::Own(persistent_client_expiration),
        ..PLAIN
    },
    OptionSpec {
        name: "persistence",
        aliases: &["retained_persistence"],
        takes: Takes::Bool,
        default: "false",
        reload: Reload::No,
        means: "Keep sessions and retained messages on disk: in the folder nightjar.store at persistence_location.",
        carry: Carry::Bool(|draft| &mut draft.global.persistence),
        ..PLAIN
    },
    OptionSpec {
        name: "persistence_file",
        default: "mosquitto.db",
        reload: Reload::No,
        means: "The name of mosquitto's own file, which is taken over at the first start; it stays as it is.",
        carry: Carry::Text(|draft| &mut draft.global.persistence_file),
        ..PLAIN
    },
    OptionSpec {
        name: "persistence_location",
        takes: Takes::Path,
        default: "the working directory",
        reload: Reload::No,
        means: "The folder of both.",
        carry: Carry::Text(|draft| &mut draft.global.persistence_location),
        ..PLAIN
    },
    OptionSpec {
        name: "autosave_interval",
        takes: Takes::Int {
            min: i32::MIN as i64,
            max: i32::MAX as i64,
            words: "a number of seconds; 0 for at the end only",
        },
        default: "1800",
        reload: Reload::No,
        means: "How often the disk is written with durability relaxed (nightjar.toml). Otherwise it is with every commit.",
        carry: Carry::Int(|draft| &mut draft.global.autosave_interval),
        ..PLAIN
    },
    OptionSpec {
        name: "autosave_on_changes",
        takes: Takes::Bool,
        default: "false",
        reload: Reload::No,
        means: "Take autosave_interval as a number of changes instead of seconds.",
        carry: Carry::Bool(|draft| &mut draft.global.autosave_on_changes),
        ..PLAIN
    },
    OptionSpec {
        name: "retain_expiry_interval",
        out_of_bounds: Some("retain_expiry_interval must be >= 1."),
        takes: Takes::Int { min: 1, max: i32::MAX as i64, words: "1 minute or more" },
        default: "off",
        means: "How often expired retained messages are looked for and forgotten.",
        carry: Carry::Own(retain_expiry_interval),
        ..PLAIN
    },
    OptionSpec {
        name: "clientid_prefixes",
        default: "any",
        deprecated: Some(""),
        means: "Only clients whose identifier begins like this may connect.",
        carry: Carry::Text(|draft| &mut draft.global.clientid_prefixes),
        ..PLAIN
    },
    OptionSpec {
        name: "enable_control_api",
        takes: Takes::Bool,
        default: "false",
        means: "Answer listPlugins and listListeners under $CONTROL/broker/v1.",
        carry: Carry::Bool(|draft| &mut draft.global.enable_control_api),
        ..PLAIN
    },
    OptionSpec {
        name: "retry_interval",
        default: "none",
        means: "Once the delay before a message was sent again.",
        carry: Carry::Ignored("Warning: The 'retry_interval' option is no longer available."),
        ..PLAIN
    },
    OptionSpec {
        name: "websockets_log_level",
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number" },
        default: "0",
        means: "How much the WebSocket library logs.",
        carry: Carry::Ignored("there is no such library here"),
        ..PLAIN
    },
];

fn include_dir(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    draft.include_dir = Some(text_of(option.name, line, VALUE_BYTES_MAX)?.to_owned());
    Ok(())
}

/// Nineteen years, as mosquitto has it.
const RETAIN_EXPIRY_MINUTES_MAX: i64 = 10_000_000;

fn retain_expiry_interval(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let minutes = values::integer(option, line)?;
    if minutes > RETAIN_EXPIRY_MINUTES_MAX {
        draft.warn(Level::Warning, "Warning: retain_expiry_interval being capped at 19 years.");
    }
    draft.global.retain_expiry_interval = draft.located(minutes.min(RETAIN_EXPIRY_MINUTES_MAX)).into();
    Ok(())
}

fn persistent_client_expiration(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let word = values::word(option.name, line)?;
    let seconds = values::duration_s(word).ok_or_else(|| {
        Fault::told(
            "Invalid 'persistent_client_expiration' duration in configuration.",
            format!("It takes {}, not '{}'.", option.takes, shown(word)),
        )
    })?;
    draft.global.persistent_client_expiration_s = Some(seconds);
    Ok(())
}
