//! Text as `--help` prints it, as troff: so that what a command says of itself is its page, and no page is written
//! twice.
//!
//! A line at the left margin that ends in a colon, with an indented one behind it, is a heading. An indented line with
//! two blanks or more within is a word and what it means; a line that is indented further goes on with that. Any other
//! indented line is an example and stays as it is. Everything else is a paragraph, ended by an empty line.

use roff::{Inline, Roff, bold, roman};

/// Where the text of a word may begin again: further to the right than any word does.
const FURTHER: usize = 5;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Empty,
    Heading(&'a str),
    /// A word, and what it means.
    Term(&'a str, &'a str),
    Further(&'a str),
    Example(&'a str),
    Paragraph(&'a str),
}

/// Puts `text` at the end of `roff`.
pub(super) fn write(roff: &mut Roff, text: &str) {
    let mut last = Line::Empty;
    let mut is_after_heading = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = read(line, lines.peek().copied(), &last);
        if matches!(last, Line::Example(_)) && !matches!(line, Line::Example(_)) {
            roff.control("EE", []);
        }
        match line {
            Line::Empty => {}
            Line::Heading(title) => {
                roff.control("SH", [title.to_uppercase().as_str()]);
            }
            Line::Term(word, means) => {
                roff.control("TP", []);
                roff.text([bold(word)]);
                roff.text(words(means));
            }
            Line::Example(code) => {
                if !matches!(last, Line::Example(_)) {
                    if !is_after_heading {
                        roff.control("PP", []);
                    }
                    roff.control("EX", []);
                }
                roff.text([roman(code)]);
            }
            Line::Further(text) => {
                roff.text(words(text));
            }
            Line::Paragraph(text) => {
                if !matches!(last, Line::Paragraph(_)) && !is_after_heading {
                    roff.control("PP", []);
                }
                roff.text(words(text));
            }
        }
        is_after_heading = matches!(line, Line::Heading(_)) || (is_after_heading && line == Line::Empty);
        last = line;
    }
    if matches!(last, Line::Example(_)) {
        roff.control("EE", []);
    }
}

/// Whether `line` is a heading, with `next` behind it.
fn is_heading(line: &str, next: Option<&str>) -> bool {
    let starts_with_blank = |line: &str| line.starts_with(' ');
    !starts_with_blank(line) && line.trim_end().ends_with(':') && next.is_some_and(starts_with_blank)
}

/// Where the first heading begins.
pub(super) fn first_heading(text: &str) -> Option<usize> {
    let mut lines = text.split_inclusive('\n').peekable();
    let mut at = 0;
    while let Some(line) = lines.next() {
        if is_heading(line, lines.peek().copied()) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

fn read<'a>(line: &'a str, next: Option<&str>, last: &Line<'_>) -> Line<'a> {
    let text = line.trim();
    let indent = line.len() - line.trim_start().len();
    if text.is_empty() {
        return Line::Empty;
    }
    if indent == 0 {
        return if is_heading(line, next) { Line::Heading(&text[..text.len() - 1]) } else { Line::Paragraph(text) };
    }
    if indent >= FURTHER && matches!(last, Line::Term(..) | Line::Further(_)) {
        return Line::Further(text);
    }
    match text.split_once("  ") {
        Some((word, means)) => Line::Term(word, means.trim_start()),
        None => Line::Example(text),
    }
}

/// What stands between backquotes is set in bold, without them.
pub(super) fn words(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    let inline = |(index, part): (usize, &str)| if index % 2 == 1 { bold(part) } else { roman(part) };
    parts.filter(|(_, part)| !part.is_empty()).map(inline).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> String {
        let mut roff = Roff::new();
        write(&mut roff, text);
        roff.to_roff()
    }

    #[test]
    fn a_text_for_the_screen_becomes_headings_words_examples_and_paragraphs() {
        for (text, wanted) in [
            ("One\ntwo.\n\nThree.", ".PP\nOne\ntwo.\n.PP\nThree.\n"),
            ("Exit status:\n  0  done\n  1  not", ".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\ndone\n.TP\n\\fB1\\fR\nnot\n"),
            ("Files:\n  a, b  begins\n        and ends", ".SH FILES\n.TP\n\\fBa, b\\fR\nbegins\nand ends\n"),
            ("Try:\n  run x\n  run y\n\nEnd.", ".SH TRY\n.EX\nrun x\nrun y\n.EE\n.PP\nEnd.\n"),
            ("So:\nit goes on.", ".PP\nSo:\nit goes on.\n"),
            ("Notes:\n  a  b\n\nText.", ".SH NOTES\n.TP\n\\fBa\\fR\nb\n.PP\nText.\n"),
        ] {
            assert_eq!(made(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_line_of_text_is_never_a_request() {
        assert_eq!(made(".so /etc/shadow"), ".PP\n\\&.so /etc/shadow\n");
        assert_eq!(made("`.x` and 'y'"), ".PP\n\\fB.x\\fR and 'y'\n");
    }
}
