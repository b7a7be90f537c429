//! Those who do not read, those who ask for too much, and what is counted of it.

use std::time::Duration;

use broker_core::{BACKLOG_BYTES_MAX, DropCause, LinkId, Settings};

use crate::world::*;

#[test]
fn the_more_there_are_who_do_not_read_the_less_each_of_them_holds() {
    const ALL: usize = 64 << 20;
    const STEP: usize = 16 << 10;
    let mut world = World::with(Settings { backlogs_bytes_max: ALL, ..open_settings() });
    let publisher = world.connect(hello(V311, "publisher"));
    let deaf: Vec<LinkId> = (0..1_000)
        .map(|n| {
            let link = world.connect(hello(V311, &format!("deaf{n}")));
            world.subscribe(link, "t", at(0));
            world.heard(link);
            link
        })
        .collect();
    // Their sockets take nothing: each is given more and more until the broker leaves it out.
    let mut held = vec![0; deaf.len()];
    loop {
        world.publish(publisher, 0, 0, "t", "x");
        let mut anyone = false;
        for (held, link) in held.iter_mut().zip(&deaf) {
            if !world.heard(*link).is_empty() {
                *held += STEP;
                world.clog(*link, *held);
                anyone = true;
            }
        }
        if !anyone {
            break;
        }
    }
    let (sum, most) = (held.iter().sum::<usize>(), held.iter().copied().max().unwrap());
    // What was sent at the same time to all of them may go past it, once.
    assert!(sum <= ALL + deaf.len() * STEP, "{sum}");
    assert!(most < BACKLOG_BYTES_MAX / 2, "and not one of them at the cost of the others: {most}");
    // One who reads is served as ever, and so is one who begins to.
    let reader = world.connect(hello(V311, "reader"));
    world.subscribe(reader, "t", at(0));
    world.heard(reader);
    world.drain(deaf[7]);
    world.publish(publisher, 0, 0, "t", "still");
    for link in [reader, deaf[7]] {
        assert_eq!(world.heard(link), ["PUBLISH t still"]);
    }
}

#[test]
fn each_dropped_message_is_counted_once_and_by_its_cause() {
    let settings = Settings { max_queued_messages: 1, message_size_limit: 100, ..open_settings() };
    let mut world = World::with(settings);
    let a = world.connect(hello(V5, "a"));
    let narrow = world.connect(hello_narrow("narrow"));
    world.subscribe(narrow, "t", at(0));
    let slow = world.connect(hello(V5, "slow"));
    world.subscribe(slow, "t", at(1));
    world.clog(slow, BACKLOG_BYTES_MAX + 1);
    world.publish(a, 0, 0, "t", "socket");
    world.publish(a, 1, 1, "t", "waits");
    world.publish(a, 1, 2, "t", "queue");
    world.publish(a, 0, 0, "t", &"x".repeat(101));
    world.drain(slow);
    world.publish(a, 0, 0, "t", &"x".repeat(60));
    world.clog(slow, BACKLOG_BYTES_MAX + 1);
    world.publish(a, 1, 3, "t", "waits");
    world.set_acl("topic write t");
    let stats = world.broker.stats();
    let by_cause = [DropCause::Socket, DropCause::Queue, DropCause::Size, DropCause::Refused, DropCause::Rules]
        .map(|why| stats.dropped_for(why));
    assert_eq!(by_cause, [1, 1, 1, 1, 1]);
    assert_eq!(stats.publishes_dropped, by_cause.iter().sum::<u64>());
    assert_eq!(world.desk.dropped, ["slow Socket", "slow Queue", "narrow Size"]);
}

fn hello_narrow(id: &str) -> Hello<'_> {
    Hello { packet_bytes_max: Some(50), ..hello(V5, id) }
}

#[test]
fn work_is_counted_by_whom_a_packet_reaches_and_not_by_its_length() {
    let mut world = World::new();
    let a = world.connect(hello(V311, "a"));
    let cost = |world: &mut World, act: &dyn Fn(&mut World)| {
        let before = world.broker.work();
        act(world);
        world.broker.work() - before
    };
    assert_eq!(cost(&mut world, &|world| world.publish(a, 0, 0, "nobody", "")), 2, "a packet, and a topic never seen");
    for n in 0..100 {
        let link = world.connect(hello(V311, &format!("s{n}")));
        world.subscribe(link, "t", at(0));
    }
    world.publish(a, 0, 0, "t", "");
    assert_eq!(cost(&mut world, &|world| world.publish(a, 0, 0, "t", "")), 101);
    assert_eq!(cost(&mut world, &|world| world.publish(a, 0, 0, "t", &"x".repeat(2_048))), 301);
    for n in 0..50 {
        world.retain(a, 0, 0, &format!("kept/{n}"), "1");
    }
    let asks = cost(&mut world, &|world| world.subscribe(a, "kept/#", at(0)));
    assert!((100..150).contains(&asks), "each retained message is looked at and sent: {asks}");
}

#[test]
fn a_client_that_takes_nothing_ends_like_one_whose_network_failed() {
    let mut world = World::new();
    let watcher = world.connect(hello(V311, "watcher"));
    world.subscribe(watcher, "will", at(0));
    let deaf = world.connect(Hello { will: Some(will("will")), ..durable(V5, "deaf") });
    world.subscribe(deaf, "t", at(1));
    world.heard(watcher);
    world.heard(deaf);
    world.broker.stalled(world.now, deaf, &mut world.desk);
    world.settle();
    assert_eq!(world.heard(deaf), [] as [&str; 0], "nothing is said to who does not read");
    assert_eq!(world.heard(watcher), ["PUBLISH will will"]);
    assert!(world.desk.told.contains(&"deaf gone: it reads nothing".to_owned()), "{:?}", world.desk.told);
    // Its session is as it was.
    world.publish(watcher, 1, 1, "t", "kept");
    world.pass(Duration::from_secs(1));
    let deaf = world.connect_again(durable(V5, "deaf"));
    assert_eq!(world.heard(deaf), ["PUBLISH t kept q1 id1"]);
}
