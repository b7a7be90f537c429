//! Enhanced authentication while the files change, and in pieces. The client's half of SCRAM is written down here once
//! more; `tests/appliance` has one that we did not write.

use std::num::NonZeroU32;

use acl::PasswordFile;
use broker::Protection;
use ring::{digest, hmac, pbkdf2};

use crate::client::{Client, Running, packet, reloaded, start_behind, text};
use crate::log::Log;

/// RFC 7677 §3: user "user", password "pencil".
const LINE: &str = "user:$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
const SALT: &[u8] = &[0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
/// The same password with another salt, and somebody else.
const OTHER_LINE: &str = "user:$scram-sha-256$4096$AAAAAAAAAAAAAAAAAAAAAA==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
const MORE: &str = "more:$scram-sha-256$4096$AAAAAAAAAAAAAAAAAAAAAA==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";

fn file(text: &str) -> PasswordFile {
    PasswordFile::parse(text.as_bytes()).expect("a password file")
}

fn start() -> Running {
    start_behind(Protection::default(), |appliance| {
        appliance.passwords = vec![Some(std::sync::Arc::new(file(LINE)))];
        appliance.settings.listeners[0].checks_passwords = true;
        appliance.settings.listeners[0].allow_anonymous = false;
        appliance.connection_messages = true;
    })
}

fn reload(running: &Running, text: &str) {
    running.handle.reload(reloaded(Some(file(text)), Protection::default()));
    running.settle();
}

fn properties(data: &str) -> Vec<u8> {
    let properties = [&[0x15][..], &text("SCRAM-SHA-256"), &[0x16], &text(data)].concat();
    let mut bytes = vec![];
    if properties.len() > 127 {
        bytes.push((properties.len() & 0x7f) as u8 | 0x80);
        bytes.push((properties.len() >> 7) as u8);
    } else {
        bytes.push(properties.len() as u8);
    }
    [bytes, properties].concat()
}

fn connect(client_id: &str, data: &str) -> Vec<u8> {
    packet(0x10, &[text("MQTT"), vec![5, 2, 0, 0], properties(data), text(client_id)].concat())
}

fn auth(reason: u8, data: &str) -> Vec<u8> {
    packet(0xf0, &[vec![reason], properties(data)].concat())
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letters = (0..4).map(|at| LETTERS[(bits >> (18 - 6 * at) & 63) as usize] as char);
        text.extend(letters.take(three.len() + 1));
        text.push_str(&"=="[..3 - three.len()]);
    }
    text
}

/// The client's last message for this first one of the server's, whose first one was `n=user,r=x`.
fn last(ours: &str) -> String {
    let mut salted = [0; 32];
    let iterations = NonZeroU32::new(4096).expect("not zero");
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, SALT, b"pencil", &mut salted);
    let sign = |key: &[u8], what: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), what);
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let without = format!("c=biws,{}", ours.split(',').next().expect("a nonce"));
    let signature = sign(stored_key.as_ref(), format!("n=user,r=x,{ours},{without}").as_bytes());
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, byte)| key ^ byte).collect();
    format!("{without},p={}", base64(&proof))
}

/// The data of an AUTH 0x18.
fn challenge(client: &mut Client) -> String {
    let (first, body) = client.packet();
    assert_eq!((first, body[0]), (0xf0, 0x18), "AUTH 0x18: {body:02x?}");
    let at = body.windows(2).position(|two| two == b"r=").expect("a nonce");
    String::from_utf8(body[at..].to_vec()).expect("text")
}

/// A client that came in, and its exchange.
fn client(running: &Running) -> Client {
    let mut client = running.knock();
    client.say(&connect("c", "n,,n=user,r=x"));
    let ours = challenge(&mut client);
    client.say(&auth(0x18, &last(&ours)));
    let (first, body) = client.packet();
    assert_eq!((first, body[1]), (0x20, 0), "CONNACK: {body:02x?}");
    client
}

#[test]
fn an_exchange_goes_on_through_a_reload_unless_the_users_line_has_changed() {
    for (reloaded, is_let_in) in
        [(LINE.to_owned(), true), ([MORE, LINE].concat(), true), (OTHER_LINE.to_owned(), false)]
    {
        let running = start();
        let mut client = running.knock();
        client.say(&connect("c", "n,,n=user,r=x"));
        let ours = challenge(&mut client);
        reload(&running, &reloaded);
        client.say(&auth(0x18, &last(&ours)));
        if is_let_in {
            assert_eq!(client.packet().0, 0x20);
            client.ping();
        } else {
            client.expect(&[0x20, 3, 0, 0x87, 0]);
            client.expect_end();
        }
        running.stop();
    }
}

#[test]
fn a_user_who_came_in_by_scram_is_let_go_when_her_line_changes() {
    let running = start();
    let mut client = client(&running);
    reload(&running, &[MORE, LINE].concat());
    client.ping();
    // In the middle of proving it anew, too.
    client.say(&auth(0x19, "n,,n=user,r=x"));
    challenge(&mut client);
    reload(&running, OTHER_LINE);
    client.expect(&[0xe0, 1, 0x87]);
    client.expect_end();
}

#[test]
fn who_authenticates_anew_as_somebody_else_is_let_go_and_the_operator_is_told() {
    let log = Log::begin();
    let running = start();
    let mut client = client(&running);
    client.say(&auth(0x19, "n,,n=user,r=x"));
    let ours = challenge(&mut client);
    client.say(&auth(0x18, &last(&ours)));
    assert_eq!(client.packet().0, 0xf0);
    client.say(&auth(0x19, "n,,n=other,r=x"));
    let ours = challenge(&mut client);
    client.say(&auth(0x18, &last(&ours)));
    client.expect(&[0xe0, 1, 0x87]);
    client.expect_end();
    log.wait_for("127.0.0.1 fails to authenticate anew (user name 'user')");
}

#[test]
fn an_exchange_may_come_in_pieces_and_with_what_follows_it_in_one() {
    let running = start();
    let mut client = running.knock();
    let (head, tail) = (connect("c", "n,,n=user,r=x"), 5);
    client.say(&head[..tail]);
    running.settle();
    client.say(&head[tail..]);
    let ours = challenge(&mut client);
    let auth = auth(0x18, &last(&ours));
    client.say(&auth[..1]);
    running.settle();
    // The rest, and a PINGREQ that has to wait until the client is in.
    client.say(&[&auth[1..], &[0xc0, 0]].concat());
    assert_eq!(client.packet().0, 0x20);
    client.expect(&[0xd0, 0]);
}

#[test]
fn many_exchanges_that_are_left_open_leave_nothing_behind() {
    let running = start();
    for _ in 0..100 {
        let mut client = running.knock();
        client.say(&connect("c", "n,,n=user,r=x"));
        challenge(&mut client);
    }
    // Numbers are used again: what an earlier connection began is not another's to end.
    let mut client = running.knock();
    client.say(&auth(0x18, "c=biws,r=x,p=AAAA"));
    client.expect_end();
    self::client(&running).ping();
}
