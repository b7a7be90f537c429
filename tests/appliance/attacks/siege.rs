//! A broker under attack, an attacker who says any bytes, and a client that must not notice.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use super::wire::{Connect, PINGREQ, PINGRESP, subscribe};
use crate::folder::Folder;
use crate::harness::{Appliance, PATIENCE};

const OPEN: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\nmax_connections -1\n";

/// What the bystander asks for, and what it says each time: a message to itself and a PINGREQ.
const QUESTION: &[u8] = b"\x32\x0F\x00\x09bystander\x00\x01ok\xC0\x00";
/// What it must hear then, and nothing else.
const ANSWERS: &[u8] = b"\x30\x0D\x00\x09bystanderok\x40\x02\x00\x01\xD0\x00";

/// The appliance, and the client that did nothing.
pub(super) struct Siege {
    pub appliance: Appliance,
    bystander: Attacker,
}

impl Siege {
    /// Anyone may come in.
    pub(super) fn begin() -> Self {
        Self::with("", Folder::new())
    }

    /// With more options.
    pub(super) fn with(more: &str, folder: Folder) -> Self {
        let appliance = Appliance::start(&format!("{OPEN}{more}"), folder);
        let mut bystander = knock(("127.0.0.1", appliance.port), 4);
        let connect = Connect { keep_alive_s: 0, ..Connect::new(4, "bystander") };
        bystander.says(&connect.bytes());
        bystander.hears(b"\x20\x02\x00\x00", "the bystander is let in");
        bystander.is_answered(&subscribe(4, &[(b"bystander", 0)], &[]), b"\x90\x03\x00\x07\x00", "its subscription");
        let mut siege = Self { appliance, bystander };
        siege.nobody_noticed("nothing has happened yet");
        siege
    }

    /// A connection that has said nothing.
    pub(super) fn stranger(&self, version: u8) -> Attacker {
        knock(("127.0.0.1", self.appliance.port), version)
    }

    /// The same, at the same port of another address.
    pub(super) fn stranger_at(&self, address: &str) -> Attacker {
        knock((address, self.appliance.port), 4)
    }

    /// A client that was let in.
    pub(super) fn client(&self, version: u8) -> Attacker {
        self.client_who(&Connect::new(version, "attacker"))
    }

    /// As it asks to be.
    pub(super) fn client_who(&self, connect: &Connect) -> Attacker {
        let mut client = self.stranger(connect.version);
        client.says(&connect.bytes());
        let (first, body) = client.packet("CONNACK");
        assert_eq!((first, body[1]), (0x20, 0), "{body:02x?}");
        client
    }

    /// The process lives, and the other client is served as ever: its message and its PINGRESP come, and nothing else.
    #[track_caller]
    pub(super) fn nobody_noticed(&mut self, what: &str) {
        self.bystander.says(QUESTION);
        self.bystander.hears(ANSWERS, &format!("the bystander after: {what}"));
        assert!(self.appliance.is_alive(), "it died of: {what}");
        assert_eq!(self.appliance.log.count("panicked"), 0, "{what}");
    }

    /// A client of `version` says `bytes` and hears why it goes: DISCONNECT with the reason in 5.0, before that nothing.
    #[track_caller]
    pub(super) fn ends_a_client(&mut self, version: u8, bytes: &[u8], reason: u8, what: &str) {
        let mut client = self.client(version);
        client.says(bytes);
        client.is_cut_off(reason, what);
        self.nobody_noticed(what);
    }

    /// A client of `version` says `bytes`, hears `answer` and stays.
    #[track_caller]
    pub(super) fn is_answered(&mut self, version: u8, bytes: &[u8], answer: &[u8], what: &str) {
        let mut client = self.client(version);
        client.is_answered(bytes, answer, what);
        drop(client);
        self.nobody_noticed(what);
    }

    /// A stranger says `bytes` and is closed without a word.
    #[track_caller]
    pub(super) fn ends_a_stranger(&mut self, bytes: &[u8], what: &str) {
        let mut stranger = self.stranger(4);
        stranger.says(bytes);
        stranger.is_closed(what);
        self.nobody_noticed(what);
    }
}

/// One who says what he likes.
pub(super) struct Attacker {
    pub stream: TcpStream,
    pub version: u8,
}

fn knock(place: (&str, u16), version: u8) -> Attacker {
    let stream = TcpStream::connect(place).expect("the appliance listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_nodelay(true).expect("small packets at once");
    Attacker { stream, version }
}

impl Attacker {
    /// What was closed meanwhile can no longer be written to: what is heard then shows it.
    pub(super) fn says(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next bytes are these.
    #[track_caller]
    pub(super) fn hears(&mut self, wanted: &[u8], what: &str) {
        let mut got = vec![0; wanted.len()];
        let mut count = 0;
        while count < got.len() {
            match self.stream.read(&mut got[count..]) {
                Ok(more) if more > 0 => count += more,
                ended => panic!("{what}: {ended:?} after {:02x?}, instead of {:02x?}", &got[..count], shown(wanted)),
            }
        }
        assert_eq!(shown(&got), shown(wanted), "{what}");
        assert!(got == wanted, "{what}: the same beginning, and another end");
    }

    /// It stays: `answer` comes, then what answers a PINGREQ.
    #[track_caller]
    pub(super) fn is_answered(&mut self, bytes: &[u8], answer: &[u8], what: &str) {
        self.says(bytes);
        self.says(&PINGREQ);
        self.hears(&[answer, &PINGRESP].concat(), what);
    }

    /// The end comes, with its reason in a DISCONNECT if it speaks 5.0.
    #[track_caller]
    pub(super) fn is_cut_off(&mut self, reason: u8, what: &str) {
        if self.version == 5 {
            self.hears(&[0xE0, 1, reason], what);
        }
        self.is_closed(what);
    }

    /// The end comes, without another word. A reset is an end too.
    #[track_caller]
    pub(super) fn is_closed(&mut self, what: &str) {
        let mut more = [0; 64];
        match self.stream.read(&mut more) {
            Ok(0) => {}
            Ok(count) => panic!("{what}: instead of the end, {:02x?}", &more[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{what}: {error}"),
        }
    }

    /// The head of an HTTP response.
    #[track_caller]
    pub(super) fn head(&mut self, what: &str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{what}: {error} after {head:02x?}"));
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("ASCII")
    }

    /// One packet: its first byte and its body.
    #[track_caller]
    pub(super) fn packet(&mut self, what: &str) -> (u8, Vec<u8>) {
        let mut byte = || {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{what}: {error}"));
            byte[0]
        };
        let first = byte();
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let seven = byte();
            length |= usize::from(seven & 0x7F) << shift;
            if seven < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap_or_else(|error| panic!("{what}: {error}"));
        (first, body)
    }
}

/// As much as a person looks at.
fn shown(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(64)]
}
