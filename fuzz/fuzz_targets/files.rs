//! Files that a person edited: mosquitto.conf, password, ACL and PSK file. Every fault is a message, never a panic.
#![no_main]

use std::path::Path;

use acl::{Acl, Client, PasswordFile, PskFile};
use broker_conf::{InMemory, Overrides, check};
use libfuzzer_sys::fuzz_target;
use mqtt::TopicName;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 4 {
        0 => {
            let main = Path::new("mosquitto.conf");
            let (settings, errors) = check(Some(main), &mut InMemory::one(main, bytes), &Overrides::default());
            assert!(!settings.listeners.is_empty() && errors.iter().all(|error| !error.one_line().is_empty()));
        }
        1 => {
            if let Ok(acl) = Acl::parse(bytes) {
                let client = Client { client_id: "a", username: Some("b") };
                for topic in ["a", "a/b", "$SYS/x"] {
                    if let Ok(topic) = TopicName::new(topic) {
                        let _ = acl.may_publish(client, topic);
                        let _ = acl.may_receive(client, topic);
                    }
                }
            }
        }
        2 => {
            // Parsed only: verifying takes its time by nature.
            if let Ok(file) = PasswordFile::parse(bytes) {
                assert!(file.users().all(|user| file.hash_of(user).is_some()));
            }
        }
        _ => {
            if let Ok(file) = PskFile::parse(bytes) {
                let _ = file.key_of("cassiapsk");
            }
        }
    }
});
