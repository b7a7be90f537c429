//! A request and the frames behind it: never panics, and in whatever pieces they come, what is made of them is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use web::{End, FrameReader, Head, HeadReader, accept, percent_decoded};

/// What came of it: how much was the head, the payload, the last Pong, the end.
type Outcome = (Option<usize>, Vec<u8>, Vec<u8>, Option<End>);

fn read(bytes: &[u8], size: usize) -> Outcome {
    let (mut reader, mut head) = (HeadReader::new(512), None);
    for (number, piece) in bytes.chunks(size).enumerate() {
        match reader.take(piece) {
            Ok(Some(count)) => {
                head = Some(number * size + count);
                break;
            }
            Ok(None) => {}
            Err(_) => break,
        }
    }
    if let Ok(head) = reader.head() {
        let _ = accept(&head, &["http://a".to_owned()]);
        let _ = percent_decoded(head.path());
    }
    // Without a head all of it is frames: most that a fuzzer finds has none.
    let (mut frames, mut payload, mut pong, mut end) = (FrameReader::default(), Vec::new(), Vec::new(), None);
    for piece in bytes[head.unwrap_or(0)..].chunks(size) {
        let mut piece = piece.to_vec();
        let taken = frames.take(&mut piece, &mut pong);
        payload.extend_from_slice(&piece[..taken.payload]);
        end = taken.end;
    }
    (head, payload, pong, end)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(read(bytes, size), whole, "in pieces of {size}");
    }
    let _ = Head::parse(bytes);
});
