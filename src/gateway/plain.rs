//! Text of strangers for a terminal: nothing in it moves the cursor, changes colours or hides other text, and it takes
//! as many columns as is said. Nothing is written here.

use unicode_width::UnicodeWidthChar as _;

/// What stands for a character that must not be shown.
const INSTEAD: char = '\u{FFFD}';

/// `text` without what a terminal would obey: control characters (C0, DEL, C1) become U+FFFD, white space is a space,
/// and what takes no column is left out. The last are combining marks, too, which can be heaped up over other lines,
/// and the marks that turn the direction of writing.
pub(crate) fn cleaned(text: &str) -> String {
    text.chars().filter_map(harmless).collect()
}

fn harmless(character: char) -> Option<char> {
    match character.width() {
        None => Some(INSTEAD),
        Some(0) => None,
        // Line and paragraph separators are wide spaces to some terminals and line ends to others.
        Some(_) if character.is_whitespace() => Some(' '),
        Some(_) => Some(character),
    }
}

/// Columns that cleaned text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().filter_map(unicode_width::UnicodeWidthChar::width).sum()
}

/// `text`, cleaned, in `width` columns at most; where it is cut, it ends with an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = cleaned(text);
    if columns(&text) <= width {
        return text;
    }
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        kept.push(character);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// `text`, cleaned, in exactly `width` columns: cut, or with spaces behind.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let mut text = cut(text, width);
    text.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(&text))));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_is_obeyed_by_a_terminal() {
        let rows = [
            ("an escape sequence", "a\x1b[2Jb", "a\u{FFFD}[2Jb"),
            ("the same in one byte (C1)", "a\u{9b}2Jb", "a\u{FFFD}2Jb"),
            ("line ends", "a\r\nb", "a\u{FFFD}\u{FFFD}b"),
            ("NUL and DEL", "\0a\x7f", "\u{FFFD}a\u{FFFD}"),
            ("another kind of line end", "a\u{2028}b", "a b"),
            ("turned around", "a\u{202E}b\u{2066}c\u{200F}", "abc"),
            ("nothing to be seen", "a\u{200B}\u{FEFF}b", "ab"),
            ("heaped up", "a\u{0301}\u{0302}\u{0303}b", "ab"),
            ("what is harmless", "温度-1 é", "温度-1 é"),
        ];
        for (what, text, wanted) in rows {
            assert_eq!(cleaned(text), wanted, "{what}");
        }
        for code in 0..=0x10_FFFF_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let shown = cleaned(&character.to_string());
            assert!(!shown.chars().any(char::is_control), "U+{code:04X}");
        }
    }

    #[test]
    fn text_takes_the_columns_that_it_is_given() {
        let rows = [
            ("TH-07", 8, "TH-07   "),
            ("TH-07", 5, "TH-07"),
            ("TH-07", 4, "TH-…"),
            ("温度-1", 6, "温度-1"),
            ("温度-1", 5, "温度…"),
            // A wide character does not fit into the one column that is left.
            ("温度-1", 4, "温… "),
            ("TH", 1, "…"),
            ("TH", 0, ""),
            ("", 3, "   "),
        ];
        for (text, width, wanted) in rows {
            assert_eq!(padded(text, width), wanted, "{text} in {width}");
            assert_eq!(columns(&padded(text, width)), width);
        }
    }
}
