//! One row for each trap: a file, a client, a topic, and what is allowed.
//!
//! "seen" rows were asked of mosquitto 2.0.11; `tests/acl_side_by_side.rs` of the appliance asks
//! them, and many more, of the mosquitto that is installed.

use super::*;

const NOTHING: (bool, bool) = (false, false);
const READ: (bool, bool) = (true, false);
const WRITE: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

/// Source, file, client id, user name, topic, wanted (receive, publish).
type Row = (&'static str, &'static str, &'static str, Option<&'static str>, &'static str, (bool, bool));

fn acl(file: &str) -> Acl {
    Acl::parse(file.as_bytes()).unwrap_or_else(|faults| panic!("{file:?}: {faults:?}"))
}

fn assert_rows(rows: &[Row]) {
    for (source, file, client_id, username, topic, wanted) in rows {
        let acl = acl(file);
        let client = Client { client_id, username: *username };
        let name = TopicName::new(topic).expect("a topic name");
        let answer = (acl.may_receive(client, name).is_some(), acl.may_publish(client, name).is_some());
        assert_eq!(answer, *wanted, "{source}: {file:?}, {client:?}, {topic}");
    }
}

#[test]
fn topic_lines_are_for_their_user_and_those_before_any_user_for_clients_without_a_name() {
    const FILE: &str = "topic read news/#\nuser roger\ntopic write cassia/#\ntopic both\nuser anna\ntopic x\nuser roger\ntopic read more\n";
    assert_rows(&[
        ("seen: general rules are for anonymous clients", FILE, "c", None, "news/a", READ),
        ("seen: and for no others", FILE, "c", Some("roger"), "news/a", NOTHING),
        ("seen: an empty user name is none", FILE, "c", Some(""), "news/a", READ),
        ("seen: write", FILE, "c", Some("roger"), "cassia/1", WRITE),
        ("3.1.1 §4.7.1.2: # holds the parent level", FILE, "c", Some("roger"), "cassia", WRITE),
        ("seen: no access word is readwrite", FILE, "c", Some("roger"), "both", BOTH),
        ("seen: the same user twice adds up", FILE, "c", Some("roger"), "more", READ),
        ("seen: another user's rules", FILE, "c", Some("roger"), "x", NOTHING),
        ("seen: a user without rules", FILE, "c", Some("zoe"), "x", NOTHING),
        ("the client id is not a user name", FILE, "roger", None, "both", NOTHING),
    ]);
}

#[test]
fn what_nothing_allows_is_refused() {
    assert_rows(&[
        ("seen: an empty file", "", "c", None, "a", NOTHING),
        ("seen: comments alone", "# topic a\n\n", "c", Some("u"), "a", NOTHING),
        ("seen: deny alone", "user u\ntopic deny b\n", "c", Some("u"), "a", NOTHING),
    ]);
    assert!(!acl("").is_open());
}

#[test]
fn a_deny_wins_over_the_allowances_of_its_kind_wherever_it_stands() {
    const TOPICS: &str = "user u\ntopic #\ntopic deny a/secret\n";
    const PATTERNS: &str = "pattern %u/#\npattern deny +/secret\n";
    const MIXED: &str = "user u\ntopic read a/b\npattern a/%u\npattern deny a/#\n";
    assert_rows(&[
        ("seen", TOPICS, "c", Some("u"), "a/secret", NOTHING),
        ("seen", TOPICS, "c", Some("u"), "a/open", BOTH),
        ("seen", PATTERNS, "c", Some("u"), "u/secret", NOTHING),
        ("seen", PATTERNS, "c", Some("u"), "u/open", BOTH),
        ("seen: a topic line is asked before a pattern's deny", MIXED, "c", Some("u"), "a/b", READ),
        ("seen: a pattern is not", MIXED, "c", Some("u"), "a/u", NOTHING),
        ("seen: a topic's deny is asked before patterns", "topic deny a\npattern a\n", "c", None, "a", NOTHING),
    ]);
}

#[test]
fn patterns_are_for_everybody_and_hold_the_clients_own_names() {
    const FILE: &str = "user x\npattern read id/%c\npattern write both/%u/%c/#\npattern all\n";
    assert_rows(&[
        ("seen: %c", FILE, "c1", None, "id/c1", READ),
        ("seen: another's id", FILE, "c1", None, "id/c2", NOTHING),
        ("seen: %u and %c", FILE, "c1", Some("u"), "both/u/c1/x", WRITE),
        ("seen: %u without a user name", FILE, "c1", None, "both//c1/x", NOTHING),
        ("seen: neither", FILE, "c1", None, "all", BOTH),
        ("seen: in a topic line %c is two letters", "topic a/%c\n", "c1", None, "a/c1", NOTHING),
        ("seen: in a topic line %c is two letters", "topic a/%c\n", "c1", None, "a/%c", BOTH),
    ]);
}

#[test]
fn a_name_with_a_wildcard_or_a_slash_reaches_no_topic_of_another_client() {
    const FILE: &str = "user a+\ntopic own\npattern c/%c/#\npattern u/%u/#\npattern all\npattern deny c/%c/x/no\n";
    assert_rows(&[
        ("seen: + in the id", FILE, "+", None, "c/victim/a", NOTHING),
        ("seen: # in the id", FILE, "#", None, "c/victim/a", NOTHING),
        ("seen: + in the user name", FILE, "c", Some("+"), "u/victim/a", NOTHING),
        ("seen: such a client has no pattern at all", FILE, "a+b", None, "all", NOTHING),
        ("seen: such a client has no pattern at all", FILE, "a#", None, "all", NOTHING),
        ("seen: such a client has no pattern at all", FILE, "c", Some("a+"), "c/c/a", NOTHING),
        ("seen: but the topic lines of its user", FILE, "x#", Some("a+"), "own", BOTH),
        ("stricter than mosquitto: / in the id", FILE, "victim/a", None, "c/victim/a", NOTHING),
        ("stricter than mosquitto: / in the user name", FILE, "c", Some("victim/a"), "u/victim/a", NOTHING),
        ("seen: patterns without that name go on", FILE, "a/b", Some("u"), "u/u/x", BOTH),
        ("seen: patterns without that name go on", FILE, "a/b", None, "all", BOTH),
        ("a deny holds for such a name too", "pattern #\npattern deny c/%c\n", "a/b", None, "c/a/b", NOTHING),
    ]);
}

#[test]
fn topics_that_begin_with_a_dollar_are_not_covered_by_wildcards() {
    const FILE: &str = "topic #\ntopic +/y\npattern +/%c\ntopic read $SYS/#\n";
    assert_rows(&[
        ("5.0 MQTT-4.7.2-1", "topic #\n", "c", None, "$data/x", NOTHING),
        ("5.0 MQTT-4.7.2-1", FILE, "c", None, "$data/y", NOTHING),
        ("5.0 MQTT-4.7.2-1", FILE, "c", None, "$data/c", NOTHING),
        ("seen: named, it is", "topic $data/#\n", "c", None, "$data/x", BOTH),
        ("seen: $SYS is read as the file says", FILE, "c", None, "$SYS/broker/uptime", READ),
        ("seen: and not at all when it says nothing", "topic #\n", "c", None, "$SYS/broker/uptime", NOTHING),
    ]);
}

#[test]
fn sys_is_the_brokers_own_but_for_the_state_of_bridges() {
    const FILE: &str = "topic $SYS/#\ntopic $share/#\ntopic $SYSTEM\n";
    const STATE: &str = "$SYS/broker/connection/c/state";
    assert_rows(&[
        ("seen", FILE, "c", None, "$SYS/x", READ),
        ("seen", FILE, "c", None, "$SYSTEM", READ),
        ("seen: no message has such a topic", FILE, "c", None, "$share/g/x", NOTHING),
        ("seen", FILE, "c", None, STATE, BOTH),
        ("one level for the name", FILE, "c", None, "$SYS/broker/connection/a/b/state", READ),
        ("seen: Debian's example", "pattern write $SYS/broker/connection/%c/state\n", "c", None, STATE, WRITE),
        ("seen: Debian's example", "pattern write $SYS/broker/connection/%c/state\n", "d", None, STATE, NOTHING),
    ]);
    let client = Client { client_id: "c", username: None };
    let open = Acl::open();
    let may_publish = |topic| open.may_publish(client, TopicName::new(topic).expect("a topic name")).is_some();
    assert!(open.is_open() && may_publish("a") && may_publish("$data/x") && may_publish(STATE));
    assert!(!may_publish("$SYS/x") && !may_publish("$share/g/x"), "seen: without an ACL file too");
}

#[test]
fn a_subscribe_is_never_refused_for_delivery_is_what_is_checked() {
    let acl = acl("user u\ntopic deny a\n");
    let client = Client { client_id: "c", username: Some("u") };
    for filter in ["a", "#", "$SYS/#", "$share/g/a"] {
        assert!(acl.may_subscribe(client, TopicFilter::new(filter).expect("a filter")).is_some(), "{filter}");
    }
}

#[test]
fn blanks_are_read_as_mosquitto_reads_them() {
    const FILE: &str = "  user   roger rabbit \r\ntopic   read   a b/c \r\ntopic write\t \r\n\r\n";
    assert_rows(&[
        ("seen: a filter may hold a space", FILE, "c", Some("roger rabbit"), "a b/c", READ),
        ("seen: so may a name", FILE, "c", Some("roger"), "a b/c", NOTHING),
        ("seen: an access word alone is a topic", FILE, "c", Some("roger rabbit"), "write", BOTH),
        ("a comment in another encoding", "# caf\u{e9}\ntopic a", "c", None, "a", BOTH),
    ]);
    assert!(Acl::parse(b"# \xd6\xd0\xce\xc4\ntopic a\n").is_ok(), "a comment in GBK is a comment");
}

/// The guide's file as Debian ships it, with the guide's lines where it puts them.
#[test]
fn the_guides_file_lets_its_user_write_and_read_and_warns_of_nothing() {
    const FILE: &str = "# This affects access control for clients with no username.\ntopic read $SYS/#\n\n\
        # This only affects clients with username \"roger\".\nuser cassiamqtt\ntopic write cassia/#\nuser roger\ntopic foo/bar\n\n\
        # This affects all clients.\nuser cassiamqtt\ntopic read cassia/#\npattern write $SYS/broker/connection/%c/state\n";
    assert_rows(&[
        ("the guide, 3.4", FILE, "c", Some("cassiamqtt"), "cassia", BOTH),
        ("the guide, 3.4", FILE, "c", Some("cassiamqtt"), "cassia/98:04:ED:D6:50:A3", BOTH),
        ("the guide, 3.4", FILE, "c", Some("roger"), "cassia", NOTHING),
        ("the guide, 3.4", FILE, "c", None, "cassia", NOTHING),
    ]);
    assert_eq!(acl(FILE).warnings(), []);
}

#[test]
fn all_the_faults_of_a_file_are_told_with_their_lines() {
    const FILE: &str = "users roger\ntopic\nuser\ntopic reed a\ntopic read a#\ntopic ok\n\ttopic x\n # x\npattern a/#/b\nuser roger\ntopic write cassia/# comment\n";
    let faults = Acl::parse(FILE.as_bytes()).expect_err("faults");
    let wanted = [
        (1, "\"users\""),
        (2, "needs a filter"),
        (3, "needs a name"),
        (4, "\"reed\" is not a kind of access"),
        (5, "\"a#\" is not a topic filter"),
        (7, "not with tabs"),
        (8, "first character"),
        (9, "\"a/#/b\" is not a topic filter"),
        (11, "a line of its own"),
    ];
    assert_eq!(faults.len(), wanted.len(), "{faults:?}");
    for (fault, (line, message)) in faults.iter().zip(wanted) {
        assert!(fault.line == line && fault.message.contains(message), "{fault} should be line {line}: {message}");
    }
}

#[test]
fn no_more_faults_and_warnings_are_told_than_the_limit() {
    let faults = Acl::parse("x\n".repeat(1000).as_bytes()).expect_err("faults");
    assert_eq!(faults.len(), crate::FAULTS_MAX);
    assert_eq!(acl(&"topic read\n".repeat(1000)).warnings().len(), crate::FAULTS_MAX);
}

#[test]
fn a_line_that_hardly_means_what_it_says_is_carried_out_and_warned_of() {
    let rows = [
        ("topic read a  the routers", "comment must stand on a line of its own"),
        ("topic read\ta", "not with tabs"),
        ("topic read", "filter missing"),
        ("topic a/%c", "write `pattern`"),
        ("pattern a/b", "for every client alike"),
        ("user roger # the boss", "blanks included"),
        ("topic $share/g/a", "without $share"),
    ];
    for (file, wanted) in rows {
        let acl = acl(file);
        let warned = acl.warnings().iter().any(|warning| warning.line == 1 && warning.message.contains(wanted));
        assert!(warned, "{file:?}: {:?} should hold {wanted:?}", acl.warnings());
    }
}

#[test]
fn answers_depend_on_the_client_id_only_where_there_are_patterns() {
    assert!(!Acl::open().depends_on_client_id());
    assert!(!acl("topic a\n").depends_on_client_id());
    assert!(acl("pattern a/%u\n").depends_on_client_id());
    assert!(acl("pattern deny a/%c\n").depends_on_client_id());
}
