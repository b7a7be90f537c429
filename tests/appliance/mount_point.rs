//! `mount_point` with real clients: what each listener's clients see of the topics, across a reload, and beside mosquitto.

use nix::sys::signal::Signal;

use crate::clients::{Subscriber, publish_well};
use crate::folder::Folder;
use crate::harness::{Appliance, filled, free_port};
use crate::mosquitto::Mosquitto;

fn conf(mounted: u16, mount: &str) -> String {
    format!(
        "user root\nallow_anonymous true\nlistener PORT 127.0.0.1\nlistener {mounted} 127.0.0.1\nmount_point {mount}\n"
    )
}

#[test]
fn clients_of_a_listener_with_a_mount_point_see_its_part_and_mosquittos_publish_to_the_same() {
    let mounted = free_port();
    let ours = Appliance::start(&conf(mounted, "tenant/"), Folder::new());
    let theirs_mounted = free_port();
    let theirs =
        Mosquitto::with_configuration(|port| conf(theirs_mounted, "tenant/").replace("PORT", &port.to_string()));
    let inside = Subscriber::start(mounted, &["-q", "1", "-t", "#"]);
    for (all, mounted) in [(ours.port, mounted), (theirs.open_port(), theirs_mounted)] {
        let all = Subscriber::start(all, &["-q", "1", "-t", "#"]);
        for (version, topic) in [("mqttv31", "a"), ("mqttv311", "a/b"), ("mqttv5", "$SYS/x")] {
            publish_well(mounted, &["-V", version, "-q", "1", "-t", topic, "-m", "x"]);
        }
        publish_well(mounted, &["-V", "mqttv5", "-q", "1", "-t", "r", "-m", "kept", "-r"]);
        let wanted = ["tenant/a|1|0|x", "tenant/a/b|1|0|x", "tenant/$SYS/x|1|0|x", "tenant/r|1|0|kept"];
        assert_eq!(all.messages(4), wanted);
    }
    // (mosquitto 2.0.11 leaves the beginning there towards subscribers, which later ones do not.)
    assert_eq!(inside.messages(4), ["a|1|0|x", "a/b|1|0|x", "$SYS/x|1|0|x", "r|1|0|kept"]);
    let late = Subscriber::start(mounted, &["-V", "mqttv5", "-t", "r"]);
    assert_eq!(late.messages(1), ["r|0|1|kept"]);
}

#[test]
fn a_mount_point_that_changes_at_a_reload_sends_the_clients_of_its_listener_away_and_no_others() {
    let mounted = free_port();
    let appliance = Appliance::start(&conf(mounted, "one/"), Folder::new());
    let stays = Subscriber::start(appliance.port, &["-i", "stays", "-t", "#"]);
    // Both come again by themselves.
    let moves = Subscriber::start(mounted, &["-i", "moves", "-t", "#"]);
    appliance.folder.write("mosquitto.conf", filled(&conf(mounted, "two/"), &appliance.folder, appliance.port));
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for("Client moves [");
    appliance.log.wait_for_count(" as moves (", 2);
    moves.output().wait_for_count("Subscribed ", 2);
    publish_well(mounted, &["-t", "a", "-m", "x"]);
    assert_eq!(stays.messages(1), ["two/a|0|0|x"]);
    assert_eq!(moves.messages(1), ["a|0|0|x"]);
    assert_eq!(appliance.log.count(" as stays ("), 1);
}

#[test]
fn a_mount_point_without_its_slash_is_warned_of() {
    let appliance = Appliance::start(&conf(free_port(), "bare"), Folder::new());
    appliance.log.wait_for("the mount_point 'bare' does not end with '/'");
}
