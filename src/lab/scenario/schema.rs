//! The JSON Schema of a scenario file, out of the table that the parser reads by. Pure.

use serde_json::{Map, Value, json};

use crate::lab::scenario::keys::{ACTIONS, CAPTURE, LOG, SCENARIO, Shape, Table};

/// The schema (<https://json-schema.org/draft/2020-12>).
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let root = table(&SCENARIO, &mut definitions);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of patchgate",
    });
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
        schema.extend(root);
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

fn table(table: &'static Table, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in table.keys {
        let mut value = shape(&key.shape, definitions);
        if let Value::Object(value) = &mut value {
            value.insert("description".to_owned(), key.about.into());
        }
        properties.insert(key.name.to_owned(), value);
    }
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "description": table.about,
        "properties": properties,
        "additionalProperties": false,
    });
    let one_of = |names: &[&str]| -> Value { names.iter().map(|name| json!({"required": [name]})).collect() };
    if let Value::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        if matches!(table.name, "step" | "cleanup") {
            schema.insert("oneOf".to_owned(), one_of(&ACTIONS));
        } else if table.name == CAPTURE.name {
            schema.insert("oneOf".to_owned(), one_of(&CAPTURE.names()));
        } else if table.name == LOG.name {
            schema.insert("oneOf".to_owned(), one_of(&["unit", "file"]));
        }
    }
    schema
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
        Shape::Flag => json!({"type": "boolean"}),
        Shape::True => json!({"const": true}),
        Shape::Whole(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Number => json!({"type": ["number", "string"]}),
        Shape::Span => json!({"type": "string", "examples": ["30s", "2m 30s"]}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::Texts(least) => json!({"type": "array", "items": {"type": "string"}, "minItems": least}),
        Shape::Map(inner) => json!({"type": "object", "additionalProperties": shape(inner, definitions)}),
        Shape::Table(inner) => reference(inner, definitions),
        Shape::Tables(inner) => {
            json!({"type": "array", "items": reference(inner, definitions), "minItems": 1})
        }
        Shape::Either(shapes) => {
            let all: Vec<Value> = shapes.iter().map(|inner| shape(inner, definitions)).collect();
            json!({"anyOf": all})
        }
        Shape::Anything => json!({}),
    }
}
