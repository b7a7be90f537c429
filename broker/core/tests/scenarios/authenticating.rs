//! Enhanced authentication by a method that is invented here: what the core lets happen when, whatever the method is.

use std::time::Duration;

use broker_core::{
    AUTHENTICATION_DATA_BYTES_MAX, AUTHENTICATION_STEPS_MAX, AuthAnswer, LOGIN_TIME_MAX, LinkId, Refusal, Settings,
    Trust,
};
use mqtt::{Auth, DecodeFault, Disconnect, Packet, Properties, PropertiesBuf, Property, ReasonCode};

use crate::world::*;

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;
const ANEW: ReasonCode = ReasonCode::ReAuthenticate;

/// Nobody comes in without proof.
fn guarded() -> World {
    let mut settings = Settings::default();
    settings.listeners[0].checks_passwords = true;
    World::with(settings)
}

fn by_method<'a>(id: &'a str, data: Option<&'a str>) -> Hello<'a> {
    Hello { method: Some("TEST"), data, ..hello(V5, id) }
}

fn more(data: &str) -> AuthAnswer<'_> {
    AuthAnswer::Continue { data: Some(data.as_bytes()) }
}

fn proved(username: &str) -> AuthAnswer<'_> {
    AuthAnswer::Success { data: None, username }
}

const FAILED: AuthAnswer<'_> = AuthAnswer::Failure { why: Refusal::Password, username: Some("u") };

fn auth(world: &mut World, link: LinkId, reason: ReasonCode, method: &str, data: &str) {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::AuthenticationMethod(method));
    properties.push(Property::AuthenticationData(data.as_bytes()));
    world.says(link, Packet::Auth(Auth { reason, properties: properties.as_properties() }));
}

fn asked(world: &mut World) -> Vec<String> {
    std::mem::take(&mut world.desk.asked)
}

/// A client that came in as `u`.
fn client(world: &mut World) -> LinkId {
    let link = world.knock(by_method("c", Some("hello")));
    world.answer(link, proved("u"));
    assert_eq!(world.heard(link), ["CONNACK 0x00 TEST"]);
    asked(world);
    world.told();
    link
}

#[test]
fn an_exchange_goes_step_by_step_and_connack_ends_it_with_the_method_and_the_last_data() {
    // 5.0 MQTT-4.12.0-2, MQTT-4.12.0-3, MQTT-4.12.0-5; §3.1.2.11.9: no User Name is needed.
    let mut world = guarded();
    let link = world.knock(by_method("c", Some("first")));
    assert_eq!(world.heard(link), [""; 0], "nothing before the edge has answered");
    world.answer(link, more("second"));
    assert_eq!(world.heard(link), ["AUTH 0x18 TEST: second"]);
    auth(&mut world, link, CONTINUE, "TEST", "third");
    world.answer(link, AuthAnswer::Continue { data: None });
    assert_eq!(world.heard(link), ["AUTH 0x18 TEST"]);
    auth(&mut world, link, CONTINUE, "TEST", "fourth");
    assert_eq!(asked(&mut world), ["0 TEST begins: first", "0 TEST: third", "0 TEST: fourth"]);
    world.answer(link, AuthAnswer::Success { data: Some(b"last"), username: "u" });
    assert_eq!(world.heard(link), ["CONNACK 0x00 TEST: last"]);
    let clients: Vec<_> =
        world.broker.clients().map(|(_, id, user)| (id.to_owned(), user.map(str::to_owned))).collect();
    assert_eq!(clients, [("c".to_owned(), Some("u".to_owned()))], "the user that the method found counts");
    world.disconnect(link);
    world.assert_empty();
}

#[test]
fn a_connect_without_data_is_answered_by_the_method_too() {
    // 5.0 §4.12: the method decides who says something first.
    let mut world = guarded();
    let link = world.knock(by_method("c", None));
    assert_eq!(asked(&mut world), ["0 TEST begins: nothing"]);
    world.answer(link, AuthAnswer::Continue { data: None });
    assert_eq!(world.heard(link), ["AUTH 0x18 TEST"]);
}

#[test]
fn a_method_that_the_edge_does_not_have_or_that_has_nothing_to_prove_against_is_refused() {
    // 5.0 MQTT-4.12.0-1
    let mut world = guarded();
    let link = world.knock(by_method("c", None));
    world.answer(link, AuthAnswer::Failure { why: Refusal::Method, username: None });
    assert_eq!(world.heard(link), ["CONNACK 0x8c", "CLOSED"]);
    world.assert_empty();
    let mut world = World::new();
    let link = world.knock(by_method("c", None));
    assert_eq!(world.heard(link), ["CONNACK 0x8c", "CLOSED"]);
    assert_eq!(asked(&mut world), [""; 0]);
}

#[test]
fn an_exchange_that_fails_is_refused_at_any_step() {
    // 5.0 MQTT-4.12.0-4
    for steps in 0..3 {
        let mut world = guarded();
        let link = world.knock(by_method("c", Some("x")));
        for _ in 0..steps {
            world.answer(link, more("more"));
            assert_eq!(world.heard(link), ["AUTH 0x18 TEST: more"]);
            auth(&mut world, link, CONTINUE, "TEST", "x");
        }
        world.answer(link, FAILED);
        assert_eq!(world.heard(link), ["CONNACK 0x87", "CLOSED"]);
        assert_eq!(world.told(), ["c refused: bad user name or password"]);
        assert_eq!(world.broker.stats().refusals, 1);
        world.assert_empty();
    }
}

#[test]
fn a_user_name_in_connect_must_be_the_one_that_was_proved_and_its_password_is_not_looked_at() {
    // 5.0 §4.12: the standard leaves to the server what both together mean.
    for (username, wanted) in [("u", "CONNACK 0x00 TEST"), ("other", "CONNACK 0x87")] {
        let mut world = guarded();
        let hello = Hello { username: Some(username), password: Some("wrong"), ..by_method("c", None) };
        let link = world.knock(hello);
        world.answer(link, proved("u"));
        assert_eq!(world.heard(link)[0], wanted, "{username}");
    }
}

#[test]
fn nothing_but_auth_and_disconnect_may_come_before_connack() {
    // 5.0 MQTT-3.1.2-30; §4.13.1: before CONNACK a fault is told in CONNACK.
    for is_our_turn in [true, false] {
        let packets = [Packet::PingReq, Packet::PingResp, Packet::PubAck(ack(1, ReasonCode::Success))];
        for packet in packets {
            let mut world = guarded();
            let link = world.knock(by_method("c", None));
            if !is_our_turn {
                world.answer(link, AuthAnswer::Continue { data: None });
                world.heard(link);
            }
            world.says(link, packet);
            assert_eq!(world.heard(link), ["CONNACK 0x82", "CLOSED"], "{packet:?}");
            let told = world.told();
            assert!(told[0].starts_with("c refused: protocol error: a packet other than AUTH"), "{told:?}");
            world.assert_empty();
            // An answer that comes too late changes nothing.
            world.answer(link, proved("u"));
            world.assert_empty();
        }
    }
    let mut world = guarded();
    let link = world.knock(by_method("c", None));
    world.greet(link, by_method("c", None));
    assert_eq!(world.heard(link), ["CONNACK 0x82", "CLOSED"], "a second CONNECT [5.0 MQTT-3.1.0-2]");
    let mut world = guarded();
    let link = world.knock(by_method("c", None));
    world.broken(link, DecodeFault::Truncated);
    assert_eq!(world.heard(link), ["CONNACK 0x81", "CLOSED"]);
}

#[test]
fn a_client_that_gives_up_is_let_go_without_a_word() {
    // 5.0 MQTT-3.1.2-30 lets it say DISCONNECT.
    let mut world = guarded();
    let link = world.knock(by_method("c", None));
    world.answer(link, more("x"));
    world.heard(link);
    world.says(link, Packet::Disconnect(Disconnect { reason: ReasonCode::Success, properties: Properties::EMPTY }));
    assert_eq!(world.heard(link), ["CLOSED"]);
    world.assert_empty();
    let link = world.knock(by_method("c", None));
    world.lose(link);
    world.answer(link, proved("u"));
    world.assert_empty();
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut world = guarded();
    let link = world.open(hello(V5, "c"));
    world.answer(link, proved("u"));
    world.greet(link, by_method("c", None));
    world.answer(link, more("x"));
    assert_eq!(world.heard(link), ["AUTH 0x18 TEST: x"]);
    for answer in [proved("u"), FAILED, more("y")] {
        world.answer(link, answer);
        assert_eq!(world.heard(link), [""; 0], "it is the client's turn: {answer:?}");
    }
    auth(&mut world, link, CONTINUE, "TEST", "z");
    world.answer(link, proved("u"));
    assert_eq!(world.heard(link), ["CONNACK 0x00 TEST"]);
    for answer in [proved("u"), proved("other"), FAILED, more("y")] {
        world.answer(link, answer);
        assert_eq!(world.heard(link), [""; 0], "{answer:?}");
    }
}

#[test]
fn auth_that_is_not_due_is_a_protocol_error() {
    type Case = (&'static str, ReasonCode, &'static str);
    const CASES: [Case; 4] = [
        ("5.0 MQTT-4.12.0-5: another method", CONTINUE, "OTHER"),
        ("5.0 MQTT-4.12.0-5: upper case is not lower case", CONTINUE, "test"),
        ("5.0 MQTT-4.12.0-3: anew before CONNACK", ANEW, "TEST"),
        ("5.0 MQTT-3.15.2-1: only servers say Success", ReasonCode::Success, "TEST"),
    ];
    for (source, reason, method) in CASES {
        let mut world = guarded();
        let link = world.knock(by_method("c", None));
        world.answer(link, more("x"));
        world.heard(link);
        asked(&mut world);
        auth(&mut world, link, reason, method, "y");
        assert_eq!(world.heard(link), ["CONNACK 0x82", "CLOSED"], "{source}");
        assert_eq!(asked(&mut world), [""; 0], "{source}");
        world.assert_empty();
    }
    let mut world = guarded();
    let link = world.knock(by_method("c", None));
    auth(&mut world, link, CONTINUE, "TEST", "y");
    assert_eq!(world.heard(link), ["CONNACK 0x82", "CLOSED"], "5.0 §4.12: it was not asked for more yet");
}

#[test]
fn auth_from_a_client_that_named_no_method_is_a_protocol_error() {
    // 5.0 MQTT-4.12.0-6, MQTT-4.12.0-7
    for reason in [CONTINUE, ANEW, ReasonCode::Success] {
        let mut world = World::new();
        let link = world.connect(hello(V5, "c"));
        auth(&mut world, link, reason, "TEST", "x");
        assert_eq!(world.heard(link), ["DISCONNECT 0x82", "CLOSED"], "{reason:?}");
        world.assert_empty();
    }
    let mut world = guarded();
    let link = world.open(hello(V5, "c"));
    auth(&mut world, link, CONTINUE, "TEST", "x");
    assert_eq!(world.heard(link), ["CLOSED"], "5.0 MQTT-3.1.0-1: before CONNECT nobody is answered");
}

#[test]
fn a_client_authenticates_anew_while_all_else_goes_on() {
    // 5.0 §4.12.1, MQTT-4.12.1-1: the client and the server can go on with other packets meanwhile.
    let mut world = guarded();
    let link = client(&mut world);
    for _ in 0..2 {
        auth(&mut world, link, ANEW, "TEST", "again");
        world.wants(link, "t", 0);
        world.answer(link, more("really?"));
        assert_eq!(world.heard(link), ["AUTH 0x18 TEST: really?"]);
        world.publish(link, 0, 0, "t", "meanwhile");
        assert_eq!(world.heard(link), ["PUBLISH t meanwhile"]);
        auth(&mut world, link, CONTINUE, "TEST", "yes");
        world.answer(link, AuthAnswer::Success { data: Some(b"well"), username: "u" });
        assert_eq!(world.heard(link), ["AUTH 0x00 TEST: well"]);
        assert_eq!(asked(&mut world), ["0 TEST begins: again", "0 TEST: yes"]);
        world.unsubscribe(link, "t");
        world.heard(link);
    }
    world.disconnect(link);
    world.assert_empty();
}

#[test]
fn who_fails_to_authenticate_anew_or_is_another_is_let_go_and_its_will_is_published() {
    // 5.0 MQTT-4.12.1-2
    for answer in [FAILED, proved("other"), AuthAnswer::Failure { why: Refusal::Method, username: None }] {
        let mut world = guarded();
        let witness = world.connect(Hello { username: Some("gateway"), trust: Trust::Ours, ..hello(V5, "w") });
        world.wants(witness, "gone", 0);
        let link = world.knock(Hello { will: Some(will("gone")), ..by_method("c", None) });
        world.answer(link, proved("u"));
        world.heard(link);
        auth(&mut world, link, ANEW, "TEST", "again");
        world.answer(link, answer);
        assert_eq!(world.heard(link), ["DISCONNECT 0x87", "CLOSED"], "{answer:?}");
        assert_eq!(world.heard(witness), ["PUBLISH gone will"]);
        assert_eq!(world.told(), ["c gone: not authorised"]);
    }
}

#[test]
fn authenticating_anew_has_its_order_too() {
    let rows: &[(&str, &[(ReasonCode, &str)])] = &[
        ("5.0 §4.12.1: a second one while the edge thinks", &[(ANEW, "TEST"), (ANEW, "TEST")]),
        ("5.0 MQTT-4.12.0-2: an answer where nothing was asked", &[(CONTINUE, "TEST")]),
        ("5.0 MQTT-4.12.1-1: another method", &[(ANEW, "OTHER")]),
        ("5.0 MQTT-3.15.2-1: only servers say Success", &[(ReasonCode::Success, "TEST")]),
        ("5.0 MQTT-4.12.0-2: an answer while the edge thinks", &[(ANEW, "TEST"), (CONTINUE, "TEST")]),
    ];
    for (source, packets) in rows {
        let mut world = guarded();
        let link = client(&mut world);
        for (reason, method) in *packets {
            auth(&mut world, link, *reason, method, "x");
        }
        assert_eq!(world.heard(link), ["DISCONNECT 0x82", "CLOSED"], "{source}");
        world.answer(link, proved("u"));
        world.assert_empty();
    }
    let mut world = guarded();
    let link = client(&mut world);
    auth(&mut world, link, ANEW, "TEST", "x");
    world.answer(link, more("y"));
    world.heard(link);
    auth(&mut world, link, ANEW, "TEST", "x");
    assert_eq!(world.heard(link), ["DISCONNECT 0x82", "CLOSED"], "a second one while the client is to go on");
}

#[test]
fn the_whole_exchange_has_the_time_of_a_login() {
    let mut world = guarded();
    let link = world.knock(by_method("c", None));
    let step = LOGIN_TIME_MAX / 4;
    for _ in 0..3 {
        world.answer(link, more("x"));
        world.pass(step);
        auth(&mut world, link, CONTINUE, "TEST", "y");
    }
    world.pass(step.saturating_sub(Duration::from_millis(1)));
    assert!(!world.is_closed(link));
    world.heard(link);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.heard(link), ["CLOSED"]);
    assert_eq!(world.told(), ["c refused: its authentication took too long"]);
    world.assert_empty();
    // Who came in counts by its keep-alive.
    let link = world.knock(Hello { keep_alive_s: 60, ..by_method("c", None) });
    world.pass(step);
    world.answer(link, proved("u"));
    world.heard(link);
    world.pass(Duration::from_secs(89));
    assert!(!world.is_closed(link));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.heard(link), ["DISCONNECT 0x8d", "CLOSED"]);
}

#[test]
fn data_and_steps_of_an_exchange_are_limited() {
    let longest = "x".repeat(AUTHENTICATION_DATA_BYTES_MAX);
    let longer = "x".repeat(AUTHENTICATION_DATA_BYTES_MAX + 1);
    let mut world = guarded();
    let link = world.knock(by_method("c", Some(&longest)));
    assert_eq!(asked(&mut world).len(), 1);
    world.answer(link, more("x"));
    auth(&mut world, link, CONTINUE, "TEST", &longer);
    assert_eq!(world.heard(link), ["AUTH 0x18 TEST: x", "CONNACK 0x87", "CLOSED"]);
    let link = world.knock(by_method("c", Some(&longer)));
    assert_eq!(world.heard(link), ["CONNACK 0x87", "CLOSED"]);
    assert_eq!(asked(&mut world), [""; 0], "the edge never sees more");

    let link = world.knock(by_method("c", None));
    for _ in 1..AUTHENTICATION_STEPS_MAX {
        world.answer(link, AuthAnswer::Continue { data: None });
        auth(&mut world, link, CONTINUE, "TEST", "y");
    }
    assert!(!world.is_closed(link));
    world.answer(link, AuthAnswer::Continue { data: None });
    world.heard(link);
    auth(&mut world, link, CONTINUE, "TEST", "y");
    assert_eq!(world.heard(link), ["CONNACK 0x87", "CLOSED"]);
    assert!(world.told().last().is_some_and(|told| told.contains("authentication data")));
    world.assert_empty();

    let link = client(&mut world);
    for _ in 0..2 {
        auth(&mut world, link, ANEW, "TEST", "x");
        for _ in 1..AUTHENTICATION_STEPS_MAX {
            world.answer(link, AuthAnswer::Continue { data: None });
            auth(&mut world, link, CONTINUE, "TEST", "y");
        }
        world.answer(link, proved("u"));
        assert!(!world.is_closed(link), "each exchange is counted by itself");
    }
}

#[test]
fn an_auth_that_is_too_large_for_the_client_is_not_sent() {
    // 5.0 MQTT-3.1.2-24, MQTT-3.1.2-25; and it never has a Reason String or a User Property that would make it so:
    // 5.0 MQTT-3.15.2-2, MQTT-3.15.2-3.
    let mut settings = Settings { reason_strings: true, ..Settings::default() };
    settings.listeners[0].checks_passwords = true;
    let mut world = World::with(settings);
    // AUTH 0x18 with the method alone: 2 bytes of header, the reason, the length, 3 and 4 bytes of the method.
    let link = world.knock(Hello { packet_bytes_max: Some(11), ..by_method("c", None) });
    world.answer(link, AuthAnswer::Continue { data: Some(b"") });
    assert_eq!(world.heard(link), [""; 0]);
    auth(&mut world, link, CONTINUE, "TEST", "x");
    world.answer(link, AuthAnswer::Continue { data: None });
    assert_eq!(world.heard(link), ["AUTH 0x18 TEST"]);
}

#[test]
fn a_session_is_resumed_and_taken_over_by_who_has_proved_itself() {
    let mut world = guarded();
    let hello = Hello { method: Some("TEST"), ..durable(V5, "c") };
    let first = world.knock(hello);
    world.answer(first, proved("u"));
    world.heard(first);
    let second = world.knock(hello);
    assert_eq!(world.heard(first), [""; 0], "nobody is taken over by a stranger");
    world.answer(second, FAILED);
    assert!(!world.is_closed(first));
    let third = world.knock(hello);
    world.answer(third, proved("u"));
    assert_eq!(world.heard(first), ["DISCONNECT 0x8e", "CLOSED"]);
    assert_eq!(world.heard(third), ["CONNACK 0x00 present TEST"]);
}
