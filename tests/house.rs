//! The house keeps itself: what ARCHITECTURE.md says of the rooms is checked here.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The pure rooms: no runtime, no socket, no clock.
const PURE: [&str; 7] = ["mqtt", "broker-core", "broker-conf", "mosquitto-db", "web", "acl", "gateway-core"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn pure_rooms_depend_on_no_runtime_socket_or_random_number() {
    for room in PURE {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "-p", room, "-e", "normal", "--prefix", "none", "--format", "{p}"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
        assert!(tree.contains(room), "the tree of {room} names it:\n{tree}");
        for edge in ["tokio", "mio", "socket2", "getrandom", "rand", "openssl", "rustls", "tracing", "nix", "chrono"] {
            let found = tree.lines().any(|line| line.split(' ').next() == Some(edge));
            assert!(!found, "{room} is pure, but depends on {edge}:\n{tree}");
        }
    }
}

#[test]
fn rooms_do_not_know_what_they_must_not() {
    let strangers = [
        ("broker", "gateway"),
        ("gateway", "broker"),
        ("gateway", "broker-core"),
        ("link", "broker"),
        ("broker/core", "broker-store"),
        ("broker/store", "broker"),
        ("broker/store", "mosquitto-db"),
        ("broker", "mosquitto-db"),
        ("broker/store", "link"),
        ("gateway/radio", "gateway"),
        ("gateway/radio", "broker"),
        ("gateway/radio", "link"),
        ("gateway/radio", "mqtt"),
        ("gateway/radio", "tokio"),
        ("gateway", "radio"),
    ];
    for (one, other) in strangers {
        let manifest = root().join(one).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("the manifest is there");
        let found = text.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(other));
        assert!(!found, "{} depends on {other}", manifest.display());
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let mut without = Vec::new();
    for file in sources(root()) {
        let text = std::fs::read_to_string(&file).expect("the file is there");
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        if !first.starts_with("//!") {
            without.push(file);
        }
    }
    assert!(without.is_empty(), "these begin without a word on what they are for: {without:#?}");
}

/// The Rust files of the project, without what is built.
#[test]
fn the_faults_that_are_planted_into_the_store_and_the_core_still_fit() {
    // `make soak` plants each and looks whether the simulation finds it; here it is only seen that it could.
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("broker/store/tests/planted")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let patch = std::fs::File::open(&path).expect("a file");
        let arguments = ["--dry-run", "--silent", "--fuzz=0", "--reject-file=-", "-p1"];
        let fits = Command::new("patch").args(arguments).current_dir(root()).stdin(patch).output().expect("patch runs");
        assert!(fits.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&fits.stdout));
        count += 1;
    }
    assert!(count > 10, "{count} faults");
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder of the project").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let skipped = [".git", "target", "var"].iter().any(|skip| name == *skip);
        if path.is_dir() && !skipped {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_page_of_limits_has_every_limit_with_its_value() {
    use broker::*;
    use broker_core::*;

    let page = std::fs::read_to_string(root().join("docs/limits.md")).expect("the page is there");
    let mut rows = 0;
    macro_rules! hold {
        ($($name:ident)*) => {$(
            let row = format!("| `{}` | {} |", stringify!($name), Value::from($name).0);
            assert!(page.contains(&row), "docs/limits.md has no row that begins: {row}");
            rows += 1;
        )*};
    }
    hold! {
        BACKLOG_BYTES_MAX ROUTES_MAX ROUTED_TOPIC_BYTES_MAX ROUTED_SUBSCRIBERS_MAX TOPIC_LEVELS_MAX RETAINED_QUEUED_MAX
        RETAINED_BYTES_MAX SUBSCRIBED_BYTES_PER_SESSION_MAX KEPT_TOPIC_BYTES KEPT_LEVEL_BYTES LOGIN_TIME_MAX
        CLIENT_ID_BYTES_MAX TOPIC_ALIASES_MAX READ_BYTES STRANGER_PACKET_BYTES_MAX STRANGERS_MAX STRANGERS_BYTES_MAX
        TLS_READS_MAX REPLY_BYTES_MAX ACCEPTS_PER_TURN_MAX LINGER_TIME_MAX ACCEPT_REST LOGINS_WAITING_MAX
        LOGINS_WAITING_PER_NETWORK_MAX LOGINS_WAITING_BYTES_MAX LOGINS_REMEMBERED_MAX LOGIN_REMEMBERED
        KNOCKS_REMEMBERED_MAX KNOCK_QUIET SPARE_BUFFERS_MAX SPARE_BUFFER_BYTES_MAX AUTHENTICATION_DATA_BYTES_MAX
        AUTHENTICATION_STEPS_MAX EXCHANGES_BYTES_MAX UNRELEASED_BYTES_MAX UNKEPT_BYTES_MAX STORE_STALL_MAX
        GATHER_TIME_MAX GATHER_TIME GATHER_PACKETS_MIN
        BACKLOGS_BYTES_MAX TURN_STEPS_MAX TURN_STEPS_PER_WRITE HANDSHAKES_PER_TURN_MAX STALLED_TIME_MAX LAG_LOOK
        IO_THREADS_MAX IO_THREADS_DEFAULT_MAX BATCH_BYTES BATCHES_WAITING_MAX
        WEBSOCKET_FRAME_BYTES_MAX WEBSOCKET_CLOSE_TIME_MAX WEBSOCKETS_CLOSING_MAX WEBSOCKET_CLOSE_BYTES_MAX
        HTTP_CONNECTIONS_MAX HTTP_TIME_MAX HTTP_FIGURES_FRESH
        CONTROL_COMMANDS_MAX LOG_LINES_WAITING_MAX REFUSALS_REMEMBERED_MAX REFUSALS_PER_CLIENT_MAX REFUSAL_QUIET
    }
    let files = ["broker/core/src/limits.rs", "broker/src/limits.rs"].map(|file| root().join(file));
    let texts = files.map(|file| std::fs::read_to_string(file).expect("the file is there"));
    let written: usize = texts.iter().map(|text| text.matches("\npub const ").count()).sum();
    assert_eq!(rows, written, "a limit that is not in the list above, and perhaps not on the page");
}

/// A limit as the page writes it.
struct Value(String);

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self(number.to_string())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self(number.to_string())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl From<u8> for Value {
    fn from(number: u8) -> Self {
        Self(number.to_string())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self(number.to_string())
    }
}

impl From<std::time::Duration> for Value {
    fn from(time: std::time::Duration) -> Self {
        Self(if time.subsec_nanos() == 0 {
            format!("{} s", time.as_secs())
        } else if time.subsec_millis() > 0 {
            format!("{} ms", time.as_millis())
        } else {
            format!("{} µs", time.as_micros())
        })
    }
}
