//! Reading an `http` step.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::config::read::{Reader, Section};
use crate::config::words::show;
use crate::scenario::action::{TEXT_KEYS, expectation_value, is_name, is_port, text_keys};
use crate::scenario::model::{Http, TextExpectation};

/// Reads the table of an `http` step.
pub(super) fn read(reader: &mut Reader<'_>, http: &Section<'_>) -> Http {
    let mut known = vec!["url", "method", "headers", "body", "status", "response"];
    known.extend(TEXT_KEYS);
    reader.known(
        http,
        &known,
        &[(
            "header",
            "it is called `headers`; those of the answer are `response`",
        )],
    );
    let url = reader.required(http, "url", "\"http://web/\"");
    let address = match url.get_ref().as_str() {
        "" => String::new(),
        text => match address(text) {
            Ok(address) => address,
            Err((problem, hint)) => {
                reader.hinted(url.span(), format!("{}: {problem}", show(text)), hint);
                String::new()
            }
        },
    };
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map(|method| (method, method));
    let method = reader.choice(http, "method", &methods).unwrap_or("GET");
    let text = text_keys(reader, http);
    if method == "HEAD" && !text.is_empty() {
        reader.hinted(
            http.span_of("method"),
            format!("{} expects a body, and the answer to HEAD has none", http.what),
            "use GET, or expect only `status` and `response`",
        );
    }
    Http {
        url: address,
        method: method.to_owned(),
        headers: headers(reader, http),
        body: reader.text(http, "body", "\"...\"").map(Spanned::into_inner),
        status: reader
            .number(http, "status", 100..=599)
            .map_or(200, Spanned::into_inner),
        response_headers: response(reader, http),
        text,
    }
}

/// The URL with a path, or what is wrong with it and the remedy.
fn address(url: &str) -> Result<String, (String, String)> {
    let example = "write it like this: url = \"http://web/\", with a role or a name that the guest knows";
    let wrong = |problem: &str| (problem.to_owned(), example.to_owned());
    if url.to_ascii_lowercase().starts_with("https://") {
        return Err((
            "https is not spoken by this version".into(),
            "check it with a command of the guest: run = \"curl --fail https://...\"".into(),
        ));
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(wrong("a URL begins with http://"));
    };
    if let Some(odd) = url.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        return Err(wrong(&format!(
            "{} cannot be sent in a URL",
            show(&odd.to_string())
        )));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_right = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host, "-._", 253),
    };
    if !host_is_right {
        return Err(wrong("its host is not a name or an address"));
    }
    if port.is_some_and(|port| !is_port(port)) {
        return Err(wrong("its port is not a number from 1 to 65535"));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(format!("http://{authority}{slash}{path}"))
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
