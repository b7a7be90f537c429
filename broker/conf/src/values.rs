//! Values as mosquitto reads them.

use crate::fault::shown;
use crate::lines::Line;
use crate::table::PLAIN;
use crate::{Fault, OptionSpec, Takes};

/// `true` `1` `false` `0` and nothing else.
pub(crate) fn boolean(name: &str, line: &Line) -> Result<bool, Fault> {
    match word(name, line)? {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(invalid(name, other, "true or false")),
    }
}

/// A number as C's `strtol` with base 0 reads it: decimal, `0x` hexadecimal, `0` octal.
pub(crate) fn integer(option: &OptionSpec, line: &Line) -> Result<i64, Fault> {
    let word = word(option.said(line), line)?;
    let (name, takes) = (option.said(line).to_owned(), option.takes.to_string());
    let (min, max) = match option.takes {
        Takes::Int { min, max, .. } => (min, max),
        _ => (i64::MIN, i64::MAX),
    };
    match strtol(word) {
        Err(NumberFault::NotANumber) => Err(Fault::NotANumber { name, value: shown(word), takes }),
        Err(NumberFault::OutOfRange) => Err(Fault::OutOfRange { name, takes }),
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        // mosquitto has two texts: one for what its variable cannot hold, one for what the option cannot mean.
        Ok(number) if max <= INT_MAX && !(INT_MIN..=INT_MAX).contains(&number) => {
            Err(Fault::OutOfRange { name, takes })
        }
        Ok(_) => Err(match option.out_of_bounds {
            Some(text) => Fault::told(text, format!("It takes {takes}, not {}.", shown(word))),
            None => invalid(option.said(line), word, &takes),
        }),
    }
}

const INT_MIN: i64 = i32::MIN as i64;
const INT_MAX: i64 = i32::MAX as i64;

pub(crate) fn word<'a>(name: &str, line: &Line<'a>) -> Result<&'a str, Fault> {
    line.word().ok_or_else(|| Fault::Empty { name: name.to_owned() })
}

pub(crate) fn invalid(name: &str, value: &str, takes: &str) -> Fault {
    Fault::Invalid { name: name.to_owned(), value: shown(value), takes: takes.to_owned() }
}

/// A part of a line that is a number of its own, with a name that only errors use.
pub(crate) const fn any_int(name: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        said: Some(name),
        takes: Takes::Int { min: INT_MIN, max: INT_MAX, words: "a whole number" },
        ..PLAIN
    }
}

/// The number that a word begins with, or 0: C's `atoi`, which mosquitto uses in a few places.
pub(crate) fn leading(word: &str) -> i64 {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number = digits.get(..end).unwrap_or_default().parse::<i64>().unwrap_or(if end == 0 { 0 } else { INT_MAX });
    if word.starts_with('-') { -number } else { number }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberFault {
    NotANumber,
    OutOfRange,
}

fn strtol(word: &str) -> Result<i64, NumberFault> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (base, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (16, hex),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(NumberFault::NotANumber);
    }
    let number = i64::from_str_radix(digits, base).map_err(|_| NumberFault::OutOfRange)?;
    Ok(if negative { -number } else { number })
}

const DAY: u64 = 86_400;

/// `14d` and its like in seconds: a number and one of `h d w m y`; `m` is 30 days.
pub(crate) fn duration_s(word: &str) -> Option<u64> {
    let unit = word.chars().next_back()?;
    let number: u64 = word.get(..word.len() - unit.len_utf8())?.parse().ok()?;
    let unit_s = match unit {
        's' => 1,
        'h' => 3_600,
        'd' => DAY,
        'w' => 7 * DAY,
        'm' => 30 * DAY,
        'y' => 365 * DAY,
        _ => return None,
    };
    number.checked_mul(unit_s).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtol_with_base_0_reads_them() {
        let rows = [
            ("1883", Ok(1883)),
            ("0x10", Ok(16)),
            ("0X1f", Ok(31)),
            ("017", Ok(15)),
            ("0", Ok(0)),
            ("-1", Ok(-1)),
            ("+7", Ok(7)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("9223372036854775808", Err(NumberFault::OutOfRange)),
            ("08", Err(NumberFault::NotANumber)),
            ("0x", Err(NumberFault::NotANumber)),
            ("1883a", Err(NumberFault::NotANumber)),
            ("1.5", Err(NumberFault::NotANumber)),
            ("--1", Err(NumberFault::NotANumber)),
            ("-+1", Err(NumberFault::NotANumber)),
            ("-", Err(NumberFault::NotANumber)),
            ("\u{661}", Err(NumberFault::NotANumber)),
        ];
        for (word, wanted) in rows {
            assert_eq!(strtol(word), wanted, "{word}");
        }
    }

    #[test]
    fn durations_have_a_number_and_one_unit() {
        let rows = [
            ("30s", Some(30)),
            ("1h", Some(3_600)),
            ("14d", Some(14 * 86_400)),
            ("2w", Some(14 * 86_400)),
            ("1m", Some(30 * 86_400)),
            ("1y", Some(365 * 86_400)),
            ("0d", None),
            ("d", None),
            ("5", None),
            ("1z", None),
            ("1\u{65e5}", None),
            ("-1d", None),
            ("18446744073709551615y", None),
        ];
        for (word, wanted) in rows {
            assert_eq!(duration_s(word), wanted, "{word}");
        }
    }
}
