//! The trees of subscriptions and of retained messages in words, for an operator who asks (mosquitto's SIGUSR2).
//!
//! A line is a level, indented by its depth. The first levels are mosquitto's: an empty one twice for topics in general,
//! and `$…` for the broker's own. Behind a level stand those who have subscribed to it as `(client id, QoS)`, or how many
//! bytes are retained there.

use std::fmt::Write as _;

use crate::Broker;

impl Broker {
    /// Both trees. As long as they are: a line for every level and some letters for every subscription.
    pub fn describe(&self) -> String {
        let mut text = String::from("    \n      \n");
        let mut own = String::new();
        let mut is_own = false;
        self.subscriptions.walk(&mut |depth, level, subscribers, shared| {
            if depth == 0 {
                is_own = level.starts_with('$');
            }
            let line = if is_own { &mut own } else { &mut text };
            indent(line, depth + usize::from(!is_own) * 2, level);
            for subscriber in subscribers.iter().chain(shared) {
                let session = self.sessions.get(subscriber.session as usize);
                let client_id = session.map_or("", |session| &session.client_id);
                let _ = write!(line, " ({client_id}, {})", subscriber.options.qos.as_u8());
            }
            line.push('\n');
        });
        text += if own.is_empty() { "    $SYS\n" } else { &own };
        text += "    \n";
        self.retained.walk(&mut |depth, level, bytes| {
            indent(&mut text, depth + 1, level);
            if let Some(bytes) = bytes {
                let _ = write!(text, " (retained, {bytes} bytes)");
            }
            text.push('\n');
        });
        text
    }
}

fn indent(line: &mut String, depth: usize, level: &str) {
    line.extend(std::iter::repeat_n(' ', (depth + 2) * 2));
    // What a client names a level must not look like another line.
    line.extend(level.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
}
