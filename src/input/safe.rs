//! Text from guests and files, made harmless for terminals and Markdown, and bounded.

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
    let mut safe = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("    "),
            c if is_hostile(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    clip(safe)
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
