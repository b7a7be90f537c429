//! `nightjar gateway scan` and `record` as a person runs them: JSON and lines in a pipe, the table in a terminal. What is
//! looked at is a recording, whose packets btmon has told apart.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Lines, nightjar};

const DATA_TEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/recordings/data-test.btsnoop");
const EXTENDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/recordings/extended.btsnoop");
const EXPECTED: &str = include_str!("../../gateway/recordings/data-test.expected");

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

fn scan(arguments: &[&str]) -> Vec<String> {
    let output = nightjar(&[&["gateway", "scan"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text in UTF-8").lines().map(str::to_owned).collect()
}

/// Milliseconds of the day, from `00:20:43.653643`.
fn millis(time: &str) -> u64 {
    let parts: Vec<u64> = time.split([':', '.']).map(|part| part.parse().expect("a number")).collect();
    let [hours, minutes, seconds, micros] = parts[..] else { panic!("{time}") };
    ((hours * 60 + minutes) * 60 + seconds) * 1000 + micros / 1000
}

#[test]
fn the_json_of_a_scan_is_packet_for_packet_what_btmon_sees() {
    let lines = scan(&["--json", "--from", DATA_TEST]);
    assert_eq!(lines.len(), EXPECTED.lines().count());
    for (line, expected) in lines.iter().zip(EXPECTED.lines()) {
        let report: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let [time, address, kind, event_type, rssi, bytes] = expected.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{expected}")
        };
        let data = if event_type == "04" { "scanData" } else { "adData" };
        assert_eq!(report["bdaddrs"][0]["bdaddr"], *address, "{line}");
        assert_eq!(report["bdaddrs"][0]["bdaddrType"], *if kind == "00" { "public" } else { "random" }, "{line}");
        assert_eq!(
            report["evtType"].to_string(),
            u8::from_str_radix(event_type, 16).expect("a number").to_string(),
            "{line}"
        );
        assert_eq!(report["rssi"].to_string(), rssi, "{line}");
        assert_eq!(report[data].as_str().expect("data").len(), 2 * bytes.parse::<usize>().expect("a number"), "{line}");
        assert_eq!(report["timestamp"].as_u64().expect("a time") % 86_400_000, millis(time), "{line}");
        assert_eq!(report["adapter"], "00:AA:01:00:00:42", "{line}");
    }
}

#[test]
fn a_pipe_gets_a_line_for_each_packet_that_passes_the_filters() {
    let all = scan(&["--from", EXTENDED]);
    assert_eq!(all.len(), 529 - 93, "fragments are put together");
    let named = scan(&["--from", DATA_TEST, "--filter-name", "HSE*"]);
    assert_eq!(named.len(), 39 + 38);
    assert!(named.iter().all(|line| line.contains("  HSE967220")), "{named:#?}");
    let loud = scan(&["--from", DATA_TEST, "--filter-mac", "98:04:ed*", "--filter-rssi", "-60"]);
    let wanted = |line: &&str| {
        let fields: Vec<&str> = line.split(' ').collect();
        fields[1] == "98:04:ED:D6:50:A3" && fields[4].parse::<i8>().expect("a number") >= -60
    };
    assert_eq!(loud.len(), EXPECTED.lines().filter(wanted).count());
    assert_eq!(scan(&["--from", DATA_TEST, "--filter-uuid", "1234"]).len(), 0);
    // The same names as an AD structure: its length, Complete Local Name, "HSE".
    assert_eq!(scan(&["--from", DATA_TEST, "--filter-value", r#"[{"data":"0F09485345"}]"#]), named);
    assert_eq!(scan(&["--from", DATA_TEST, "--filter-value", r#"[{"offset":-1,"data":"0F09485345"}]"#]).len(), 0);
}

#[test]
fn what_cannot_be_scanned_is_told_with_its_cause() {
    let folder = Folder::new();
    let cut = folder.write("cut.btsnoop", &std::fs::read(DATA_TEST).expect("the recording")[..50_000]);
    let cut = cut.to_str().expect("a path in UTF-8");
    for (arguments, wanted) in [
        (&["--from", "no/such.btsnoop"] as &[&str], "Error: no/such.btsnoop: "),
        (&["--from", NIGHTJAR], "not a btsnoop recording"),
        (&["--from", DATA_TEST, "--active"], "--from looks at a recording"),
        (&["--interval-ms", "2"], "a scan interval of 2ms, but it takes 2.5 ms to 10.24 s"),
        (&["--interval-ms", "-5"], "error: "),
        (&["--window-ms", "20"], "--interval-ms"),
        (&["--phy", "2M"], "possible values: 1M, CODED"),
        (&["--adapter", "hci0"], "is not a MAC address"),
        (&["--filter-name", "a*b*c"], "is not a name filter"),
        (&["--filter-value", "0201"], "error: "),
        (&["--filter-rssi", "50"], "50"),
    ] {
        let output = nightjar(&[&["gateway", "scan"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(wanted), "{arguments:?}: {said}");
    }
    // What is there is shown all the same.
    let output = nightjar(&["gateway", "scan", "--from", cut]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("the recording ends within a record"));
    assert!(!output.stdout.is_empty());
}

/// The program with a terminal of this size in place of its standard output, and what it draws on it.
fn in_terminal(columns: u16, rows: u16, arguments: &[&str]) -> (std::process::Child, Lines) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).expect("a terminal");
    let mut command = Command::new(NIGHTJAR);
    command.args(["gateway", "scan"]).args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    let child = command.stdout(Stdio::from(terminal.slave)).spawn().expect("it runs");
    (child, Lines::of(Screen(std::fs::File::from(terminal.master))))
}

/// The other end of a terminal: once nobody has it open, reading is an error where a pipe is at its end.
struct Screen(std::fs::File);

impl Read for Screen {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.0.read(bytes).unwrap_or(0))
    }
}

impl AsFd for Screen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[test]
fn in_a_terminal_devices_are_a_table_and_the_screen_is_given_back() {
    let (mut child, screen) = in_terminal(100, 8, &["--from", DATA_TEST]);
    screen.wait_for("98:04:ED:D6:50:A3  public");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("it runs");
    assert!(child.wait().expect("our own child").success());
    assert!(screen.wait(|_| None::<()>).is_none(), "it waits for the end");
    let all = screen.all().join("\n");
    assert!(all.starts_with(ENTER), "{all:?}");
    let (table, after) = all.split_once(LEAVE).expect("the screen is given back");
    assert!(!table.contains("\x1b[2J"), "nothing is cleared that is drawn again: {table:?}");
    // Each picture begins at the upper left, has no more lines than there are, and clears what is below it.
    let pictures: Vec<&str> = table.split("\x1b[H").skip(1).collect();
    assert!(!pictures.is_empty());
    for picture in &pictures {
        assert!(picture.lines().count() <= 8, "{picture:?}");
    }
    // What was seen last stays to be read.
    assert!(after.contains("98:04:ED:D6:50:A3  public") && !after.contains('\x1b'), "{after:?}");
}

#[test]
fn a_recording_that_is_at_its_end_leaves_its_table_behind() {
    let (mut child, screen) = in_terminal(120, 30, &["--from", DATA_TEST, "--speed", "0"]);
    assert!(child.wait().expect("our own child").success());
    assert!(screen.wait(|_| None::<()>).is_none(), "it waits for the end");
    let all = screen.all().join("\n");
    let (_, after) = all.split_once(LEAVE).expect("the screen is given back");
    let rows: Vec<&str> = after.lines().collect();
    assert!(
        rows[0].contains("9 devices, ")
            && rows[0].contains(", 562 packets · data-test.btsnoop, hci0 00:AA:01:00:00:42"),
        "{rows:#?}"
    );
    assert_eq!(rows.len(), 2 + 9, "{rows:#?}");
    assert!(after.contains("  HSE96722001CEC  ") && after.contains("  温度-1  "), "{rows:#?}");
}

#[test]
fn a_recording_is_not_made_where_it_would_do_harm() {
    let folder = Folder::new();
    folder.write("air.btsnoop", "kept");
    let output = nightjar(&["gateway", "record", &folder.at("air.btsnoop"), "--seconds", "0"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("is there already") && said.contains("--force"), "{said}");
    assert_eq!(folder.read("air.btsnoop"), "kept");
    let output = nightjar(&["gateway", "record", &folder.at("no/air.btsnoop"), "--seconds", "0"]);
    assert!(!output.status.success());
}
