//! mosquitto.conf as Debian's mosquitto and as we read it: one broken file each, the same words.
//!
//! Debian has 2.0.11 and we follow 2.1.2, which puts single quotes around names; quotes are therefore taken out
//! before comparing. Where the two versions differ in more than that, the row says how.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use broker_conf::{Files, Overrides, parse};

/// Broken files; DIR is the folder they are in. (2.0.11 tells of an empty `protocol`, `log_type` or
/// `max_connections` and starts all the same, which no row can show.)
const SAME: &[&str] = &[
    "bogus 1\n",
    "user root\nbogus\n",
    "bogus",
    "bogus\r\n",
    "port\t18831\n",
    "  # no comment\n",
    "#comment\n\nbogus_x y z\n",
    "allow_anonymous yes\n",
    "allow_anonymous TRUE\n",
    "allow_anonymous\n",
    "allow_anonymous   \n",
    "persistence maybe\n",
    "queue_qos0_messages 2\n",
    "max_qos 3\n",
    "max_keepalive 70000\n",
    "max_keepalive -1\n",
    "max_keepalive\n",
    "message_size_limit 999999999\n",
    "max_inflight_messages 70000\n",
    "sys_interval 70000\n",
    "sys_interval\n",
    "password_file\n",
    "password_file a\npassword_file b\n",
    "user a\nuser a\n",
    "user \u{20}\n",
    "pid_file\n",
    "port 0\n",
    "port 65536\n",
    "listener 99999\n",
    "listener 0\n",
    "protocol foo\n",
    "log_dest foo\n",
    "log_dest\n",
    "log_dest file\n",
    "log_type foo\n",
    "socket_domain foo\n",
    "socket_domain\n",
    "persistent_client_expiration 1z\n",
    "persistent_client_expiration 5\n",
    "allow_anonymous true\nper_listener_settings true\n",
    "include_dir\n",
    "include_dir DIR/none\n",
    "user root\ninclude_dir DIR/conf.d\n",
    "listener 18831\nmax_qos 9\n",
    "listener 18831\nsocket_domain ipv5\n",
    "listener 18831\nmount_point a/#\n",
    "listener 18831\nmount_point +\n",
    "listener 18831\nmount_point\n",
    "bind_address 127.0.0.1\nbind_address ::1\n",
    "connection\n",
    "connection a\nconnection a\n",
    "connection a\ntopic\n",
    "connection a\ntopic t sideways\n",
    "connection a\ntopic t out 3\n",
    "connection a\nstart_type manual\n",
    "connection a\nbridge_protocol_version 5\n",
    "connection a\ncleansession maybe\n",
    "connection a\nremote_password a\npassword b\n",
    "connection a\nkeepalive_interval 65536\n",
    "memory_limit -1\n",
    "websockets_headers_size\n",
    "log_facility 8\n",
];

/// A row where 2.1.2 is not 2.0.11, or nightjar is neither.
struct Differs {
    text: &'static str,
    debian: &'static str,
    ours: &'static str,
    why: &'static str,
}

const DIFFERS: &[Differs] = &[
    Differs {
        text: "port abc\n",
        debian: "Error: Invalid port value (0).",
        ours: "Error: port value not a number.",
        why: "2.1.2 refuses what is no number instead of taking it for 0",
    },
    Differs {
        text: "listener abc\n",
        debian: "Error: A listener with port 0 must provide a Unix socket path.",
        ours: "Error: port value not a number.",
        why: "2.1.2 refuses what is no number instead of taking it for 0",
    },
    Differs {
        text: "max_topic_alias 99999\n",
        debian: "Error: Invalid max_topic_alias value in configuration.",
        ours: "Error: The max_topic_alias option requires a listener to be defined first.",
        why: "2.1.2 has it below a listener only",
    },
    Differs {
        text: "accept_protocol_versions 4\n",
        debian: "Error: Unknown configuration variable accept_protocol_versions.",
        ours: "Error: The accept_protocol_versions option requires a listener to be defined first.",
        why: "new in 2.1",
    },
    Differs {
        text: "mount_point a\n",
        debian: "Error: You must use create a listener before using the mount_point option in the configuration file.",
        ours: "Error: The mount_point option requires a listener to be defined first.",
        why: "2.1.2 has one text for all",
    },
    Differs {
        text: "address a\n",
        debian: "Error: Invalid bridge configuration.",
        ours: "Error: The address option requires a bridge to be defined first.",
        why: "2.1.2 has one text for all",
    },
    Differs {
        text: "max_packet_size 10\n",
        debian: "Error: Invalid max_packet_size value (10).",
        ours: "Error: max_packet_size must be >= 20.",
        why: "2.1.2 says what it takes",
    },
    Differs {
        text: "connection a\naddress 127.0.0.1:0\n",
        debian: "Error: Invalid port value (0).",
        ours: "Error: Invalid bridge port value (0).",
        why: "2.1.2 says which port",
    },
    Differs {
        text: "connection a\nbridge_psk k\nbridge_cafile c\n",
        debian: "Error: Cannot use both certificate and psk encryption in a single bridge.",
        ours: "Error: bridge_cafile: Cannot use both certificate and psk encryption in a single bridge.",
        why: "2.1.2 names the option",
    },
    Differs {
        text: "listener\n",
        debian: "Error: Empty listener value in configuration.",
        ours: "Error: Empty listener port value in configuration.",
        why: "2.1.2 reads it as a number",
    },
];

#[test]
fn a_broken_file_is_refused_in_the_same_words_with_the_same_places_and_status() {
    let mut wrong = Vec::new();
    for (row, text) in SAME.iter().enumerate() {
        let place = Folder::with(row, text);
        let (debian, ours) = (debian(&place.main), ours(&place.main));
        if debian != ours {
            wrong.push(format!("{text:?}\n  debian: {debian:?}\n  ours:   {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn where_the_versions_differ_ours_is_the_newer() {
    for (row, Differs { text, debian: theirs, ours: wanted, why }) in DIFFERS.iter().enumerate() {
        let place = Folder::with(1_000 + row, text);
        let (debian, ours) = (debian(&place.main), ours(&place.main));
        assert_eq!(debian.0.first().map(String::as_str), Some(*theirs), "{text:?}: {why}");
        assert_eq!(ours.0.first().map(String::as_str), Some(*wanted), "{text:?}: {why}");
        assert_eq!((debian.0.get(1..), debian.1), (ours.0.get(1..), ours.1), "{text:?}: the places and the status");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_in_the_same_words() {
    let place = Folder::with(2_000, "");
    fs::write(&place.main, b"user \xff\n").expect("a temporary file");
    assert_eq!(debian(&place.main), ours(&place.main));
}

#[test]
fn a_file_that_cannot_be_opened_is_refused_in_the_same_words_with_the_newer_status() {
    let place = Folder::with(3_000, "");
    for main in [place.dir.join("none.conf"), place.dir.clone()] {
        let (debian, ours) = (debian(&main), ours(&main));
        assert_eq!(debian.0, ours.0);
        assert_eq!((debian.1, ours.1), (3, 1), "2.1.2 ends with 1");
    }
}

/// Error lines without quotes, and the exit status.
type Answer = (Vec<String>, u8);

fn debian(main: &Path) -> Answer {
    let program = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    // Should a row not end the start after all, `timeout` does, and its status 124 fails the row.
    let output = Command::new("timeout")
        .args(["10", program, "-c"])
        .arg(main)
        .env("LC_ALL", "C")
        .output()
        .expect("`timeout` of coreutils");
    let status = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
    assert_ne!(status, 127, "mosquitto is not installed: apt-get install mosquitto");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (error_lines(&told), status)
}

fn ours(main: &Path) -> Answer {
    match parse(Some(main), &mut Disk, &Overrides::default()) {
        Ok(_) => (Vec::new(), 0),
        Err(error) => (error_lines(&error.to_string()), error.exit_status()),
    }
}

/// Without the seconds that mosquitto puts in front, without quotes, without what is no error.
fn error_lines(told: &str) -> Vec<String> {
    told.lines()
        .map(|line| {
            line.split_once(": ").filter(|(time, _)| time.parse::<u64>().is_ok()).map_or(line, |(_, rest)| rest)
        })
        .filter(|line| line.starts_with("Error"))
        .map(|line| line.replace(['\'', '"'], ""))
        .collect()
}

/// A folder of its own for a row, gone at the end.
struct Folder {
    dir: PathBuf,
    main: PathBuf,
}

impl Folder {
    fn with(row: usize, text: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("nightjar-conf-{}-{row}", std::process::id()));
        fs::create_dir_all(dir.join("conf.d")).expect("a temporary folder");
        fs::write(dir.join("conf.d/b.conf"), "max_qos 2\nallow_anonymous perhaps\n").expect("a temporary file");
        fs::write(dir.join("conf.d/c.txt"), "bogus\n").expect("a temporary file");
        let main = dir.join("main.conf");
        fs::write(&main, text.replace("DIR", &dir.display().to_string())).expect("a temporary file");
        Self { dir, main }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&mut self, dir: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }
}
