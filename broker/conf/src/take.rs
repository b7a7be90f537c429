//! One option line: who it is, whether it may stand here, what it says.

use crate::draft::Draft;
use crate::fault::{Level, shown};
use crate::lines::{self, Line, VALUE_BYTES_MAX};
use crate::table::{self, Cannot, Carry};
use crate::{Fault, OptionSpec, Scope, Takes, spelling, values};

/// Finds the option and lets its row of the table put the value where it belongs.
pub(crate) fn take(draft: &mut Draft, line: &Line) -> Result<(), Fault> {
    let Some(option) = table::find(line.name) else {
        return Err(Fault::UnknownOption { name: shown(line.name), hint: spelling::hint(line.name) });
    };
    let needs_listener = match option.scope {
        Scope::Listener => true,
        Scope::Security => draft.is_per_listener(),
        _ => false,
    };
    if needs_listener && !draft.has_listener() {
        return Err(Fault::NeedsListener { name: shown(line.name) });
    }
    if option.scope == Scope::Bridge && draft.current_bridge.is_none() {
        return Err(Fault::NeedsBridge { name: shown(line.name) });
    }
    if option.scope == Scope::Plugin && !draft.has_plugin {
        return Err(match option.takes {
            Takes::Bool => Fault::told(
                format!("An {} option exists in the config file without a plugin.", option.name),
                "Put it below the plugin it is for.",
            ),
            _ => Fault::NeedsPlugin { name: shown(line.name) },
        });
    }
    if option.scope == Scope::ListenerOrDefault {
        // Being spoken of makes the default listener, whatever is said of it.
        draft.listener();
    }
    if let Some(instead) = option.deprecated {
        let message =
            format!("The '{}' option is now deprecated and will be removed in version 3.0. {instead}", line.name);
        draft.warn(Level::Notice, message.trim_end());
    }
    if let Some(note) = option.note {
        draft.warn(Level::Notice, note);
    }
    if option.name == "allow_anonymous" && draft.is_per_listener() {
        draft.warn(
            Level::Notice,
            "You are using the 'allow_anonymous' option with 'per_listener_settings true'. Please replace this with \
             'listener_allow_anonymous'.",
        );
    }
    carry(draft, option, line)?;
    warn_of_comment_behind(draft, option, line);
    Ok(())
}

/// `#` makes a comment in the first column only: behind a number it is not read, behind a text it is part of it.
fn warn_of_comment_behind(draft: &mut Draft, option: &OptionSpec, line: &Line) {
    let Some(comment) = line.words().skip(1).find(|word| word.starts_with('#')) else { return };
    let what = match option.takes {
        Takes::Bool | Takes::Int { .. } => "is not read",
        Takes::Text | Takes::Path | Takes::Form(_) => "is read as part of the value",
    };
    let message = format!("Warning: what begins with '{}' {what}: a comment needs a line of its own.", shown(comment));
    draft.warn(Level::Warning, message);
}

fn carry(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    match option.carry {
        Carry::Bool(slot) => {
            let value = values::boolean(option.said(line), line)?;
            let value = draft.located(value);
            *slot(draft) = value.into();
        }
        Carry::Int(slot) => {
            let value = values::integer(option, line)?;
            let value = draft.located(value);
            *slot(draft) = value.into();
        }
        Carry::Text(slot) => {
            let value = lines::text_of(option.said(line), line, VALUE_BYTES_MAX)?.to_owned();
            draft.set_text(slot, option.said(line), value)?;
        }
        Carry::Own(read) => read(draft, option, line)?,
        Carry::NotYet | Carry::Cannot(_) if asks_for_what_is(option, line) => {}
        Carry::Cannot(Cannot { why, instead }) => {
            let message =
                format!("'{}' is an option of mosquitto that nightjar cannot carry out: {why}.", shown(line.name));
            return Err(Fault::told(message, instead));
        }
        Carry::NotYet => {
            // A value that mosquitto would refuse is refused for that.
            match option.takes {
                Takes::Bool => drop(values::boolean(option.said(line), line)?),
                Takes::Int { .. } => drop(values::integer(option, line)?),
                Takes::Text | Takes::Path | Takes::Form(_) => {}
            }
            let instead = matches!(option.takes, Takes::Bool).then(|| format!("{} {}", option.name, option.default));
            return Err(Fault::NotYet { name: shown(line.name), instead });
        }
        Carry::Ignored(why) if why.starts_with("Warning") => draft.warn(Level::Warning, why),
        Carry::Ignored(_) => {
            // What mosquitto reads and refuses is refused here, too.
            if matches!(option.takes, Takes::Int { .. }) {
                values::integer(option, line)?;
            }
        }
    }
    Ok(())
}

/// Whether an option that is not carried out yet is given the value that it has anyway.
fn asks_for_what_is(option: &OptionSpec, line: &Line) -> bool {
    let default = Line { name: option.name, rest: option.default };
    match option.takes {
        Takes::Bool => values::boolean(option.name, line) == values::boolean(option.name, &default),
        Takes::Int { .. } => {
            values::integer(option, line).is_ok_and(|asked| values::integer(option, &default) == Ok(asked))
        }
        Takes::Form(_) => line.text() == Some(option.default),
        Takes::Text | Takes::Path => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::{ConfigError, InMemory, Overrides, Settings, parse};
    use std::path::Path;

    fn read(text: &str) -> Result<Settings, ConfigError> {
        parse(Some(Path::new("m.conf")), &mut InMemory::one("m.conf", text), &Overrides::default())
    }

    #[test]
    fn what_is_wrong_is_said_in_mosquittos_words_with_file_and_line() {
        // text, line, the message, part of the mend. The texts are those of mosquitto 2.1.2.
        let rows = [
            ("bogus 1", 1, "Error: Unknown configuration variable 'bogus'.", ""),
            ("\n#x\nallow_anonymus true", 3, "Error: Unknown configuration variable 'allow_anonymus'.", "Did you mean"),
            ("allow_anonymous yes", 1, "Error: Invalid 'allow_anonymous' value (yes).", "true or false"),
            ("allow_anonymous", 1, "Error: Empty 'allow_anonymous' value in configuration.", ""),
            ("max_keepalive sixty", 1, "Error: 'max_keepalive' value not a number.", "not 'sixty'"),
            ("max_keepalive 70000", 1, "Error: Invalid 'max_keepalive' value (70000).", "0 to 65535 seconds"),
            ("max_keepalive 99999999999", 1, "Error: 'max_keepalive' value out of range.", "0 to 65535 seconds"),
            ("max_qos 3", 1, "Error: 'max_qos' must be between 0 and 2 inclusive.", "not 3"),
            ("max_inflight_messages 65536", 1, "Error: 'max_inflight_messages' must be <= 65535.", ""),
            ("max_packet_size 19", 1, "Error: 'max_packet_size' must be >= 20.", "20 bytes or more"),
            (
                "websockets_headers_size 65536",
                1,
                "Error: Packet buffer size must be between 0 and 65535 inclusive.",
                "",
            ),
            ("memory_limit -1", 1, "Error: Invalid 'memory_limit' value (-1).", ""),
            ("memory_limit", 1, "Error: Empty 'memory_limit' value in configuration.", ""),
            ("log_facility 8", 1, "Error: Invalid 'log_facility' value (8).", ""),
            ("retain_expiry_interval 0", 1, "Error: retain_expiry_interval must be >= 1.", ""),
            ("listener 1\nmax_topic_alias 65536", 2, "Error: Invalid 'max_topic_alias' value in configuration.", ""),
            ("listener 1\nmax_topic_alias_broker -1", 2, "Error: Invalid 'max_topic_alias_broker' value in", ""),
            ("user a\nuser a", 2, "Error: Duplicate 'user' value in configuration.", "first at m.conf:1"),
            ("user   ", 1, "Error: Empty 'user' value in configuration.", ""),
            ("listener", 1, "Error: Empty 'listener port' value in configuration.", ""),
            ("listener 100000", 1, "Error: Invalid 'port' value (100000).", "1 to 65535"),
            ("listener 0", 1, "Error: A listener with port 0 must provide a Unix socket path.", ""),
            ("port 0", 1, "Error: Invalid 'port' value (0).", ""),
            ("cafile /x", 1, "Error: The 'cafile' option requires a listener to be defined first.", "below"),
            ("max_topic_alias 1", 1, "Error: The 'max_topic_alias' option requires a listener to be", ""),
            (
                "per_listener_settings true\nacl_file a",
                2,
                "Error: The 'acl_file' option requires a listener to be defined first.",
                "",
            ),
            (
                "acl_file a\nper_listener_settings true",
                2,
                "Error: per_listener_settings must be set before any other security settings.",
                "top",
            ),
            ("log_dest file", 1, "Error: Empty \"log_dest file\" value in configuration.", ""),
            ("log_dest paper", 1, "Error: Invalid 'log_dest' value (paper).", ""),
            ("log_dest android", 1, "Error: Invalid 'log_dest' value (android).", ""),
            ("log_type some", 1, "Error: Invalid 'log_type' value (some).", "debug"),
            ("protocol mqttsn", 1, "Error: Invalid 'protocol' value (mqttsn).", ""),
            ("protocol mqttsn", 1, "Error: Invalid 'protocol' value (mqttsn).", "mqtt, websockets or http_api"),
            ("socket_domain ip", 1, "Error: Invalid 'socket_domain' value 'ip' in configuration.", "ipv4"),
            (
                "persistent_client_expiration 5",
                1,
                "Error: Invalid 'persistent_client_expiration' duration in configuration.",
                "14d",
            ),
            ("listener 1\ntls_version tlsv1.1", 2, "Error: Invalid 'tls_version' value (tlsv1.1).", "tlsv1.2"),
            ("listener 1\naccept_protocol_versions 3,6", 2, "Error: Invalid 'accept_protocol_versions' value", ""),
            ("listener 1\naccept_protocol_versions five", 2, "Error: Invalid 'accept_protocol_versions' value", ""),
            ("listener 1\naccept_protocol_versions", 2, "Error: Empty 'accept_protocol_versions' value", ""),
            ("listener 1\naccept_protocol_versions , ,", 2, "Error: Empty 'accept_protocol_versions' value", ""),
            (
                "auto_id_prefix 123456789012345678901234567890123456789012345678901",
                1,
                "Error: auto_id_prefix length must be <= 50.",
                "",
            ),
            (
                "listener 1\nlistener_auto_id_prefix 123456789012345678901234567890123456789012345678901",
                2,
                "Error: 'listener_auto_id_prefix' length must be <= 50.",
                "",
            ),
            (
                "listener 1\ntls_engine pkcs11",
                2,
                "Error: 'tls_engine' is an option of mosquitto that nightjar cannot carry out: certificates",
                "Keep the key in a file",
            ),
        ];
        for (text, line, message, mend) in rows {
            let error = read(text).expect_err(text);
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            assert!(first.starts_with(message), "{text:?}: {first} should begin with {message}");
            assert!(error.fault.mend().unwrap_or_default().contains(mend), "{text:?}: {told} should hold {mend}");
            assert!(told.ends_with(&format!("Error found at m.conf:{line}.")), "{told}");
            assert_eq!(error.exit_status(), 3, "{text:?}");
        }
    }

    #[test]
    fn an_option_not_carried_out_yet_may_be_given_the_value_it_has_anyway() {
        for text in ["per_listener_settings false", "tls_keyform pem", "protocol mqtt"] {
            assert!(read(text).is_ok(), "{text}");
        }
        assert!(read("http_dir none").is_err(), "'none' is a folder here");
    }

    #[test]
    fn a_comment_behind_a_value_is_warned_of() {
        let rows = [
            ("port 18831 #the port", Some("what begins with '#the' is not read")),
            ("user root # stay root", Some("what begins with '#' is read as part of the value")),
            ("log_timestamp_format %H#%M", None),
        ];
        for (text, wanted) in rows {
            let settings = read(&format!("listener 1\n{text}")).expect(text);
            let told: String = settings.warnings.iter().map(ToString::to_string).collect();
            assert_eq!(told.contains("a comment needs a line"), wanted.is_some(), "{text}: {told}");
            assert!(told.contains(wanted.unwrap_or_default()), "{text}: {told}");
        }
    }

    #[test]
    fn a_message_does_not_carry_control_characters_or_a_page_of_text() {
        let error = read("\x1b[2Jbogus 1").expect_err("refused");
        assert!(!error.to_string().contains('\x1b'), "{error}");
        let error = read(&format!("{}{}", "x".repeat(5_000), " 1")).expect_err("refused");
        assert!(error.to_string().len() < 400, "{error}");
    }
}
