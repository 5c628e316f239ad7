//! Tables of a file, with their places and the keys that they may have. Pure.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::input::keys::{Key, Table};

/// A table of a file, with its name in words.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// Its name in messages, such as `[lab]` or `step 2`.
    pub what: String,
    /// Where it begins; what is missing is shown here.
    pub span: Range<usize>,
    /// The keys that it may have.
    pub keys: &'static Table,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// A table that is named `what` and begins at `span`.
    pub fn new(
        what: impl Into<String>,
        span: Range<usize>,
        keys: &'static Table,
        table: &'a DeTable<'a>,
    ) -> Self {
        Self {
            what: what.into(),
            span,
            keys,
            table,
        }
    }

    /// What its table says of a key.
    pub fn key(&self, key: &str) -> &'static Key {
        self.keys.key(key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// Whether a key is given.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key's value is, or the section where it is not given.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.get(key).map_or(self.span.clone(), Spanned::span)
    }

    /// Where a key itself is, or the section where it is not given.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.table
            .get_key_value(key)
            .map_or(self.span.clone(), |(key, _)| key.span())
    }

    /// A key's name in messages: `` `run` of step 2 ``.
    pub fn what_of(&self, key: &str) -> String {
        format!("`{key}` of {}", self.what)
    }

    /// A line, or several, that would be right for a key.
    pub fn like(&self, key: &str) -> String {
        self.key(key).like()
    }

    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        entries(self.table)
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// A table whose keys are names of the file's own.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    /// Its name in messages.
    pub what: String,
    /// Where it begins.
    pub span: Range<usize>,
    table: &'a DeTable<'a>,
}

impl<'a> Names<'a> {
    /// A table that is named `what` and begins at `span`.
    pub fn new(what: impl Into<String>, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self {
            what: what.into(),
            span,
            table,
        }
    }

    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        entries(self.table)
    }

    /// How many entries it has.
    pub fn count(&self) -> usize {
        self.table.len()
    }
}

/// A key with its value.
pub type Entry<'a> = (Spanned<String>, &'a Spanned<DeValue<'a>>);

/// A table's entries, in the order of their keys' names.
fn entries<'a>(table: &'a DeTable<'a>) -> impl Iterator<Item = Entry<'a>> + use<'a> {
    table
        .iter()
        .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().to_string()), value))
}
