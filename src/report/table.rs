//! Plain text tables and colour.

use std::fmt::Write;

use crate::input::safe::line;

/// A colour or weight, as an SGR parameter (ECMA-48, 8.3.117).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Paint {
    /// The text in this colour, if colours are wanted.
    pub(crate) fn on(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Green => "32",
            Self::Yellow => "33",
        };
        if colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One cell; its text is made harmless where it is drawn.
pub(crate) type Painted = (String, Paint);

/// Draws rows under a header, columns as wide as their widest cell, with an indent of two.
pub(crate) fn draw(header: &[&str], rows: &[Vec<Painted>], colour: bool) -> String {
    let header: Vec<Painted> = header.iter().map(|&text| (text.to_owned(), Paint::Dim)).collect();
    let harmless = |row: &Vec<Painted>| row.iter().map(|(text, paint)| (line(text), *paint)).collect();
    let rows: Vec<Vec<Painted>> = rows.iter().map(harmless).collect();
    let width = |column: usize| {
        std::iter::once(&header)
            .chain(&rows)
            .filter_map(|row| row.get(column))
            .map(|(text, _)| text.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    for row in std::iter::once(&header).chain(&rows) {
        let mut drawn = String::from(" ");
        for (index, ((text, paint), width)) in row.iter().zip(&widths).enumerate() {
            let pad = if index + 1 == row.len() {
                0
            } else {
                width - text.chars().count()
            };
            // Writing to a String cannot fail.
            let _ = write!(drawn, " {}{:pad$} ", paint.on(text, colour), "");
        }
        out.push_str(drawn.trim_end());
        out.push('\n');
    }
    out
}

/// Breaks lines at `width` characters, at a space where there is one near the end.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let space = rest[..=width].iter().rposition(|&c| c == ' ');
        let at = space.filter(|&at| at > width / 2).unwrap_or(width);
        lines.push(rest[..at].iter().collect::<String>().trim_end().to_owned());
        let skip = usize::from(rest[at] == ' ');
        rest.drain(..at + skip);
    }
    lines.push(rest.iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_lose_nothing() {
        assert_eq!(wrap("one two three four", 10), ["one two", "three four"]);
        assert_eq!(wrap("aaaaaaaaaaaaaaa", 10), ["aaaaaaaaaa", "aaaaa"]);
        assert_eq!(wrap("", 10), [""]);
    }
}
