//! Pages of the commands, from what clap knows of them: the words are those of `--help`.
//!
//! The crate clap_mangen does the same in less code here, but its synopsis names no values, its lists of values take a
//! screen, and mandoc finds faults in them.

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use roff::{Inline, Roff, bold, italic, roman};

use super::page::{Draft, Page};
use super::prose;
use crate::cli::{Cli, Mosquitto};
use crate::passwd::MosquittoPasswd;

/// Where every page of a command points.
const OTHERS: [(&str, u8); 3] = [("nightjar", 1), ("nightjar.conf", 5), ("nightjar.toml", 5)];

/// A page for `nightjar`, for each command and for each command within one; and for the programs whose names it takes.
pub(super) fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    collect(&built(Cli::command()), &mut pages);
    pages.push(page(&built(Mosquitto::command()), 8, true));
    pages.push(page(&built(MosquittoPasswd::command()), 1, true));
    pages
}

/// With all that clap finds out only when it reads a command line.
fn built(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    command
}

fn collect(command: &Command, pages: &mut Vec<Page>) {
    pages.push(page(command, 1, false));
    for within in shown(command) {
        collect(within, pages);
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|within| !within.is_hide_set())
}

/// `nightjar-acl-explain`
fn name_of(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// What it is for, without the end of a sentence.
fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    about.trim_end_matches('.').to_owned()
}

fn page(command: &Command, section: u8, is_mosquittos: bool) -> Page {
    let mut draft = Draft::new(&[name_of(command)], section, &about(command), is_mosquittos);
    let notes = command.get_after_long_help().or_else(|| command.get_after_help());
    let notes = notes.map(ToString::to_string).unwrap_or_default();
    let (without_heading, sections) = notes.split_at(prose::first_heading(&notes).unwrap_or(notes.len()));
    synopsis(&mut draft, command);
    description(&mut draft, command, without_heading.trim_end());
    list(&mut draft, command);
    options(&mut draft, command);
    draft.prose(sections);
    draft.see_also(&OTHERS)
}

/// A usage that a command writes itself has each of its forms in a line.
fn synopsis(draft: &mut Draft, command: &Command) {
    draft.heading("Synopsis");
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut piece = Roff::new();
    if let Some(usage) = command.get_overridden_usage() {
        let usage = usage.to_string();
        for (index, form) in usage.lines().enumerate() {
            if index > 0 {
                piece.control("br", []);
            }
            let form = form.trim();
            piece.text([bold(name), roman(form.strip_prefix(name).unwrap_or(form))]);
        }
    } else {
        let mut line = vec![bold(name)];
        let is_said = |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version";
        for arg in command.get_arguments().filter(is_said) {
            line.push(roman(" "));
            line.extend(in_synopsis(arg));
        }
        if command.has_subcommands() {
            line.extend([roman(" "), italic("COMMAND"), roman(" ...")]);
        }
        piece.text(line);
    }
    draft.put(&piece);
}

/// `[-c FILE]`, `FILE`, `[--name NAME]...`
fn in_synopsis(arg: &Arg) -> Vec<Inline> {
    let mut parts = Vec::new();
    match (arg.get_short(), arg.get_long()) {
        (Some(short), _) => parts.push(bold(format!("-{short}"))),
        (None, Some(long)) => parts.push(bold(format!("--{long}"))),
        (None, None) => {}
    }
    if let Some(value) = value_of(arg) {
        if !parts.is_empty() {
            parts.push(roman(" "));
        }
        parts.push(italic(value));
    }
    if !arg.is_required_set() {
        parts.insert(0, roman("["));
        parts.push(roman("]"));
    }
    if is_repeatable(arg) {
        parts.push(roman("..."));
    }
    parts
}

/// What stands for its value; `None` for one that has none.
fn value_of(arg: &Arg) -> Option<String> {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let names =
        || arg.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    takes.then(|| names().unwrap_or_else(|| arg.get_id().as_str().to_uppercase()))
}

fn is_repeatable(arg: &Arg) -> bool {
    let many = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    matches!(arg.get_action(), ArgAction::Append) || many
}

/// All that a command says of itself before its options; one that says nothing but what it is for, says that.
fn description(draft: &mut Draft, command: &Command, more: &str) {
    draft.heading("Description");
    let about = about(command);
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let long = long.strip_prefix(&about).unwrap_or(&long).trim_start_matches(['.', '\n']);
    draft.prose(&format!("{}.\n\n{long}\n\n{more}", begun_as_a_sentence(&about)));
}

fn begun_as_a_sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The commands within, each with its page.
fn list(draft: &mut Draft, command: &Command) {
    if !command.has_subcommands() {
        return;
    }
    draft.heading("Commands");
    for within in shown(command) {
        let mut piece = Roff::new();
        piece.control("TP", []);
        piece.text([bold(name_of(within)), roman("(1)")]);
        piece.text(prose::words(&format!("{}.", about(within))));
        draft.put(&piece);
    }
}

/// In the order of `--help`: operands, then options.
fn options(draft: &mut Draft, command: &Command) {
    draft.heading("Options");
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    for arg in shown().filter(|arg| arg.is_positional()).chain(shown().filter(|arg| !arg.is_positional())) {
        draft.put(&option(arg));
    }
}

fn option(arg: &Arg) -> Roff {
    let mut head = Vec::new();
    head.extend(arg.get_short().map(|short| bold(format!("-{short}"))));
    if let Some(long) = arg.get_long() {
        if !head.is_empty() {
            head.push(roman(", "));
        }
        head.push(bold(format!("--{long}")));
    }
    if let Some(value) = value_of(arg) {
        if !head.is_empty() {
            head.push(roman(" "));
        }
        head.push(italic(value));
    }
    let mut piece = Roff::new();
    piece.control("TP", []);
    piece.text(head);
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    piece.text(prose::words(&format!("{}.", help.trim_end_matches('.'))));
    values(&mut piece, arg);
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = defaults.join(" ");
    if value_of(arg).is_some() && !default.is_empty() && !arg.is_hide_default_value_set() {
        piece.text([roman("Default: "), bold(default), roman(".")]);
    }
    piece
}

/// Those that it takes, if they are few: in a row, or where something is said of them, one below the other.
fn values(piece: &mut Roff, arg: &Arg) {
    let values = arg.get_possible_values();
    // A switch takes true and false, which nobody writes.
    if value_of(arg).is_none() || values.is_empty() {
        return;
    }
    if values.iter().all(|value| value.get_help().is_none()) {
        let names: Vec<_> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        piece.text([roman(format!("One of {}.", names.join(", ")))]);
        return;
    }
    piece.control("RS", []);
    for value in &values {
        piece.control("TP", []);
        piece.text([bold(value.get_name())]);
        piece.text([roman(value.get_help().map(ToString::to_string).unwrap_or_default())]);
    }
    piece.control("RE", []);
}
