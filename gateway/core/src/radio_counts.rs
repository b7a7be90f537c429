//! What the radio counts, and how it is written into its stream.
//!
//! The radio writes a note with the ident [`COUNTS_IDENT`] whose text is a list of `name=number`, separated by
//! spaces: totals since it began, of all its adapters. The names are those of the fields of [`RadioCounts`].
//! What it has to say in words are notes with the ident [`LOG_IDENT`].

use std::fmt;

/// Ident of the notes that hold counts.
pub const COUNTS_IDENT: &str = "nightjar-counts";
/// Ident of the notes that are for the log.
pub const LOG_IDENT: &str = "nightjar";

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals of one run of the radio. It displays as the text of a note; [`RadioCounts::parse`] reads it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct RadioCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl RadioCounts {
            /// Names and numbers, in the order in which they are written.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// The sums.
            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                Self { $($name: self.$name + other.$name,)* }
            }

            /// Reads the text of a note. Names that are not known are passed over: another version may have written it.
            /// `None`: it is no such text.
            pub fn parse(text: &str) -> Option<Self> {
                let mut counts = Self::default();
                for entry in text.split_ascii_whitespace() {
                    let (name, number) = entry.split_once('=')?;
                    let number = number.parse().ok()?;
                    match name {
                        $(stringify!($name) => counts.$name = number,)*
                        _ => {}
                    }
                }
                Some(counts)
            }
        }
    };
}

counts! {
    /// Events with advertising reports that the kernel gave us.
    heard,
    /// Packets that are lost because this program was too slow: the kernel's buffer or the stream was full.
    dropped,
    /// Times that a scan was started again: it had been ended by someone, or nothing was heard.
    rearmed,
    /// Times that an adapter was powered on, or off and on, by us.
    power_cycled,
    /// Times that an adapter was reset.
    reset,
    /// Times that an adapter went away.
    unplugged,
    /// Times that an adapter came back.
    returned,
    /// Errors of a controller's hardware, as it told itself.
    hardware_errors,
    /// Milliseconds in which an adapter that should have been scanning was not.
    deaf_ms,
}

impl fmt::Display for RadioCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, number)) in self.entries().enumerate() {
            let separator = if at == 0 { "" } else { " " };
            write!(f, "{separator}{name}={number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_back_as_they_are_written() {
        let counts = RadioCounts { heard: 12, dropped: 1, deaf_ms: 4_000, ..RadioCounts::default() };
        let text = counts.to_string();
        assert!(text.starts_with("heard=12 dropped=1 rearmed=0 "), "{text}");
        assert_eq!(RadioCounts::parse(&text), Some(counts));
        assert_eq!(RadioCounts::parse("heard=3 of_tomorrow=5").map(|counts| counts.heard), Some(3));
        for text in ["heard", "heard=-1", "heard=x"] {
            assert_eq!(RadioCounts::parse(text), None, "{text}");
        }
    }
}
