//! What the log says, and how.

use super::{Row, check};
use crate::clients::publish_well;
use crate::side::Side;

/// What of a client's visit is in the log; lines are told by the words of the options.
fn said(side: &Side, part: &str) -> String {
    publish_well(side.port, &["-i", "gw", "-t", "t", "-m", "x"]);
    // What came before the answer to a second client has been written.
    publish_well(side.port, &["-V", "mqttv31", "-i", "later", "-t", "t", "-m", "x"]);
    let is_there = side.log().all().iter().any(|line| line.contains(part));
    if is_there { "said" } else { "nothing" }.to_owned()
}

/// How its first line begins.
fn beginning(side: &Side) -> String {
    let line = side.log().wait_for(" version ");
    line.split_once(": ").map_or("no time", |(time, _)| if time.len() == 4 { "a year" } else { "seconds" }).to_owned()
}

#[test]
fn options_say_what_is_logged_and_how() {
    check(&[
        Row::new("connection_messages", "connection_messages false", |s| said(s, " as gw"), "nothing", "said"),
        Row::new("log_type", "log_type error\nlog_type information", |s| said(s, " as gw"), "nothing", "said"),
        Row::new("log_timestamp", "log_timestamp false", beginning, "no time", "seconds"),
        Row::new("log_timestamp_format", "log_timestamp_format %Y", beginning, "a year", "seconds"),
    ]);
}
