//! Who may come in, and where that is written.

use super::{Carry, OptionSpec, PLAIN, Scope, Takes};
use crate::draft::Draft;
use crate::lines::{Line, VALUE_BYTES_MAX, text_of};
use crate::{Fault, values};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "per_listener_settings",
        takes: Takes::Bool,
        default: "false",
        deprecated: Some("Please see the documentation for how to achieve the same effect."),
        means: "Let the options of this section speak of the listener they stand under; one without a file has no passwords, \
                or no rules. Who is away, and what it left behind, has those of the listener by which it came in last.",
        carry: Carry::Own(per_listener_settings),
        ..PLAIN
    },
    OptionSpec {
        name: "allow_anonymous",
        scope: Scope::Security,
        takes: Takes::Bool,
        default: "false, but true in local-only mode",
        means: "Whether a client may come in without a user name.",
        carry: Carry::Bool(|draft| &mut draft.security().allow_anonymous),
        ..PLAIN
    },
    OptionSpec {
        name: "password_file",
        scope: Scope::Security,
        takes: Takes::Path,
        default: "none",
        means: "User names and the hashes of their passwords.",
        carry: Carry::Text(|draft| &mut draft.security().password_file),
        ..PLAIN
    },
    OptionSpec {
        name: "acl_file",
        scope: Scope::Security,
        takes: Takes::Path,
        default: "none: everything is allowed",
        means: "Which topics a user may read and write.",
        carry: Carry::Text(|draft| &mut draft.security().acl_file),
        ..PLAIN
    },
    OptionSpec {
        name: "psk_file",
        scope: Scope::Security,
        takes: Takes::Path,
        default: "none",
        means: "Identities and pre-shared keys, as identity:hexkey lines. Who is connected with a key that is gone or another is disconnected at SIGHUP.",
        carry: Carry::Text(|draft| &mut draft.security().psk_file),
        ..PLAIN
    },
    OptionSpec {
        name: "allow_zero_length_clientid",
        scope: Scope::Security,
        takes: Takes::Bool,
        default: "true",
        means: "Whether a client may leave its identifier to the broker.",
        carry: Carry::Bool(|draft| &mut draft.security().allow_zero_length_clientid),
        ..PLAIN
    },
    OptionSpec {
        name: "auto_id_prefix",
        scope: Scope::Security,
        takes: Takes::Form("text of at most 50 bytes"),
        default: "auto-",
        deprecated: Some("Please use 'listener_auto_id_prefix' instead."),
        means: "Begins the identifiers that the broker makes.",
        carry: Carry::Own(auto_id_prefix),
        ..PLAIN
    },
];

/// Bytes of `auto_id_prefix`: with a UUID behind it an identifier stays short enough to read.
const AUTO_ID_PREFIX_BYTES_MAX: usize = 50;

fn per_listener_settings(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let value = values::boolean(option.name, line)?;
    if !draft.security_is_untouched() && value != draft.is_per_listener() {
        return Err(Fault::PerListenerTooLate);
    }
    draft.global.per_listener_settings = draft.located(value).into();
    Ok(())
}

/// `told` is mosquitto's name for it in this one message.
fn prefix_of(option: &OptionSpec, line: &Line, told: &str) -> Result<String, Fault> {
    let prefix = text_of(option.name, line, VALUE_BYTES_MAX)?;
    if prefix.len() > AUTO_ID_PREFIX_BYTES_MAX {
        let message = format!("{told} length must be <= {AUTO_ID_PREFIX_BYTES_MAX}.");
        return Err(Fault::told(message, format!("These are {} bytes.", prefix.len())));
    }
    Ok(prefix.to_owned())
}

fn auto_id_prefix(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let prefix = prefix_of(option, line, option.name)?;
    draft.set_text(|draft| &mut draft.security().auto_id_prefix, option.name, prefix)
}

pub(super) fn listener_auto_id_prefix(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let prefix = prefix_of(option, line, "'listener_auto_id_prefix'")?;
    draft.set_text(|draft| &mut draft.listener().auto_id_prefix, option.name, prefix)
}
