//! Reading an `http` step.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use crate::input::names::is_name;
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::template::has_variables;
use crate::input::url::Url;
use crate::input::words::{list, show};
use crate::lab::scenario::expect::{expectation_value, json_paths, text_keys};
use crate::lab::scenario::values::{absolute, department_file};
use crate::model::scenario::expect::TextExpectation;
use crate::model::scenario::{Auth, Authority, Http};

/// Reads `http`.
pub(super) fn read(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Http> {
    let http = &reader.table(step, "http")?;
    let url = reader.required(http, "url");
    let address = address(reader, &url);
    let sent: Vec<&str> = ["body", "form", "json"]
        .into_iter()
        .filter(|key| http.has(key))
        .collect();
    if let [_, second, ..] = sent.as_slice() {
        reader.hinted(
            http.key_span(second),
            format!(
                "{} sends more than one body: {}",
                http.what,
                list(sent.iter().copied())
            ),
            "keep one of them",
        );
    }
    let usual = if sent.is_empty() { "GET" } else { "POST" };
    let method = reader
        .choice::<String>(http, "method")
        .unwrap_or_else(|| usual.to_owned());
    let mut text = text_keys(reader, http);
    text.json = json_paths(reader, http, "response_json");
    if method == "HEAD" && !text.is_empty() {
        reader.hinted(
            http.span_of("method"),
            format!("{} expects a body, and the answer to HEAD has none", http.what),
            "use GET, or expect only `status` and `response`",
        );
    }
    let ca = authority(reader, http);
    if let (Some(_), Ok(url)) = (&ca, Url::parse(&address))
        && !url.secure
    {
        reader.hinted(
            http.span_of("url"),
            format!("{} has an authority, and http:// has no certificate", http.what),
            "write https://, or take the authority away",
        );
    }
    Some(Http {
        url: address,
        method,
        headers: headers(reader, http),
        body: reader.text(http, "body").map(Spanned::into_inner),
        form: form(reader, http),
        json: json(reader, http),
        auth: auth(reader, http),
        cookies: reader.flag(http, "cookies").unwrap_or(true),
        follow: reader.number(http, "follow").map_or(0, Spanned::into_inner),
        ca,
        status: reader.number(http, "status").map_or(200, Spanned::into_inner),
        response_headers: response(reader, http),
        text,
    })
}

/// The URL as it is sent, with its path; one with variables is looked at when they have values.
fn address(reader: &mut Reader<'_>, url: &Spanned<String>) -> String {
    let text = url.get_ref().as_str();
    if text.is_empty() {
        return String::new();
    }
    if has_variables(text) {
        if !["http://", "https://", "${"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            reader.hinted(
                url.span(),
                format!("{}: a URL begins with http:// or https://", show(text)),
                "or with a variable that holds a whole URL",
            );
        }
        return text.to_owned();
    }
    match Url::parse(text) {
        Ok(url) => url.to_string(),
        Err(error) => {
            reader.hinted(
                url.span(),
                format!("{}: {}", show(text), error.problem),
                error.hint,
            );
            String::new()
        }
    }
}

fn authority(reader: &mut Reader<'_>, http: &Section<'_>) -> Option<Authority> {
    let file = reader.text(http, "ca");
    let guest = reader.text(http, "ca_in_guest");
    match (file, guest) {
        (None, None) => None,
        (Some(file), None) => {
            department_file(reader, &file);
            Some(Authority::File(file.into_inner()))
        }
        (None, Some(path)) => Some(Authority::Guest(absolute(reader, path))),
        (Some(_), Some(path)) => {
            reader.hinted(
                path.span(),
                format!("{} has both `ca` and `ca_in_guest`", http.what),
                "keep one of them",
            );
            None
        }
    }
}

fn auth(reader: &mut Reader<'_>, http: &Section<'_>) -> Option<Auth> {
    let table = reader.table(http, "auth")?;
    let user = reader.required(&table, "user");
    if user.get_ref().contains(':') {
        reader.hinted(
            user.span(),
            format!(
                "{} is no user of basic authentication: it has a colon",
                show(user.get_ref())
            ),
            "RFC 7617 has no way to send it",
        );
    }
    Some(Auth {
        user: user.into_inner(),
        password: reader.required(&table, "password").into_inner(),
    })
}

fn form(reader: &mut Reader<'_>, http: &Section<'_>) -> BTreeMap<String, String> {
    let like = http.like("form");
    let Some(table) = reader.names(http, "form") else {
        return BTreeMap::new();
    };
    if table.count() == 0 {
        reader.hinted(
            table.span.clone(),
            format!("{} has no field", table.what),
            format!("write it like this: {like}"),
        );
    }
    table
        .entries()
        .filter_map(|(name, value)| {
            let what = format!("field {}", show(name.get_ref()));
            let text = reader.text_value(&what, value, &like)?;
            Some((name.into_inner(), text.into_inner()))
        })
        .collect()
}

fn json(reader: &mut Reader<'_>, http: &Section<'_>) -> Option<Value> {
    let value = http.get("json")?;
    if let DeValue::Table(table) = value.get_ref()
        && let Some((path, _)) = table.iter().find(|(key, _)| key.get_ref().starts_with('$'))
    {
        reader.hinted(
            path.span(),
            format!(
                "`json` of {} is what is sent, and {} is a JSONPath",
                http.what,
                show(path.get_ref())
            ),
            "what is expected of the answer is `response_json`",
        );
    }
    let document = as_json(value.get_ref());
    if document.is_none() {
        reader.hinted(
            value.span(),
            format!("`json` of {} holds a number that JSON has not", http.what),
            "write it as a text",
        );
    }
    document
}

/// A TOML value as JSON; a date becomes a text. The depth is bounded by TOML's parser.
fn as_json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => {
            Value::from(i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()?)
        }
        DeValue::Float(float) => {
            let number: f64 = float.as_str().replace('_', "").parse().ok()?;
            Value::Number(serde_json::Number::from_f64(number)?)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(array) => Value::Array(
            array
                .iter()
                .map(|item| as_json(item.get_ref()))
                .collect::<Option<_>>()?,
        ),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), as_json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn headers(reader: &mut Reader<'_>, http: &Section<'_>) -> BTreeMap<String, String> {
    let like = http.like("headers");
    let mut headers = BTreeMap::new();
    let Some(table) = reader.names(http, "headers") else {
        return headers;
    };
    for (name, value) in table.entries() {
        if !header_name(reader, &name) {
            continue;
        }
        let lower = name.get_ref().to_ascii_lowercase();
        if matches!(
            lower.as_str(),
            "content-length" | "transfer-encoding" | "connection"
        ) {
            let message = format!("header {} is set by patchgate itself", show(name.get_ref()));
            reader.hinted(name.span(), message, "leave it out");
            continue;
        }
        let what = format!("header {}", show(name.get_ref()));
        let Some(text) = reader.text_value(&what, value, &like) else {
            continue;
        };
        if text.get_ref().chars().any(char::is_control) {
            let message = format!("{what} holds a control character");
            reader.hinted(text.span(), message, "a header is one line");
        }
        headers.insert(name.into_inner(), text.into_inner());
    }
    headers
}

fn response(reader: &mut Reader<'_>, http: &Section<'_>) -> BTreeMap<String, TextExpectation> {
    let like = http.like("response");
    let mut expected = BTreeMap::new();
    let Some(table) = reader.names(http, "response") else {
        return expected;
    };
    for (name, value) in table.entries() {
        if header_name(reader, &name) {
            let what = format!("response header {}", show(name.get_ref()));
            let expectation = expectation_value(reader, what, value, &like);
            expected.insert(name.get_ref().to_ascii_lowercase(), expectation);
        }
    }
    expected
}

/// Whether it is a header's name (RFC 9110, section 5.6.2); complains where it is not.
fn header_name(reader: &mut Reader<'_>, name: &Spanned<String>) -> bool {
    let right = is_name(name.get_ref(), "!#$%&'*+-.^_`|~", 128);
    if !right {
        reader.hinted(
            name.span(),
            format!("{} is not a header's name", show(name.get_ref())),
            "a header's name has letters, digits and hyphens, such as \"content-type\"",
        );
    }
    right
}
