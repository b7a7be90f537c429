//! Properties of 5.0: those that may stand in a packet, with values that make a difference, and those that may not.

use crate::bytes::{field, variable};
use crate::dice::Dice;

/// Where they stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Connect,
    Will,
    Publish,
    /// A Topic Alias is all that says the topic.
    PublishByAlias,
    Subscribe,
    Unsubscribe,
    Answer,
    Disconnect,
}

/// Every property there is [5.0 §2.2.2.2].
const ALL: [u8; 27] = [
    0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1C, 0x1F, 0x21, 0x22,
    0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A,
];

/// Some properties, their length in front; `errs`: one thing about them is not allowed.
pub(crate) fn some(dice: &mut Dice, place: Place, errs: bool) -> Vec<u8> {
    let fit: &[u8] = match place {
        Place::Connect => &[0x11, 0x11, 0x11, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        Place::Will => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
        Place::Publish | Place::PublishByAlias => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x23, 0x23, 0x26, 0x26],
        Place::Subscribe => &[0x0B, 0x0B, 0x26],
        Place::Unsubscribe => &[0x26],
        Place::Answer => &[0x1F, 0x26],
        Place::Disconnect => &[0x11, 0x1F, 0x26],
    };
    let count = dice.pick(&[0, 0, 1, 1, 2, 3]);
    let mut ids: Vec<u8> = Vec::new();
    if place == Place::PublishByAlias {
        ids.push(0x23);
    }
    for _ in 0..count {
        let id = dice.pick(fit);
        if id == 0x26 || !ids.contains(&id) {
            ids.push(id);
        }
    }
    if place == Place::Connect && dice.one_in(30) {
        ids.push(0x15);
    }
    let mut properties: Vec<Vec<u8>> = ids.iter().map(|id| property(dice, *id)).collect();
    if errs {
        err(dice, place, fit, &mut properties);
    }
    let bytes = properties.concat();
    let len = if errs && dice.one_in(6) { dice.pick(&[bytes.len() + 1, bytes.len() + 7, 0]) } else { bytes.len() };
    let mut whole = variable(len);
    if errs && dice.one_in(12) && len < 128 {
        whole = vec![len as u8 | 0x80, 0];
    }
    whole.extend(bytes);
    whole
}

fn err(dice: &mut Dice, place: Place, fit: &[u8], properties: &mut Vec<Vec<u8>>) {
    match dice.below(5) {
        // What only servers say.
        0 if place == Place::Publish && dice.one_in(3) => properties.push(property(dice, 0x0B)),
        // Authentication data without a method.
        0 if place == Place::Connect => properties.push(property(dice, 0x16)),
        // One that belongs elsewhere.
        0 => {
            let id = dice.pick(&ALL);
            properties.push(property(dice, id));
        }
        // One twice.
        1 => {
            let id = dice.pick(fit);
            properties.extend([property(dice, id), property(dice, id)]);
        }
        // One that does not exist.
        2 => {
            let id = dice.pick(&[0x00, 0x04, 0x1B, 0x2B, 0x7F, 0x80, 0xFF]);
            properties.push(vec![id, 0]);
        }
        // A value that is not allowed.
        3 => {
            let value: &[u8] = dice.pick(&[
                &b"\x01\x02"[..],
                b"\x08\0\0",
                b"\x08\0\x01#",
                b"\x0B\0",
                b"\x17\x02",
                b"\x19\x02",
                b"\x21\0\0",
                b"\x23\0\0",
                b"\x27\0\0\0\0",
                b"\x26\0\x01\xFF\0\0",
                b"\x26\0\x01a\0\x01\0",
                b"\x03\0\x01\xFF",
                b"\x1F\0\x01\0",
                b"\x16\0\x01d",
                b"\x0B\xFF\xFF\xFF\xFF\x01",
                b"\x0B\x81\0",
            ]);
            properties.push(value.to_vec());
        }
        // One cut off.
        _ => {
            let id = dice.pick(fit);
            let mut cut = property(dice, id);
            cut.pop();
            properties.push(cut);
        }
    }
}

/// A property with a value that its section allows. Times are so long that nothing comes due in a test, or nothing.
fn property(dice: &mut Dice, id: u8) -> Vec<u8> {
    let value = match id {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => vec![dice.pick(&[0, 1])],
        0x02 => dice.pick(&[7200u32, 86400, u32::MAX]).to_be_bytes().to_vec(),
        0x11 => dice.pick(&[0u32, 7200, 7200, 86400, u32::MAX]).to_be_bytes().to_vec(),
        0x18 => dice.pick(&[0u32, 0, 7200]).to_be_bytes().to_vec(),
        0x27 => dice.pick(&[40u32, 60, 200, 1_000_000]).to_be_bytes().to_vec(),
        0x0B => variable(dice.pick(&[1, 2, 127, 128, 268_435_455])),
        0x13 | 0x21 => dice.pick(&[1u16, 2, 20, 100, 65535]).to_be_bytes().to_vec(),
        0x22 => dice.pick(&[0u16, 1, 10]).to_be_bytes().to_vec(),
        0x23 => dice.pick(&[1u16, 1, 1, 2, 3, 4, 10, 11]).to_be_bytes().to_vec(),
        0x26 => [field(dice.pick(&[b"k", b"k", b""])), field(b"v")].concat(),
        0x09 | 0x16 => field(dice.pick(&[&b"\0\xFF"[..], b"", b"d"])),
        0x08 => field(dice.pick(&[b"answers", b"t/a/b/c"])),
        _ => field(dice.pick(&[&b"text"[..], b"", "ä".as_bytes()])),
    };
    [vec![id], value].concat()
}
