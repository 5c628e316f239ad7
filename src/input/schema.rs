//! The JSON Schema of a file format, out of its table of keys. Pure.

use serde_json::{Map, Value, json};

use crate::input::keys::{Key, Need, Shape, Table, Usual};

/// The schema (<https://json-schema.org/draft/2020-12>) of a file that is one of these tables.
pub fn schema(title: &str, tables: &[&'static Table]) -> Value {
    let mut definitions = Map::new();
    let root = match tables {
        [only] => table(only, &mut definitions),
        several => {
            let all: Vec<Value> = several
                .iter()
                .map(|one| reference(one, &mut definitions))
                .collect();
            json!({"anyOf": all})
        }
    };
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
    });
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
        schema.extend(root);
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

fn table(table: &'static Table, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in table.keys() {
        properties.insert(key.name.to_owned(), property(key, definitions));
    }
    let required: Vec<&str> = table
        .keys()
        .filter(|key| key.need == Need::Required)
        .map(|key| key.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "description": table.about,
        "properties": properties,
        "additionalProperties": false,
    });
    if let Value::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        let one_of = table.one_of();
        if !one_of.is_empty() {
            let one_of: Value = one_of.iter().map(|name| json!({"required": [name]})).collect();
            schema.insert("oneOf".to_owned(), one_of);
        }
    }
    schema
}

/// The value of a key.
fn property(key: &'static Key, definitions: &mut Map<String, Value>) -> Value {
    let mut value = shape(&key.shape, definitions);
    if let Value::Object(value) = &mut value {
        value.insert("description".to_owned(), key.about.into());
        match key.usual {
            Usual::Nothing => {}
            Usual::Value(usual) => {
                value.extend(parsed(usual).map(|usual| ("default".to_owned(), usual)));
            }
            Usual::Words(words) => {
                let about = format!("{} Unless given: {words}.", key.about);
                value.insert("description".to_owned(), about.into());
            }
        }
        let examples: Vec<Value> = key.examples.iter().filter_map(|text| parsed(text)).collect();
        if !examples.is_empty() {
            value.insert("examples".to_owned(), examples.into());
        }
    }
    value
}

/// A value that is written as TOML.
fn parsed(text: &str) -> Option<Value> {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    serde_json::to_value(table.remove("value")?).ok()
}

/// A reference to a table's definition, which is made where it is not there yet: tables hold each other.
fn reference(inner: &'static Table, definitions: &mut Map<String, Value>) -> Value {
    if !definitions.contains_key(inner.name) {
        definitions.insert(inner.name.to_owned(), Value::Null);
        let definition = table(inner, definitions);
        definitions.insert(inner.name.to_owned(), definition);
    }
    json!({"$ref": format!("#/$defs/{}", inner.name)})
}

fn shape(of: &'static Shape, definitions: &mut Map<String, Value>) -> Value {
    match of {
        Shape::Text => json!({"type": "string"}),
        Shape::Filled => json!({"type": "string", "pattern": r"\S"}),
        Shape::Path => json!({"type": "string", "minLength": 1}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::True => json!({"const": true}),
        Shape::Whole(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Fraction(least, most) => json!({"type": "number", "minimum": least, "maximum": most}),
        Shape::Number => json!({"type": ["number", "string"]}),
        Shape::Span => json!({"type": "string", "examples": ["30s", "2m 30s"]}),
        Shape::Size => json!({"type": "string", "pattern": r"^\s*[0-9]+\s*[MGT]iB\s*$"}),
        Shape::Share => json!({"type": "string", "pattern": r"^\s*[0-9]+\s*%\s*$"}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::Texts(least) => json!({"type": "array", "items": {"type": "string"}, "minItems": least}),
        Shape::Map(inner) => json!({"type": "object", "additionalProperties": shape(inner, definitions)}),
        Shape::Table(inner) => reference(inner, definitions),
        Shape::Tables(inner, least) => {
            json!({"type": "array", "items": reference(inner, definitions), "minItems": least})
        }
        Shape::Either(shapes) => {
            let all: Vec<Value> = shapes.iter().map(|inner| shape(inner, definitions)).collect();
            json!({"anyOf": all})
        }
        Shape::Anything => json!({}),
    }
}
