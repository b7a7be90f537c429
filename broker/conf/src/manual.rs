//! The manual's table, from the parser's own.

use std::fmt::Write;

use crate::table::{Cannot, OptionSpec, Reload, Status, options};

/// Every option as a row of a Markdown table.
pub fn manual() -> String {
    let mut page = String::from(
        "| option | takes | default | where | SIGHUP | in nightjar | means |\n|---|---|---|---|---|---|---|\n",
    );
    for option in options() {
        row(&mut page, option);
    }
    page
}

/// What cannot be carried out, why not, and what to do instead, as a table.
pub fn manual_of_what_cannot() -> String {
    let mut page = String::from("| option | why it cannot be carried out | what to do instead |\n|---|---|---|\n");
    for option in options() {
        if let Status::Cannot(Cannot { why, instead }) = option.status() {
            let _ = writeln!(page, "| `{}` | {why} | {instead} |", option.name);
        }
    }
    page
}

fn row(page: &mut String, option: &OptionSpec) {
    let names = std::iter::once(option.name).chain(option.aliases.iter().copied());
    let names = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let repeatable = if option.repeatable { "; repeatable" } else { "" };
    let reload = if option.reload == Reload::Yes { "yes" } else { "no" };
    let deprecated = if option.deprecated.is_some() { " Deprecated." } else { "" };
    let status = match option.status() {
        Status::Carried => "yes".to_owned(),
        Status::NotYet => "not yet".to_owned(),
        Status::Cannot(_) => "cannot, see below".to_owned(),
        Status::Ignored(why) => format!("ignored: {}", why.strip_prefix("Warning: ").unwrap_or(why)),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "| {names} | {}{repeatable} | {} | {} | {reload} | {status} | {}{deprecated} |",
        option.takes, option.default, option.scope, option.means
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_does_not_count_at_sighup_either() {
        for option in options().iter().filter(|option| matches!(option.status(), Status::Cannot(_))) {
            assert_eq!(option.reload, Reload::No, "{}", option.name);
        }
    }

    #[test]
    fn the_manual_has_a_row_of_seven_cells_for_every_option() {
        let page = manual();
        let rows: Vec<&str> = page.lines().skip(2).collect();
        assert_eq!(rows.len(), options().len());
        for (row, option) in rows.iter().zip(options()) {
            assert!(row.starts_with(&format!("| `{}`", option.name)), "{row}");
            assert_eq!(row.matches('|').count(), 8, "{row}");
        }
    }
}
