//! What outlives the process. The files are Debian's mosquitto's, which both brokers read at their first start.

use super::messages::heard;
use super::{Row, check};
use crate::clients::publish_well;
use crate::folder::Folder;
use crate::side::Side;

/// A mosquitto that was there before has left a retained message in a file of this name.
fn left(folder: &Folder, name: &str) {
    std::fs::create_dir(folder.path().join("kept")).expect("a folder made");
    let kept = folder.at("kept");
    let conf =
        format!("listener PORT 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {kept}/\n");
    let mut before = Side::debians(&format!("{conf}persistence_file {name}\n"), &Folder::new);
    publish_well(before.port, &["-q", "1", "-t", "t", "-m", "kept", "-r"]);
    before.stop();
    assert!(folder.path().join("kept").join(name).exists(), "mosquitto has saved");
}

/// What is retained.
fn kept(side: &Side) -> String {
    heard(side, &["-q", "1", "-t", "#"], &[])
}

#[test]
fn options_say_what_outlives_the_process_and_where_it_is() {
    let default = |folder: &Folder| left(folder, "mosquitto.db");
    let other = |folder: &Folder| left(folder, "other.db");
    check(&[
        Row::new("persistence", "persistence true\npersistence_location DIR/kept/", kept, "t|1|1|kept", "")
            .files(default),
        Row::new(
            "retained_persistence",
            "retained_persistence true\npersistence_location DIR/kept/",
            kept,
            "t|1|1|kept",
            "",
        )
        .files(default),
        Row::new(
            "persistence_file",
            "persistence true\npersistence_location DIR/kept/\npersistence_file other.db",
            kept,
            "t|1|1|kept",
            "",
        )
        .files(other),
    ]);
}
