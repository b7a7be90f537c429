//! What a request to the `http_api` gets: who may ask, and the answer as status, fields and body.

use std::fs::File;

use acl::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mqtt::TopicName;
use web::{Head, HeadFault};

use super::{Figures, HttpAccess};

/// Who asks is this Client Identifier to the ACL file, as in mosquitto.
const CLIENT_ID: &str = "http-api";

/// An answer; it is followed by the end of the connection.
pub(super) struct Answer {
    /// Status line and fields, with the empty line, and a short body.
    pub bytes: Vec<u8>,
    /// The body, if it is a file: so many bytes of it.
    pub file: Option<(File, u64)>,
    /// Who may not ask.
    pub refused: Option<Stranger>,
}

/// Somebody with a wrong password, or who may not ask for this; the user name, if one was said.
pub(super) struct Stranger(pub Option<String>);

/// Answers a request at listener `at`. `figures` asks the broker for its numbers; `None`: it has no time, or stops.
pub(super) fn answer(
    head: &Head<'_>,
    access: &HttpAccess,
    at: usize,
    figures: impl FnOnce() -> Option<Figures>,
) -> Answer {
    // In mosquitto's order: the method, who asks, what is asked for.
    if head.method != "GET" {
        return plain("405 Method Not Allowed", "Allow: GET\r\n", "Invalid HTTP Method\n");
    }
    let path = head.path();
    if let Err(stranger) = may_ask(head, access, at, path) {
        let challenge = "WWW-Authenticate: Basic realm=\"Mosquitto API\", charset=\"UTF-8\"\r\n";
        return Answer { refused: Some(stranger), ..plain("401 Unauthorized", challenge, "Not authorised\n") };
    }
    let is_api = path.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case("/api/"));
    match path {
        "/api/v1/version" => api("text/plain", access.version),
        "/api/v1/listeners" => api("application/json", &access.listeners_json),
        "/api/v1/systree" => match figures() {
            Some(figures) => api("application/json", &systree(&figures)),
            None => plain("503 Service Unavailable", "", "The broker has no time.\n"),
        },
        _ if is_api => not_found(),
        _ => access.doors[at].dir.as_deref().and_then(|dir| super::files::open(dir, path)).map_or_else(
            not_found,
            |(file, len, kind)| {
                let bytes = fields("200 OK", "", kind, len).into_bytes();
                Answer { bytes, file: Some((file, len)), refused: None }
            },
        ),
    }
}

/// The answer to what is no request.
pub(super) fn no_request(fault: HeadFault) -> Answer {
    match fault {
        HeadFault::TooLong => plain("431 Request Header Fields Too Large", "", "The request is too long.\n"),
        HeadFault::NotHttp | HeadFault::Malformed => plain("400 Bad Request", "", "This is not HTTP.\n"),
    }
}

/// Whether who asks may.
fn may_ask(head: &Head<'_>, access: &HttpAccess, at: usize, path: &str) -> Result<(), Stranger> {
    let login = credentials(head);
    let username = login.as_ref().map(|(user, _)| user.as_str());
    let door = &access.doors[at];
    let is_known = match (&login, &door.passwords) {
        (None, _) => head.value("Authorization").is_none() && door.allow_anonymous,
        (Some((user, password)), Some(passwords)) => passwords.verify(user, password),
        (Some(_), None) => true, // nobody's name is doubted, as at an MQTT listener
    };
    let may_read = || {
        let topic = TopicName::new(path).ok();
        topic.is_some_and(|topic| door.acl.may_receive(Client { client_id: CLIENT_ID, username }, topic).is_some())
    };
    if is_known && may_read() { Ok(()) } else { Err(Stranger(login.map(|(user, _)| user))) }
}

/// User name and password of the Basic scheme [RFC 7617]; an empty user name is none.
fn credentials(head: &Head<'_>) -> Option<(String, Vec<u8>)> {
    let value = head.value("Authorization")?;
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let said = BASE64.decode(rest.trim_ascii()).ok()?;
    let colon = said.iter().position(|byte| *byte == b':')?;
    let user = std::str::from_utf8(&said[..colon]).ok().filter(|user| !user.is_empty())?;
    Some((user.to_owned(), said[colon + 1..].to_vec()))
}

/// `{"$SYS/broker/clients/total": 3, …}`; the names are ours and need no escape.
fn systree(figures: &Figures) -> String {
    let lines: Vec<_> = figures.iter().map(|(topic, number)| format!("\t\"{topic}\":\t{number}")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

fn api(kind: &str, body: &str) -> Answer {
    // Pages of everywhere may read it who have been told user name and password, as in mosquitto.
    let head = fields("200 OK", "Access-Control-Allow-Origin: *\r\n", kind, body.len() as u64);
    Answer { bytes: (head + body).into_bytes(), file: None, refused: None }
}

fn not_found() -> Answer {
    plain("404 Not Found", "", "Not found.\n")
}

fn plain(status: &str, more: &str, body: &str) -> Answer {
    let head = fields(status, more, "text/plain", body.len() as u64);
    Answer { bytes: (head + body).into_bytes(), file: None, refused: None }
}

fn fields(status: &str, more: &str, kind: &str, len: u64) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{more}Content-Type: {kind}\r\nContent-Length: {len}\r\nX-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_api::HttpDoor;
    use crate::listener::Protection;
    use acl::{Acl, PasswordFile};
    use std::sync::Arc;

    fn access(acl: &str, is_closed: bool) -> HttpAccess {
        let hash = acl::PasswordHash::create(acl::HashAlgorithm::Sha512, None, b"secret", &[7; 12]).expect("a hash");
        let file = format!("anna:{hash}\nbert:{hash}\n");
        let door = HttpDoor {
            protection: Protection::default(),
            allow_anonymous: !is_closed,
            acl: Arc::new(if acl.is_empty() { Acl::open() } else { Acl::parse(acl.as_bytes()).expect("rules") }),
            passwords: is_closed.then(|| Arc::new(PasswordFile::parse(file.as_bytes()).expect("a password file"))),
            dir: None,
        };
        HttpAccess { version: "1.2.3", listeners_json: "{}".to_owned(), head_bytes_max: 0, doors: vec![door] }
    }

    /// Status and body.
    fn asked(text: &str, access: &HttpAccess) -> (String, String) {
        asked_at(0, text, access)
    }

    fn asked_at(at: usize, text: &str, access: &HttpAccess) -> (String, String) {
        let text = format!("{text}\r\n\r\n");
        let head = Head::parse(text.as_bytes()).expect("a head");
        let answer = answer(&head, access, at, || Some(vec![("$SYS/a".to_owned(), 1), ("$SYS/b c".to_owned(), 2)]));
        let text = String::from_utf8(answer.bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(head.ends_with("Connection: close"), "{head}");
        (head[9..12].to_owned(), body.to_owned())
    }

    #[test]
    fn each_path_has_its_answer() {
        let open = access("", false);
        let rows = [
            ("GET /api/v1/version HTTP/1.1", "200", "1.2.3"),
            ("GET /api/v1/version?x HTTP/1.0", "200", "1.2.3"),
            ("GET /api/v1/listeners HTTP/1.1", "200", "{}"),
            ("GET /api/v1/systree HTTP/1.1", "200", "{\n\t\"$SYS/a\":\t1,\n\t\"$SYS/b c\":\t2\n}"),
            ("GET /api/v1/other HTTP/1.1", "404", "Not found.\n"),
            ("GET /API/v1/version HTTP/1.1", "404", "Not found.\n"),
            ("GET / HTTP/1.1", "404", "Not found.\n"),
            ("POST /api/v1/version HTTP/1.1", "405", "Invalid HTTP Method\n"),
            ("HEAD /api/v1/version HTTP/1.1", "405", "Invalid HTTP Method\n"),
            ("DELETE / HTTP/1.1", "405", "Invalid HTTP Method\n"),
        ];
        for (request, status, body) in rows {
            assert_eq!(asked(request, &open), (status.to_owned(), body.to_owned()), "{request}");
        }
    }

    #[test]
    fn each_listener_has_its_own_passwords_and_rules() {
        let mut both = access("user anna\ntopic read /api/v1/version\n", true);
        both.doors.append(&mut access("topic read /api/v1/listeners\n", false).doors);
        let anna = format!("Authorization: Basic {}", BASE64.encode("anna:secret"));
        let rows = [
            (0, "/api/v1/version", "X: y", "401"),
            (0, "/api/v1/version", &anna, "200"),
            (0, "/api/v1/listeners", &anna, "401"),
            (1, "/api/v1/version", "X: y", "401"),
            (1, "/api/v1/listeners", "X: y", "200"),
            (1, "/api/v1/version", &anna, "401"),
        ];
        for (at, path, field, status) in rows {
            assert_eq!(
                asked_at(at, &format!("GET {path} HTTP/1.1\r\n{field}"), &both).0,
                status,
                "{at} {path} {field}"
            );
        }
    }

    #[test]
    fn who_asks_must_say_the_password_and_may_read_what_the_rules_let_it() {
        let closed = access("user anna\ntopic read /api/v1/#\nuser bert\ntopic read /api/v1/version\n", true);
        let with = |login: &str| format!("Authorization: Basic {}", BASE64.encode(login));
        let rows: &[(&str, String, &str)] = &[
            ("/api/v1/version", "X: y".to_owned(), "401"),
            ("/api/v1/version", with("anna:secret"), "200"),
            ("/api/v1/version", with("anna:wrong"), "401"),
            ("/api/v1/version", with("nobody:secret"), "401"),
            ("/api/v1/version", with(":secret"), "401"),
            ("/api/v1/version", with("anna"), "401"),
            ("/api/v1/version", "Authorization: Basic ?".to_owned(), "401"),
            ("/api/v1/version", "Authorization: Bearer x".to_owned(), "401"),
            ("/api/v1/listeners", with("anna:secret"), "200"),
            ("/api/v1/listeners", with("bert:secret"), "401"),
            ("/api/v1/+", with("anna:secret"), "401"),
        ];
        for (path, field, status) in rows {
            assert_eq!(asked(&format!("GET {path} HTTP/1.1\r\n{field}"), &closed).0, *status, "{path} {field}");
        }
        let open = access("topic read /api/v1/version\n", false);
        assert_eq!(asked("GET /api/v1/version HTTP/1.1", &open).0, "200");
        assert_eq!(asked("GET /api/v1/listeners HTTP/1.1", &open).0, "401", "rules hold for who has no name, too");
        assert_eq!(
            asked("GET /api/v1/version HTTP/1.1\r\nAuthorization: Basic ?", &open).0,
            "401",
            "who tries must be right"
        );
    }
}
