//! The path that was probably meant, when the one that was written does not exist.
//!
//! The guide writes `/etc/mosquito/certs` where it means `/etc/mosquitto/certs`; whoever copies it
//! deserves better than "no such file".

use std::path::{Component, Path, PathBuf};

/// Entries of one directory that are looked at; past this the search of that directory stops.
const ENTRIES_MAX: usize = 4_096;

/// The existing path nearest to `path`, or `None` when nothing is near (or when `path` exists).
///
/// Walks down from the root; at each name that does not exist the sibling with the smallest edit
/// distance is taken, if it is near enough to be a slip of the hand (at most a third of the name,
/// and at least one letter may differ). The whole path must be found: half of it would be no help.
pub fn closest_existing(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return None;
    }
    let mut found = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                let next = found.join(name);
                found = if next.exists() { next } else { found.join(nearest_name(&found, name.to_str()?)?) };
            }
            other => found.push(other),
        }
    }
    found.exists().then_some(found)
}

/// The entry of `directory` whose name is nearest to `wanted`; ties go to the first by name.
fn nearest_name(directory: &Path, wanted: &str) -> Option<String> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let allowed = (wanted.chars().count() / 3).max(1);
    std::fs::read_dir(directory)
        .ok()?
        .take(ENTRIES_MAX)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(|name| (edit_distance(&name.to_lowercase(), &wanted.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed to make `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *above;
            *above = changed.min(left + 1).min(diagonal + 1);
            left = *above;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn the_edit_distance_counts_letters() {
        for (a, b, wanted) in [
            ("", "", 0),
            ("", "abc", 3),
            ("mosquito", "mosquitto", 1),
            ("ca.crt", "ca.crt", 0),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edit_distance(a, b), wanted, "{a} -> {b}");
            assert_eq!(edit_distance(b, a), wanted, "{b} -> {a}");
        }
    }

    #[test]
    fn the_guides_misspelt_directory_leads_to_the_real_one() {
        let scratch = Scratch::new();
        let real = scratch.write("etc/mosquitto/certs/ca.crt", "");
        assert_eq!(closest_existing(&scratch.path("etc/mosquito/certs/ca.crt")), Some(real.clone()));
        assert_eq!(closest_existing(&scratch.path("etc/mosquito/cert/CA.crt")), Some(real.clone()));
        assert_eq!(closest_existing(&real), None, "what exists needs no advice");
        assert_eq!(closest_existing(&scratch.path("etc/mosquito/certs/server.key")), None);
        assert_eq!(closest_existing(&scratch.path("opt/x")), None);
    }
}
