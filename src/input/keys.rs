//! The keys of a file format: one table, from which the reader takes what it knows, requires and shows as an example, the
//! documentation its table, and editors their JSON Schema.

use std::collections::BTreeSet;

/// A table of a file.
#[derive(Debug)]
pub struct Table {
    /// Its name in the schema.
    pub name: &'static str,
    /// What it is, as a sentence.
    pub about: &'static str,
    /// Its keys, in groups, since tables share some.
    pub groups: &'static [&'static [Key]],
    /// Remedies for keys that are often written here and belong elsewhere, or have another name.
    pub elsewhere: &'static [(&'static str, &'static str)],
}

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether it must be there.
    pub need: Need,
    /// What it means, as a sentence.
    pub about: &'static str,
    /// What holds where it is not given.
    pub usual: Usual,
    /// Values that would be right, as TOML.
    pub examples: &'static [&'static str],
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It may be left out.
    Optional,
    /// It must be there.
    Required,
    /// Exactly one of the table's keys with this need must be there.
    OneOf,
}

/// What holds where a key is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// Nothing worth saying.
    Nothing,
    /// This value, as TOML.
    Value(&'static str),
    /// What these words say.
    Words(&'static str),
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A text.
    Text,
    /// A text that is not blank.
    Filled,
    /// A path.
    Path,
    /// True or false.
    Flag,
    /// `true` and nothing else.
    True,
    /// A whole number of a range.
    Whole(i64, i64),
    /// A fraction of a range.
    Fraction(f64, f64),
    /// A number, or a text that holds one or a variable.
    Number,
    /// A time span, such as `"30s"`.
    Span,
    /// An amount of memory or disk, such as `"512MiB"`.
    Size,
    /// A share, such as `"30%"`.
    Share,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list of texts, with at least so many entries.
    Texts(usize),
    /// Any name, each with such a value.
    Map(&'static Shape),
    /// A table.
    Table(&'static Table),
    /// A list of tables, with at least so many entries.
    Tables(&'static Table, usize),
    /// One or another.
    Either(&'static [Shape]),
    /// Anything that JSON can hold.
    Anything,
}

/// Stands for what a table does not have.
static NO_KEY: Key = Key::optional("", Shape::Anything, "");
static NO_TABLE: Table = Table {
    name: "",
    about: "",
    groups: &[],
    elsewhere: &[],
};

impl Key {
    const fn new(name: &'static str, need: Need, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            shape,
            need,
            about,
            usual: Usual::Nothing,
            examples: &[],
        }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self::new(name, Need::Optional, shape, about)
    }

    /// A key that must be there.
    pub const fn required(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self::new(name, Need::Required, shape, about)
    }

    /// One of several keys, of which exactly one must be there.
    pub const fn one_of(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self::new(name, Need::OneOf, shape, about)
    }

    /// The same key with the value that holds where it is not given, as TOML.
    #[must_use]
    pub const fn usually(mut self, value: &'static str) -> Self {
        self.usual = Usual::Value(value);
        self
    }

    /// The same key with words for what holds where it is not given.
    #[must_use]
    pub const fn unless_given(mut self, words: &'static str) -> Self {
        self.usual = Usual::Words(words);
        self
    }

    /// The same key with values that would be right, as TOML.
    #[must_use]
    pub const fn such_as(mut self, examples: &'static [&'static str]) -> Self {
        self.examples = examples;
        self
    }

    /// A value that would be right, as TOML.
    pub fn example(&self) -> String {
        match (self.examples.first(), self.usual) {
            (Some(example), _) => (*example).to_owned(),
            // Who takes the example over as it is changes nothing.
            (None, Usual::Value(usual)) => usual.to_owned(),
            (None, Usual::Words(_) | Usual::Nothing) => self.shape.example(),
        }
    }

    /// A line that would be right, or several: `vcpus = 8`.
    pub fn like(&self) -> String {
        let line = |example: &str| format!("{} = {example}", self.name);
        if self.examples.is_empty() {
            return line(&self.example());
        }
        let lines: Vec<String> = self.examples.iter().map(|example| line(example)).collect();
        lines.join(" or ")
    }

    /// What it means, as a part of a sentence: without the capital and the full stop.
    pub fn meaning(&self) -> String {
        let about = self.about.trim_end_matches('.');
        let mut chars = about.chars();
        chars
            .next()
            .map(|first| format!("{}{}", first.to_lowercase(), chars.as_str()))
            .unwrap_or_default()
    }
}

impl Shape {
    /// A value of that shape, as TOML.
    fn example(&self) -> String {
        match self {
            Self::Text | Self::Filled | Self::Path => "\"...\"".to_owned(),
            Self::Flag | Self::True => "true".to_owned(),
            Self::Whole(least, _) => least.to_string(),
            Self::Fraction(_, most) => most.to_string(),
            Self::Number => "12.50".to_owned(),
            Self::Span => "\"30s\"".to_owned(),
            Self::Size => "\"512MiB\"".to_owned(),
            Self::Share => "\"30%\"".to_owned(),
            Self::Word(words) => format!("{:?}", words.first().unwrap_or(&"...")),
            Self::Texts(_) => "[\"...\"]".to_owned(),
            Self::Map(_) | Self::Table(_) | Self::Anything => "{ ... }".to_owned(),
            Self::Tables(..) => "[{ ... }]".to_owned(),
            Self::Either(shapes) => shapes.first().map_or_else(String::new, Self::example),
        }
    }

    /// The tables that are a part of it.
    pub fn tables(&self) -> Vec<&'static Table> {
        match self {
            Self::Table(table) | Self::Tables(table, _) => vec![table],
            Self::Map(inner) => inner.tables(),
            Self::Either(shapes) => shapes.iter().flat_map(Self::tables).collect(),
            Self::Text
            | Self::Filled
            | Self::Path
            | Self::Flag
            | Self::True
            | Self::Whole(..)
            | Self::Fraction(..)
            | Self::Number
            | Self::Span
            | Self::Size
            | Self::Share
            | Self::Word(_)
            | Self::Texts(_)
            | Self::Anything => Vec::new(),
        }
    }

    /// The table that a value of it is.
    pub fn table(&self) -> &'static Table {
        let first = self.tables().first().copied();
        debug_assert!(first.is_some(), "{self:?} has no table");
        first.unwrap_or(&NO_TABLE)
    }

    /// The words that a value of it is one of.
    pub fn words(&self) -> &'static [&'static str] {
        match self {
            Self::Word(words) => words,
            _ => &[],
        }
    }
}

impl Table {
    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.groups.iter().copied().flatten()
    }

    /// The names of its keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys().map(|key| key.name).collect()
    }

    /// The names of the keys of which exactly one must be there.
    pub fn one_of(&self) -> Vec<&'static str> {
        let one_of = self.keys().filter(|key| key.need == Need::OneOf);
        one_of.map(|key| key.name).collect()
    }

    /// The key of that name.
    pub fn key(&self, name: &str) -> &'static Key {
        let found = self.keys().find(|key| key.name == name);
        debug_assert!(found.is_some(), "table {} has no key {name}", self.name);
        found.unwrap_or(&NO_KEY)
    }

    /// It and all tables that its values hold, each once, by name.
    pub fn all(&'static self) -> Vec<&'static Table> {
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        let mut next = vec![self];
        while let Some(table) = next.pop() {
            if seen.insert(table.name) {
                all.push(table);
                next.extend(table.keys().flat_map(|key| key.shape.tables()));
            }
        }
        all.sort_by_key(|table| table.name);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: Table = Table {
        name: "inner",
        about: "What is inside.",
        groups: &[&[
            Key::one_of("a", Shape::Text, "One."),
            Key::one_of("b", Shape::Flag, "Another."),
        ]],
        elsewhere: &[],
    };
    static OUTER: Table = Table {
        name: "outer",
        about: "What is outside.",
        groups: &[
            &[Key::required("size", Shape::Whole(1, 9), "Its OS versions, one each.").such_as(&["3", "4"])],
            &[
                Key::optional("inner", Shape::Map(&Shape::Table(&INNER)), "More."),
                Key::optional("again", Shape::Whole(0, 4), "How often.").usually("1"),
            ],
        ],
        elsewhere: &[],
    };

    #[test]
    fn a_key_says_what_would_be_right() {
        assert_eq!(OUTER.key("size").like(), "size = 3 or size = 4");
        assert_eq!(OUTER.key("size").meaning(), "its OS versions, one each");
        assert_eq!(INNER.key("b").like(), "b = true");
        assert_eq!(OUTER.key("again").like(), "again = 1", "what holds in any case");
    }

    #[test]
    fn a_table_knows_its_keys_and_all_tables_below() {
        assert_eq!(OUTER.names(), ["size", "inner", "again"]);
        assert_eq!(INNER.one_of(), ["a", "b"]);
        let names: Vec<&str> = OUTER.all().iter().map(|table| table.name).collect();
        assert_eq!(names, ["inner", "outer"]);
    }
}
