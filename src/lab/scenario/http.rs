//! Reading an `http` step.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use crate::input::names::is_name;
use crate::input::read::{Reader, Section};
use crate::input::template::has_variables;
use crate::input::url::Url;
use crate::input::words::{list, show};
use crate::lab::scenario::expect::{expectation_value, json_paths, text_keys};
use crate::lab::scenario::keys;
use crate::lab::scenario::values::{absolute, department_file};
use crate::model::scenario::expect::TextExpectation;
use crate::model::scenario::{Auth, Authority, Http};

/// Reads the table of an `http` step.
pub(super) fn read(reader: &mut Reader<'_>, http: &Section<'_>) -> Http {
    reader.known(
        http,
        &keys::HTTP.names(),
        &[
            (
                "header",
                "it is called `headers`; those of the answer are `response`",
            ),
            (
                "insecure",
                "a certificate is always verified; give its authority with `ca`",
            ),
            (
                "user",
                "it belongs inside `auth`: auth = { user = \"...\", password = \"...\" }",
            ),
        ],
    );
    let url = reader.required(http, "url", "\"http://web/\"");
    let address = address(reader, &url);
    let sent: Vec<&str> = ["body", "form", "json"]
        .into_iter()
        .filter(|key| http.get(key).is_some())
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
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map(|method| (method, method));
    let usual = if sent.is_empty() { "GET" } else { "POST" };
    let method = reader.choice(http, "method", &methods).unwrap_or(usual);
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
            url_span(http),
            format!("{} has an authority, and http:// has no certificate", http.what),
            "write https://, or take the authority away",
        );
    }
    Http {
        url: address,
        method: method.to_owned(),
        headers: headers(reader, http),
        body: reader.text(http, "body", "\"...\"").map(Spanned::into_inner),
        form: form(reader, http),
        json: json(reader, http),
        auth: auth(reader, http),
        cookies: reader.flag(http, "cookies").unwrap_or(true),
        follow: reader
            .number(http, "follow", 0..=10)
            .map_or(0, Spanned::into_inner),
        ca,
        status: reader
            .number(http, "status", 100..=599)
            .map_or(200, Spanned::into_inner),
        response_headers: response(reader, http),
        text,
    }
}

fn url_span(http: &Section<'_>) -> std::ops::Range<usize> {
    http.span_of("url")
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
    let file = reader.text(http, "ca", "\"ca.pem\"");
    let guest = reader.text(http, "ca_in_guest", "\"/etc/ssl/certs/ca-certificates.crt\"");
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
    let example = "auth = { user = \"clerk\", password = \"${CLERK_PASSWORD}\" }";
    let value = http.get("auth")?;
    let table = reader.section(format!("`auth` of {}", http.what), value, example)?;
    reader.known(&table, &keys::AUTH.names(), &[("name", "it is called `user`")]);
    let user = reader.required(&table, "user", "\"clerk\"");
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
        password: reader
            .required(&table, "password", "\"${CLERK_PASSWORD}\"")
            .into_inner(),
    })
}

fn form(reader: &mut Reader<'_>, http: &Section<'_>) -> BTreeMap<String, String> {
    let example = "form = { user = \"clerk\", lines = \"2\" }";
    let Some(value) = http.get("form") else {
        return BTreeMap::new();
    };
    let Some(table) = reader.section(format!("`form` of {}", http.what), value, example) else {
        return BTreeMap::new();
    };
    if table.entries().next().is_none() {
        reader.hinted(
            value.span(),
            format!("{} has no field", table.what),
            format!("write it like this: {example}"),
        );
    }
    table
        .entries()
        .filter_map(|(name, value)| {
            let what = format!("field {}", show(name.get_ref()));
            let text = reader.text_value(&what, value, example)?;
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
    let example = "headers = { \"accept\" = \"text/html\" }";
    let mut headers = BTreeMap::new();
    let Some(value) = http.get("headers") else {
        return headers;
    };
    let Some(table) = reader.section(format!("`headers` in {}", http.what), value, example) else {
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
        let Some(text) = reader.text_value(&what, value, example) else {
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
    let example = "response = { \"content-type\" = { contains = \"text/html\" } }";
    let mut expected = BTreeMap::new();
    let Some(value) = http.get("response") else {
        return expected;
    };
    let Some(table) = reader.section(format!("`response` in {}", http.what), value, example) else {
        return expected;
    };
    for (name, value) in table.entries() {
        if header_name(reader, &name) {
            let what = format!("response header {}", show(name.get_ref()));
            let expectation = expectation_value(reader, what, value, example);
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
