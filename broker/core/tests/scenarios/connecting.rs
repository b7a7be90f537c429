//! CONNECT, CONNACK, keep-alive, takeover, the end of sessions.

use std::time::Duration;

use broker_core::{ListenerSettings, Refusal, Settings, Trust};
use mqtt::{DecodeFault, Packet, Properties, ReasonCode};

use crate::world::*;

fn guarded() -> World {
    let mut settings = Settings::default();
    settings.listeners[0].checks_passwords = true;
    let mut world = World::with(settings);
    world.desk.users.insert("u".to_owned(), b"p".to_vec());
    world
}

#[test]
fn a_client_without_the_right_password_is_told_not_authorised() {
    for (version, wanted) in [(V31, "CONNACK 0x05"), (V311, "CONNACK 0x05"), (V5, "CONNACK 0x87")] {
        for (username, password) in [(None, None), (Some("u"), None), (Some("u"), Some("x")), (Some("z"), Some("p"))] {
            let mut world = guarded();
            let link = world.knock(Hello { username, password, ..hello(version, "c") });
            assert_eq!(world.heard(link), [wanted, "CLOSED"], "{version:?} {username:?} {password:?}");
            world.assert_empty();
        }
    }
}

#[test]
fn a_client_with_the_right_password_comes_in_and_our_own_parts_need_none() {
    for version in [V31, V311, V5] {
        let mut world = guarded();
        world.connect(Hello { username: Some("u"), password: Some("p"), ..hello(version, "c") });
        world.connect(Hello { username: Some("gateway"), trust: Trust::Ours, ..hello(version, "g") });
        assert_eq!(world.broker.session_count(), 2);
    }
}

#[test]
fn a_user_name_without_a_password_file_counts_where_anonymous_clients_may_come_in() {
    let mut world = World::new();
    world.connect(Hello { username: Some("u"), password: Some("x"), ..hello(V311, "c") });
    let mut world = World::with(Settings::default());
    let link = world.knock(Hello { username: Some("u"), password: Some("x"), ..hello(V311, "c") });
    assert_eq!(world.heard(link), ["CONNACK 0x05", "CLOSED"]);
}

#[test]
fn refusals_are_said_in_the_words_of_the_version() {
    type Change = fn(&mut Settings);
    let strict: Change = |s| s.listeners[0].allow_zero_length_clientid = false;
    let only_v31: Change = |s| s.listeners[0].versions = broker_core::VersionSet { v31: true, v311: false, v5: false };
    let short: Change = |s| s.max_keepalive_s = 30;
    let no_retain: Change = |s| s.retain_available = false;
    let qos1: Change = |s| s.listeners[0].max_qos = qos(1);
    let small: Change = |s| s.message_size_limit = 3;
    let any: Change = |_| ();
    let will_q2 = Testament { qos: qos(2), ..will("w") };
    let will_retain = Testament { retain: true, ..will("w") };
    let rows: &[(&str, Change, Hello<'_>, &[&str])] = &[
        // An empty Client Identifier.
        ("3.1 §3.1", any, hello(V31, ""), &["CONNACK 0x02", "CLOSED"]),
        ("3.1.1 MQTT-3.1.3-8", any, Hello { clean: false, ..hello(V311, "") }, &["CONNACK 0x02", "CLOSED"]),
        ("mosquitto", any, hello(V311, ""), &["CONNACK 0x00"]),
        ("mosquitto", strict, hello(V311, ""), &["CONNACK 0x02", "CLOSED"]),
        ("5.0 MQTT-3.1.3-8", strict, hello(V5, ""), &["CONNACK 0x85", "CLOSED"]),
        ("5.0 §3.1.3.1", any, Hello { clean: false, ..hello(V5, "") }, &["CONNACK 0x00"]),
        // Versions.
        ("3.1.1 MQTT-3.1.2-2", only_v31, hello(V311, "c"), &["CONNACK 0x01", "CLOSED"]),
        ("5.0 MQTT-3.1.2-2", only_v31, hello(V5, "c"), &["CONNACK 0x84", "CLOSED"]),
        ("accepted", only_v31, hello(V31, "c"), &["CONNACK 0x00"]),
        // Keep-alive.
        ("mosquitto", short, Hello { keep_alive_s: 31, ..hello(V311, "c") }, &["CONNACK 0x02", "CLOSED"]),
        ("mosquitto", short, Hello { keep_alive_s: 0, ..hello(V31, "c") }, &["CONNACK 0x02", "CLOSED"]),
        ("mosquitto", short, Hello { keep_alive_s: 30, ..hello(V311, "c") }, &["CONNACK 0x00"]),
        ("5.0 §3.2.2.3.14", short, Hello { keep_alive_s: 31, ..hello(V5, "c") }, &["CONNACK 0x00"]),
        // Wills that ask for too much: 3.x clients are closed without a word, as by mosquitto.
        ("5.0 MQTT-3.2.2-12", qos1, Hello { will: Some(will_q2), ..hello(V5, "c") }, &["CONNACK 0x9b", "CLOSED"]),
        (
            "5.0 MQTT-3.2.2-13",
            no_retain,
            Hello { will: Some(will_retain), ..hello(V5, "c") },
            &["CONNACK 0x9a", "CLOSED"],
        ),
        ("mosquitto", qos1, Hello { will: Some(will_q2), ..hello(V311, "c") }, &["CLOSED"]),
        ("mosquitto", no_retain, Hello { will: Some(will_retain), ..hello(V31, "c") }, &["CLOSED"]),
        ("mosquitto", small, Hello { will: Some(will("w")), ..hello(V5, "c") }, &["CONNACK 0x95", "CLOSED"]),
        ("mosquitto", small, Hello { will: Some(will("w")), ..hello(V311, "c") }, &["CONNACK 0x05", "CLOSED"]),
        // Enhanced authentication.
        ("5.0 §4.12", any, Hello { method: Some("SCRAM"), ..hello(V5, "c") }, &["CONNACK 0x8c", "CLOSED"]),
    ];
    for (source, change, hello, wanted) in rows {
        let mut settings = open_settings();
        change(&mut settings);
        let mut world = World::with(settings);
        let link = world.knock(*hello);
        assert_eq!(world.heard(link), *wanted, "{source}: {:?} {:?}", hello.version, hello.id);
    }
}

#[test]
fn a_wrong_password_is_told_before_a_wrong_keep_alive() {
    let mut world = guarded();
    let mut settings = Settings { max_keepalive_s: 30, ..Settings::default() };
    settings.listeners[0].checks_passwords = true;
    world.broker.set_settings(world.now, settings, &mut world.desk);
    let hello = Hello { username: Some("u"), keep_alive_s: 60, ..hello(V311, "c") };
    let link = world.knock(Hello { password: Some("x"), ..hello });
    assert_eq!(world.heard(link), ["CONNACK 0x05", "CLOSED"]);
    let link = world.knock(Hello { password: Some("p"), ..hello });
    assert_eq!(world.heard(link), ["CONNACK 0x02", "CLOSED"]);
    world.assert_empty();
}

#[test]
fn an_unknown_protocol_level_is_refused_as_3_1_1_says_it() {
    let mut world = World::new();
    let link = world.open(hello(V311, ""));
    world.broken(link, DecodeFault::UnsupportedProtocolVersion);
    assert_eq!(world.heard(link), ["CONNACK 0x01", "CLOSED"]);
    world.assert_empty();
}

/// The properties of the first CONNACK, as bytes.
fn connack_properties(settings: Settings, hello: Hello<'_>) -> Vec<u8> {
    let mut world = World::with(settings);
    let link = world.knock(hello);
    let bytes = world.desk.lines[&link].left[0].clone();
    assert_eq!(bytes[..4], [0x20, (bytes.len() - 2) as u8, 0, 0]);
    bytes[5..].to_vec()
}

#[test]
fn connack_has_mosquittos_properties_in_mosquittos_order() {
    // Its flags are 0 but for the last [5.0 MQTT-3.2.2-1].
    // Recorded from mosquitto 2.0.11.
    let usual = [0x22, 0, 10, 0x27, 0, 0x1E, 0x84, 0x80, 0x21, 0, 20];
    assert_eq!(connack_properties(open_settings(), hello(V5, "c")), usual);
    let mut all = Settings { max_keepalive_s: 30, retain_available: false, max_packet_size: 0, ..open_settings() };
    all.listeners[0].max_qos = qos(1);
    let id = b"auto-01010101-0101-0101-0101-010101010101";
    let wanted =
        [&[0x22, 0, 10, 0x13, 0, 30, 0x12, 0, id.len() as u8][..], id, &[0x25, 0, 0x21, 0, 20, 0x24, 1]].concat();
    assert_eq!(connack_properties(all, Hello { keep_alive_s: 60, ..hello(V5, "") }), wanted);
}

#[test]
fn a_refusal_tells_the_highest_qos_that_there_is() {
    // As mosquitto 2.0.11: whoever asked for too much learns how much there is [5.0 §3.2.2.3.4].
    let mut settings = open_settings();
    settings.listeners[0].max_qos = qos(1);
    let mut world = World::with(settings);
    let link = world.knock(Hello { will: Some(Testament { qos: qos(2), ..will("w") }), ..hello(V5, "c") });
    assert_eq!(world.desk.lines[&link].left[0], [0x20, 5, 0, 0x9B, 2, 0x24, 1]);
}

#[test]
fn a_client_that_does_not_take_our_connack_is_let_go_before_anything_changes() {
    // [5.0 MQTT-3.1.2-24]
    let size = 5 + connack_properties(open_settings(), hello(V5, "c")).len() as u32;
    for (most, is_in) in [(size, true), (size - 1, false)] {
        let mut world = World::new();
        let old = world.connect(hello(V311, "c"));
        let link = world.knock(Hello { packet_bytes_max: Some(most), ..hello(V5, "c") });
        let wanted: &[&str] = if is_in { &["CONNACK 0x00"] } else { &["CLOSED"] };
        assert_eq!(world.heard(link), wanted, "{most} bytes");
        assert_eq!(world.is_closed(old), is_in, "{most} bytes: the older client goes for one that comes in");
    }
}

#[test]
fn an_empty_user_name_counts_as_none_where_anonymous_clients_may_come_in() {
    // Clients say it whose form was left empty; mosquitto 2.0.11 lets them in.
    for version in [V31, V311, V5] {
        let mut world = guarded();
        let hello = Hello { username: Some(""), password: Some("x"), ..hello(version, "c") };
        let link = world.knock(hello);
        assert_eq!(world.heard(link).len(), 2, "refused: {version:?}");
        let mut settings = open_settings();
        settings.listeners[0].checks_passwords = true;
        world.broker.set_settings(world.now, settings, &mut world.desk);
        world.connect(hello);
    }
}

#[test]
fn a_shortened_session_expiry_is_told() {
    let settings = Settings { persistent_client_expiration_s: Some(60), ..open_settings() };
    let told = connack_properties(settings.clone(), durable(V5, "c"));
    assert_eq!(told[..5], [0x11, 0, 0, 0, 60], "5.0 §3.2.2.3.2");
    let hello = Hello { expiry_s: Some(59), ..durable(V5, "c") };
    assert_ne!(connack_properties(settings, hello)[0], 0x11);
}

#[test]
fn a_client_silent_for_one_and_a_half_periods_is_let_go() {
    // [3.1.1 MQTT-3.1.2-24; 5.0 MQTT-3.1.2-22, MQTT-3.2.2-22]
    for (version, wanted) in [(V311, &["CLOSED"][..]), (V5, &["DISCONNECT 0x8d", "CLOSED"])] {
        let mut world = World::new();
        let link = world.connect(Hello { keep_alive_s: 10, ..hello(version, "c") });
        world.pass(Duration::from_millis(14_999));
        assert_eq!(world.heard(link), [""; 0]);
        world.pass(Duration::from_millis(1));
        assert_eq!(world.heard(link), wanted);
        world.assert_empty();
    }
}

#[test]
fn pings_keep_a_client_and_a_keep_alive_of_0_needs_none() {
    // [3.1.1 and 5.0 MQTT-3.12.4-1]
    for version in [V311, V5] {
        let mut world = World::new();
        let pinging = world.connect(Hello { keep_alive_s: 10, ..hello(version, "a") });
        let silent = world.connect(hello(version, "b"));
        for _ in 0..100 {
            world.pass_s(14);
            world.says(pinging, Packet::PingReq);
            assert_eq!(world.heard(pinging), ["PINGRESP"]);
        }
        assert_eq!(world.heard(silent), [""; 0]);
    }
}

#[test]
fn a_server_keep_alive_counts_instead_of_the_clients() {
    let mut world = World::with(Settings { max_keepalive_s: 10, ..open_settings() });
    let link = world.connect(Hello { keep_alive_s: 0, ..hello(V5, "c") });
    world.pass_s(15);
    assert_eq!(world.heard(link), ["DISCONNECT 0x8d", "CLOSED"]);
}

#[test]
fn a_link_without_connect_is_closed_after_the_login_time() {
    let mut world = World::new();
    let link = world.open(hello(V311, "c"));
    let almost = broker_core::LOGIN_TIME_MAX.saturating_sub(Duration::from_millis(1));
    world.pass(almost);
    assert!(!world.is_closed(link));
    world.pass_s(1);
    assert_eq!(world.heard(link), ["CLOSED"]);
    world.assert_empty();
}

#[test]
fn a_login_that_is_never_judged_is_closed_and_a_late_verdict_lets_nobody_in() {
    let mut world = guarded();
    world.desk.verdicts_wait = true;
    let link = world.knock(Hello { username: Some("u"), password: Some("p"), ..hello(V311, "c") });
    world.pass_s(60);
    assert_eq!(world.heard(link), ["CLOSED"]);
    world.judge();
    assert_eq!(world.heard(link), ["CLOSED"]);
    world.assert_empty();
}

#[test]
fn what_comes_before_connack_or_out_of_place_ends_the_connection() {
    let mut world = World::new();
    let link = world.open(hello(V5, "c"));
    world.says(link, Packet::PingReq);
    assert_eq!(world.heard(link), ["CLOSED"], "before CONNECT: without a word");
    for version in [V31, V311, V5] {
        let words: &[&str] = if version.is_v5() { &["DISCONNECT 0x82", "CLOSED"] } else { &["CLOSED"] };
        let link = world.connect(hello(version, "c"));
        world.greet(link, hello(version, "c")); // [3.1.1 MQTT-3.1.0-2, 5.0 MQTT-3.1.0-2]
        assert_eq!(world.heard(link), words);
        let link = world.connect(hello(version, "c"));
        world.says(link, Packet::PingResp);
        assert_eq!(world.heard(link), words);
        let link = world.connect(hello(version, "c"));
        world.broken(link, DecodeFault::InvalidTopicFilter);
        let words: &[&str] = if version.is_v5() { &["DISCONNECT 0x81", "CLOSED"] } else { &["CLOSED"] };
        assert_eq!(world.heard(link), words);
    }
    let link = world.connect(hello(V5, "c"));
    let auth = mqtt::Auth { reason: ReasonCode::ContinueAuthentication, properties: Properties::EMPTY };
    world.says(link, Packet::Auth(auth));
    assert_eq!(world.heard(link), ["DISCONNECT 0x82", "CLOSED"]);
    world.assert_empty();
}

#[test]
fn a_second_client_with_the_same_identifier_takes_over() {
    // [3.1.1 MQTT-3.1.4-2, 5.0 MQTT-3.1.4-3]
    let mut world = World::new();
    let old = world.connect(hello(V5, "c"));
    let new = world.connect(hello(V311, "c"));
    assert_eq!(world.heard(old), ["DISCONNECT 0x8e", "CLOSED"]);
    let newest = world.connect(hello(V5, "c"));
    assert_eq!(world.heard(new), ["CLOSED"]);
    assert_eq!(world.told().iter().filter(|told| *told == "c taken over").count(), 2);
    world.lose(old);
    assert_eq!(world.broker.clients().count(), 1, "the end of the old link is not the end of the new");
    world.disconnect(newest);
    world.assert_empty();
}

#[test]
fn a_session_goes_on_or_begins_as_connect_asks() {
    for version in [V31, V311, V5] {
        let present = if version == V31 { "CONNACK 0x00" } else { "CONNACK 0x00 present" };
        let mut world = World::new();
        let link = world.connect(durable(version, "c"));
        world.wants(link, "a", 1);
        world.disconnect(link);
        assert_eq!(world.broker.session_count(), 1);

        let link = world.knock(durable(version, "c"));
        assert_eq!(world.heard(link), [present], "3.1.1 MQTT-3.2.2-2, 5.0 MQTT-3.2.2-3");
        assert_eq!(world.broker.subscription_count(), 1);
        world.lose(link);

        let link = world.connect(hello(version, "c"));
        assert_eq!(world.broker.subscription_count(), 0, "3.1.1 MQTT-3.1.2-6, 5.0 MQTT-3.1.2-4");
        world.lose(link);
        world.assert_empty();
    }
}

#[test]
fn a_clean_session_ends_with_its_connection_even_when_it_is_taken_over() {
    let mut world = World::new();
    let link = world.connect(hello(V311, "c"));
    world.wants(link, "a", 1);
    let link = world.knock(durable(V311, "c"));
    assert_eq!(world.heard(link), ["CONNACK 0x00"]);
    assert_eq!(world.broker.subscription_count(), 0);
}

#[test]
fn a_session_ends_when_its_expiry_is_over_and_not_before() {
    let mut world = World::new();
    let hello = Hello { expiry_s: Some(10), ..durable(V5, "c") };
    let link = world.connect(hello);
    world.pass_s(100);
    world.lose(link);
    world.pass(Duration::from_millis(9_999));
    let link = world.knock(hello);
    assert_eq!(world.heard(link), ["CONNACK 0x00 present"]);
    world.pass_s(100);
    world.lose(link);
    world.pass_s(10);
    assert_eq!(world.told().last().map(String::as_str), Some("c expired"));
    world.assert_empty();
}

#[test]
fn a_disconnect_may_change_a_session_expiry_but_not_from_nothing() {
    let mut world = World::new();
    let link = world.connect(durable(V5, "c"));
    world.farewell(link, ReasonCode::Success, Some(5));
    world.pass_s(5);
    world.assert_empty();
    let link = world.connect(durable(V5, "c"));
    world.farewell(link, ReasonCode::Success, Some(0));
    world.assert_empty();
    // [5.0 §3.14.2.2.2]
    let link = world.connect(hello(V5, "c"));
    world.farewell(link, ReasonCode::Success, Some(5));
    assert_eq!(world.heard(link), ["DISCONNECT 0x82", "CLOSED"]);
    world.assert_empty();
}

#[test]
fn persistent_client_expiration_ends_sessions_that_ask_for_ever() {
    let mut world = World::with(Settings { persistent_client_expiration_s: Some(60), ..open_settings() });
    let link = world.connect(durable(V311, "c"));
    world.lose(link);
    world.pass_s(59);
    assert_eq!(world.broker.session_count(), 1);
    world.pass_s(1);
    world.assert_empty();
}

#[test]
fn a_second_connect_is_a_protocol_error_whatever_version_it_names() {
    // [3.1.1 MQTT-3.1.0-2, 5.0 MQTT-3.1.0-2]; 0x84 may not stand in DISCONNECT [5.0 §3.14.2.1].
    for version in [V31, V311, V5] {
        for fault in [DecodeFault::UnsupportedProtocolVersion, DecodeFault::WrongProtocolName] {
            let mut world = World::new();
            let link = world.connect(hello(version, "a"));
            world.broken(link, fault);
            let wanted: &[&str] = if version == V5 { &["DISCONNECT 0x82", "CLOSED"] } else { &["CLOSED"] };
            assert_eq!(world.heard(link), wanted, "{version:?} {fault:?}");
            world.assert_empty();
        }
    }
}

#[test]
fn a_verdict_that_nobody_waits_for_changes_nothing() {
    let mut world = World::new();
    let link = world.connect(durable(V5, "a"));
    world.wants(link, "t", 1);
    // It was meant for an earlier connection of the same number.
    for verdict in [Ok(()), Err(Refusal::Password)] {
        world.broker.verdict(world.now, link, verdict, &mut world.desk);
        world.publish(link, 0, 0, "t", "mine");
        assert_eq!(world.heard(link), ["PUBLISH t mine"]);
    }
    let stranger = world.open(hello(V311, "b"));
    world.broker.verdict(world.now, stranger, Ok(()), &mut world.desk);
    assert_eq!(world.heard(stranger), Vec::<String>::new());
    world.lose(link);
    world.lose(stranger);
    assert_eq!(world.broker.clients().count(), 0);
}

#[test]
fn a_stopping_broker_says_so_and_publishes_wills() {
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    world.wants(a, "w", 0);
    let b = world.connect(Hello { will: Some(will("w")), ..hello(V311, "b") });
    let new = world.open(hello(V5, "n"));
    world.lose(a);
    let a = world.connect(hello(V5, "a"));
    world.broker.shut_down(world.now, &mut world.desk);
    assert_eq!(world.heard(a), ["DISCONNECT 0x8b", "CLOSED"]);
    assert_eq!(world.heard(b), ["CLOSED"]);
    assert_eq!(world.heard(new), ["CLOSED"]);
    world.settle();
    world.assert_empty();
}

#[test]
fn a_dismissed_client_is_told_and_gone() {
    let mut world = World::new();
    let link = world.connect(hello(V5, "a"));
    world.broker.dismiss(world.now, link, &mut world.desk);
    assert_eq!(world.heard(link), ["DISCONNECT 0x87", "CLOSED"]);
    world.assert_empty();
}

#[test]
fn each_listener_has_its_own_rules() {
    let mut settings = open_settings();
    settings.listeners.push(ListenerSettings { max_qos: qos(0), ..ListenerSettings::default() });
    let mut world = World::with(settings);
    world.connect(hello(V311, "a"));
    let link = world.knock(Hello { listener: 1, ..hello(V311, "b") });
    assert_eq!(world.heard(link), ["CONNACK 0x05", "CLOSED"]);
}
