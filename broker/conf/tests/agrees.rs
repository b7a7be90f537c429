//! The option table and the checklist of mosquitto's options (`checklist.txt`) say the same, row by row, both ways.

use std::collections::BTreeMap;

use broker_conf::{OptionSpec, Reload, Scope, Status, Takes, options};

/// A row without its name, as words: other names, takes, default, where, SIGHUP, marks.
type Row = [String; 6];

/// What SIGHUP applies in mosquitto and not here, and why.
const NOT_APPLIED: &[(&str, &str)] = &[
    ("persistence", "the store is opened once, before anybody is let in"),
    ("persistence_file", "mosquitto's file is taken over at the first start alone"),
    ("persistence_location", "the store is opened once, before anybody is let in"),
    ("autosave_interval", "goes to the store when it is opened"),
    ("autosave_on_changes", "goes to the store when it is opened"),
];

fn checklist() -> BTreeMap<String, Row> {
    let lines = include_str!("checklist.txt").lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        let [name, row @ ..] = <[String; 7]>::try_from(cells).unwrap_or_else(|cells| panic!("seven cells: {cells:?}"));
        (name, row)
    });
    rows.collect()
}

fn row_of(option: &OptionSpec) -> Row {
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let takes = match option.takes {
        Takes::Bool => "bool".to_owned(),
        Takes::Path => "path".to_owned(),
        Takes::Text | Takes::Form(_) => "words".to_owned(),
        Takes::Int { min, max, .. } => {
            let end = |bound: i64| if bound.abs() >= i64::from(i32::MAX) { String::new() } else { bound.to_string() };
            match (end(min), end(max)) {
                (min, max) if min.is_empty() && max.is_empty() => "int".to_owned(),
                (min, max) => format!("int {min}..{max}"),
            }
        }
    };
    let place = match option.scope {
        Scope::Global => "broker",
        Scope::Security => "broker or listener",
        Scope::Listener => "listener",
        Scope::ListenerOrDefault => "listener or default",
        Scope::Bridge => "connection",
        Scope::Plugin => "plugin",
    };
    let reload = match (option.status(), option.reload) {
        (Status::Ignored(_), _) => "ignored",
        (_, Reload::Yes) => "yes",
        (_, Reload::No) => "no",
    };
    let marks = [(option.deprecated.is_some(), "deprecated"), (option.repeatable, "repeatable")];
    let marks = marks.iter().filter_map(|(is_so, mark)| is_so.then_some(*mark)).collect::<Vec<_>>().join(" ");
    let default = option.default.split([',', ' ']).next().unwrap_or_default().to_owned();
    [dash(option.aliases.join(" ")), takes, default, place.to_owned(), reload.to_owned(), dash(marks)]
}

#[test]
fn the_option_table_and_the_checklist_say_the_same_row_by_row() {
    let mut wanted = checklist();
    let mut wrong = Vec::new();
    for option in options() {
        let Some(mut row) = wanted.remove(option.name) else {
            wrong.push(format!("{} is not on the checklist", option.name));
            continue;
        };
        let ours = row_of(option);
        if row[2] == "-" {
            row[2].clone_from(&ours[2]); // the checklist has no word for it
        }
        // What is passed over needs no reload; and a reload may apply more than mosquitto's does.
        let is_excused = NOT_APPLIED.iter().any(|(name, _)| *name == option.name);
        if is_excused || row[4] == "no" || ours[4] == "ignored" {
            row[4].clone_from(&ours[4]);
        }
        if is_excused && ours[4] != "no" {
            wrong.push(format!("{}: it is applied, so strike it from NOT_APPLIED", option.name));
        }
        if row != ours {
            wrong.push(format!("{}\n  checklist: {row:?}\n  table:     {ours:?}", option.name));
        }
    }
    wrong.extend(wanted.keys().map(|name| format!("{name} is not in the table")));
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}
