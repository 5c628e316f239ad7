//! Text from guests and files, made harmless for terminals and Markdown, and bounded.

use std::fmt::Write;

/// Lines of an output that are shown.
const EXCERPT_LINES: usize = 40;
/// Characters of an output that are shown, about.
const EXCERPT_CHARS: usize = 4096;
/// Characters of one line that are shown.
const LINE_CHARS: usize = 500;

/// Whether a character could steer a terminal or hide what is there: control characters, bidirectional marks,
/// zero-width characters, separators, and what XML 1.0 does not allow.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, with everything that could steer a terminal written out, such as `\u{1b}`.
pub fn line(text: &str) -> String {
    clip(whole(text))
}

/// The text on one line, as [`line()`], however long it is.
pub fn whole(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        push(&mut safe, c);
    }
    safe
}

/// The lines of a text, each as [`whole`].
pub fn lines(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().split('\n').map(whole).collect();
    lines.join("\n")
}

fn push(safe: &mut String, c: char) {
    match c {
        '\n' => safe.push_str("\\n"),
        '\t' => safe.push_str("    "),
        c if is_hostile(c) => safe.extend(c.escape_unicode()),
        c => safe.push(c),
    }
}

/// A document for a terminal: what could steer it is written out, but for line ends and the colours that patchgate uses.
pub fn document(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let known = colour(rest).unwrap_or(0);
        if known > 0 {
            safe.push_str(&rest[..known]);
            rest = &rest[known..];
            continue;
        }
        match c {
            '\n' | '\t' => safe.push(c),
            c => push(&mut safe, c),
        }
        rest = &rest[c.len_utf8()..];
    }
    safe
}

/// How long the colour or weight (SGR; ECMA-48, 8.3.117) is that a text begins with. One that hides text is none.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let (parameters, rest) = parameters.split_at(end);
    let shows = |parameter: &str| {
        let number: Option<u8> = parameter.parse().ok();
        number.is_some_and(|number| matches!(number, 0..=4 | 22..=24 | 30..=37 | 39 | 90..=97))
    };
    let number = |parameter: &str| parameter.parse::<u8>().is_ok();
    let known = match parameters.split(';').collect::<Vec<_>>()[..] {
        ["38", "5", one] => number(one),
        ["38", "2", red, green, blue] => [red, green, blue].into_iter().all(number),
        ref each => each.iter().all(|parameter| shows(parameter)),
    };
    (known && rest.starts_with('m')).then_some(2 + end + 1)
}

/// A JSON document in which every character that could steer a terminal or hide what is there is escaped; there are such
/// only in its strings.
pub fn json(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    for c in document.chars() {
        if c != '\n' && is_hostile(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

fn clip(text: String) -> String {
    let length = text.chars().count();
    if length <= LINE_CHARS {
        return text;
    }
    let kept: String = text.chars().take(LINE_CHARS).collect();
    format!("{kept}... ({} characters cut)", length - LINE_CHARS)
}

/// The start and the end of an output in harmless lines, with a note in between of what was cut.
pub fn excerpt(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.trim_end().split('\n').collect();
    if text.trim_end().is_empty() {
        return Vec::new();
    }
    let mut head = Vec::new();
    let mut room = EXCERPT_CHARS / 4;
    for raw in lines.iter().take(EXCERPT_LINES / 4) {
        let safe = line(raw);
        if safe.len() > room && !head.is_empty() {
            break;
        }
        room = room.saturating_sub(safe.len());
        head.push(safe);
    }
    let mut tail = Vec::new();
    room += EXCERPT_CHARS / 4 * 3;
    for raw in lines[head.len()..].iter().rev().take(EXCERPT_LINES - head.len()) {
        let safe = line(raw);
        if safe.len() > room {
            break;
        }
        room -= safe.len();
        tail.push(safe);
    }
    let cut = lines.len() - head.len() - tail.len();
    if cut > 0 {
        let noun = if cut == 1 { "line" } else { "lines" };
        head.push(format!(
            "... {cut} {noun} cut; the JSON report has all that was kept ..."
        ));
    }
    head.extend(tail.into_iter().rev());
    head
}

/// A harmless line for running Markdown text: no markup, no HTML, no table cell's end, no mention.
pub fn md(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '@' => safe.push_str("&#64;"),
            '|' => safe.push_str("&#124;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '~' | '!' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    // Bare addresses would become links (<https://github.github.com/gfm/#autolinks-extension->).
    safe.replace("://", "&#58;//")
        .replace("www.", "www&#46;")
        .replace("WWW.", "WWW&#46;")
}

/// Lines as a fenced code block whose fence no line can close.
pub fn md_block(lines: &[String]) -> String {
    let longest = lines
        .iter()
        .flat_map(|line| line.split(|c| c != '`'))
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_written_out() {
        for (text, safe) in [
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\r\n", "a"),
            ("a\rb", "a\\u{d}b"),
            ("a\nb", "a\\nb"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("evil\u{202e}txt", "evil\\u{202e}txt"),
            ("Grüße 日本", "Grüße 日本"),
        ] {
            assert_eq!(line(text), safe);
        }
    }

    #[test]
    fn long_outputs_keep_their_start_and_end_and_say_what_is_cut() {
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n");
        let lines = excerpt(&text);
        assert_eq!(lines.len(), EXCERPT_LINES + 1);
        assert_eq!(lines[0], "line 0");
        assert_eq!(
            lines[10],
            "... 960 lines cut; the JSON report has all that was kept ..."
        );
        assert_eq!(lines[EXCERPT_LINES], "line 999");
        assert_eq!(excerpt("  \n\n"), Vec::<String>::new());
        assert_eq!(excerpt("one\n"), ["one"]);
    }

    #[test]
    fn markdown_has_no_way_out() {
        assert_eq!(md("a|b<img src=x>"), "a&#124;b&lt;img src=x&gt;");
        assert_eq!(
            md("[x](http://y) @all `c`"),
            "\\[x\\](http&#58;//y) &#64;all \\`c\\`"
        );
        let block = md_block(&["````".to_owned(), "text".to_owned()]);
        assert!(block.starts_with("`````text\n````\n"), "{block}");
    }

    #[test]
    fn a_document_keeps_its_lines_and_colours_and_nothing_that_moves_or_hides() {
        for (text, safe) in [
            ("a\n\tb\n", "a\n\tb\n"),
            ("\u{1b}[1;31mred\u{1b}[0m", "\u{1b}[1;31mred\u{1b}[0m"),
            ("\u{1b}[38;2;8;8;8mgrey", "\u{1b}[38;2;8;8;8mgrey"),
            ("\u{1b}[38;5;208morange", "\u{1b}[38;5;208morange"),
            ("\u{1b}[38;5;0;8mhidden", "\\u{1b}[38;5;0;8mhidden"),
            ("\u{1b}[38;2;1;1;1;8mhidden", "\\u{1b}[38;2;1;1;1;8mhidden"),
            ("\u{1b}[38;8mhidden", "\\u{1b}[38;8mhidden"),
            ("\u{1b}[8mhidden", "\\u{1b}[8mhidden"),
            ("\u{1b}[1;8mhidden", "\\u{1b}[1;8mhidden"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{1b}[", "\\u{1b}["),
            ("\u{1b}[mplain", "\\u{1b}[mplain"),
            (
                "over\rwritten\u{9b}31m\u{202e}",
                "over\\u{d}written\\u{9b}31m\\u{202e}",
            ),
        ] {
            assert_eq!(document(text), safe);
        }
    }

    #[test]
    fn json_says_the_same_without_what_is_hostile() {
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}[2J\u{7f}\u{202e}\u{e0001}\u{2028}\u{feff} Grüße", "b": ["\n"] });
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let safe = json(&text);
        assert!(!safe.chars().any(|c| c != '\n' && is_hostile(c)), "{safe}");
        assert!(
            safe.contains("Grüße") && safe.contains("\\udb40\\udc01"),
            "{safe}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"),
            value
        );
    }

    proptest! {
        #[test]
        fn excerpts_are_bounded_and_harmless(text in "(\\PC|[\u{0}-\u{1f}\n]){0,3000}") {
            let lines = excerpt(&text);
            prop_assert!(lines.len() <= EXCERPT_LINES + 1);
            for line in lines {
                prop_assert!(!line.chars().any(is_hostile), "{line:?}");
            }
        }
    }
}
