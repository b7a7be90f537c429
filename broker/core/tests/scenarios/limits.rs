//! What the operator limits: clients, their names, memory; and what the broker says when it is asked.

use broker_core::{ListenerInfo, Settings, Trust};
use mqtt::{PropertiesBuf, Property};

use crate::world::*;

fn refused(world: &mut World, hello: Hello<'_>) -> Vec<String> {
    let link = world.knock(hello);
    world.heard(link)
}

#[test]
fn one_session_more_than_may_be_is_refused_and_one_that_is_there_comes_back() {
    let mut world = World::with(Settings { clients_max: Some(2), ..open_settings() });
    let a = world.connect(durable(V5, "a"));
    world.connect(hello(V311, "b"));
    // As mosquitto: 5.0 is told "server busy", the others nothing.
    assert_eq!(refused(&mut world, hello(V5, "c")), ["CONNACK 0x89", "CLOSED"]);
    assert_eq!(refused(&mut world, hello(V311, "c")), ["CLOSED"]);
    world.disconnect(a);
    assert_eq!(refused(&mut world, hello(V311, "c")), ["CLOSED"], "a session that is away counts");
    world.connect_again(durable(V5, "a"));
    world.connect(hello(V5, "a"));
    assert_eq!(world.broker.session_count(), 2);
}

#[test]
fn only_clients_of_the_prefix_come_in_and_the_parts_of_this_process() {
    let mut world = World::with(Settings { client_id_prefix: Some("gw-".to_owned()), ..open_settings() });
    world.connect(hello(V311, "gw-1"));
    assert_eq!(refused(&mut world, hello(V311, "gw")), ["CONNACK 0x05", "CLOSED"]);
    assert_eq!(refused(&mut world, hello(V5, "x")), ["CONNACK 0x87", "CLOSED"]);
    assert_eq!(refused(&mut world, hello(V311, "")), ["CONNACK 0x05", "CLOSED"], "what we make begins with auto-");
    world.connect(Hello { trust: Trust::Ours, ..hello(V311, "gateway") });
    assert!(world.desk.told.iter().any(|told| told.contains("clientid_prefixes")), "{:?}", world.desk.told);
}

#[test]
fn with_all_memory_in_use_what_takes_more_for_longer_is_refused_and_what_makes_room_goes_on() {
    let mut world = World::new();
    let a = world.connect(durable(V5, "a"));
    world.wants(a, "t", 1);
    let old = world.connect(hello(V311, "old"));
    world.broker.set_memory_full(true);
    world.publish(a, 1, 7, "t", "x");
    world.publish(a, 2, 8, "t", "x");
    assert_eq!(world.heard(a), ["PUBACK 7 0x97", "PUBREC 8 0x97", "PUBCOMP 8"]);
    world.retain(a, 0, 0, "r", "x");
    assert_eq!(world.broker.retained_count(), 0);
    world.publish(a, 0, 0, "t", "goes on");
    assert_eq!(world.heard(a), ["PUBLISH t goes on"]);
    world.subscribe(a, "u", at(0));
    assert_eq!(world.heard(a), ["SUBACK 1 [97]"]);
    world.publish(old, 1, 7, "t", "x");
    assert_eq!(world.heard(old), ["CLOSED"], "3.1.1 has no word for it");
    assert_eq!(refused(&mut world, hello(V5, "new")), ["CONNACK 0x97", "CLOSED"]);
    assert_eq!(refused(&mut world, hello(V311, "new")), ["CONNACK 0x03", "CLOSED"]);
    world.connect_again(durable(V5, "a"));
    assert_eq!(world.broker.stats().publishes_dropped, 4, "three of a, one of old");
    world.broker.set_memory_full(false);
    let new = world.connect(hello(V5, "new"));
    world.publish(new, 1, 7, "nobody", "x");
    assert_eq!(world.heard(new), ["PUBACK 7 0x10"]);
}

#[test]
fn retained_messages_that_have_expired_are_forgotten_at_the_interval_and_the_store_is_told() {
    let mut world = World::with(Settings { retain_expiry_s: Some(120), ..open_settings() });
    world.broker.start(world.now, &mut world.desk);
    let a = world.connect(hello(V5, "a"));
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(10));
    world.publishes(a, 0, 0, "short/a", "x", true, &properties);
    world.retain(a, 0, 0, "stays", "x");
    world.pass_s(119);
    assert_eq!(world.broker.retained_count(), 2, "it has expired, and is still there");
    world.pass_s(1);
    assert_eq!((world.broker.retained_count(), world.desk.store.retained().count()), (1, 1));
    // And again, and with another interval.
    world.publishes(a, 0, 0, "short/b", "x", true, &properties);
    world.broker.set_settings(world.now, Settings { retain_expiry_s: Some(60), ..open_settings() }, &mut world.desk);
    world.pass_s(60);
    assert_eq!(world.broker.retained_count(), 1);
}

#[test]
fn the_broker_answers_those_who_may_ask_and_nobody_when_it_is_not_enabled() {
    let info = ListenerInfo { port: 1883, protocol: Some("mqtt".to_owned()), ..ListenerInfo::default() };
    let ask = r#"{"commands":[{"command":"listListeners"}]}"#;
    let answer = r#"{"responses":[{"command":"listListeners","data":{"listeners":[{"port":1883,"protocol":"mqtt","tls":false}]}}]}"#;
    let mut world = World::with(Settings { control_api: Some(vec![info]), ..open_settings() });
    let a = world.connect(hello(V5, "a"));
    world.wants(a, "$CONTROL/broker/v1/response", 0);
    world.publish(a, 1, 7, "$CONTROL/broker/v1", ask);
    assert_eq!(world.heard(a), [&format!("PUBLISH $CONTROL/broker/v1/response {answer}"), "PUBACK 7"]);
    assert_eq!(world.desk.told.last().map(String::as_str), Some("a asks listListeners"));
    world.publish(a, 1, 8, "$CONTROL/broker/v2", ask);
    assert_eq!(world.heard(a), ["PUBACK 8 0x87"]);
    world.set_acl("topic read #\n");
    world.publish(a, 1, 9, "$CONTROL/broker/v1", ask);
    assert_eq!(world.heard(a), ["PUBACK 9 0x87"], "the rules do not let it ask");

    let mut silent = World::new();
    let a = silent.connect(hello(V5, "a"));
    silent.publish(a, 1, 7, "$CONTROL/broker/v1", ask);
    assert_eq!(silent.heard(a), ["PUBACK 7 0x87"]);
}

#[test]
fn who_would_no_longer_be_let_in_by_other_settings_is_sent_away_and_nobody_else() {
    let mut settings = open_settings();
    settings.listeners.push(settings.listeners[0].clone());
    let mut world = World::with(settings.clone());
    let anonymous = world.connect(hello(V5, "anonymous"));
    let named = world.connect(Hello { username: Some("u"), ..hello(V311, "named") });
    let elsewhere = world.connect(Hello { listener: 1, ..hello(V5, "elsewhere") });
    let ours = world.connect(Hello { trust: Trust::Ours, ..hello(V5, "ours") });
    let stranger = world.open(hello(V5, "stranger"));
    let mut set = |world: &mut World, change: &dyn Fn(&mut Settings)| {
        change(&mut settings);
        world.broker.set_settings(world.now, settings.clone(), &mut world.desk);
        world.settle();
    };
    set(&mut world, &|settings| settings.max_keepalive_s = 60);
    assert!(
        ![anonymous, named, elsewhere, ours].iter().any(|link| world.is_closed(*link)),
        "nothing of theirs changed"
    );
    set(&mut world, &|settings| settings.listeners[0].allow_anonymous = false);
    assert_eq!(world.heard(anonymous), ["DISCONNECT 0x87", "CLOSED"]);
    assert!(world.is_closed(named), "its name was never proved, and nothing but anonymity let it in");
    assert!(!world.is_closed(elsewhere) && !world.is_closed(ours) && !world.is_closed(stranger));
    set(&mut world, &|settings| settings.listeners[1].versions.v5 = false);
    assert!(world.is_closed(elsewhere) && !world.is_closed(ours));
    set(&mut world, &|settings| settings.listeners[0].is_closed = true);
    assert!(world.is_closed(stranger) && !world.is_closed(ours), "the listener is gone");
}

#[test]
fn a_name_that_nobody_proved_is_worth_nothing_once_passwords_are_checked() {
    let mut world = World::new();
    let named = world.connect(Hello { username: Some("u"), ..hello(V5, "named") });
    let nameless = world.connect(hello(V5, "nameless"));
    let mut settings = open_settings();
    settings.listeners[0].checks_passwords = true;
    world.broker.set_settings(world.now, settings, &mut world.desk);
    assert!(world.is_closed(named) && !world.is_closed(nameless));
}

#[test]
fn a_line_of_the_log_is_published_and_not_retained_and_the_trees_are_told_in_words() {
    let mut world = World::new();
    let a = world.connect(hello(V311, "a"));
    world.wants(a, "$SYS/broker/log/#", 2);
    world.wants(a, "a/b/#", 1);
    world.wants(a, "$share/g/a/b", 0);
    world.broker.say_log(world.now, "N", "17: a line", &mut world.desk);
    world.settle();
    assert_eq!(world.heard(a), ["PUBLISH $SYS/broker/log/N 17: a line q2 id1"]);
    world.retain(a, 0, 0, "r/x", "hi");
    let wanted = "    \n      \n        a\n          b (a, 0)\n            # (a, 1)\n    $SYS\n      broker\n        log\n\
                  \x20         # (a, 2)\n    \n      r\n        x (retained, 2 bytes)\n";
    assert_eq!(world.broker.describe(), wanted);
}
