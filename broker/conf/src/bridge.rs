//! A bridge as it is written: what stands below a `connection` line, read and checked as mosquitto does it.
//!
//! Nothing here connects to anything: that a bridge is good as written is all that is said of it.

use crate::draft::{Draft, Written};
use crate::fault::{Level, shown};
use crate::lines::{Line, VALUE_BYTES_MAX, text_of};
use crate::{ConfigError, Fault, Located, OptionSpec, Place, values};

/// Everything below one `connection` line.
#[derive(Clone, Default)]
pub(crate) struct BridgeDraft {
    /// Its line was refused; it is here so that the options below have something to speak of.
    pub(crate) is_broken: bool,
    pub(crate) name: Written<String>,
    /// Host and port of each broker, in order of preference.
    pub(crate) addresses: Vec<(String, u16)>,
    /// How many `topic` lines there are.
    pub(crate) topics: u32,
    pub(crate) attempt_unsubscribe: Written<bool>,
    pub(crate) bind_address: Written<String>,
    pub(crate) max_packet_size: Written<i64>,
    pub(crate) max_topic_alias: Written<i64>,
    pub(crate) outgoing_retain: Written<bool>,
    pub(crate) receive_maximum: Written<i64>,
    pub(crate) session_expiry_interval: Written<i64>,
    pub(crate) tcp_user_timeout: Written<i64>,
    pub(crate) cleansession: Written<bool>,
    pub(crate) local_cleansession: Written<bool>,
    pub(crate) remote_clientid: Written<String>,
    pub(crate) local_clientid: Written<String>,
    pub(crate) local_username: Written<String>,
    pub(crate) local_password: Written<String>,
    pub(crate) remote_username: Written<String>,
    pub(crate) remote_password: Written<String>,
    pub(crate) idle_timeout: Written<i64>,
    pub(crate) keepalive_interval: Written<i64>,
    pub(crate) notifications: Written<bool>,
    pub(crate) notifications_local_only: Written<bool>,
    pub(crate) notification_topic: Written<String>,
    pub(crate) round_robin: Written<bool>,
    pub(crate) threshold: Written<i64>,
    pub(crate) try_private: Written<bool>,
    pub(crate) alpn: Written<String>,
    pub(crate) cafile: Written<String>,
    pub(crate) capath: Written<String>,
    pub(crate) certfile: Written<String>,
    pub(crate) keyfile: Written<String>,
    pub(crate) tls_use_os_certs: Written<bool>,
    pub(crate) insecure: Written<bool>,
    pub(crate) require_ocsp: Written<bool>,
    pub(crate) ciphers: Written<String>,
    pub(crate) ciphers_tls13: Written<String>,
    pub(crate) identity: Written<String>,
    pub(crate) psk: Written<String>,
}

const PORT_DEFAULT: u16 = 1883;

/// Seconds that `restart_timeout` may have, and the greatest of a growing one.
const RESTART_S_MAX: i64 = 3_600;
const RESTART_CAP_S_MAX: i64 = 7_200;

/// What is wrong with the bridges once all lines are read, in mosquitto's words and order; and last, for each good
/// one, that it is not carried out yet.
pub(crate) fn check(bridges: &[BridgeDraft]) -> Vec<ConfigError> {
    let whole = || bridges.iter().filter(|bridge| !bridge.is_broken);
    let mut errors: Vec<ConfigError> = whole().filter_map(incomplete).collect();
    for (at, bridge) in bridges.iter().enumerate() {
        let Some(name) = bridge.local_name() else { continue };
        if bridges.iter().take(at).any(|earlier| earlier.local_name().as_deref() == Some(&*name)) {
            let fault = Fault::told(
                format!(
                    "Bridge local_clientid '{}' is not unique. Try changing or setting the local_clientid value for one of \
                     the bridges.",
                    shown(&name)
                ),
                "",
            );
            errors.push(bridge.error(bridge.local_clientid.get().or(bridge.name.get()), fault));
        }
    }
    if errors.is_empty() {
        let not_yet = |bridge: &BridgeDraft| {
            bridge.error(bridge.name.get(), Fault::NotYet { name: "connection".to_owned(), instead: None })
        };
        errors.extend(whole().map(not_yet));
    }
    errors
}

fn incomplete(bridge: &BridgeDraft) -> Option<ConfigError> {
    let told = |what: &str, mend: &str| Fault::told(format!("Invalid bridge configuration: {what}."), mend);
    let name = bridge.name.get();
    if bridge.addresses.is_empty() {
        return Some(bridge.error(name, told("no remote addresses defined", "Add an 'address' line below it.")));
    }
    if bridge.topics == 0 {
        return Some(bridge.error(name, told("no topics defined", "Add a 'topic' line below it.")));
    }
    match (bridge.psk.get(), bridge.identity.get()) {
        (Some(psk), None) => Some(bridge.error(Some(psk), told("missing bridge_identity", ""))),
        (None, Some(identity)) => Some(bridge.error(Some(identity), told("missing bridge_psk", ""))),
        _ => None,
    }
}

impl BridgeDraft {
    /// The Client Identifier on this side, without the machine's name, which all bridges have in common.
    fn local_name(&self) -> Option<String> {
        if let Some(local) = self.local_clientid.get() {
            return Some(local.value.clone());
        }
        match self.remote_clientid.get() {
            Some(remote) => Some(format!("local.{}", remote.value)),
            None => Some(format!("local.\0{}", self.name.get()?.value)),
        }
    }

    fn error(&self, at: Option<&Located<String>>, fault: Fault) -> ConfigError {
        let at: Option<Place> = at.or(self.name.get()).map(|located| located.at.clone());
        ConfigError { at, included_at: None, fault: fault.into() }
    }
}

pub(crate) fn connection(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let name = values::word(option.name, line).map(str::to_owned).and_then(|name| {
        let is_there = |bridge: &BridgeDraft| bridge.name.get().is_some_and(|other| other.value == name);
        if draft.bridges.iter().any(is_there) {
            return Err(Fault::told(format!("Duplicate bridge name '{}'.", shown(&name)), "Give it another name."));
        }
        Ok(name)
    });
    let written = name.as_ref().map_or_else(|_| Written(None), |name| draft.located(name.clone()).into());
    draft.current_bridge = Some(draft.bridges.len());
    draft.bridges.push(BridgeDraft { is_broken: name.is_err(), name: written, ..BridgeDraft::default() });
    name.map(|_| ())
}

pub(crate) fn address(draft: &mut Draft, _: &OptionSpec, line: &Line) -> Result<(), Fault> {
    if !draft.bridge().addresses.is_empty() {
        return Err(Fault::told(
            "Invalid bridge configuration, 'address' only allowed once.",
            "Write all into one line.",
        ));
    }
    let addresses: Vec<_> =
        line.words().take_while(|word| !word.starts_with('#')).map(host_and_port).collect::<Result<_, _>>()?;
    if addresses.is_empty() {
        return Err(Fault::told("Empty address value in configuration.", "Write host or host:port."));
    }
    draft.bridge().addresses = addresses;
    Ok(())
}

/// `host` or `host:port`; of an IPv6 address the port has to be written.
fn host_and_port(word: &str) -> Result<(String, u16), Fault> {
    let Some((host, port)) = word.rsplit_once(':') else { return Ok((word.to_owned(), PORT_DEFAULT)) };
    match port.parse::<u16>() {
        Ok(number) if number > 0 => Ok((host.to_owned(), number)),
        _ => Err(Fault::told(
            format!("Invalid bridge port value ({}).", shown(port)),
            "It takes 1 to 65535; an IPv6 address needs its port behind it, as in ::1:1883.",
        )),
    }
}

pub(crate) fn topic(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let rest = line.text().ok_or_else(|| Fault::Empty { name: option.name.to_owned() })?;
    let after = match rest.strip_prefix('"') {
        Some(quoted) => {
            let (_, after) = quoted.split_once('"').ok_or_else(|| {
                let missing = quoted.split_once(' ').map_or("", |(_, rest)| rest);
                Fault::told(format!("Missing closing quote in topic value ({}).", shown(missing)), "Write one.")
            })?;
            after
        }
        None => rest.split_once(' ').map_or("", |(_, after)| after),
    };
    let mut words = after.split(' ').filter(|word| !word.is_empty());
    if let Some(direction) = words.next() {
        if !["out", "in", "both"].iter().any(|known| direction.eq_ignore_ascii_case(known)) {
            let message = format!("Invalid bridge topic direction '{}'.", shown(direction));
            return Err(Fault::told(message, "It takes out, in or both."));
        }
        if let Some(qos) = words.next().filter(|word| !word.starts_with('#'))
            && !["0", "1", "2"].contains(&qos)
        {
            return Err(Fault::told(format!("Invalid bridge QoS level '{}'.", shown(qos)), "It takes 0, 1 or 2."));
        }
    }
    draft.bridge().topics += 1;
    Ok(())
}

pub(crate) fn protocol_version(_: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let text = text_of(option.name, line, VALUE_BYTES_MAX)?;
    match text {
        "mqttv31" | "mqttv311" | "mqttv50" => Ok(()),
        other => Err(values::invalid(option.name, other, &option.takes.to_string())),
    }
}

/// mosquitto does not look at the text until the bridge connects; what it would refuse then is refused here.
pub(crate) fn tls_version(_: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    match text_of(option.name, line, VALUE_BYTES_MAX)? {
        "tlsv1.2" | "tlsv1.3" => Ok(()),
        other => Err(values::invalid(option.name, other, &option.takes.to_string())),
    }
}

pub(crate) fn reload_type(_: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    one_of(option, line, &["lazy", "immediate"])
}

pub(crate) fn start_type(_: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    if line.word() == Some("manual") {
        return Err(Fault::told("Manual start_type not supported.", format!("It takes {}.", option.takes)));
    }
    one_of(option, line, &["automatic", "lazy", "once"])
}

fn one_of(option: &OptionSpec, line: &Line, known: &[&str]) -> Result<(), Fault> {
    let word = values::word(option.name, line)?;
    if known.contains(&word) {
        return Ok(());
    }
    let message = format!("Invalid '{}' value in configuration ({}).", option.name, shown(word));
    Err(Fault::told(message, format!("It takes {}.", option.takes)))
}

pub(crate) fn receive_maximum(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    const ANY: OptionSpec = values::any_int("bridge_receive_maximum");
    let mend = format!("It takes {}.", option.takes);
    let value = match values::integer(&ANY, line)? {
        ..=0 => return Err(Fault::told("bridge_receive_maximum must be greater than 0.", mend)),
        65_536.. => return Err(Fault::told("bridge_receive_maximum must be lower than 65535.", mend)),
        value => draft.located(value),
    };
    draft.bridge().receive_maximum = value.into();
    Ok(())
}

pub(crate) fn tcp_keepalive(_: &mut Draft, _: &OptionSpec, line: &Line) -> Result<(), Fault> {
    const PARTS: [(&str, OptionSpec); 3] = [
        ("idle", values::any_int("bridge_tcp_keepalive_idle")),
        ("interval", values::any_int("bridge_tcp_keepalive_interval")),
        ("counter", values::any_int("bridge_tcp_keepalive_counter")),
    ];
    let mut words = line.words();
    for (part, option) in PARTS {
        let word = Line { name: line.name, rest: words.next().unwrap_or_default() };
        if values::integer(&option, &word)? <= 0 {
            return Err(Fault::told(format!("invalid TCP keepalive {part} value."), "It takes 1 or more."));
        }
    }
    Ok(())
}

/// `N`, or `base cap`, or `base cap stable`, in seconds; as C's `atoi` reads them.
pub(crate) fn restart_timeout(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let mut words = line.words();
    let base = values::leading(words.next().ok_or_else(|| Fault::Empty { name: option.name.to_owned() })?);
    let base = draft.raised(base, 1, "restart_timeout interval too low, using 1 second.");
    if base > RESTART_S_MAX {
        draft.warn(Level::Notice, "restart_timeout interval too high, using 3600 seconds.");
    }
    let base = base.min(RESTART_S_MAX);
    let Some(cap) = words.next().map(values::leading) else { return Ok(()) };
    if cap < base {
        return Err(Fault::told(
            "backoff cap is lower than the base in restart_timeout.",
            "Write the lower one first.",
        ));
    }
    if cap > RESTART_CAP_S_MAX {
        draft.warn(Level::Warning, "Error: backoff cap too high, using 7200 seconds.");
    }
    if words.next().is_some_and(|stable| values::leading(stable) < 0) {
        return Err(Fault::told("stable connection period cannot be negative.", "It takes a number of seconds."));
    }
    Ok(())
}

pub(crate) fn idle_timeout(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let value = values::integer(option, line)?;
    let value = draft.raised(value, 1, "idle_timeout interval too low, using 1 second.");
    draft.bridge().idle_timeout = draft.located(value).into();
    Ok(())
}

pub(crate) fn keepalive(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let value = values::integer(option, line)?;
    let value = draft.raised(value, 5, "keepalive interval too low, using 5 seconds.");
    draft.bridge().keepalive_interval = draft.located(value).into();
    Ok(())
}

pub(crate) fn threshold(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let value = values::integer(option, line)?;
    let value = draft.raised(value, 1, "threshold too low, using 1 message.");
    draft.bridge().threshold = draft.located(value).into();
    Ok(())
}

pub(crate) fn insecure(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let value = values::boolean(option.name, line)?;
    if value {
        let name = draft.bridge().name.get().map_or_else(String::new, |name| shown(&name.value));
        draft.warn(Level::Warning, format!("Warning: Bridge '{name}' using insecure mode."));
    }
    draft.bridge().insecure = draft.located(value).into();
    Ok(())
}

pub(crate) fn certificate_text(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let bridge = draft.bridge();
    if !bridge.psk.is_none() || !bridge.identity.is_none() {
        return Err(both(line));
    }
    let slot: fn(&mut Draft) -> &mut Written<String> = match option.name {
        "bridge_cafile" => |draft| &mut draft.bridge().cafile,
        "bridge_capath" => |draft| &mut draft.bridge().capath,
        "bridge_certfile" => |draft| &mut draft.bridge().certfile,
        _ => |draft| &mut draft.bridge().keyfile,
    };
    let value = text_of(option.name, line, VALUE_BYTES_MAX)?.to_owned();
    draft.set_text(slot, option.name, value)
}

pub(crate) fn psk_text(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let bridge = draft.bridge();
    if [&bridge.cafile, &bridge.capath, &bridge.certfile, &bridge.keyfile].iter().any(|of| !of.is_none()) {
        return Err(both(line));
    }
    let value = text_of(option.name, line, VALUE_BYTES_MAX)?.to_owned();
    if option.name == "bridge_identity" {
        return draft.set_text(|draft| &mut draft.bridge().identity, option.name, value);
    }
    draft.set_text(|draft| &mut draft.bridge().psk, option.name, value)
}

fn both(line: &Line) -> Fault {
    Fault::told(
        format!("'{}': Cannot use both certificate and psk encryption in a single bridge.", line.name),
        "Keep one of the two.",
    )
}

#[cfg(test)]
mod tests {
    use crate::{InMemory, Overrides, check, parse};
    use std::path::Path;

    fn error_of(text: &str) -> String {
        let mut files = InMemory::one("m.conf", text);
        parse(Some(Path::new("m.conf")), &mut files, &Overrides::default()).expect_err(text).to_string()
    }

    const GOOD: &str = "connection a\naddress localhost\ntopic # both 2 \"\" far/\n";

    #[test]
    fn what_is_wrong_with_a_bridge_is_said_in_mosquittos_words() {
        // what stands below, the message: those of 2.1.2's own tests, and the others of its conf.c
        let rows = [
            ("connection\n", "Error: Empty 'connection' value in configuration."),
            ("connection just-name\n", "Error: Invalid bridge configuration: no remote addresses defined."),
            ("connection a\naddress localhost\n", "Error: Invalid bridge configuration: no topics defined."),
            ("connection a\ntopic t\n", "Error: Invalid bridge configuration: no remote addresses defined."),
            ("connection a\ntopic \"missing quote\n", "Error: Missing closing quote in topic value (quote)."),
            ("connection a\ntopic a sideways\n", "Error: Invalid bridge topic direction 'sideways'."),
            ("connection a\ntopic \"a b\" out 3\n", "Error: Invalid bridge QoS level '3'."),
            (
                "connection a\naddress h\naddress h\n",
                "Error: Invalid bridge configuration, 'address' only allowed once.",
            ),
            ("connection a\naddress h:0\n", "Error: Invalid bridge port value (0)."),
            ("connection a\naddress\n", "Error: Empty address value in configuration."),
            ("connection a\nconnection a\n", "Error: Duplicate bridge name 'a'."),
            ("threshold 10\n", "Error: The 'threshold' option requires a bridge to be defined first."),
            ("clientid x\n", "Error: The 'clientid' option requires a bridge to be defined first."),
            ("GOODbridge_psk\n", "Error: Empty 'bridge_psk' value in configuration."),
            ("GOODbridge_psk k\n", "Error: Invalid bridge configuration: missing bridge_identity."),
            ("GOODbridge_identity i\n", "Error: Invalid bridge configuration: missing bridge_psk."),
            (
                "GOODbridge_psk k\nbridge_cafile c\n",
                "Error: 'bridge_cafile': Cannot use both certificate and psk encryption",
            ),
            (
                "GOODbridge_keyfile k\nbridge_psk c\n",
                "Error: 'bridge_psk': Cannot use both certificate and psk encryption",
            ),
            ("GOODbridge_protocol_version 5\n", "Error: Invalid 'bridge_protocol_version' value (5)."),
            ("GOODbridge_reload_type now\n", "Error: Invalid 'bridge_reload_type' value in configuration (now)."),
            ("GOODstart_type manual\n", "Error: Manual start_type not supported."),
            ("GOODstart_type soon\n", "Error: Invalid 'start_type' value in configuration (soon)."),
            ("GOODkeepalive_interval 65536\n", "Error: Bridge keepalive value too high."),
            ("GOODbridge_max_topic_alias 65536\n", "Error: bridge_max_topic_alias must be > 0 and <= 65535."),
            ("GOODbridge_receive_maximum 0\n", "Error: bridge_receive_maximum must be greater than 0."),
            ("GOODbridge_receive_maximum 65536\n", "Error: bridge_receive_maximum must be lower than 65535."),
            ("GOODbridge_session_expiry_interval -1\n", "Error: bridge_session_expiry_interval must not be negative."),
            ("GOODbridge_tcp_keepalive 1 0 1\n", "Error: invalid TCP keepalive interval value."),
            ("GOODbridge_tcp_keepalive 1\n", "Error: Empty 'bridge_tcp_keepalive_interval' value in configuration."),
            ("GOODbridge_tcp_user_timeout -1\n", "Error: invalid TCP user timeout value."),
            ("GOODrestart_timeout 9 5\n", "Error: backoff cap is lower than the base in restart_timeout."),
            ("GOODrestart_timeout 5 9 -1\n", "Error: stable connection period cannot be negative."),
            (
                "GOODpassword a\nremote_password b\n",
                "Error: Duplicate 'bridge remote_password' value in configuration.",
            ),
            ("GOODcleansession maybe\n", "Error: Invalid 'cleansession' value (maybe)."),
            (
                "GOODlocal_clientid x\nconnection b\naddress h\ntopic t\nlocal_clientid x\n",
                "Error: Bridge local_clientid 'x' is not unique.",
            ),
            (
                "GOODconnection b\naddress h\ntopic t\nremote_clientid r\nconnection c\naddress h\ntopic t\nremote_clientid r\n",
                "Error: Bridge local_clientid 'local.r' is not unique.",
            ),
        ];
        for (text, wanted) in rows {
            let error = error_of(&text.replace("GOOD", GOOD));
            assert!(error.starts_with(wanted), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_good_bridge_is_refused_because_it_is_not_carried_out_yet() {
        let all = "clientid r\nlocal_clientid l\nusername u\npassword p\nlocal_username u\nlocal_password p\ncleansession 1\n\
            local_cleansession 0\nidle_timeout 0\nkeepalive_interval 1\nnotifications 0\nnotifications_local_only 1\n\
            notification_topic t\nrestart_timeout 5 30 10\nround_robin 1\nstart_type once\nthreshold 0\ntry_private 0\n\
            bridge_alpn mqtt\nbridge_cafile c\nbridge_capath c\nbridge_certfile c\nbridge_keyfile k\nbridge_insecure 1\n\
            bridge_tls_use_os_certs 1\nbridge_require_ocsp 1\nbridge_tls_version tlsv1.3\nbridge_ciphers c\n\
            bridge_ciphers_tls1.3 c\nbridge_bind_address a\nbridge_max_packet_size -1\nbridge_max_topic_alias 0\n\
            bridge_outgoing_retain 0\nbridge_protocol_version mqttv50\nbridge_receive_maximum 65535\n\
            bridge_reload_type immediate\nbridge_session_expiry_interval 0\nbridge_tcp_keepalive 1 1 1\n\
            bridge_tcp_user_timeout 0\nbridge_attempt_unsubscribe 0\ntopic \"a b\" in 1 x/ y/\n";
        for text in [
            GOOD.to_owned(),
            format!("{GOOD}{all}"),
            format!("listener 1\n{GOOD}connection b\naddress h ::1:1883\ntopic \"\" in\n"),
        ] {
            let error = error_of(&text);
            assert!(
                error.starts_with("Error: 'connection' is an option of mosquitto that nightjar does not"),
                "{error}"
            );
            let line = text.lines().position(|line| line == "connection a").expect("it is there") + 1;
            assert!(error.ends_with(&format!("Error found at m.conf:{line}.")), "{error}");
        }
    }

    #[test]
    fn below_a_broken_connection_line_the_options_still_speak_of_a_bridge() {
        let mut files = InMemory::one("m.conf", "connection\naddress h\ntopic t out 7\nuser\n");
        let (_, errors) = check(Some(Path::new("m.conf")), &mut files, &Overrides::default());
        let lines: Vec<_> = errors.iter().filter_map(|error| error.at.as_ref()).map(crate::Place::line).collect();
        assert_eq!(lines, [1, 3, 4], "{errors:?}");
    }
}
