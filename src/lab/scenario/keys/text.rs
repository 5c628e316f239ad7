//! What is expected of a text.

use crate::input::keys::{Key, Shape, Table};

/// What is expected of a text: the text itself, or a table.
pub(super) static EXPECTED: Shape = Shape::Either(&[Shape::Text, Shape::Table(&TEXT)]);

/// What is expected of the values that JSONPaths select.
static JSON_EXPECTED: Shape = Shape::Either(&[Shape::Text, Shape::Number, Shape::Flag, Shape::Table(&TEXT)]);

/// A key whose value is what is expected of some text.
pub(super) const fn expected(name: &'static str, about: &'static str) -> Key {
    Key::optional(name, EXPECTED, about).such_as(&["{ contains = \"...\" }"])
}

/// A key whose value is what is expected of a JSON document.
pub(super) const fn json(name: &'static str, about: &'static str) -> Key {
    Key::optional(name, Shape::Map(&JSON_EXPECTED), about).such_as(&["{ \"$.lines[0].total\" = \"12.50\" }"])
}

/// What is expected of a text, in a table that may say more.
pub(super) static TEXT_KEYS: [Key; 8] = [
    Key::optional(
        "equals",
        Shape::Text,
        "It is this text; white space at its end does not count.",
    ),
    Key::optional("contains", Shape::Text, "It has this text in it."),
    Key::optional(
        "matches",
        Shape::Text,
        "This regular expression matches somewhere in it.",
    ),
    Key::optional("at_least", Shape::Number, "It is a number of at least this."),
    Key::optional("at_most", Shape::Number, "It is a number of at most this."),
    Key::optional("above", Shape::Number, "It is a number greater than this."),
    Key::optional("below", Shape::Number, "It is a number less than this."),
    Key::optional(
        "equals_number",
        Shape::Number,
        "It is this number, however it is written.",
    ),
];

/// That a text is JSON, beside what else is expected of it.
pub(super) static JSON_KEY: [Key; 1] = [json(
    "json",
    "It is JSON, and what these JSONPaths select is as expected.",
)];

/// What is expected of a text.
pub static TEXT: Table = Table {
    name: "text",
    about: "What is expected of a text; all that is given must hold.",
    groups: &[&JSON_KEY, &TEXT_KEYS],
    elsewhere: &[],
};

/// `expect` of `run` and `script`.
pub static EXPECT: Table = Table {
    name: "expect",
    about: "What is expected of a command.",
    groups: &[&[
        Key::optional("exit", Shape::Whole(0, 255), "Its exit code.").usually("0"),
        expected("stdout", "Its standard output."),
        expected("stderr", "Its standard error."),
    ]],
    elsewhere: &[
        ("status", "the exit code is called `exit`"),
        ("contains", "say of what: stdout = { contains = \"...\" }"),
        ("matches", "say of what: stdout = { matches = \"...\" }"),
        ("equals", "say of what: stdout = \"...\""),
        ("json", "say of what: stdout = { json = { \"$.id\" = \"...\" } }"),
    ],
};
