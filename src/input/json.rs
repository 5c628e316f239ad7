//! Values of JSON documents by path. Pure.
//!
//! A JSONPath (RFC 9535) says which values; their numbers are then read from the document's own text, since
//! `serde_json` turns 0.1 into a binary fraction.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::JsonPath;

/// Values that one path may select.
const SELECTED: usize = 10_000;

/// Whether a text is a path that can be looked up.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &str) -> Result<(), String> {
    JsonPath::parse(path).map(drop).map_err(|error| error.to_string())
}

/// A value that a path selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Where it is: its normalized path, such as `$['lines'][0]`.
    pub at: String,
    /// A text without its quotes, a number as it is written, anything else as JSON.
    pub text: String,
    /// Whether it is a number.
    pub is_number: bool,
}

/// What a path selects in a document.
///
/// # Errors
/// Why nothing can be looked up, as a sentence about the text.
pub fn select(document: &str, path: &str) -> Result<Vec<Selected>, String> {
    let path = JsonPath::parse(path).map_err(|error| format!("cannot be looked up by {path}: {error}"))?;
    let value: Value = serde_json::from_str(document).map_err(|error| format!("is not JSON: {error}"))?;
    let mut all = Vec::new();
    for node in path.query_located(&value).into_iter().take(SELECTED) {
        let text = match node.node() {
            Value::String(text) => text.clone(),
            Value::Number(number) => {
                exact(document, &node.location().to_json_pointer()).unwrap_or_else(|| number.to_string())
            }
            other => other.to_string(),
        };
        all.push(Selected {
            at: node.location().to_string(),
            text,
            is_number: node.node().is_number(),
        });
    }
    Ok(all)
}

/// The text of the value at a JSON pointer (RFC 6901).
fn exact(document: &str, pointer: &str) -> Option<String> {
    let mut raw: &str = document;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        raw = if raw.trim_start().starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            items.get(token.parse::<usize>().ok()?)?.get()
        } else {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(raw).ok()?;
            fields.get(&token)?.get()
        };
    }
    Some(raw.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str, path: &str) -> Vec<String> {
        let selected = select(document, path).expect(path);
        selected.into_iter().map(|value| value.text).collect()
    }

    #[test]
    fn values_are_selected_and_numbers_stay_as_written() {
        let invoice = r#"{"id": "INV-1", "total": 12345678901234567.890, "a/b": {"~": 1.10},
            "lines": [{"account": "3010", "amount": 0.10}, {"account": "8400", "amount": -0.10}], "paid": false}"#;
        for (path, is) in [
            ("$.id", vec!["INV-1"]),
            ("$.total", vec!["12345678901234567.890"]),
            ("$['a/b']['~']", vec!["1.10"]),
            ("$.lines[*].amount", vec!["0.10", "-0.10"]),
            ("$.lines[?@.account == '8400'].amount", vec!["-0.10"]),
            ("$.paid", vec!["false"]),
            ("$.lines[0]", vec![r#"{"account":"3010","amount":0.1}"#]),
            ("$.nothing", vec![]),
        ] {
            assert_eq!(texts(invoice, path), is, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_looked_up_is_told() {
        assert!(
            select("<html>", "$.id")
                .expect_err("HTML")
                .starts_with("is not JSON")
        );
        assert!(check_path("id").is_err());
        assert!(check_path("$.lines[").is_err());
        assert!(check_path("$.lines[0].total").is_ok());
        // A deep document is refused by the parser and not by the stack.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(select(&deep, "$").is_err());
    }
}
