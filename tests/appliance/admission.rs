//! Whom a listener takes: how many, and which versions of MQTT. Side by side with Debian's mosquitto where that knows the
//! option.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::folder::Folder;
use crate::harness::{Appliance, PATIENCE};
use crate::side::Side;

/// One connection, and what it was answered: CONNACK's code, or nothing if it was closed.
struct Caller {
    _stream: TcpStream,
    answer: Option<u8>,
}

impl Caller {
    /// CONNECT of this level of the protocol [3.1.1 §3.1.2.2], clean, with this client identifier.
    fn call(port: u16, level: u8, client_id: &str) -> Self {
        let name = if level == 3 { "MQIsdp" } else { "MQTT" };
        let mut body = vec![0, name.len() as u8];
        body.extend(name.bytes());
        body.extend([level, 2, 0, 60]);
        body.extend([0].iter().filter(|_| level == 5));
        body.extend([0, client_id.len() as u8]);
        body.extend(client_id.bytes());
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        // Who is not taken may be closed before it has spoken.
        let _ = stream.write_all(&[&[0x10, body.len() as u8][..], &body].concat());
        let mut head = [0; 4];
        let answer = stream.read_exact(&mut head).ok().map(|()| {
            assert_eq!(head[0], 0x20, "CONNACK");
            head[3]
        });
        Self { _stream: stream, answer }
    }

    fn is_in(&self) -> bool {
        self.answer == Some(0)
    }
}

/// How many of `count` are let in that come one after the other and stay.
fn let_in(port: u16, count: usize) -> usize {
    let callers: Vec<_> = (0..count).map(|number| Caller::call(port, 4, &format!("caller-{number}"))).collect();
    callers.iter().filter(|caller| caller.is_in()).count()
}

#[test]
fn a_listener_takes_as_many_as_mosquittos_and_zero_and_less_is_no_limit() {
    for (limit, wanted) in [("0", 4), ("-1", 4), ("-70000", 4), ("1", 1), ("3", 3), ("2147483647", 4)] {
        let conf = format!("listener PORT 127.0.0.1\nallow_anonymous true\nmax_connections {limit}\n");
        for side in Side::both(&conf, |_| {}) {
            assert_eq!(let_in(side.port, 4), wanted, "{}: max_connections {limit}", side.name);
        }
    }
}

#[test]
fn the_limits_of_the_whole_broker_count_in_the_same_way() {
    for option in ["global_max_connections", "global_max_clients"] {
        for (limit, wanted) in [("0", 4), ("-1", 4), ("-70000", 4), ("1", 1), ("3", 3)] {
            let conf = format!("{option} {limit}\nlistener PORT 127.0.0.1\nallow_anonymous true\n");
            let appliance = Appliance::start(&format!("user root\n{conf}"), Folder::new());
            assert_eq!(let_in(appliance.port, 4), wanted, "{option} {limit}");
        }
    }
}

/// A version that is not taken is told so in the words that it knows: code 1 [3.1.1 MQTT-3.1.2-2], or reason 0x84
/// [5.0 MQTT-3.1.2-2].
#[test]
fn a_listener_takes_the_versions_that_it_lists_and_tells_the_others_in_their_own_words() {
    for (list, taken) in
        [("3", &[3][..]), ("4", &[4]), ("5", &[5]), ("3,4", &[3, 4]), (" 5 , 4", &[4, 5]), ("5\t3 3", &[3, 5])]
    {
        let conf =
            format!("user root\nlistener PORT 127.0.0.1\nallow_anonymous true\naccept_protocol_versions {list}\n");
        let appliance = Appliance::start(&conf, Folder::new());
        for level in [3, 4, 5] {
            let refusal = if level == 5 { 0x84 } else { 1 };
            let wanted = if taken.contains(&level) { 0 } else { refusal };
            assert_eq!(Caller::call(appliance.port, level, "caller").answer, Some(wanted), "{list:?}: level {level}");
        }
    }
}
