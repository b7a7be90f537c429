//! Who may read and publish where: a table of its own, from which the ACL file is written that the broker reads.

use std::fmt::Write as _;

use acl::Acl;

use crate::rng::Rng;
use crate::words::{CLIENTS, TOPICS};

/// Each client has two user names, of which it uses one at a time.
pub(crate) const USERS: usize = 2 * CLIENTS;

pub(crate) fn user_name(user: usize) -> String {
    format!("u{user}")
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Right {
    pub read: bool,
    pub publish: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Rights {
    table: [[Right; TOPICS.len()]; USERS],
    is_open: bool,
}

impl Rights {
    pub(crate) fn open() -> Self {
        Self { table: [[Right { read: true, publish: true }; TOPICS.len()]; USERS], is_open: true }
    }

    /// Each user may do most things.
    pub(crate) fn some(rng: &mut Rng) -> Self {
        let mut rights = Self::open();
        rights.is_open = false;
        for right in rights.table.as_flattened_mut() {
            *right = Right { read: rng.percent(80), publish: rng.percent(85) };
        }
        rights
    }

    pub(crate) const fn may_read(&self, user: usize, topic: usize) -> bool {
        self.table[user][topic].read
    }

    pub(crate) const fn may_publish(&self, user: usize, topic: usize) -> bool {
        self.table[user][topic].publish
    }

    pub(crate) fn acl(&self) -> Acl {
        if self.is_open {
            return Acl::open();
        }
        let mut text = String::new();
        for (user, topics) in self.table.iter().enumerate() {
            let _ = writeln!(text, "user {}", user_name(user));
            for (right, topic) in topics.iter().zip(TOPICS) {
                let access = match (right.read, right.publish) {
                    (true, true) => "readwrite",
                    (true, false) => "read",
                    (false, true) => "write",
                    (false, false) => continue,
                };
                let _ = writeln!(text, "topic {access} {topic}");
            }
        }
        Acl::parse(text.as_bytes()).unwrap()
    }
}
