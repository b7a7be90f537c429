//! `nightjar manual` and `nightjar completions`: the program has its manual and what shells complete with it, so that
//! an installed one needs nothing beside it. Pages are made from the command line and the table of options; what no
//! table says stands in `src/manual`. Nothing here knows what a command does.

mod commands;
mod completions;
mod conf_page;
mod folder;
mod page;
mod prose;
mod toml_page;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::screen;
use page::Page;

/// Show a page of the manual, or put all of them where `man` finds them
///
/// In a terminal the page is shown by man(1); otherwise its source is written, for `man -l /dev/stdin` or a file. PAGE is the name of
/// a page or a command: run, acl explain, nightjar.conf, nightjar.toml, mosquitto. Without it, it is nightjar(1).
///
/// With --dir nothing is shown: all pages are written to DIR/man, and what bash, zsh and fish complete commands with to
/// DIR/bash-completion, DIR/zsh and DIR/fish, which is where they look in /usr/local/share and /usr/share. Files that an
/// older nightjar wrote are replaced; a file of that name from elsewhere is left alone, and told of.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Exit status:
  0  done
  1  there is no such page, or something was not written

Examples:
  nightjar manual acl explain
  sudo nightjar manual --dir /usr/local/share

A package:
  nightjar manual --dir \"$DESTDIR/usr/share\""
)]
pub(crate) struct ManualArgs {
    /// A page, or a command
    #[arg(value_name = "PAGE", conflicts_with = "dir")]
    page: Vec<String>,
    /// Write all pages and completions below DIR
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Leave out those with a name of mosquitto's, for a machine that keeps mosquitto beside
    #[arg(long, requires = "dir")]
    own_names: bool,
}

/// Print what a shell completes the commands with
///
/// `nightjar manual --dir` writes these files to where the shells look for them.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "Examples:
  source <(nightjar completions bash)
  nightjar completions zsh > ~/.zfunc/_nightjar
  nightjar completions fish > ~/.config/fish/completions/nightjar.fish"
)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_name = "SHELL")]
    shell: ShellArg,
    /// For which program: nightjar, or one that it is called as by a link
    #[arg(value_name = "PROGRAM", default_value = "nightjar")]
    program: Program,
}

/// The shells that the tests have.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShellArg {
    Bash,
    Zsh,
    Fish,
}

impl From<ShellArg> for Shell {
    fn from(shell: ShellArg) -> Self {
        match shell {
            ShellArg::Bash => Self::Bash,
            ShellArg::Zsh => Self::Zsh,
            ShellArg::Fish => Self::Fish,
        }
    }
}

/// What this program can be called as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Program {
    Nightjar,
    Mosquitto,
    MosquittoPasswd,
}

/// `nightjar manual`
pub(crate) fn main(args: &ManualArgs) -> ExitCode {
    let done = match &args.dir {
        Some(dir) => folder::write(dir, args.own_names).map(|count| {
            screen::line(format!("{count} files are in {}.", dir.display()));
        }),
        None => find(&args.page).and_then(|page| show(&page)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("nightjar manual: {message}");
            ExitCode::FAILURE
        }
    }
}

/// `nightjar completions`
pub(crate) fn completions(args: &CompletionsArgs) -> ExitCode {
    screen::text(&completions::script(args.shell.into(), args.program));
    ExitCode::SUCCESS
}

/// Every page there is.
fn pages() -> Vec<Page> {
    let mut pages = commands::pages();
    pages.extend(conf_page::pages());
    pages.push(toml_page::page());
    pages
}

/// The page that is meant by these words.
fn find(words: &[String]) -> Result<Page, String> {
    let asked = words.join("-");
    let names = match asked.as_str() {
        "" => ["nightjar".to_owned(), String::new()],
        _ => [asked.clone(), format!("nightjar-{asked}")],
    };
    let pages = pages();
    let list = || pages.iter().map(|page| page.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = pages.iter().find(|page| names.contains(&page.name)).cloned();
    found.ok_or_else(|| format!("there is no page '{asked}'; there are: {}", list()))
}

/// By man(1) to a person, as it is to a program. (`-` is standard input for man-db alone.)
fn show(page: &Page) -> Result<(), String> {
    if !io::stdout().is_terminal() {
        screen::text(&page.source);
        return Ok(());
    }
    let without = |error: io::Error| {
        format!(
            "cannot start man(1): {error}. Its source goes to a file with: nightjar manual ... > {}",
            page.file_name()
        )
    };
    let mut man = Command::new("man").args(["-l", "/dev/stdin"]).stdin(Stdio::piped()).spawn().map_err(without)?;
    if let Some(mut to) = man.stdin.take() {
        // Who has seen enough closes it.
        let _ = to.write_all(page.source.as_bytes());
    }
    let status = man.wait().map_err(|error| format!("man(1): {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("man(1) ended with {status}")) }
}
