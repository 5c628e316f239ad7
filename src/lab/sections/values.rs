//! What several sections need.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;

/// A default: its empty span tells that the file does not have it.
pub(super) fn absent<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// A section of the file that stands there once, `[key]`.
pub(super) fn once<'a>(reader: &mut Reader<'_>, root: &Section<'a>, key: &str) -> Option<Section<'a>> {
    let value = root.get(key)?;
    let what = format!("[{key}]");
    reader.open(what.as_str(), value, root.key(key).shape.table(), &what)
}
