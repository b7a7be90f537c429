//! The rules of an ACL file, asked of the `acl` crate and of Debian's mosquitto over the wire.
//!
//! One broker is started with a listener for each ACL file. A publish is asked with MQTT 5 at QoS 1,
//! whose PUBACK says "not authorized"; a delivery by letting another client publish and then asking
//! for a PINGRESP, which mosquitto, having one thread, cannot send before the message.

mod mosquitto;
mod plain_client;

use acl::{Acl, Client};
use mosquitto::Mosquitto;
use mqtt::{TopicFilter, TopicName};
use plain_client::PlainClient;

/// An ACL file and the clients (id, user name) who ask it for every topic.
struct Case {
    file: String,
    clients: Vec<(String, Option<String>)>,
    topics: Vec<String>,
}

/// MQTT 5: "Not authorized".
const NOT_AUTHORIZED: u8 = 0x87;

fn case(file: &str, clients: &[(&str, Option<&str>)], topics: &[&str]) -> Case {
    Case {
        file: file.into(),
        clients: clients.iter().map(|(id, user)| ((*id).to_owned(), user.map(str::to_owned))).collect(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
    }
}

/// The traps, one file each.
fn known_cases() -> Vec<Case> {
    let roger: &[(&str, Option<&str>)] = &[("c1", Some("roger")), ("c2", None), ("c3", Some("nobody"))];
    vec![
        case("# no rules at all\n", roger, &["a", "a/b"]),
        case("topic read news/#\nuser roger\ntopic write cassia/#\n", roger, &["news", "news/x", "cassia/1", "cassia"]),
        case(
            "user roger\ntopic write cassia/#\nuser other\ntopic x\nuser roger\ntopic read cassia/#\n",
            roger,
            &["cassia", "x"],
        ),
        case("user roger\r\ntopic read a b/c\r\n  topic   write   d  \r\n\r\n", roger, &["a b/c", "a", "d"]),
        case("user roger\ntopic read\ttab\n", roger, &["tab", "read"]),
        case("user roger\ntopic read\n", roger, &["read"]),
        case("user roger\ntopic #\ntopic deny a/secret\n", roger, &["a/secret", "a/open", "$x/y"]),
        case("user roger\ntopic deny a/#\ntopic a/b\n", roger, &["a/b", "a", "b"]),
        case("user roger\ntopic a/b\npattern deny a/#\npattern a/+/%u\n", roger, &["a/b", "a/c/roger", "a/c"]),
        case(
            "user roger\ntopic write a/b\npattern read a/%u\npattern deny a/b\npattern a/+\n",
            roger,
            &["a/b", "a/roger"],
        ),
        case("user roger\ntopic %c/x\ntopic %u\n", roger, &["%c/x", "c1/x", "%u", "roger"]),
        case("pattern all/of/us\n", &[("c", None), ("c+", None), ("c#", Some("u"))], &["all/of/us"]),
        case(
            "topic #\nuser a+b\ntopic #\npattern own/%u/#\n",
            &[("c", Some("a+b")), ("#", None), ("#", Some("z"))],
            &["own/x", "t"],
        ),
        case(
            "pattern own/%c/#\npattern x%c/%u%u\n",
            &[("c", Some("u")), ("c", None)],
            &["own/c/y", "own/c", "xc/uu", "xc/u"],
        ),
        case("user roger rabbit  \ntopic a\n", &[("c", Some("roger rabbit")), ("c", Some("roger"))], &["a"]),
        case("topic $SYS/#\ntopic #\n", &[("c", None)], &["$SYS/x", "$SYSTEM/x", "$SYS/broker/connection/c/state"]),
        case("topic #\ntopic +/x\n", &[("c", None)], &["$data/x", "$share/g/x", "$shareholders", "$CONTROL/x", "x/x"]),
        case(
            "pattern write $SYS/broker/connection/%c/state\npattern #\n",
            &[("c", None)],
            &["$SYS/broker/connection/c/state", "$SYS/broker/connection/d/state", "$data/x"],
        ),
        case("topic general\npattern p/%u/x\n", &[("c", Some("")), ("c", None)], &["general", "p//x"]),
        case("user roger\ntopic /\ntopic a//b\ntopic +/+\n", roger, &["/", "a//b", "a/", "/a", "a"]),
    ]
}

/// A small random number generator with a seed: the same cases at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

fn generated_case(seed: u64) -> Case {
    const FILTERS: &[&str] =
        &["a", "b", "a/b", "a/+", "a/#", "#", "+", "+/b", "+/+/#", "$x/#", "$x/+", "/a", "/#", "b/a/"];
    const PATTERNS: &[&str] = &["%c", "%u", "%u/a", "a/%c", "%c/%u", "a/%u/#", "+/%c", "a/+", "#", "%c%u/b", "$x/%u"];
    const ACCESS: &[&str] = &["", "", "read ", "write ", "readwrite ", "deny "];
    let mut dice = Dice(seed);
    dice.roll(2);
    let mut file = String::new();
    for _ in 0..3 + dice.roll(10) {
        let line = match dice.roll(8) {
            0 | 1 => format!("user {}\n", dice.pick(&["a", "b", "c+"])),
            2..=5 => format!("topic {}{}\n", dice.pick(ACCESS), dice.pick(FILTERS)),
            6 => format!("pattern {}{}\n", dice.pick(ACCESS), dice.pick(PATTERNS)),
            _ => format!("# {}\n", dice.pick(FILTERS)),
        };
        file.push_str(&line);
    }
    let clients = [
        ("a", None),
        ("a", Some("a")),
        ("b", Some("b")),
        ("x", Some("a")),
        ("a+", Some("a")),
        ("a", Some("c+")),
        ("b", Some("z")),
    ];
    let topics = ["a", "b", "a/b", "a/x", "x/a", "ab/b", "a/a", "a/b/c", "/a", "$x/a", "b/a/", "a/a/b"];
    case(&file, &clients, &topics)
}

#[test]
fn the_rules_answer_as_mosquitto_does() {
    let mut cases = known_cases();
    cases.extend((1..=40).map(generated_case));
    let mosquitto = Mosquitto::with_acl_files(&cases.iter().map(|case| case.file.as_str()).collect::<Vec<_>>());
    let mut publisher = PlainClient::connect(mosquitto.open_port(), "publisher", None);
    let (mut asked, mut faults) = (0, Vec::new());
    for (case, port) in cases.iter().zip(mosquitto.ports()) {
        let acl = Acl::parse(case.file.as_bytes()).expect("mosquitto reads it, and so do we");
        for (client_id, username) in &case.clients {
            let client = Client { client_id, username: username.as_deref() };
            let mut connection = PlainClient::connect(*port, client_id, username.as_deref());
            for topic in &case.topics {
                let name = TopicName::new(topic).expect("a topic name");
                let mut compare = |what: &str, ours: bool, theirs: bool| {
                    asked += 1;
                    if ours != theirs {
                        faults.push(format!(
                            "{what} {topic:?} by {client:?}: ours {ours}, mosquitto {theirs}\n{}",
                            case.file
                        ));
                    }
                };
                let puback = connection.publish(topic);
                compare("publish", acl.may_publish(client, name).is_some(), puback != NOT_AUTHORIZED);
                if topic.starts_with("$share") {
                    continue; // as a filter it is something else
                }
                let filter = TopicFilter::new(topic).expect("a topic name is a filter");
                compare("subscribe", acl.may_subscribe(client, filter).is_some(), connection.subscribe(topic) < 0x80);
                if publisher.publish(topic) == NOT_AUTHORIZED {
                    continue; // nobody may publish to $SYS
                }
                compare("receive", acl.may_receive(client, name).is_some(), connection.received() > 0);
                connection.unsubscribe(topic);
            }
        }
    }
    assert!(faults.is_empty(), "{} of {asked} answers differ:\n{}", faults.len(), faults.join("\n"));
    assert!(asked > 5_000, "only {asked} questions were asked");
}

/// Where ours is the stricter, and why, is said at `Pattern::allows`.
#[test]
fn a_name_with_a_slash_is_filled_in_by_mosquitto_but_not_by_us() {
    let file = "pattern own/%c/#\npattern mine/%u/#\n";
    let mosquitto = Mosquitto::with_acl_files(&[file]);
    let acl = Acl::parse(file.as_bytes()).expect("an ACL file");
    let rows = [("a/b", None, "own/a/b/x"), ("c", Some("u/v"), "mine/u/v/x")];
    for (client_id, username, topic) in rows {
        let client = Client { client_id, username };
        let mut connection = PlainClient::connect(mosquitto.ports()[0], client_id, username);
        assert_ne!(connection.publish(topic), NOT_AUTHORIZED, "mosquitto allows {client:?} {topic}");
        let name = TopicName::new(topic).expect("a topic name");
        assert_eq!(acl.may_publish(client, name), None, "we do not allow {client:?} {topic}");
    }
}

#[test]
fn a_file_that_mosquitto_refuses_is_refused() {
    let files = [
        "topic\n",
        "pattern \n",
        "user\n",
        "user  \n",
        "topic readwrites a\n",
        "topic read a/#/b\n",
        "topic a#\n",
        "topic read a+/b\n",
        "pattern read x%c+/b\n",
        "users roger\n",
        "\ttopic a\n",
        "topic\tread a\n",
        " # not a comment\n",
        "user roger\ntopic write cassia/# the routers\n",
        "\u{feff}topic a\n",
        "topic none a\n",
    ];
    for file in files {
        let faults = Acl::parse(file.as_bytes()).expect_err(file);
        assert_eq!(faults.len(), 1, "{file:?}: {faults:?}");
        assert!(Mosquitto::refuses_acl_file(file), "mosquitto takes {file:?}");
    }
}
