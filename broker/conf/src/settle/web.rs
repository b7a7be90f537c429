//! What is spoken at a listener besides MQTT on TCP: WebSocket and HTTP, and what is said of them in vain.

use super::Settling;
use crate::draft::ListenerDraft;
use crate::{Listener, Located, Protocol};

impl Settling {
    /// What is said of pages where none can come.
    pub(super) fn web_options(&mut self, written: &ListenerDraft) {
        if let (Some(origin), true) = (written.websockets_origins.first(), written.protocol != Protocol::WebSockets) {
            let text = "Warning: 'websockets_origin' does nothing without 'protocol websockets' at the same listener.";
            self.warn(&origin.clone(), text);
        }
        if let (Some(dir), true) = (written.http_dir.get(), written.protocol != Protocol::HttpApi) {
            self.warn(dir, "Warning: 'http_dir' does nothing without 'protocol http_api' at the same listener.");
        }
        if let (Some(path), true) = (written.unix.get(), written.protocol == Protocol::HttpApi) {
            self.fail(path, "an http_api has a unix socket, but no browser can use one.", "Give its listener a port.");
        }
        if let (Some(proxy), true) = (written.proxy.get(), written.protocol == Protocol::HttpApi) {
            let mend = "Remove the line.";
            self.fail(proxy, "'enable_proxy_protocol' is for MQTT and WebSocket, not for an http_api.", mend);
        }
        if let (Some(hint), true) = (written.psk_hint.get(), written.protocol == Protocol::HttpApi) {
            self.fail(
                hint,
                "'psk_hint' is given for an http_api, but no browser has a pre-shared key.",
                "Give it 'certfile' and 'keyfile', or remove the line.",
            );
        }
    }

    pub(super) fn no_mqtt(&mut self, listeners: &[Listener], http_listeners: &[Listener]) {
        if let ([], Some(at)) = (listeners, http_listeners.first().and_then(|listener| listener.at.clone())) {
            let message = "there is an http_api, but no listener for MQTT.";
            self.fail(&Located::new((), at), message, "Add a listener with 'protocol mqtt' or 'protocol websockets'.");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{ConfigError, InMemory, Overrides, Protocol, Settings, parse};
    use std::path::Path;

    fn read(text: &str) -> Result<Settings, ConfigError> {
        parse(Some(Path::new("m.conf")), &mut InMemory::one("m.conf", text), &Overrides::default())
    }

    #[test]
    fn what_is_spoken_at_a_listener_and_who_may_come_there_by_a_page() {
        let text = "packet_buffer_size 9000\nlistener 1\nlistener 2\nprotocol websockets\nwebsockets_origin http://a\n\
                    websockets_origin http://b\nlistener 3 ::1\nprotocol http_api\nhttp_dir /srv/a b\nlistener 4\nprotocol mqtt";
        let settings = read(text).expect("good");
        let spoken: Vec<_> = settings.listeners.iter().map(|listener| (listener.port, listener.protocol)).collect();
        assert_eq!(spoken, [(1, Protocol::Mqtt), (2, Protocol::WebSockets), (4, Protocol::Mqtt)]);
        assert_eq!(settings.listeners[1].websockets_origins, ["http://a", "http://b"]);
        assert!(settings.listeners[0].websockets_origins.is_empty());
        let [http] = &settings.http_listeners[..] else { panic!("one") };
        assert_eq!((http.port, http.address.as_deref()), (3, Some("::1")));
        assert_eq!(http.http_dir.as_ref().and_then(|dir| dir.value.to_str()), Some("/srv/a b"));
        assert_eq!(settings.packet_buffer_size, 9_000);
        assert_eq!(
            read("websockets_headers_size 5\nlistener 1").expect("good").packet_buffer_size,
            5,
            "its older name"
        );
        assert_eq!(read("listener 1").expect("good").packet_buffer_size, 4_096);
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }

    #[test]
    fn local_only_mode_has_mosquittos_http_api_and_other_modes_have_none_unasked() {
        let local = read("").expect("good");
        let [http] = &local.http_listeners[..] else { panic!("one") };
        assert_eq!((http.port, http.address.as_deref(), http.allow_anonymous), (9_883, Some("127.0.0.1"), true));
        assert!(read("listener 1883").expect("good").http_listeners.is_empty());
    }
}
