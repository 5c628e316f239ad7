//! Variables in texts: `${name}` stands for a value, `$${` for the characters `${`. Pure.

/// Bytes of a variable's value.
pub const VALUE_LIMIT: usize = 4 * 1024;

/// Characters of a variable's name.
const NAME_LIMIT: usize = 40;

/// The variable of the entries of `each`.
pub const ITEM: &str = "item";

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Characters that stand for themselves.
    Plain(&'t str),
    /// `${name}`.
    Variable(&'t str),
    /// `${` without a name and `}` behind it.
    Broken(&'t str),
}

/// Whether a text can be a variable's name: a lower-case letter, then such letters, digits and `_`. Secrets have upper-case
/// names, so none is taken for the other, and no variable hides one of the shell's own.
pub fn is_variable(text: &str) -> bool {
    text.len() <= NAME_LIMIT
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Whether a text can be a secret's name: an upper-case letter, then such letters, digits and `_`.
pub fn is_secret(text: &str) -> bool {
    text.len() <= NAME_LIMIT
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn is_name(text: &str) -> bool {
    is_variable(text) || is_secret(text)
}

/// The pieces of a text, in order.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            pieces.push(Piece::Plain(before));
            pieces.push(Piece::Plain("${"));
            rest = &reference[2..];
            continue;
        }
        pieces.push(Piece::Plain(before));
        let inner = &reference[2..];
        match inner.find('}').map(|end| inner.split_at(end)) {
            Some((name, after)) if is_name(name) => {
                pieces.push(Piece::Variable(name));
                rest = &after[1..];
            }
            Some(_) | None => {
                pieces.push(Piece::Broken(reference));
                return pieces;
            }
        }
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

/// Whether a text has variables.
pub fn has_variables(text: &str) -> bool {
    text.contains("${")
}

/// The text with every variable replaced.
///
/// # Errors
/// What is wrong, in words: a variable without a value, or a `${` without a name.
pub fn fill(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => filled.push_str(plain),
            Piece::Variable(name) => filled.push_str(&value(name).ok_or_else(|| {
                format!("variable `{name}` has no value: the step that captures it did not get that far")
            })?),
            Piece::Broken(_) => return Err("a `${` without a name and `}` behind it".to_owned()),
        }
    }
    Ok(filled)
}

/// The value that a text can give a variable, without white space at its end.
///
/// # Errors
/// Why it cannot be one, as the end of a sentence.
pub fn value(text: &str) -> Result<String, String> {
    let text = text.trim_end();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > VALUE_LIMIT {
        return Err(format!(
            "it has {} bytes, and at most {VALUE_LIMIT} are kept",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("it holds a NUL character".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_are_replaced_and_escapes_are_not() {
        let value = |name: &str| (name == "id").then(|| "7".to_owned());
        for (text, filled) in [
            ("a ${id} b${id}", Ok("a 7 b7")),
            ("$id {id} $", Ok("$id {id} $")),
            ("$${id} costs 5$", Ok("${id} costs 5$")),
            ("${other}", Err("variable `other` has no value")),
            ("${}", Err("without a name")),
            ("${a b}", Err("without a name")),
            ("${id", Err("without a name")),
        ] {
            match (fill(text, &value), filled) {
                (Ok(is), Ok(expected)) => assert_eq!(is, expected, "{text}"),
                (Err(is), Err(says)) => assert!(is.contains(says), "{text}: {is}"),
                (is, expected) => panic!("{text}: {is:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn values_are_bounded() {
        assert_eq!(value("INV-1 \n"), Ok("INV-1".to_owned()));
        for (wrong, says) in [
            (" \n", "empty"),
            ("a\0b", "NUL"),
            (&"x".repeat(5000), "5000 bytes"),
        ] {
            assert!(value(wrong).expect_err(says).contains(says));
        }
    }

    proptest! {
        #[test]
        fn what_has_no_reference_stays_as_it_is(text in "[^$]{0,200}") {
            prop_assert_eq!(fill(&text, &|_| None), Ok(text));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a${} é]{0,60}") {
            let _ = fill(&text, &|_| Some("v".to_owned()));
        }
    }
}
