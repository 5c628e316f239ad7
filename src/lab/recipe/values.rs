//! Names in recipes: they become parts of file names and of command lines.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;

/// Complains of what cannot be the name of an OS version or a suite; what is missing is told already.
pub(super) fn name(reader: &mut Reader<'_>, name: &Spanned<String>, what: &str, example: &str) {
    let text = name.get_ref();
    let fits = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
    if !fits && !text.is_empty() {
        reader.hinted(
            name.span(),
            format!("{} is not a name for {what}", show(text)),
            format!("write lower-case letters, digits, `-` and `.`, such as {example}"),
        );
    }
}

/// Complains of control characters, which TOML can write as `\u0007`.
pub(super) fn plain(reader: &mut Reader<'_>, text: &Spanned<String>, what: &str) {
    if text.get_ref().chars().any(char::is_control) {
        reader.hinted(
            text.span(),
            format!("{what} holds a control character"),
            "it is one line of plain text",
        );
    }
}

/// A list of package names (<https://www.debian.org/doc/debian-policy/ch-controlfields.html#source>).
pub(super) fn packages(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Vec<String> {
    let packages = reader.list(section, key);
    named_packages(reader, packages)
}

/// Package names that were read already.
pub(super) fn named_packages(reader: &mut Reader<'_>, packages: Vec<Spanned<String>>) -> Vec<String> {
    for package in &packages {
        let text = package.get_ref();
        let fits = text.len() >= 2
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
        if !fits {
            reader.hinted(
                package.span(),
                format!("{} is not a package name", show(text)),
                "write lower-case letters, digits, `+`, `-` and `.`, such as \"nginx\"",
            );
        }
    }
    bare(packages)
}

/// A list of texts without their places.
pub(super) fn texts(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Vec<String> {
    bare(reader.list(section, key))
}

/// Texts without their places.
pub(super) fn bare(texts: Vec<Spanned<String>>) -> Vec<String> {
    texts.into_iter().map(Spanned::into_inner).collect()
}
