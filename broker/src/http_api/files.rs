//! The files of `http_dir`: which one a path names, and what it is called in HTTP. Nothing outside the folder is ever opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use nix::fcntl::OFlag;
use web::percent_decoded;

/// Opens what `path` (percent-encoded, as it was sent) names in `dir`, which has no symbolic link in it; so many bytes.
/// `None`: there is no such file, or none that may be given away.
pub(super) fn open(dir: &Path, path: &str) -> Option<(File, u64, &'static str)> {
    let path = percent_decoded(path).ok()?;
    let mut relative = path.strip_prefix('/')?.to_owned();
    if relative.is_empty() || relative.ends_with('/') {
        relative.push_str("index.html");
    }
    let relative = Path::new(&relative);
    if relative.as_os_str().as_encoded_bytes().contains(&0)
        || !relative.components().all(|part| matches!(part, Component::Normal(_)))
    {
        return None;
    }
    // A symbolic link may lead from one file of the folder to another, and not out of it.
    let whole = dir.join(relative).canonicalize().ok().filter(|whole| whole.starts_with(dir))?;
    let file = open_at_once(&whole).ok()?;
    let facts = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((file, facts.len(), content_type(relative)))
}

/// Neither a pipe without a writer nor a link that was put there just now is waited for or followed.
fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_path_names_a_file_of_the_folder_or_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let root = home.path().canonicalize().expect("it is there");
        let (dir, beside) = (root.join("www"), root.join("www-secret"));
        for folder in [&dir, &beside, &dir.join("sub")] {
            std::fs::create_dir(folder).expect("a folder");
        }
        for (file, text) in [
            ("index.html", "root"),
            ("sub/index.html", "sub"),
            ("a b.TXT", "spaced"),
            ("..name", "dots"),
            ("mqtt.min.js", "js"),
        ] {
            std::fs::write(dir.join(file), text).expect("a file");
        }
        std::fs::write(beside.join("key"), "secret").expect("a file");
        for (link, to) in [("out", "../www-secret/key"), ("etc", "/etc"), ("in", "a b.TXT"), ("loop", "loop")] {
            std::os::unix::fs::symlink(to, dir.join(link)).expect("a link");
        }
        let _listens = std::os::unix::net::UnixListener::bind(dir.join("socket")).expect("a socket");
        let rows: &[(&str, Option<(&str, &str)>)] = &[
            ("/", Some(("root", "text/html; charset=utf-8"))),
            ("/sub/", Some(("sub", "text/html; charset=utf-8"))),
            ("/a%20b.TXT", Some(("spaced", "text/plain; charset=utf-8"))),
            ("/in", Some(("spaced", "application/octet-stream"))),
            ("/..name", Some(("dots", "application/octet-stream"))),
            ("/mqtt.min.js", Some(("js", "text/javascript; charset=utf-8"))),
            ("/sub", None),
            ("/none", None),
            ("/sub/none/", None),
            ("/out", None),
            ("/etc/passwd", None),
            ("/loop", None),
            ("/socket", None),
            ("/../www-secret/key", None),
            ("/%2e%2e/www-secret/key", None),
            ("/sub/..%2f..%2fwww-secret/key", None),
            ("//etc/passwd", None),
            ("/index.html%00.txt", None),
            ("/%zz", None),
            ("*", None),
            ("", None),
        ];
        for (path, wanted) in rows {
            let found = open(&dir, path).map(|(mut file, len, kind)| {
                let mut text = String::new();
                file.read_to_string(&mut text).expect("it can be read");
                assert_eq!(len, text.len() as u64, "{path}");
                (text, kind)
            });
            assert_eq!(found.as_ref().map(|(text, kind)| (text.as_str(), *kind)), *wanted, "{path}");
        }
    }
}
