//! Values that several sections have: defaults, paths and lists.

use std::path::PathBuf;

use toml::Spanned;

use crate::input::read::{Reader, Section};

/// A default: its empty span tells that the file does not have it.
pub(super) fn absent<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

pub(super) fn path(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Option<Spanned<PathBuf>> {
    let text = reader.text(section, key, example)?;
    if text.get_ref().is_empty() {
        let message = format!("`{key}` of {} is empty", section.what);
        reader.hinted(
            text.span(),
            message,
            format!("write it like this: {key} = {example}"),
        );
        return None;
    }
    Some(Spanned::new(text.span(), PathBuf::from(text.into_inner())))
}

pub(super) fn list(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Vec<Spanned<String>> {
    reader
        .texts(section, key, example)
        .map(Spanned::into_inner)
        .unwrap_or_default()
}

pub(super) fn required_list(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
    meaning: &str,
) -> Spanned<Vec<Spanned<String>>> {
    if section.get(key).is_none() {
        reader.missing(section, key, &format!("{example}   ({meaning})"));
    }
    let texts = reader.texts(section, key, example);
    if let Some(texts) = &texts
        && texts.get_ref().is_empty()
    {
        let message = format!("`{key}` of {} is empty", section.what);
        reader.hinted(
            texts.span(),
            message,
            format!("write {meaning}: {key} = {example}"),
        );
    }
    texts.unwrap_or_else(|| absent(Vec::new()))
}
