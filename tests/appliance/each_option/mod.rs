//! Every option changes something that can be seen from outside: the same actions with it and without it, beside Debian's
//! mosquitto where that knows it. What needs more than a row has a test of its own, named in [`ELSEWHERE`]; that no option
//! is missing is a test, too.

mod clients;
mod doors;
mod elsewhere;
mod logs;
mod messages;
mod raw;
mod store;

use crate::folder::Folder;
use crate::side::Side;

/// One option: what is seen with it, and what without.
struct Row {
    option: &'static str,
    /// `DIR` is the folder, `PORT` a free port. The lines that begin with the option are left out the
    /// second time.
    conf: &'static str,
    /// Fills the folder.
    files: fn(&Folder),
    /// What clients do, and what is seen of it.
    act: fn(&Side) -> String,
    with: &'static str,
    without: &'static str,
    debian: Debian,
}

/// What Debian's mosquitto 2.0.11 shows.
enum Debian {
    /// The same, with and without.
    Same,
    /// The same with the option, and something else without; why.
    Default(&'static str),
    /// It does not know it, or does something else; why.
    Unlike(&'static str),
}

/// New in mosquitto 2.1.
const NEW: Debian = Debian::Unlike("2.0.11 does not know it");

const OPEN: &str = "listener PORT 127.0.0.1\nallow_anonymous true\n";

impl Row {
    /// One of a listener that lets everybody in; what is seen is the same with mosquitto.
    const fn new(
        option: &'static str,
        line: &'static str,
        act: fn(&Side) -> String,
        with: &'static str,
        without: &'static str,
    ) -> Self {
        Self { option, conf: line, files: |_| (), act, with, without, debian: Debian::Same }
    }

    /// With a folder that is filled so.
    const fn files(self, files: fn(&Folder)) -> Self {
        Self { files, ..self }
    }

    const fn debian(self, debian: Debian) -> Self {
        Self { debian, ..self }
    }

    /// The configuration, or what is left of it without the option.
    fn text(&self, is_there: bool) -> String {
        let text = if self.conf.contains("PORT") { self.conf.to_owned() } else { format!("{OPEN}{}\n", self.conf) };
        let is_it = |line: &&str| line.split(' ').next() == Some(self.option);
        assert!(text.lines().any(|line| is_it(&line)), "{}: it is not in its row", self.option);
        let lines = text.lines().filter(|line| is_there || !is_it(line));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    fn check(&self) {
        let folder = || {
            let folder = Folder::new();
            (self.files)(&folder);
            folder
        };
        for (is_there, wanted) in [(true, self.with), (false, self.without)] {
            let text = self.text(is_there);
            let word = if is_there { "with" } else { "without" };
            assert_eq!((self.act)(&Side::ours(&text, folder())), wanted, "{word} {}", self.option);
            let theirs = || (self.act)(&Side::debians(&text, &folder));
            match self.debian {
                Debian::Same => assert_eq!(theirs(), wanted, "mosquitto {word} {}", self.option),
                Debian::Default(_) if is_there => assert_eq!(theirs(), wanted, "mosquitto {word} {}", self.option),
                Debian::Default(why) => assert_ne!(theirs(), wanted, "mosquitto {word} {}: {why}", self.option),
                Debian::Unlike(why) => assert!(!why.is_empty(), "{}", self.option),
            }
        }
        assert_ne!(self.with, self.without, "{}: a row that cannot fail", self.option);
    }
}

/// Several at once: most of the time is spent waiting for programs to start.
fn check(rows: &[Row]) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some(row) = rows.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            row.check();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
}
