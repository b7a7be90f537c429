//! Other settings while clients are there, and while they are on their way in: who stays, and who goes.

use broker_core::{AuthAnswer, ListenerSettings, Settings};
use mqtt::ProtocolVersion::{V5, V311};

use crate::world::*;

/// How a listener learns whose client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Nothing,
    Password,
    Door,
}

fn proving(proof: Proof, allow_anonymous: bool) -> ListenerSettings {
    ListenerSettings {
        allow_anonymous,
        checks_passwords: proof == Proof::Password,
        names_by_door: proof == Proof::Door,
        ..ListenerSettings::default()
    }
}

fn with(listener: ListenerSettings) -> Settings {
    Settings { listeners: vec![listener], ..Settings::default() }
}

/// A world in which everybody is `anna` by the door, and `anna` has a password.
fn world(settings: Settings) -> World {
    let mut world = World::with(settings);
    world.desk.identity = Some("anna");
    world.desk.users.insert("anna".into(), b"secret".to_vec());
    world
}

fn change(world: &mut World, settings: Settings) {
    world.broker.set_settings(world.now, settings, &mut world.desk);
    world.settle();
}

fn anna() -> Hello<'static> {
    Hello { username: Some("anna"), password: Some("secret"), ..hello(V5, "anna-1") }
}

#[test]
fn whose_name_would_have_to_be_proved_in_another_way_goes() {
    use Proof::{Door, Nothing, Password};
    let rows = [
        (Nothing, Password, false),
        (Nothing, Door, false),
        (Password, Door, false),
        (Door, Password, false),
        (Door, Door, true),
        (Password, Password, true),
        // What was proved once is worth no less than what need not be.
        (Password, Nothing, true),
        (Door, Nothing, true),
    ];
    for (before, now, stays) in rows {
        let mut world = world(with(proving(before, before == Nothing)));
        let link = world.connect(anna());
        change(&mut world, with(proving(now, true)));
        assert_eq!(world.is_closed(link), !stays, "{before:?} and then {now:?}");
    }
}

#[test]
fn who_has_no_name_goes_where_the_door_is_to_say_one() {
    let mut world = World::with(with(proving(Proof::Nothing, true)));
    let link = world.connect(hello(V311, "c"));
    change(&mut world, with(proving(Proof::Door, true)));
    assert!(world.is_closed(link));
}

#[test]
fn who_sees_another_part_of_the_topics_goes_whatever_it_came_in_by() {
    let by_door = with(proving(Proof::Door, false));
    let mut by_name = with(ListenerSettings { username_as_client_id: true, ..proving(Proof::Nothing, true) });
    // It is the name that it says which has the prefix, and not the one that it gets.
    by_name.client_id_prefix = Some("anna-".to_owned());
    for before in [by_door, by_name] {
        for mount in [None, Some("x/".to_owned())] {
            let mut before = before.clone();
            before.listeners[0].mount_point = Some("m/".to_owned());
            let mut now = before.clone();
            now.listeners[0].mount_point = mount;
            let mut world = world(before.clone());
            let link = world.connect(anna());
            change(&mut world, before);
            assert!(!world.is_closed(link));
            change(&mut world, now);
            assert_eq!(world.heard(link), ["DISCONNECT 0x87", "CLOSED"]);
        }
    }
}

#[test]
fn who_is_on_the_way_in_by_what_counts_no_longer_is_told_to_come_again() {
    let before = with(proving(Proof::Password, false));
    let mut mounted = before.clone();
    mounted.listeners[0].mount_point = Some("m/".to_owned());
    let mut only_v5 = before.clone();
    only_v5.listeners[0].versions.v311 = false;
    let mut prefixed = before.clone();
    prefixed.client_id_prefix = Some("b".to_owned());
    let mut closed = before.clone();
    closed.listeners[0].is_closed = true;
    let later = Settings { sys_interval_s: 1, ..before.clone() };
    for (now, version, wanted) in [
        (&mounted, V5, &["CONNACK 0x88", "CLOSED"][..]),
        (&mounted, V311, &["CONNACK 0x03", "CLOSED"]),
        (&only_v5, V311, &["CONNACK 0x03", "CLOSED"]),
        (&prefixed, V5, &["CONNACK 0x88", "CLOSED"]),
        (&closed, V5, &["CLOSED"]),
        (&later, V311, &["CONNACK 0x00"]),
        (&later, V5, &["CONNACK 0x00"]),
    ] {
        for method in [None, Some("SCRAM")] {
            if method.is_some() && version != V5 {
                continue;
            }
            let mut world = world(before.clone());
            world.desk.verdicts_wait = true;
            let link = world.knock(Hello { method, data: method, will: Some(will("w")), version, ..anna() });
            change(&mut world, now.clone());
            world.judge();
            if method.is_some() && !world.is_closed(link) {
                world.answer(link, AuthAnswer::Success { data: None, username: "anna" });
            }
            let heard = world.heard(link);
            // A 5.0 client that is let in by a method is told the method again.
            let heard: Vec<_> = heard.iter().map(|said| said.trim_end_matches(" SCRAM")).collect();
            assert_eq!(heard, wanted, "{version:?} {method:?}");
        }
    }
}
