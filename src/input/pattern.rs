//! Regular expressions of departments: bounded when they are read, and in how long they may look. Pure.
//!
//! The engine is linear in the text's length times the expression's, which is no bound by itself: a short expression with
//! counts inside counts is millions of states.

use regex::{Captures, Regex, RegexBuilder};

/// States that an expression may have, roughly: its characters and classes, each as often as counts repeat it.
const COST: usize = 2_000;

/// States times bytes of text: some seconds at worst, and milliseconds as a rule.
const BUDGET: usize = 100_000_000;

/// Bytes that a compiled expression may take: a Unicode class such as `\w` takes some 20 KiB.
const SIZE: usize = 4 * 1024 * 1024;

/// An expression that can be afforded.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    cost: usize,
}

impl Pattern {
    /// Reads an expression.
    ///
    /// # Errors
    /// Why it is none, or too large, as the end of a sentence.
    pub fn new(text: &str) -> Result<Self, String> {
        let cost = cost(text);
        if cost > COST {
            return Err(format!(
                "its counts make it {cost} characters long, and {COST} is the most that is looked for"
            ));
        }
        let regex = RegexBuilder::new(text)
            .size_limit(SIZE)
            .nest_limit(50)
            .build()
            .map_err(|error| in_short(&error.to_string()))?;
        Ok(Self { regex, cost })
    }

    /// Whether it may be looked for in a text of so many bytes.
    ///
    /// # Errors
    /// It takes too long, as the end of a sentence.
    pub fn affords(&self, bytes: usize) -> Result<(), String> {
        if self.cost.saturating_mul(bytes) <= BUDGET {
            return Ok(());
        }
        let kib = bytes / 1024;
        Err(format!(
            "takes too long to look for in {kib} KiB; a shorter one, or one with smaller counts, does not"
        ))
    }

    /// Whether it matches somewhere in a text that it [affords](Self::affords).
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Its first match with its groups, in a text that it [affords](Self::affords).
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex.captures(text)
    }

    /// Whether it has a group.
    pub fn has_group(&self) -> bool {
        self.regex.captures_len() > 1
    }
}

/// The last line of the parser's drawing, which says what is wrong.
fn in_short(drawing: &str) -> String {
    let last = drawing.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// The text of an expression that matches a text and nothing else.
pub fn escape(text: &str) -> String {
    regex::escape(text)
}

/// What an expression costs, never less than its states but for a constant.
fn cost(text: &str) -> usize {
    let mut characters = text.chars().peekable();
    // The costs of the open groups, and of the last thing that a count would repeat.
    let (mut groups, mut sum, mut last) = (Vec::new(), 0_usize, 0_usize);
    while let Some(character) = characters.next() {
        let item = match character {
            '\\' => {
                characters.next();
                1
            }
            '[' => {
                class(&mut characters);
                1
            }
            '(' => {
                groups.push((sum, last));
                (sum, last) = (0, 0);
                continue;
            }
            ')' => {
                let inner = sum.saturating_add(last).saturating_add(1);
                (sum, last) = groups.pop().unwrap_or_default();
                inner
            }
            '{' => {
                last = last.saturating_mul(count(&mut characters).max(1));
                continue;
            }
            _ => 1,
        };
        sum = sum.saturating_add(last);
        last = item;
    }
    let open = groups.iter().fold(0_usize, |all, (sum, last)| {
        all.saturating_add(*sum).saturating_add(*last)
    });
    open.saturating_add(sum).saturating_add(last)
}

type Characters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// Passes over a class, whose `[` is behind.
fn class(characters: &mut Characters<'_>) {
    characters.next_if_eq(&'^');
    characters.next_if_eq(&']');
    let mut depth = 1_usize;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// The larger number of `{n,m}`, whose `{` is behind; 1 where it is no count.
fn count(characters: &mut Characters<'_>) -> usize {
    let mut most = 1_usize;
    let mut digits = String::new();
    while let Some(character) = characters.next_if(|c| c.is_ascii_digit() || matches!(c, ',' | ' ')) {
        if character.is_ascii_digit() {
            digits.push(character);
        } else {
            most = most.max(parsed(&digits));
            digits.clear();
        }
    }
    most.max(parsed(&digits))
}

fn parsed(digits: &str) -> usize {
    if digits.is_empty() {
        1
    } else {
        digits.parse().unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_expressions_are_taken_and_endless_ones_are_not() {
        for right in [
            r"INV-[0-9]+",
            r"(?i)\berror\b|\bfatal\b",
            r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$",
            r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
            r"\w{1,40}@\w{1,40}\.example",
            r"(?<n>[^\[\]{}]+)\{1000000\}[]{9999999}]",
            "Größe: .{0,200}€",
        ] {
            assert!(Pattern::new(right).is_ok(), "{right}: {:?}", Pattern::new(right));
        }
        for endless in [
            "(a{1000}){100}",
            "(?:a{0,500}){0,100}",
            "(?:){1000000}",
            "((((((((((a{2}){2}){2}){2}){2}){2}){2}){2}){2}){2}){2}",
            "a{99999999999999999999}",
            "(a{1000}){1000",
        ] {
            assert!(Pattern::new(endless).is_err(), "{endless}");
        }
        assert!(Pattern::new(&"(".repeat(1_900)).is_err());
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(900), ")".repeat(900))).is_err());
    }

    #[test]
    fn no_look_takes_longer_than_some_seconds() {
        let wide = Pattern::new("(?:[ab]{0,40}a[ab]{0,40}){1,20}c").expect("just within its bound");
        assert!(
            wide.affords(256 * 1024)
                .expect_err("too long")
                .starts_with("takes too long")
        );
        assert!(wide.affords(20_000).is_ok());
        assert!(
            Pattern::new("(?i)error|fatal|panic: [a-z]{1,80}")
                .expect("it")
                .affords(256 * 1024)
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "([\\[\\](){}|*+?\\\\,0-9a-c^$.]|\\PC){0,40}") {
            let _ = Pattern::new(&text);
        }
    }
}
