//! One connection after one step: what was said, what came back from each broker, and how that reads.

use std::fmt;

use mqtt::{Packet, ProtocolVersion, next_frame};

use crate::bytes::split;
use crate::wire::Heard;

pub(crate) struct Scene<'a> {
    /// The configuration's name.
    pub configuration: &'static str,
    /// As its client means it; the bytes of its CONNECT may say otherwise.
    pub version: ProtocolVersion,
    /// Whether it is this connection that spoke.
    pub is_speaker: bool,
    /// Whether it is the first thing said on this connection.
    pub is_first: bool,
    /// What was said first on this connection.
    pub hello: &'a [u8],
    /// A CONNECT was said for a session whose will waits for its delay.
    pub meets_delayed_will: bool,
    /// This session was there before.
    pub is_resumed: bool,
    /// What was sent on this connection before and not acknowledged to its end.
    pub in_flight: usize,
    /// More than one has subscribed as one of a group, or one that may be away.
    pub has_groups: bool,
    /// What was said in this step, here or on another connection.
    pub said: &'a [u8],
    pub ours: &'a Heard,
    pub theirs: &'a Heard,
}

impl fmt::Display for Scene<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { configuration, version, is_speaker, said, ours, theirs, .. } = self;
        let who = if *is_speaker { "who spoke" } else { "who listened" };
        writeln!(f, "configuration {configuration}; a client of {version:?}, {who}")?;
        writeln!(f, "  said:\n{}", words(*version, said))?;
        for (name, heard) in [("ours", ours), ("mosquitto", theirs)] {
            writeln!(f, "  {name} ({:?}):", heard.end)?;
            for packet in &heard.packets {
                writeln!(f, "{}", words(*version, packet))?;
            }
        }
        Ok(())
    }
}

/// Bytes as packets, where they are.
pub(crate) fn words(version: ProtocolVersion, bytes: &[u8]) -> String {
    let (packets, rest) = split(bytes);
    let read = |packet: &[u8]| match next_frame(packet, 0) {
        Ok(Some(frame)) => match Packet::decode(version, frame) {
            Ok(packet) => format!("{packet:?}"),
            Err(fault) => fault.to_string(),
        },
        other => format!("{other:?}"),
    };
    let hex = |bytes: &[u8]| match bytes.len() {
        0..100 => format!("{bytes:02x?}"),
        len => format!("{:02x?}... {len} bytes", &bytes[..60]),
    };
    let mut lines: Vec<String> =
        packets.iter().map(|packet| format!("    {:.300}\n      {}", read(packet), hex(packet))).collect();
    if !rest.is_empty() {
        lines.push(format!("    not a packet: {}", hex(rest)));
    }
    lines.join("\n")
}
