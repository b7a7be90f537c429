//! Ports and unix sockets, and what holds for those who come in there.

use super::security::listener_auto_id_prefix;
use super::{Carry, OptionSpec, PLAIN, Reload, Scope, Takes};
use crate::draft::{Draft, ListenerDraft, Written};
use crate::fault::{Level, shown};
use crate::lines::{Line, VALUE_BYTES_MAX, text_of};
use crate::{Fault, Protocol, ProtocolVersions, SocketDomain, values};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "listener",
        said: Some("listener port"),
        takes: Takes::Form("a port, and optionally an address or a host name; or 0 and the path of a unix socket"),
        default: "none: local-only mode",
        repeatable: true,
        means: "Listens there; the options below it speak of this listener.",
        carry: Carry::Own(listener),
        ..PLAIN
    },
    OptionSpec {
        name: "port",
        takes: Takes::Int { min: 1, max: 65_535, words: "1 to 65535" },
        default: "1883",
        deprecated: Some("Please use 'listener' instead."),
        means: "The port of the default listener.",
        carry: Carry::Own(port),
        ..PLAIN
    },
    OptionSpec {
        name: "bind_address",
        default: "all",
        deprecated: Some("Please use 'listener' instead."),
        means: "The address of the default listener.",
        carry: Carry::Own(bind_address),
        ..PLAIN
    },
    OptionSpec {
        name: "protocol",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Form("mqtt, websockets or http_api"),
        default: "mqtt",
        means: "What is spoken on this port.",
        carry: Carry::Own(protocol),
        ..PLAIN
    },
    OptionSpec {
        name: "socket_domain",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Form("ipv4 or ipv6"),
        default: "both",
        means: "Which of a host name's addresses to listen on.",
        carry: Carry::Own(socket_domain),
        ..PLAIN
    },
    OptionSpec {
        name: "max_connections",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Int {
            min: i32::MIN as i64,
            max: i32::MAX as i64,
            words: "a number of clients; 0 or less for no limit",
        },
        default: "-1",
        means: "Connected clients of this listener.",
        carry: Carry::Int(|draft| &mut draft.listener().max_connections),
        ..PLAIN
    },
    OptionSpec {
        name: "max_qos",
        aliases: &["maximum_qos"],
        out_of_bounds: Some("'max_qos' must be between 0 and 2 inclusive."),
        scope: Scope::ListenerOrDefault,
        takes: Takes::Int { min: 0, max: 2, words: "0, 1 or 2" },
        default: "2",
        means: "The highest QoS a client may publish at.",
        carry: Carry::Int(|draft| &mut draft.listener().max_qos),
        ..PLAIN
    },
    OptionSpec {
        name: "max_topic_alias",
        out_of_bounds: Some("Invalid 'max_topic_alias' value in configuration."),
        scope: Scope::Listener,
        takes: Takes::Int { min: 0, max: 65_535, words: "0 to 65535" },
        default: "10",
        means: "How many topic aliases an MQTT 5.0 client may use.",
        carry: Carry::Int(|draft| &mut draft.listener().max_topic_alias),
        ..PLAIN
    },
    OptionSpec {
        name: "max_topic_alias_broker",
        out_of_bounds: Some("Invalid 'max_topic_alias_broker' value in configuration."),
        scope: Scope::Listener,
        takes: Takes::Int { min: 0, max: 65_535, words: "0 to 65535" },
        default: "10",
        means: "How many topic aliases the broker uses towards a client.",
        carry: Carry::Int(|draft| &mut draft.listener().max_topic_alias_broker),
        ..PLAIN
    },
    OptionSpec {
        name: "accept_protocol_versions",
        scope: Scope::Listener,
        takes: Takes::Form("a list of 3, 4 and 5, as in 4,5"),
        default: "3,4,5",
        means: "Which versions of MQTT are spoken: 3.1, 3.1.1, 5.0.",
        carry: Carry::Own(accept_protocol_versions),
        ..PLAIN
    },
    OptionSpec {
        name: "listener_allow_anonymous",
        scope: Scope::Listener,
        takes: Takes::Bool,
        default: "as allow_anonymous",
        means: "Whether a client of this listener may come in without a user name.",
        carry: Carry::Bool(|draft| &mut draft.listener().allow_anonymous),
        ..PLAIN
    },
    OptionSpec {
        name: "listener_auto_id_prefix",
        scope: Scope::Listener,
        takes: Takes::Form("text of at most 50 bytes"),
        default: "as auto_id_prefix",
        means: "Begins the identifiers made for clients of this listener.",
        carry: Carry::Own(listener_auto_id_prefix),
        ..PLAIN
    },
    OptionSpec {
        name: "mount_point",
        scope: Scope::Listener,
        takes: Takes::Form("the beginning of a topic, most often with a / at its end"),
        default: "none",
        means: "Stands in front of every topic of this listener's clients, who see topics without it.",
        carry: Carry::Own(mount_point),
        ..PLAIN
    },
    OptionSpec {
        name: "bind_interface",
        scope: Scope::ListenerOrDefault,
        default: "any",
        means: "Listen on the addresses of this network interface only.",
        carry: Carry::Text(|draft| &mut draft.listener().interface),
        ..PLAIN
    },
    OptionSpec {
        name: "use_username_as_clientid",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Bool,
        default: "false",
        means: "The user name takes the place of the Client Identifier.",
        carry: Carry::Bool(|draft| &mut draft.listener().use_username_as_clientid),
        ..PLAIN
    },
    OptionSpec {
        name: "enable_proxy_protocol",
        scope: Scope::Listener,
        takes: Takes::Int { min: 1, max: 2, words: "1 or 2" },
        default: "off",
        means: "Expect the header of the PROXY protocol, with the real address of the client.",
        carry: Carry::Int(|draft| &mut draft.listener().proxy),
        ..PLAIN
    },
    OptionSpec {
        name: "proxy_protocol_v2_require_tls",
        scope: Scope::Listener,
        takes: Takes::Bool,
        default: "false",
        means: "Refuse what the proxy did not receive over TLS.",
        carry: Carry::Bool(|draft| &mut draft.listener().proxy_requires_tls),
        ..PLAIN
    },
    OptionSpec {
        name: "http_dir",
        scope: Scope::Listener,
        takes: Takes::Path,
        default: "none",
        reload: Reload::No,
        means: "Files that an http_api listener serves.",
        carry: Carry::Text(|draft| &mut draft.listener().http_dir),
        ..PLAIN
    },
    OptionSpec {
        name: "websockets_origin",
        scope: Scope::Listener,
        default: "any",
        repeatable: true,
        means: "An origin whose pages may connect by WebSocket, as in https://example.com.",
        carry: Carry::Own(websockets_origin),
        ..PLAIN
    },
];

fn listener(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let listener = listener_of(draft, option, line);
    draft.current = Some(draft.listeners.len());
    let broken = || ListenerDraft { is_broken: true, ..ListenerDraft::default() };
    draft.listeners.push(listener.as_ref().map_or_else(|_| broken(), Clone::clone));
    listener.map(|_| ())
}

fn listener_of(draft: &Draft, option: &OptionSpec, line: &Line) -> Result<ListenerDraft, Fault> {
    values::word(option.said(line), line)?;
    let port = values::integer(&LISTENER_PORT, line)?;
    let place = Written(line.words().nth(1).map(|address| draft.located(address.to_owned())));
    let (port, is_unix) = (draft.located(port).into(), port == 0);
    if is_unix && place.is_none() {
        return Err(Fault::told(
            "A listener with port 0 must provide a Unix socket path.",
            "Write a port from 1 to 65535, or the path behind the 0.",
        ));
    }
    if let Some(path) = place.get().filter(|path| is_unix && path.len() > UNIX_PATH_BYTES_MAX) {
        return Err(Fault::told(
            format!("Path to unix socket is too long \"{}\".", shown(path)),
            format!("It has {} bytes, and the system takes at most {UNIX_PATH_BYTES_MAX}.", path.len()),
        ));
    }
    let (address, unix) = if is_unix { (Written(None), place) } else { (place, Written(None)) };
    Ok(ListenerDraft { port, address, unix, ..ListenerDraft::default() })
}

/// Bytes of the path of a unix socket: `sun_path` of Linux without the zero at its end (unix(7)).
const UNIX_PATH_BYTES_MAX: usize = 107;

/// The first word of a `listener` line. Port 0 is a Unix socket's, for which there are words of their own.
const LISTENER_PORT: OptionSpec = OptionSpec {
    name: "port",
    said: Some("port"),
    takes: Takes::Int { min: 0, max: 65_535, words: "1 to 65535" },
    ..PLAIN
};

fn port(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let port = values::integer(option, line)?;
    let port = draft.located(port).into();
    let earlier = std::mem::replace(&mut draft.default_listener().port, port);
    if !earlier.is_none() && !draft.overriding {
        draft.warn(
            Level::Warning,
            "Warning: Default listener port specified multiple times. Only the latest will be used.",
        );
    }
    Ok(())
}

fn bind_address(draft: &mut Draft, _: &OptionSpec, line: &Line) -> Result<(), Fault> {
    const NAME: &str = "default listener bind_address";
    let address = text_of(NAME, line, VALUE_BYTES_MAX)?.to_owned();
    draft.set_text(|draft| &mut draft.default_listener().address, NAME, address)
}

fn protocol(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let protocol = match values::word(option.name, line)? {
        "mqtt" => Protocol::Mqtt,
        "websockets" => Protocol::WebSockets,
        "http_api" => Protocol::HttpApi,
        other => return Err(values::invalid(option.name, other, &option.takes.to_string())),
    };
    draft.listener().protocol = protocol;
    Ok(())
}

fn websockets_origin(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let origin = text_of(option.name, line, VALUE_BYTES_MAX)?.to_owned();
    let origin = draft.located(origin);
    draft.listener().websockets_origins.push(origin);
    Ok(())
}

fn socket_domain(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    draft.listener().socket_domain = match values::word(option.name, line)? {
        "ipv4" => SocketDomain::Ipv4,
        "ipv6" => SocketDomain::Ipv6,
        other => {
            return Err(Fault::told(
                format!("Invalid 'socket_domain' value '{}' in configuration.", shown(other)),
                "It takes ipv4 or ipv6.",
            ));
        }
    };
    Ok(())
}

fn mount_point(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let mount = text_of(option.name, line, VALUE_BYTES_MAX)?;
    if mount.contains(['+', '#']) {
        return Err(Fault::told(
            format!("Invalid mount_point '{}'. Does it contain a wildcard character?", shown(mount)),
            "It is the beginning of topics, as in 'cassia/': without + and #.",
        ));
    }
    draft.set_text(|draft| &mut draft.listener().mount_point, option.name, mount.to_owned())
}

fn accept_protocol_versions(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let text = text_of(option.name, line, VALUE_BYTES_MAX)?;
    let mut listed = text.split([',', ' ', '\t']).filter(|version| !version.is_empty()).peekable();
    if listed.peek().is_none() {
        return Err(Fault::Empty { name: option.name.to_owned() });
    }
    let mut versions = ProtocolVersions { v31: false, v311: false, v5: false };
    for version in listed {
        match version {
            "3" => versions.v31 = true,
            "4" => versions.v311 = true,
            "5" => versions.v5 = true,
            _ => return Err(values::invalid(option.name, text, &option.takes.to_string())),
        }
    }
    draft.listener().protocol_versions = Some(versions);
    Ok(())
}
