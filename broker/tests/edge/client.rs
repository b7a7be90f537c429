//! A client that says exactly the bytes it is told to, and a broker of its own for each test.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use acl::{Acl, PasswordFile};
use broker::{Appliance, Handle, ListenerConfig, Protection, Reloaded, ReloadedListener};
use broker_core::{ListenerSettings, Settings};

/// How long anything may take before a test gives up; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The hash is the cheapest there is: `$6$` of "secret".
pub(crate) fn password_file(user: &str, password: &str) -> PasswordFile {
    let hash = acl::PasswordHash::create(acl::HashAlgorithm::Sha512, None, password.as_bytes(), &[7; 12]);
    let hash = hash.expect("a hash");
    PasswordFile::parse(format!("{user}:{hash}\n").as_bytes()).expect("a password file")
}

/// A broker on a port of its own, until the test ends.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// Starts a broker with one listener behind `protection`; `adjust` changes what else it is given.
pub(crate) fn start_behind(protection: Protection, adjust: impl FnOnce(&mut Appliance)) -> Running {
    let listener = ListenerSettings { allow_anonymous: true, ..ListenerSettings::default() };
    let mut appliance = Appliance {
        listeners: vec![ListenerConfig {
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            protection,
            ..ListenerConfig::default()
        }],
        settings: Settings { listeners: vec![listener], ..Settings::default() },
        rules: Acl::open().into(),
        acl_files: Vec::new(),
        passwords: Vec::new(),
        connection_messages: false,
        connections_max: None,
        strangers_max: broker::STRANGERS_MAX,
        stalled_time_max: broker::STALLED_TIME_MAX,
        io_threads: crate::IO_THREADS,
        keeping: None,
        gather: broker::GATHER_TIME,
        http_api: None,
        heartbeat: None,
        heap: || (0, 0),
    };
    adjust(&mut appliance);
    let (handle, thread) = appliance.start().expect("the broker starts");
    Running { handle, thread: Some(thread) }
}

/// What is told at a reload, for the one listener: passwords, and its protection.
pub(crate) fn reloaded(passwords: Option<PasswordFile>, protection: Protection) -> Reloaded {
    let checks_passwords = passwords.is_some();
    let listener =
        ListenerSettings { allow_anonymous: !checks_passwords, checks_passwords, ..ListenerSettings::default() };
    Reloaded {
        rules: Acl::open().into(),
        acl_files: Vec::new(),
        passwords: vec![passwords.map(std::sync::Arc::new)],
        listeners: vec![ReloadedListener::Stays { protection, max_connections: None }],
        http: None,
        settings: Settings { listeners: vec![listener], ..Settings::default() },
        connections_max: None,
        connection_messages: true,
    }
}

/// A plain broker that lets anyone in.
pub(crate) fn start() -> Running {
    start_behind(Protection::default(), |_| {})
}

/// A plain broker that wants the password of `password_file(user, password)`.
pub(crate) fn start_with_password(user: &str, password: &str) -> Running {
    start_behind(Protection::default(), |appliance| {
        appliance.passwords = vec![Some(std::sync::Arc::new(password_file(user, password)))];
        appliance.settings.listeners[0].checks_passwords = true;
        appliance.settings.listeners[0].allow_anonymous = false;
    })
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    /// A socket to the broker that has said nothing.
    pub(crate) fn knock(&self) -> Client {
        self.knock_at(0)
    }

    /// As `knock`, at the listener of this number.
    pub(crate) fn knock_at(&self, listener: usize) -> Client {
        let stream = TcpStream::connect(self.handle.addresses()[listener]).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        Client { stream }
    }

    /// A client that was let in.
    pub(crate) fn client(&self, client_id: &str) -> Client {
        let mut client = self.knock();
        client.say(&connect(client_id, 0));
        client.expect(&[0x20, 2, 0, 0]);
        client
    }

    /// Waits until the broker's loop has gone round: whatever it was told before has been dealt with.
    pub(crate) fn settle(&self) {
        self.handle.stats().expect("the broker runs");
    }

    /// Ends it, and says whether it ended well.
    pub(crate) fn stop(mut self) {
        self.handle.stop();
        self.thread.take().expect("it runs").join().expect("no panic").expect("no error");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("no panic").expect("no error");
            }
        }
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker takes it");
    }

    /// The next bytes are these.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &[u8]) {
        let mut got = vec![0; wanted.len()];
        if let Err(error) = self.stream.read_exact(&mut got) {
            panic!("instead of {:02x?}.. ({} bytes): {error}", &wanted[..wanted.len().min(32)], wanted.len());
        }
        let differs = got.iter().zip(wanted).position(|(one, other)| one != other);
        if let Some(at) = differs {
            panic!(
                "at {at}: {:02x?}, wanted {:02x?}",
                &got[at..got.len().min(at + 32)],
                &wanted[at..wanted.len().min(at + 32)]
            );
        }
    }

    /// The broker closes without another word. A reset is an end too.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let mut more = [0; 64];
        match self.stream.read(&mut more) {
            Ok(0) => {}
            Ok(count) => panic!("instead of the end: {:02x?}", &more[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
    }

    /// One packet: its first byte and its body.
    #[track_caller]
    pub(crate) fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).expect("a packet");
        let first = byte[0];
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            self.stream.read_exact(&mut byte).expect("a length");
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        (first, body)
    }

    /// Waits until everything said before was handled.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        self.say(&[0xc0, 0]);
        self.expect(&[0xd0, 0]);
    }

    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) {
        let mut body = vec![0, 9];
        body.extend(text(filter));
        body.push(qos);
        self.say(&packet(0x82, &body));
        self.expect(&[0x90, 3, 0, 9, qos]);
    }
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).expect("short").to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut bytes, mut length) = (vec![first], body.len());
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        bytes.push((length & 0x7f) as u8 | more);
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// CONNECT of 3.1.1 with Clean Session.
pub(crate) fn connect(client_id: &str, keep_alive_s: u16) -> Vec<u8> {
    connect_with(client_id, keep_alive_s, 0x02, &[])
}

/// CONNECT of 3.1.1 with these flags and the fields behind the Client Identifier.
pub(crate) fn connect_with(client_id: &str, keep_alive_s: u16, flags: u8, fields: &[&str]) -> Vec<u8> {
    let mut body = [text("MQTT"), vec![4, flags], keep_alive_s.to_be_bytes().to_vec(), text(client_id)].concat();
    for field in fields {
        body.extend(text(field));
    }
    packet(0x10, &body)
}

/// CONNECT with user name and password.
pub(crate) fn login(client_id: &str, user: &str, password: &str) -> Vec<u8> {
    connect_with(client_id, 0, 0xc2, &[user, password])
}

/// CONNECT with a will at QoS 0.
pub(crate) fn connect_with_will(client_id: &str, topic: &str, payload: &str) -> Vec<u8> {
    connect_with(client_id, 0, 0x06, &[topic, payload])
}

/// PUBLISH at QoS 0.
pub(crate) fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(0x30, &[text(topic), payload.to_vec()].concat())
}

/// PUBLISH at QoS 1.
pub(crate) fn publish_qos1(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    packet(0x32, &[text(topic), id.to_be_bytes().to_vec(), payload.to_vec()].concat())
}

/// CONNECT of 5.0 with Clean Start.
pub(crate) fn connect_v5(client_id: &str) -> Vec<u8> {
    packet(0x10, &[text("MQTT"), vec![5, 2, 0, 0, 0], text(client_id)].concat())
}
