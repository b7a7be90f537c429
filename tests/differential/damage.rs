//! What can become of a packet's bytes when whoever wrote them was wrong.

use crate::bytes::{packet, variable};
use crate::dice::Dice;

/// Where CONNECT says its keep-alive, by the length of its protocol name: a client that came to ask for one second
/// would be let go if the test was ever slow.
const KEEP_ALIVE: [usize; 4] = [8, 9, 10, 11];

/// The packet, with one thing wrong about its bytes; or, seldom, nothing.
pub(crate) fn damaged(dice: &mut Dice, first: u8, body: &[u8]) -> Vec<u8> {
    let whole = packet(first, body);
    match dice.below(10) {
        // Flags of the fixed header.
        0 => [&[first & 0xF0 | dice.byte() & 0x0F], &whole[1..]].concat(),
        // Another type.
        1 => [&[first & 0x0F | dice.byte() & 0xF0], &whole[1..]].concat(),
        // A body cut off or too long, with the length that it then has.
        2 | 3 => packet(first, &body[..dice.below(body.len() + 1)]),
        4 => packet(first, &[body, &vec![dice.pick(&[0, 1, b'a']); 1 + dice.below(3)]].concat()),
        // A length in more bytes than it needs; in more than there are.
        5 => {
            let mut length = variable(body.len());
            let more = dice.pick(&[1, 2, 3]);
            for _ in 0..more {
                *length.last_mut().expect("a length has a byte") |= 0x80;
                length.push(0);
            }
            [&[first], &length[..], body].concat()
        }
        6 => [&[first, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], body].concat(),
        // A packet that never ends.
        7 => whole[..whole.len() - 1].to_vec(),
        // A bit or a byte.
        _ => {
            let mut body = body.to_vec();
            let at = dice.below(body.len() + 1);
            let bit = 1 << dice.below(8);
            let is_keep_alive = first == crate::bytes::CONNECT && KEEP_ALIVE.contains(&at);
            if let Some(byte) = body.get_mut(at).filter(|_| !is_keep_alive) {
                *byte = if dice.one_in(2) { *byte ^ bit } else { dice.byte() };
            }
            packet(first, &body)
        }
    }
}
