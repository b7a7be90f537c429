//! The pages: whole, without a fault that `man` would stumble over, and with everything in them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use broker_conf::{Status, options};

use crate::program::{Share, name_of, said, unescaped};

#[test]
fn no_page_has_a_fault_that_groff_or_mandoc_finds() {
    let share = Share::new();
    let pages = share.pages();
    assert!(pages.len() > 25, "only {pages:?}");
    let mut faults = Vec::new();
    for (program, arguments) in
        [("mandoc", &["-Tlint", "-Wwarning"][..]), ("groff", &["-K", "utf8", "-ww", "-man", "-z"])]
    {
        let said = Command::new(program).args(arguments).args(&pages).output();
        let said = said.unwrap_or_else(|why| panic!("{program}: {why}; `make test` installs it"));
        let said = [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        // Pages have no date, so that the same program makes the same page whenever it is asked.
        faults.extend(
            said.lines().filter(|line| !line.contains("missing date")).map(|line| format!("{program}: {line}")),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_section_and_no_entry_is_empty() {
    for page in Share::new().pages() {
        let source = unescaped(&page);
        let lines: Vec<&str> = source.lines().collect();
        let begins = |line: Option<&&str>, marks: &[&str]| {
            line.is_none_or(|line| marks.iter().any(|mark| line.starts_with(mark)))
        };
        for (at, line) in lines.iter().enumerate() {
            let name = name_of(&page);
            if line.starts_with(".SH") {
                assert!(!begins(lines.get(at + 1), &[".SH"]), "{name}: the section '{line}' is empty");
            }
            if line.starts_with(".TP") || line.starts_with(".TQ") {
                assert!(
                    !begins(lines.get(at + 2), &[".TP", ".SH", ".RE"]),
                    "{name}: nothing is said of '{}'",
                    lines[at + 1]
                );
                assert_ne!(lines[at + 2].trim_end_matches('.'), "", "{name}: nothing is said of '{}'", lines[at + 1]);
            }
        }
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION"] {
            assert!(lines.contains(&format!(".SH {section}").as_str()), "{} has no {section}", name_of(&page));
        }
    }
}

#[test]
fn every_option_of_the_table_has_its_entry_on_the_page_of_mosquitto_conf() {
    let share = Share::new();
    for page in ["nightjar.conf.5", "mosquitto.conf.5"] {
        let source = unescaped(&share.dir.path().join("man/man5").join(page));
        for option in options() {
            for name in std::iter::once(&option.name).chain(option.aliases) {
                assert!(source.contains(&format!("\n{name} ")), "{page} has no entry {name}");
            }
            assert!(source.contains(option.means), "{page} does not say what {} means", option.name);
            if let Status::Cannot(cannot) = option.status() {
                let reason = format!("Cannot be carried out: {}. {}", cannot.why, cannot.instead);
                assert!(source.contains(&reason), "{page} does not say why {} cannot be had", option.name);
            }
        }
    }
}

/// From `--help`, which clap makes without us: the commands below this one, and its options.
fn told_by_help(words: &[String]) -> (Vec<String>, BTreeSet<String>) {
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = said(&arguments);
    let mut commands = Vec::new();
    let mut options = BTreeSet::new();
    let mut heading = "";
    for line in help.lines() {
        if !line.is_empty() && !line.starts_with(' ') {
            heading = line;
        }
        let mut said = line.split([' ', ',']).filter(|word| !word.is_empty());
        match heading {
            "Commands:" if line.starts_with("  ") && !line.starts_with("   ") => {
                commands.extend(said.next().map(str::to_owned));
            }
            // Options are at the left of what is said of them, which may name others.
            "Options:" if line.len() - line.trim_start().len() < 8 => {
                options.extend(said.take_while(|word| word.starts_with('-')).map(str::to_owned));
            }
            _ => {}
        }
    }
    commands.retain(|command| command != "help");
    (commands, options)
}

#[test]
fn every_command_has_a_page_with_all_its_options_and_commands() {
    let share = Share::new();
    let man1 = share.dir.path().join("man/man1");
    let mut waiting = vec![Vec::new()];
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    while let Some(words) = waiting.pop() {
        let name = ["nightjar".to_owned()].iter().chain(&words).cloned().collect::<Vec<_>>().join("-");
        let page = man1.join(format!("{name}.1"));
        assert!(page.exists(), "{name} has no page");
        let source = unescaped(&page);
        let (commands, options) = told_by_help(&words);
        assert!(options.contains("--help"), "{words:?}: {options:?}");
        for option in options {
            let has = source.lines().any(|line| line.split([' ', ',']).any(|word| word == option));
            assert!(has, "{name}(1) says nothing of {option}");
        }
        for command in commands {
            assert!(source.contains(&format!("{name}-{command}(1)")), "{name}(1) does not name {command}");
            let mut below = words.clone();
            below.push(command);
            waiting.push(below);
        }
        seen.insert(page);
    }
    let others = share.pages().into_iter().filter(|page| page.starts_with(&man1) && !seen.contains(page));
    let others: Vec<_> = others.map(|page| name_of(&page).to_owned()).collect();
    assert_eq!(others, ["mosquitto_passwd.1"], "pages of commands that --help does not tell of");
}

#[test]
fn every_page_that_another_one_points_to_is_there() {
    let share = Share::new();
    let names: BTreeSet<_> = share.pages().iter().map(|page| name_of(page).to_owned()).collect();
    for page in share.pages() {
        for word in unescaped(&page).split([' ', '\n', ',', ';']) {
            let Some((name, section)) = word.trim_end_matches(['.', ')', ':']).split_once('(') else { continue };
            let is_ours = name.starts_with("nightjar") || name.starts_with("mosquitto");
            let wanted = format!("{name}.{section}");
            if is_ours && ["1", "5", "8"].contains(&section) {
                assert!(names.contains(&wanted), "{} points to {word}, and there is no {wanted}", name_of(&page));
            }
        }
    }
}
