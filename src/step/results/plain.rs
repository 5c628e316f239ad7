//! Texts as programs write them for people, made plain: byte order marks, UTF-16, colours. Pure.

/// The text of a file: UTF-8, or UTF-16 where it begins with that mark, as PowerShell writes it.
pub fn decode(bytes: &[u8]) -> String {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest
            .chunks(2)
            .map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or(0)]))
            .collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => String::from_utf8_lossy(rest).into_owned(),
    }
}

/// A text without a byte order mark, without what only a terminal understands (ECMA-48: `ESC [ 31 m`), and without the
/// control characters that no XML may hold.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => match rest.next() {
                Some('[') => skip_control(&mut rest),
                Some(']') => skip_string(&mut rest),
                // Two characters, and none of them is text.
                Some(_) | None => {}
            },
            '\u{9b}' => skip_control(&mut rest),
            '\n' | '\r' | '\t' => plain.push(character),
            '\u{fffe}' | '\u{ffff}' => {}
            other if other.is_control() => {}
            other => plain.push(other),
        }
    }
    plain
}

/// A control sequence ends with its first character from `@` to `~`; what cannot stand in one is no part of it.
fn skip_control(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(' '..='?') = rest.peek() {
        rest.next();
    }
    if let Some('@'..='~') = rest.peek() {
        rest.next();
    }
}

/// A title or a link ends with BEL or `ESC \`, and never goes beyond its line.
fn skip_string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(&character) = rest.peek() {
        match character {
            '\n' | '\r' => return,
            '\u{7}' => {
                rest.next();
                return;
            }
            '\u{1b}' => {
                rest.next();
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {
                rest.next();
            }
        }
    }
}

/// XML with the characters themselves for references that XML 1.0 forbids (`&#27;`), so that [`plain`] can take them away.
pub(super) fn with_references(xml: &str) -> String {
    let mut text = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(at) = rest.find("&#") {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        // `&#x10FFFF;` is the longest there is, but for zeros before it.
        let end = rest.bytes().take(16).position(|byte| byte == b';');
        let control = end.and_then(|end| number(&rest[2..end])).and_then(char::from_u32);
        match (end, control) {
            (Some(end), Some(control)) if is_forbidden(control) => {
                text.push(control);
                rest = &rest[end + 1..];
            }
            _ => {
                text.push_str("&#");
                rest = &rest[2..];
            }
        }
    }
    text.push_str(rest);
    text
}

fn number(digits: &str) -> Option<u32> {
    match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// XML 1.0, production 2: the characters that a document may not hold.
fn is_forbidden(character: char) -> bool {
    matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_terminal_understands_is_taken_away() {
        for (text, is) in [
            ("\u{feff}ok 1", "ok 1"),
            ("\u{1b}[32mok\u{1b}[0m 1", "ok 1"),
            ("\u{1b}[1;38;5;9mnot ok\u{1b}[K", "not ok"),
            ("\u{1b}]0;title\u{7}ok", "ok"),
            ("\u{1b}]8;;http://x\u{1b}\\ok", "ok"),
            ("\u{1b}]0;no end\nok", "\nok"),
            ("\u{1b}[31\nok", "\nok"),
            ("\u{1b}", ""),
            ("a\u{0}\u{8}b\tc\r\n", "ab\tc\r\n"),
        ] {
            assert_eq!(plain(text), is, "{text:?}");
        }
        for (xml, is) in [
            ("&#27;[0m", "\u{1b}[0m"),
            ("&#x1B;", "\u{1b}"),
            ("&#10;&amp;&#65;", "&#10;&amp;&#65;"),
            ("&#", "&#"),
            ("&#xzz;é", "&#xzz;é"),
        ] {
            assert_eq!(with_references(xml), is);
        }
    }

    #[test]
    fn texts_of_other_systems_are_read() {
        for bytes in [
            &b"\xef\xbb\xbfok"[..],
            b"ok",
            b"\xff\xfeo\0k\0",
            b"\xfe\xff\0o\0k",
        ] {
            assert_eq!(decode(bytes), "ok");
        }
        assert_eq!(decode(b"\xff\xfeo"), "o");
        assert_eq!(decode(b""), "");
    }
}
