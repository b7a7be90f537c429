//! Options of the whole broker and what stands in the environment, with the built program; beside mosquitto where it
//! knows them.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::clients::{LongPublisher, Outcome, Subscriber, client, publish, publish_well};
use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Appliance, filled, free_port, output_of, poll_until, text};
use crate::mosquitto::Mosquitto;

const OPEN: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\n";

#[test]
fn only_identifiers_with_the_prefix_come_in_as_with_mosquitto() {
    let conf = format!("{OPEN}clientid_prefixes gw-\n");
    let ours = Appliance::start(&conf, Folder::new());
    let theirs = Mosquitto::with_configuration(|port| conf.replace("PORT", &port.to_string()));
    for version in ["mqttv311", "mqttv5"] {
        for (id, comes_in) in [("gw-1", true), ("gw", false), ("other", false)] {
            let arguments = ["-V", version, "-i", id, "-t", "t", "-m", "x"];
            let (ours, theirs) = (publish(ours.port, &arguments), publish(theirs.open_port(), &arguments));
            assert_eq!(ours, theirs, "{version} {id}");
            assert_eq!(ours.status == Some(0), comes_in, "{version} {id}: {ours:?}");
        }
    }
}

#[test]
fn one_session_more_than_global_max_clients_is_refused() {
    let appliance = Appliance::start(&format!("{OPEN}global_max_clients 1\n"), Folder::new());
    let _first = Subscriber::start(appliance.port, &["-i", "first", "-t", "t"]);
    let second = publish(appliance.port, &["-V", "mqttv5", "-i", "second", "-t", "t", "-m", "x"]);
    assert_eq!(second.status, Some(137), "server busy: {second:?}");
    appliance.log.wait_for("Client second [");
}

#[test]
fn listeners_are_told_of_when_the_control_api_is_enabled() {
    let appliance = Appliance::start(&format!("{OPEN}enable_control_api true\n"), Folder::new());
    let answers = Subscriber::start(appliance.port, &["-t", "$CONTROL/broker/v1/response"]);
    let ask = r#"{"commands":[{"command":"listListeners","correlationData":"7"}]}"#;
    publish_well(appliance.port, &["-i", "admin", "-t", "$CONTROL/broker/v1", "-m", ask]);
    let answer = answers.messages(1)[0].rsplit('|').next().map(str::to_owned).unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let port = appliance.port;
    let listeners = serde_json::json!([{"port": port, "protocol": "mqtt", "bind-address": "127.0.0.1", "tls": false}]);
    let wanted = serde_json::json!({"responses": [
        {"command": "listListeners", "data": {"listeners": listeners}, "correlationData": "7"}
    ]});
    assert_eq!(answer, wanted);
    appliance.log.wait_for("Broker: admin/(null) | listListeners");
}

#[test]
fn above_memory_limit_what_would_stay_is_refused_until_the_limit_is_another() {
    let unlimited = format!("{OPEN}max_inflight_messages 1000\n");
    let appliance = Appliance::start(&format!("{unlimited}memory_limit 21000000\n"), Folder::new());
    // What waits for one who is away takes all that may be taken.
    drop(Subscriber::start(appliance.port, &["-c", "-i", "away", "-q", "1", "-t", "t"]));
    let mut publisher = LongPublisher::start(appliance.port, &["-V", "mqttv5", "-q", "1", "-t", "t"]);
    let line = "x".repeat(100_000);
    for _ in 0..250 {
        publisher.line(&line);
    }
    publisher.end();
    appliance.log.wait_for("bytes of memory are in use and memory_limit is 21000000");
    let refused = publish(appliance.port, &["-V", "mqttv5", "-i", "new", "-t", "t", "-m", "x"]);
    assert_eq!(refused.status, Some(151), "quota exceeded: {refused:?}");
    appliance.folder.write("mosquitto.conf", filled(&unlimited, &appliance.folder, appliance.port));
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for("Reloaded:");
    publish_well(appliance.port, &["-V", "mqttv5", "-i", "new", "-t", "t", "-m", "x"]);
}

#[test]
fn the_environment_says_the_mask_of_new_files_and_where_the_store_is() {
    let folder = Folder::new();
    let conf = format!("{OPEN}persistence true\npid_file DIR/pid\nlog_dest stderr\nlog_dest file DIR/log\n");
    let location = folder.at("elsewhere");
    std::fs::create_dir(&location).expect("a folder");
    let environment = [("UMASK_SET", "027"), ("MOSQUITTO_PERSISTENCE_LOCATION", location.as_str())];
    let appliance = Appliance::start_in(&conf, folder, &[], &environment);
    let mode = |name: &str| std::fs::metadata(appliance.folder.at(name)).expect("it is there").permissions().mode();
    assert_eq!((mode("pid") & 0o777, mode("log") & 0o777), (0o640, 0o640));
    assert!(std::path::Path::new(&appliance.folder.at("elsewhere/nightjar.store")).is_dir());

    let conf = appliance.folder.write("other.conf", filled(OPEN, &appliance.folder, free_port()));
    let ended = output_of(Command::new(NIGHTJAR).arg("run").arg("-c").arg(&conf).env("UMASK_SET", "8"));
    assert_eq!(ended.status.code(), Some(3));
    assert!(text(&ended.stderr).contains("Error: UMASK_SET environment variable not a valid octal number."));
}

#[test]
fn a_container_says_by_numbers_who_the_broker_becomes() {
    if !nix::unistd::Uid::effective().is_root() {
        return; // nobody else may become another
    }
    let folder = Folder::new();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("our own folder");
    let conf = OPEN.replace("user root\n", "user mosquitto\nlog_dest stderr\nlog_dest file DIR/log\n");
    let appliance = Appliance::start_in(&conf, folder, &[], &[("PUID", "12345"), ("PGID", "23456")]);
    let status = std::fs::metadata(format!("/proc/{}", appliance.pid())).expect("it lives");
    assert_eq!((status.uid(), status.gid()), (12_345, 23_456));
    let log = std::fs::metadata(appliance.folder.at("log")).expect("it is there");
    assert_eq!(log.uid(), 12_345, "it can be opened again after a rotation");

    let conf = appliance.folder.write("other.conf", filled(OPEN, &appliance.folder, free_port()));
    let ended = output_of(Command::new(NIGHTJAR).arg("run").arg("-c").arg(&conf).env("PUID", "me"));
    assert!(text(&ended.stderr).contains("Error: PUID not a valid ID 'me'"), "{}", text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(3));
}

#[test]
fn a_password_file_behind_a_link_is_refused_unless_the_environment_allows_it() {
    let folder = Folder::new();
    folder.write("real", "");
    std::os::unix::fs::symlink(folder.at("real"), folder.at("pw")).expect("a link");
    let conf = format!("{OPEN}password_file DIR/pw\n");
    let path = folder.write("mosquitto.conf", filled(&conf, &folder, free_port()));
    let ended = output_of(Command::new(NIGHTJAR).arg("run").arg("-c").arg(&path));
    assert_eq!(ended.status.code(), Some(13));
    assert!(text(&ended.stderr).contains("it is a symbolic link: name the file itself"), "{}", text(&ended.stderr));
    drop(Appliance::start_in(&conf, folder, &[], &[("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS", "")]));
}

#[test]
fn called_as_mosquitto_it_says_what_mosquitto_says_to_a_wrong_command_line() {
    let folder = Folder::new();
    let link = folder.at("mosquitto");
    std::os::unix::fs::symlink(NIGHTJAR, &link).expect("a link");
    let eleven = [["-p", "1"]; 11].concat();
    let rows: &[&[&str]] =
        &[&["-p", "0"], &["-p", "70000"], &["-p"], &["-c"], &["--bogus"], &eleven, &["-c", "/nowhere/m.conf"]];
    for arguments in rows {
        let first = |program: &str| {
            let ended = output_of(Command::new(program).args(*arguments));
            let told = text(&ended.stderr) + &text(&ended.stdout);
            let line = told.lines().find(|line| line.contains("Error: ")).unwrap_or_default().to_owned();
            (line.split_once("Error: ").map(|(_, rest)| rest.to_owned()), ended.status.code())
        };
        let (ours, theirs) = (first(&link), first("/usr/sbin/mosquitto"));
        assert_eq!(first(NIGHTJAR), ours, "{arguments:?}: with options alone it is the same");
        assert_eq!(ours.0, theirs.0, "{arguments:?}");
        let is_missing = arguments.contains(&"/nowhere/m.conf");
        assert_eq!((ours.1, theirs.1), (Some(if is_missing { 1 } else { 3 }), Some(3)), "{arguments:?}: 2.1.2 has 1");
    }
    for (arguments, status, wanted) in [
        (&["-h"][..], 0, "--config-file"),
        (&["--version"], 0, env!("CARGO_PKG_VERSION")),
        (&["--test-config"], 3, "Please provide a configuration file to test."),
    ] {
        let ended = output_of(Command::new(&link).args(arguments));
        let told = text(&ended.stderr) + &text(&ended.stdout);
        assert!(ended.status.code() == Some(status) && told.contains(wanted), "{arguments:?}: {told}");
    }
}

#[test]
fn in_the_background_the_pid_file_names_the_process_that_runs_and_goes_with_it() {
    let folder = Folder::new();
    let conf = format!("{OPEN}pid_file DIR/pid\nlog_dest file DIR/log\n");
    let conf = folder.write("mosquitto.conf", filled(&conf, &folder, free_port()));
    let link = folder.at("mosquitto");
    std::os::unix::fs::symlink(NIGHTJAR, &link).expect("a link");
    let started = output_of(Command::new(&link).args(["-d", "-c"]).arg(&conf));
    assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
    let is_running = || std::fs::read_to_string(folder.at("log")).unwrap_or_default().contains(" running");
    poll_until(is_running);
    let pid: i32 = std::fs::read_to_string(folder.at("pid")).expect("written").parse().expect("a number");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).expect("it lives");
    poll_until(|| !std::path::Path::new(&folder.at("pid")).exists());
    assert!(is_running() && !std::path::Path::new(&folder.at("pid")).exists());
}

#[test]
fn several_ports_of_the_command_line_are_all_opened_and_quiet_says_nothing() {
    let (one, other) = (free_port(), free_port());
    let folder = Folder::new();
    let link = folder.at("mosquitto");
    std::os::unix::fs::symlink(NIGHTJAR, &link).expect("a link");
    let mut child = Command::new(&link)
        .args(["-q", "-p", &one.to_string(), "-p", &other.to_string()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    for port in [one, other] {
        poll_until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let heard = client("mosquitto_pub", port, &["-t", "t", "-m", "x"]);
        assert_eq!(heard, Outcome::new(0, ""), "{port}");
        // It says that it is whom it is called as.
        let version = Subscriber::start(port, &["-t", "$SYS/broker/version"]);
        assert_eq!(version.messages(1), ["$SYS/broker/version|0|1|mosquitto version 2.1.2"]);
    }
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it lives");
    assert!(child.wait().expect("our own child").success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said).expect("text");
    assert_eq!(said, "");
}

#[test]
fn the_line_that_refuses_is_named_by_acl_explain_and_by_the_log() {
    let folder = Folder::new();
    folder.passwords("pw", &[("bob", "b")]);
    folder.write("acl", "user bob\ntopic read a/#\ntopic write b/#\ntopic deny b/secret\n");
    let conf = "user root\nlistener PORT 127.0.0.1\npassword_file DIR/pw\nacl_file DIR/acl\n";
    let appliance = Appliance::start(conf, folder);
    let (main, acl) = (appliance.folder.at("mosquitto.conf"), appliance.folder.at("acl"));
    let explain = |access: &str, topic: &str| {
        let arguments = ["acl", "explain", "--user", "bob", "--client-id", "c", "--topic", topic, "--access", access];
        let ended = output_of(Command::new(NIGHTJAR).args(arguments).args(["-c", &main]));
        (text(&ended.stdout).trim_end().to_owned(), ended.status.code())
    };
    assert_eq!(explain("read", "a/1"), (format!("allowed: {acl}:2: topic read a/#"), Some(0)));
    assert_eq!(explain("write", "b/secret"), (format!("refused: {acl}:4: topic deny b/secret"), Some(1)));
    assert_eq!(explain("write", "a/1").1, Some(1));
    assert!(explain("write", "a/1").0.contains("no line of it is about this user and topic"));
    assert_eq!(explain("subscribe", "#").1, Some(0));
    for topic in ["b/secret", "b/secret", "a/1"] {
        publish_well(appliance.port, &["-i", "c", "-u", "bob", "-P", "b", "-t", topic, "-m", "x"]);
    }
    appliance.log.wait_for("Client c (user 'bob') may not publish to 'a/1': ");
    let line = appliance.log.wait_for("Client c (user 'bob') may not publish to 'b/secret'");
    assert!(line.ends_with(&format!("{acl}: line 4.")), "{line}");
    assert_eq!(appliance.log.count("may not publish to 'b/secret'"), 1, "once a minute");
}
