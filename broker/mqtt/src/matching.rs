//! Whether a message's topic is one that a filter asks for. Shared subscriptions are matched by their inner filter.

use crate::{TopicFilter, TopicName};

/// Whether `topic` matches `filter` [3.1.1 §4.7, 5.0 §4.7].
///
/// Of a shared subscription give the filter inside, [`TopicFilter::shared`]: this function takes `$share` for a
/// level like any other.
pub fn filter_matches(filter: TopicFilter<'_>, topic: TopicName<'_>) -> bool {
    let (filter, topic) = (filter.as_str(), topic.as_str());
    // [3.1.1 MQTT-4.7.2-1, 5.0 MQTT-4.7.2-1]
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match wanted {
            // Also the level above it: nothing need be left [3.1.1 §4.7.1.2, 5.0 §4.7.1.2].
            "#" => return true,
            "+" => {
                if levels.next().is_none() {
                    return false;
                }
            }
            _ => {
                if levels.next() != Some(wanted) {
                    return false;
                }
            }
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const MATCHES: &[(&str, &str, &str, bool)] = &[
        // source                      filter                       topic                             wanted
        ("both §4.7.1.2",              "sport/tennis/player1/#",    "sport/tennis/player1",           true),
        ("both §4.7.1.2",              "sport/tennis/player1/#",    "sport/tennis/player1/ranking",   true),
        ("both §4.7.1.2",              "sport/tennis/player1/#",    "sport/tennis/player1/score/win", true),
        ("both §4.7.1.2",              "sport/#",                   "sport",                          true),
        ("both §4.7.1.2",              "sport/#",                   "sports",                         false),
        ("both §4.7.1.2",              "#",                         "sport",                          true),
        ("both §4.7.1.2",              "#",                         "/",                              true),
        ("both §4.7.1.2",              "a/#",                       "b",                              false),
        ("both §4.7.1.3",              "sport/tennis/+",            "sport/tennis/player1",           true),
        ("both §4.7.1.3",              "sport/tennis/+",            "sport/tennis/player1/ranking",   false),
        ("both §4.7.1.3",              "sport/+",                   "sport",                          false),
        ("both §4.7.1.3",              "sport/+",                   "sport/",                         true),
        ("both §4.7.1.3",              "+/+",                       "/finance",                       true),
        ("both §4.7.1.3",              "/+",                        "/finance",                       true),
        ("both §4.7.1.3",              "+",                         "/finance",                       false),
        ("both §4.7.1.3",              "+/tennis/#",                "sport/tennis",                   true),
        ("both §4.7.1.3",              "+/tennis/#",                "tennis",                         false),
        ("both §4.7.1.3",              "a/+/#",                     "a",                              false),
        ("both §4.7.1.3",              "a/+/#",                     "a/",                             true),
        ("3.1.1 and 5.0 MQTT-4.7.2-1", "#",                         "$SYS/uptime",                    false),
        ("3.1.1 and 5.0 MQTT-4.7.2-1", "+/monitor/Clients",         "$SYS/monitor/Clients",           false),
        ("both §4.7.2",                "$SYS/#",                    "$SYS/monitor/Clients",           true),
        ("both §4.7.2",                "$SYS/#",                    "$SYS",                           true),
        ("both §4.7.2",                "$SYS/monitor/+",            "$SYS/monitor/Clients",           true),
        ("both §4.7.2 (not the start)","a/#",                       "a/$SYS",                         true),
        ("both §4.7.2 (not the start)","a/+",                       "a/$SYS",                         true),
        ("both §4.7.3",                "ACCOUNTS",                  "Accounts",                       false),
        ("both §4.7.3",                "Accounts payable",          "Accounts payable",               true),
        ("both §4.7.3",                "/finance",                  "finance",                        false),
        ("both §4.7.3",                "/",                         "/",                              true),
        ("both §4.7.3",                "a//b",                      "a//b",                           true),
        ("both §4.7.3",                "a/+/b",                     "a//b",                           true),
        ("both §4.7.3",                "a/b",                       "a/b/",                           false),
        ("3.1.1 and 5.0 MQTT-4.7.3-4", "é",                         "e\u{301}",                       false),
    ];

    #[test]
    fn filters_match_as_the_standards_say() {
        for &(source, filter, topic, wanted) in MATCHES {
            let matched = filter_matches(TopicFilter::new(filter).unwrap(), TopicName::new(topic).unwrap());
            assert_eq!(matched, wanted, "{source}: {filter} and {topic}");
        }
    }
}
