//! What a JSONPath costs: bounds that hold before it is parsed, and an estimate for a document that is never too low. Pure.

use serde_json::Value;

/// Bytes of a path.
const LENGTH: usize = 500;

/// Brackets and parentheses inside each other.
const DEPTH: usize = 12;

/// Filters inside each other.
const FILTERS: usize = 3;

/// Steps of a way to a value, over all values that are come by: 24 bytes each.
const BUDGET: usize = 10_000_000;

/// What a path looks at, as far as its cost goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// The path itself, and then the query of each filter that selects several values.
    queries: Vec<Query>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Query {
    /// How often it has `..`: each but the first comes by a value once for each of those that it is in.
    descents: u32,
    /// How often one value may be selected, by `[0, 0]` say.
    selectors: usize,
    /// Whether it may select several values.
    is_plural: bool,
}

impl Query {
    const ONE: Self = Self {
        descents: 0,
        selectors: 1,
        is_plural: false,
    };
}

/// A bracket or parenthesis that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Selectors,
    Filter,
    Group,
}

impl Shape {
    /// The shape of a text that may be a path.
    ///
    /// # Errors
    /// It is longer or deeper than any that is of use, or calls a function with a regular expression.
    pub(super) fn of(path: &str) -> Result<Self, String> {
        if path.len() > LENGTH {
            return Err(format!(
                "it has {} bytes, and {LENGTH} are read at most",
                path.len()
            ));
        }
        let mut queries = vec![Query::ONE];
        let mut inside: Vec<Query> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut commas: Vec<usize> = Vec::new();
        let mut word = String::new();
        let mut characters = path.chars().peekable();
        while let Some(character) = characters.next() {
            let is_filter = open.contains(&Open::Filter);
            let query = inside.last_mut().or(queries.first_mut());
            let Some(query) = query else { break };
            match character {
                '\'' | '"' => {
                    while let Some(inner) = characters.next() {
                        if inner == '\\' {
                            characters.next();
                        } else if inner == character {
                            break;
                        }
                    }
                }
                '.' if characters.next_if_eq(&'.').is_some() => {
                    query.descents += 1;
                    query.is_plural = true;
                }
                '*' | ':' => query.is_plural = true,
                ',' => {
                    query.is_plural = true;
                    if let Some(commas) = commas.last_mut() {
                        *commas += 1;
                    }
                }
                '?' => {
                    if let Some(last) = open.last_mut().filter(|last| **last != Open::Group) {
                        query.is_plural = true;
                        *last = Open::Filter;
                        inside.push(Query::ONE);
                    }
                    if open.iter().filter(|open| **open == Open::Filter).count() > FILTERS {
                        return Err(format!("it has more than {FILTERS} filters inside each other"));
                    }
                }
                '[' | '(' => {
                    if is_filter && character == '(' && matches!(word.as_str(), "match" | "search") {
                        return Err(format!("it calls {word}(), for which there is `matches`"));
                    }
                    if open.len() >= DEPTH {
                        return Err(format!("it has more than {DEPTH} brackets inside each other"));
                    }
                    open.push(if character == '[' {
                        Open::Selectors
                    } else {
                        Open::Group
                    });
                    commas.push(0);
                }
                ']' | ')' => {
                    let commas = commas.pop().unwrap_or_default();
                    match open.pop() {
                        Some(Open::Filter) => queries.extend(inside.pop()),
                        Some(Open::Selectors) => query.selectors = query.selectors.saturating_mul(commas + 1),
                        Some(Open::Group) | None => {}
                    }
                }
                _ => {}
            }
            match character {
                ' ' | '\t' | '\r' | '\n' => {}
                letter if letter.is_ascii_alphanumeric() || letter == '_' => word.push(letter),
                '.' => word.push('.'),
                _ => word.clear(),
            }
        }
        Ok(Self { queries })
    }

    /// Whether a document is small enough for it.
    pub(super) fn is_affordable(&self, document: &Value) -> bool {
        let (nodes, depth) = extent(document);
        let mut cost = depth;
        for (at, query) in self.queries.iter().enumerate() {
            if at == 0 || query.is_plural {
                let again = depth.saturating_pow(query.descents.saturating_sub(1));
                cost = cost
                    .saturating_mul(nodes)
                    .saturating_mul(again)
                    .saturating_mul(query.selectors);
            }
        }
        cost <= BUDGET
    }
}

/// How many values a document has, and how deep it is; the JSON parser bounds its depth.
fn extent(value: &Value) -> (usize, usize) {
    let add = |(nodes, depth): (usize, usize), inner: &Value| {
        let (more, deeper) = extent(inner);
        (nodes + more, depth.max(deeper + 1))
    };
    match value {
        Value::Array(items) => items.iter().fold((1, 1), add),
        Value::Object(fields) => fields.values().fold((1, 1), add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (1, 1),
    }
}
