//! What valgrind's tool callgrind writes, without compressed names: read as far as it is needed here.

use std::collections::BTreeMap;
use std::path::Path;

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Of the program's own, without the system's library.
    pub instructions: u64,
    /// Its instructions by place: a file of ours; where code is not ours, the function of ours into which it was drawn.
    pub places: BTreeMap<String, u64>,
}

impl Profile {
    /// Reads what callgrind has written of `program`, whose source is below `root`.
    pub(crate) fn read(text: &str, program: &Path, root: &Path) -> Self {
        let (program, root) = (program.to_string_lossy(), format!("{}/", root.display()));
        let mut counted = Self::default();
        let (mut is_ours, mut function, mut file) = (false, "", "");
        // What a called function cost is in the next line, and is counted where that function is, too.
        let mut is_of_a_call = false;
        for line in text.lines() {
            match line.split_once('=') {
                Some(("ob", object)) => is_ours = object == program,
                Some(("fn", name)) => function = name,
                Some(("fl" | "fi" | "fe", name)) => file = name,
                Some(("calls", _)) => is_of_a_call = true,
                Some(_) => {}
                None => {
                    let is_own = !std::mem::replace(&mut is_of_a_call, false);
                    // Line and count. What else has no `=` has a word before a colon.
                    let Some((line, count)) = line.split_once(' ').filter(|_| is_own && is_ours) else { continue };
                    let (Ok(_), Ok(count)) = (line.parse::<u64>(), count.parse::<u64>()) else { continue };
                    counted.instructions += count;
                    *counted.places.entry(place(file, function, &root)).or_default() += count;
                }
            }
        }
        counted
    }
}

fn place(file: &str, function: &str, root: &str) -> String {
    match file.strip_prefix(root) {
        Some(ours) => ours.to_owned(),
        None => format!("not ours, in {function}"),
    }
}

#[test]
fn own_instructions_are_counted_by_place_without_those_of_what_is_called() {
    let text = "\
# callgrind format
events: Ir
summary: 999

ob=/t/program
fl=/src/broker/publish.rs
fn=broker::handle
10 100
fi=/rustc/library/core/option.rs
7 20
fe=/src/broker/publish.rs
11 5
cob=/lib/libc.so.6
cfi=???
cfn=malloc
calls=3 0
11 400
12 1

ob=/lib/libc.so.6
fl=malloc.c
fn=malloc
1 400
cfn=sbrk
calls=9 0
1 50

ob=/t/program
totals: 999
";
    let wanted = Profile {
        instructions: 126,
        places: [("broker/publish.rs".to_owned(), 106), ("not ours, in broker::handle".to_owned(), 20)].into(),
    };
    assert_eq!(Profile::read(text, Path::new("/t/program"), Path::new("/src")), wanted);
}
