//! The pages and completions as files, in a folder such as /usr/local/share. What is there from elsewhere is not touched.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::completions::{PROGRAMS, SHELLS, place, script};
use super::page::MARK;
use super::{Program, pages};

/// In how many bytes a file says who made it.
const MARK_WITHIN_BYTES: u64 = 200;

/// Writes every file; how many they are. Nothing is written if one of them would take the place of a stranger.
///
/// # Errors
/// What is in the way, or what the machine says; whose fault it is can be read from it.
pub(super) fn write(dir: &Path, only_own_names: bool) -> Result<usize, String> {
    let files: Vec<_> = files(only_own_names).into_iter().map(|(place, text)| (dir.join(place), text)).collect();
    for (path, _) in &files {
        if !may_be_written(path)? {
            return Err(format!(
                "{} is there, and not of nightjar: move it away, or leave out the names of mosquitto's pages with --own-names. \
                 Nothing was written.",
                path.display()
            ));
        }
    }
    for (path, text) in &files {
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(files.len())
}

/// Where each goes below the folder, and what is in it.
fn files(only_own_names: bool) -> Vec<(String, String)> {
    let pages = pages().into_iter().filter(|page| !only_own_names || !page.is_mosquittos);
    let mut files: Vec<_> =
        pages.map(|page| (format!("man/man{}/{}", page.section, page.file_name()), page.source)).collect();
    for program in PROGRAMS.into_iter().filter(|program| !only_own_names || *program == Program::Nightjar) {
        files.extend(SHELLS.map(|shell| (place(shell, program), script(shell, program))));
    }
    files
}

/// Where nothing is, or what we have made ourselves.
fn may_be_written(path: &Path) -> Result<bool, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(format!("cannot look at {}: {error}", path.display())),
    };
    let mut begin = Vec::new();
    file.take(MARK_WITHIN_BYTES)
        .read_to_end(&mut begin)
        .map_err(|error| format!("cannot look at {}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&begin).contains(MARK))
}
