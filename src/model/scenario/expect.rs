//! What is expected of a text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is expected of a text; all that is given must hold. Trailing white space is ignored by `equals`. Every text may
/// hold variables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextExpectation {
    /// The whole text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// A part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A regular expression that matches somewhere in it (syntax of the crate regex, bounded).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// The text is a decimal number of at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// The text is a decimal number of at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<String>,
    /// The text is a decimal number greater than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    /// The text is a decimal number less than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// The text is this decimal number, however it is written: 12.5 is 12.50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals_number: Option<String>,
    /// The text is JSON, and what each path (RFC 9535) selects is as expected.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, TextExpectation>,
}

impl TextExpectation {
    /// Whether nothing at all is expected.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bounds with their keys.
    pub fn bounds(&self) -> [(&'static str, &Option<String>); 5] {
        [
            ("at_least", &self.at_least),
            ("at_most", &self.at_most),
            ("above", &self.above),
            ("below", &self.below),
            ("equals_number", &self.equals_number),
        ]
    }
}
