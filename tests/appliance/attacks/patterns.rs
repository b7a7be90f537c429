//! Names that a pattern rule would put into a filter, and that are filters themselves.

use super::siege::{Attacker, Siege};
use super::wire::{Connect, VERSIONS, packet, properties, puback, publish, suback, subscribe, text};
use crate::folder::Folder;

const RULES: &str = "topic readwrite bystander\npattern readwrite clients/%c/#\npattern readwrite users/%u/#\n";

fn come(siege: &Siege, version: u8, id: &str, username: &str) -> Attacker {
    siege.client_who(&Connect { username: Some(username.into()), ..Connect::new(version, id) })
}

#[test]
fn a_name_with_wildcards_opens_nothing_that_is_not_its_own() {
    let folder = Folder::new();
    folder.write("acl", RULES);
    let mut siege = Siege::with("acl_file DIR/acl\n", folder);
    for version in VERSIONS {
        let mut alice = come(&siege, version, "alice", "alice");
        let everything: [(&[u8], u8); 3] = [(b"#", 0), (b"clients/#", 0), (b"users/#", 0)];
        alice.is_answered(&subscribe(version, &everything, &[]), &suback(version, &[0; 3]), "alice");
        let names =
            ["#", "+", "+/#", "alice/#", "alice/../#", "+/+", "a#", "alic+", "/", "//", "alice/", "/alice", "%c"];
        for name in names {
            for (id, username) in [(name, "mallory"), ("mallory", name), (name, name)] {
                let what = format!("{version}: client identifier {id:?}, user name {username:?}");
                let mut mallory = come(&siege, version, id, username);
                mallory.is_answered(&subscribe(version, &everything, &[]), &suback(version, &[0; 3]), &what);
                for topic in ["clients/alice/x", "users/alice/x", "clients/x", "users/x", "clients", "users"] {
                    // Acknowledged, and gone: 0x87 in 5.0 [5.0 §3.4.2.1].
                    mallory.is_answered(&publish(version, topic, &[]), &puback(version, 0x87), &what);
                }
                alice.is_answered(&[], &[], &format!("alice after {what}"));
                // Of what alice says to herself mallory hears nothing.
                for topic in ["clients/alice/secret", "users/alice/secret"] {
                    let message = packet(0x30, &[&text(topic), &properties(version, &[]), b"payload"]);
                    let heard = [message.repeat(2), puback(version, 0)].concat();
                    alice.is_answered(&publish(version, topic, &[]), &heard, &what);
                }
                mallory.is_answered(&[], &[], &what);
                siege.nobody_noticed(&what);
            }
        }
    }
}

#[test]
fn a_name_with_a_slash_is_put_into_no_pattern() {
    // mosquitto puts it in, and so "a/b" has a room in the house of "a". Here it has none.
    let folder = Folder::new();
    folder.write("acl", RULES);
    let mut siege = Siege::with("acl_file DIR/acl\n", folder);
    for version in VERSIONS {
        let mut a = come(&siege, version, "a", "a");
        a.is_answered(&subscribe(version, &[(b"#", 0)], &[]), &suback(version, &[0]), "a");
        let mut client = come(&siege, version, "a/b", "a/b");
        client.is_answered(&subscribe(version, &[(b"#", 0)], &[]), &suback(version, &[0]), "a/b");
        for topic in ["clients/a/b/x", "users/a/b/x", "clients/a/x", "users/a/x"] {
            client.is_answered(&publish(version, topic, &[]), &puback(version, 0x87), topic);
            a.is_answered(&[], &[], topic);
        }
        siege.nobody_noticed("a/b");
    }
}
