//! What may have been meant by a name that is no option.

use crate::options;

/// A sentence for the operator, or nothing when nothing is near.
pub(crate) fn hint(name: &str) -> Option<String> {
    if name.starts_with('#') {
        return Some("A comment begins in the first column; remove the blanks before the '#'.".to_owned());
    }
    if let Some((before, _)) = name.split_once('\t') {
        return Some(match known(before.trim()) {
            Some(known) => format!("A tab does not separate; write '{known}', a space, and its value."),
            None => "A tab does not separate an option from its value; write a space.".to_owned(),
        });
    }
    if let Some((before, _)) = name.split_once(['=', ':']) {
        return known(before).map(|known| format!("Write '{known}', a space, and its value."));
    }
    nearest(name).map(|near| format!("Did you mean '{near}'?"))
}

fn known(name: &str) -> Option<&'static str> {
    names().find(|known| *known == name)
}

fn names() -> impl Iterator<Item = &'static str> {
    options()
        .iter()
        .flat_map(|option| std::iter::once(option.name).chain(option.aliases.iter().copied()))
        .filter(|name| !name.ends_with('*'))
}

fn nearest(name: &str) -> Option<&'static str> {
    let written = name.to_lowercase();
    let changes_max = (written.chars().count() / 4).clamp(1, 3);
    names()
        .map(|known| (distance(&written, known, changes_max), known))
        .filter(|(changes, _)| *changes <= changes_max)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, known)| known)
}

/// Letters to insert, remove, replace or swap with their neighbour; anything above `max` counts as `max + 1`.
fn distance(a: &str, b: &str, max: usize) -> usize {
    if a.len().abs_diff(b.len()) > max {
        return max + 1;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()].min(max + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_guessed_only_when_it_is_near() {
        let rows = [
            ("allow_anonymus", Some("Did you mean 'allow_anonymous'?")),
            ("Allow_Anonymous", Some("Did you mean 'allow_anonymous'?")),
            ("pasword_flie", Some("Did you mean 'password_file'?")),
            ("prot", Some("Did you mean 'port'?")),
            ("maximum_qso", Some("Did you mean 'maximum_qos'?")),
            ("port\t1883", Some("A tab does not separate; write 'port', a space, and its value.")),
            ("bogus\t1", Some("A tab does not separate an option from its value; write a space.")),
            ("port=1883", Some("Write 'port', a space, and its value.")),
            ("listener:", Some("Write 'listener', a space, and its value.")),
            ("#", Some("A comment begins in the first column; remove the blanks before the '#'.")),
            ("bogus", None),
            ("\u{4e2d}\u{6587}", None),
            ("plugin_opt_", None),
        ];
        for (name, wanted) in rows {
            assert_eq!(hint(name).as_deref(), wanted, "{name}");
        }
    }

    #[test]
    fn a_name_of_any_length_is_answered_at_once() {
        assert_eq!(hint(&"x".repeat(60_000)), None);
    }
}
