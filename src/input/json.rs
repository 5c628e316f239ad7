//! Values of JSON documents by path. Pure.
//!
//! A JSONPath (RFC 9535) says which values; their numbers are then read from the document's own text, since
//! `serde_json` turns 0.1 into a binary fraction.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::JsonPath;

mod shape;

use shape::Shape;

/// Values that one path may select.
const SELECTED: usize = 1_000;

/// Whether a text is a path that can be looked up.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &str) -> Result<(), String> {
    parse(path).map(drop)
}

/// Its shape is bounded first: the parser's own time doubles with every filter inside a filter.
fn parse(path: &str) -> Result<(JsonPath, Shape), String> {
    let shape = Shape::of(path)?;
    let path = JsonPath::parse(path).map_err(|error| error.to_string())?;
    Ok((path, shape))
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
    let text = path;
    let (path, shape) = parse(path).map_err(|error| format!("cannot be looked up by {path}: {error}"))?;
    let value: Value = serde_json::from_str(document).map_err(|error| format!("is not JSON: {error}"))?;
    if !shape.is_affordable(&value) {
        return Err(format!(
            "is too large for {text}, which looks at its values again and again"
        ));
    }
    let nodes = path.query_located(&value);
    if nodes.len() > SELECTED {
        return Err(format!(
            "has {} values at {text}, and {SELECTED} are looked at at most",
            nodes.len()
        ));
    }
    let mut all = Vec::new();
    for node in nodes {
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
        // What never ends, or takes all memory, is refused: as it is read, or by the document.
        for endless in [
            format!("$.a{}.x{}", "[?@".repeat(40), "]".repeat(40)),
            format!("$.a{}.x{}", "[?@".repeat(3_000), "]".repeat(3_000)),
            format!("$.a[?{}@.x{}]", "(".repeat(3_000), ")".repeat(3_000)),
            format!("$.a[?{}]", vec!["@.x"; 300].join("&&")),
            "$[?match(@.a, 'x{1000}{1000}')]".to_owned(),
            "$[?search (@.a, @.b)]".to_owned(),
        ] {
            assert!(check_path(&endless).is_err(), "{endless:.60}");
        }
        let nested = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        assert!(
            select(&nested, "$..*..*..*..*")
                .expect_err("8 GB")
                .contains("too large")
        );
        assert_eq!(texts(&nested, "$..[?@ == 1]"), ["1"]);
        let wide = format!("[{}1]", "1,".repeat(100_000));
        assert!(
            select(&wide, "$[?count($..*) > 1]")
                .expect_err("hours")
                .contains("too large")
        );
        assert!(select(&wide, "$[*]").expect_err("many").contains("100001 values"));
        assert_eq!(texts(&wide, "$[7]"), ["1"]);
        // Brackets and dots inside a name are its own.
        assert!(check_path("$['[?[?[?[?[?..match(']").is_ok());
        assert!(check_path("$.lines[?@.match == 'a' && @['search'] == 'b']").is_ok());
        // A deep document is refused by the parser and not by the stack.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(select(&deep, "$").is_err());
    }
}
