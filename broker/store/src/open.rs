//! Reading a store: every file in its order, past whatever is wrong with it.

use std::collections::{BTreeMap, VecDeque};

use crate::aside::{Aside, Damage, Harm, Lost, Piece};
use crate::coding::{VERSION, decode};
use crate::disk::Disk;
use crate::files;
use crate::frame::{FRAME_BYTES, Salt};
use crate::header::{HEADER_BYTES, Header};
use crate::index::{Index, Mark};
use crate::record::{Clock, Record};
use crate::replay::Replay;
use crate::scan::scan;
use crate::{OpenError, Recovered};

/// A file of the store: its number, and as many of its bytes as count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub number: u64,
    pub bytes: u64,
}

pub(crate) struct Read {
    pub files: VecDeque<Kept>,
    /// `None`: there is nothing to read yet.
    pub salt: Option<u64>,
    pub index: Index,
    pub recovered: Recovered,
    pub damage: Vec<Damage>,
    /// What is to be written so that the same damage is not found again.
    pub mend: Vec<Record>,
}

/// What a look at a store finds, without a word to anybody and without a change.
pub(crate) struct Looked {
    pub files: VecDeque<Kept>,
    pub salt: Option<u64>,
    pub index: Index,
    pub recovered: Recovered,
    pub wrong: Vec<Wrong>,
    /// The same, of which a start has told before.
    pub told: Vec<Wrong>,
    pub lost: Vec<Lost>,
    /// Messages that the last commit let go and that stay, because it is damaged: to be written again, or they would go when
    /// it is the last no more.
    pub again: Vec<Record>,
}

/// What is wrong with one file.
pub(crate) struct Wrong {
    pub file: u64,
    pub harm: Harm,
    pub bytes: u64,
    pub pieces: Vec<Piece>,
}

/// Reads, sets aside what is wrong, and says what is to be written about it.
pub(crate) fn read(disk: &dyn Disk, clock: Clock) -> Result<Read, OpenError> {
    let Looked { files, salt, index, recovered, wrong, told: _, lost, again } = look(disk, clock)?;
    let (damage, mut mend) = tell(disk, &recovered, &wrong, &lost);
    mend.extend(again);
    Ok(Read { files, salt, index, recovered, damage, mend })
}

pub(crate) fn look(disk: &dyn Disk, clock: Clock) -> Result<Looked, OpenError> {
    let numbers = files::list(disk)?;
    let mut contents: BTreeMap<u64, Option<Header>> = BTreeMap::new();
    for number in &numbers {
        let header = read_header(disk, *number)?;
        if let Some(header) = header.filter(|header| header.version > VERSION) {
            return Err(OpenError::Newer { file: files::path(disk, *number), found: header.version, known: VERSION });
        }
        contents.insert(*number, header);
    }
    let salt = contents.values().flatten().map(|header| header.salt).next();
    let mut replay = Replay::default();
    let mut wrong = Vec::new();
    let mut kept = VecDeque::new();
    let mut doubted = Vec::new();
    for (at, number) in numbers.iter().enumerate() {
        if let Some(before) = at.checked_sub(1).and_then(|before| numbers.get(before)) {
            // A folder may hold anything: not one word for each of a billion numbers.
            let missing = (before + 1..*number).take(100);
            wrong.extend(missing.map(|file| Wrong { file, harm: Harm::Missing, bytes: 0, pieces: Vec::new() }));
        }
        let bytes = read_file(disk, *number, u64::MAX)?;
        let header = contents.get(number).copied().flatten();
        if header.is_none() && bytes.len() <= HEADER_BYTES && at + 1 == numbers.len() {
            // Begun when the program ended; it held nothing yet, and its number is taken again.
            continue;
        }
        if header.is_none() {
            let head = &bytes[..bytes.len().min(HEADER_BYTES)];
            let pieces = vec![Piece { offset: 0, bytes: head.to_vec(), record: None }];
            wrong.push(Wrong { file: *number, harm: Harm::Header, bytes: head.len() as u64, pieces });
        }
        let version = header.map_or(VERSION, |header| header.version);
        let of_file = Salt::new(header.map(|header| header.salt).or(salt).unwrap_or(0));
        let counts = contents.get(&(number + 1)).copied().flatten().map(|next| next.previous_bytes);
        let scanned = scan(&bytes, &of_file, counts);
        let mut damaged = scanned.damaged;
        for range in scanned.records {
            let mark = Mark::new(*number, &bytes[range.start - FRAME_BYTES..range.end]);
            match decode(version, &bytes[range.clone()], clock) {
                // A write that was cut short may look like this, where sectors hold what was there before: of half a commit
                // nothing may be lost for it. What was changed later costs a message that comes twice.
                Some(record)
                    if record.lets_a_message_go() && scanned.doubtful.is_some_and(|from| from <= range.start) =>
                {
                    doubted.push(record);
                }
                Some(record) => replay.apply(record, mark),
                None => damaged.push(range),
            }
        }
        let guess = |range: &std::ops::Range<usize>| Piece {
            offset: range.start as u64,
            bytes: bytes[range.clone()].to_vec(),
            record: bytes[range.clone()].get(FRAME_BYTES..).and_then(|record| decode(version, record, clock)),
        };
        if !damaged.is_empty() {
            let len = damaged.iter().map(|range| range.len() as u64).sum();
            let pieces = damaged.iter().map(guess).collect();
            wrong.push(Wrong { file: *number, harm: Harm::Unreadable, bytes: len, pieces });
        }
        if let Some((records, range)) = scanned.torn {
            let mut pieces: Vec<_> = records
                .into_iter()
                .map(|record| Piece {
                    offset: record.start as u64,
                    bytes: Vec::new(),
                    record: decode(version, &bytes[record], clock),
                })
                .collect();
            pieces.push(guess(&range));
            wrong.push(Wrong { file: *number, harm: Harm::Torn, bytes: range.len() as u64, pieces });
        }
        if let Some(short) = counts.and_then(|counts| counts.checked_sub(bytes.len() as u64)).filter(|short| *short > 0)
        {
            wrong.push(Wrong { file: *number, harm: Harm::Missing, bytes: short, pieces: Vec::new() });
        }
        kept.push_back(Kept { number: *number, bytes: scanned.good as u64 });
    }
    let told = std::mem::take(&mut replay.told);
    let mut again = replay.still(&doubted);
    let (recovered, index, lost) = replay.finish();
    // Not what is there in part only.
    again.retain(|record| match record {
        Record::Queued(number, waiting) => recovered.messages.contains_key(&(*number, waiting.entry)),
        Record::Taken(number, id, _) => recovered.taken.contains_key(&(*number, *id)),
        _ => false,
    });
    let (told, wrong) = wrong.into_iter().partition(|wrong| told.contains(&(wrong.file, wrong.sum())));
    Ok(Looked { files: kept, salt, index, recovered, wrong, told, lost, again })
}

fn read_header(disk: &dyn Disk, number: u64) -> Result<Option<Header>, OpenError> {
    let head = read_file(disk, number, HEADER_BYTES as u64)?;
    Ok(Header::decode(&head).filter(|header| header.number == number))
}

fn read_file(disk: &dyn Disk, number: u64, bytes_max: u64) -> Result<Vec<u8>, OpenError> {
    disk.read(&files::name(number), bytes_max).map_err(OpenError::io(files::path(disk, number), "read"))
}

impl Wrong {
    /// Stands for what is wrong: the same damage is told once.
    fn sum(&self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&[self.harm as u8]);
        sum.update(&self.bytes.to_le_bytes());
        for piece in &self.pieces {
            sum.update(&piece.offset.to_le_bytes());
        }
        sum.finalize()
    }
}

/// What is wrong, in the operator's words and as lines.
pub(crate) fn describe<'a>(
    disk: &dyn Disk,
    recovered: &'a Recovered,
    wrong: &[Wrong],
    lost: &[Lost],
) -> (Aside<'a>, Vec<Damage>) {
    let mut aside = Aside { recovered, lines: Vec::new() };
    let mut damage: Vec<Damage> = wrong
        .iter()
        .map(|wrong| aside.pieces(wrong.harm, &files::path(disk, wrong.file), wrong.bytes, &wrong.pieces))
        .collect();
    if !lost.is_empty() {
        damage.push(aside.lost(disk.dir(), lost));
    }
    (aside, damage)
}

/// Sets aside what is wrong, and says what is to be written about it.
fn tell(disk: &dyn Disk, recovered: &Recovered, wrong: &[Wrong], lost: &[Lost]) -> (Vec<Damage>, Vec<Record>) {
    let (aside, mut damage) = describe(disk, recovered, wrong, lost);
    if damage.is_empty() {
        return (damage, Vec::new());
    }
    let Ok(path) = aside.write(disk) else {
        // A full disk, perhaps: the next start finds it again, and tells it again.
        return (damage, Vec::new());
    };
    for damage in &mut damage {
        damage.aside = Some(path.clone());
    }
    let told = wrong.iter().map(|wrong| Record::Told { file: wrong.file, sum: wrong.sum() });
    let gone = lost.iter().map(|lost| match lost {
        Lost::Message { number, entry, .. } => Record::Done(*number, *entry),
        Lost::Session { number, .. } => Record::SessionGone(*number),
    });
    let mend = told.chain(gone).collect();
    (damage, mend)
}
