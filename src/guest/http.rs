//! HTTP spoken from inside the guest without any client installed there: bash opens the connection (bash(1),
//! `/dev/tcp`), the request goes in on standard input, the response comes back whole.

use std::fmt::Write;
use std::time::Duration;

use super::{GuestCommand, ParseError, linux};
use crate::scenario::model::Http;

/// The parts of an `http://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// Port, 80 unless given.
    pub port: u16,
    /// Path with query, never empty.
    pub path: &'a str,
}

/// Splits a URL; the message says what is wrong with it.
pub fn parse_url(url: &str) -> Result<Url<'_>, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("only http:// URLs can be asked for in this version")?;
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("a URL has no spaces or control characters".into());
    }
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let (host, port) = match authority.rsplit_once(':') {
        None => (authority, 80),
        Some((host, port)) => match port.parse() {
            Ok(port) if port > 0 => (host, port),
            _ => return Err(format!("`{port}` is not a port")),
        },
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !host.chars().all(named) {
        return Err(format!("`{host}` is not a host name"));
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(Url { host, port, path })
}

/// The command that makes the request; `None` for a URL that [`parse_url`] refuses.
pub fn request(http: &Http, timeout: Duration) -> Option<GuestCommand> {
    const TEXT: &str = r#"exec 3<>"/dev/tcp/$1/$2" || exit 7
cat >&3
cat <&3"#;
    let url = parse_url(&http.url).ok()?;
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nUser-Agent: patchgate\r\n",
        http.method, url.path, url.host
    );
    let body = http.body.as_deref().unwrap_or("");
    // Writing to a String cannot fail.
    for (name, value) in &http.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if http.body.is_some() {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    let port = url.port.to_string();
    let mut command = linux::bounded(
        "http",
        &["/bin/bash", "-c", TEXT, "patchgate", url.host, &port],
        &[],
        timeout,
    );
    command.stdin = Some(format!("{head}\r\n{body}").into_bytes());
    Some(command)
}

/// A response, its body decoded to text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers by lower-case name, in order; repeated ones stand repeatedly.
    pub headers: Vec<(String, String)>,
    /// The body, invalid UTF-8 replaced.
    pub body: String,
}

/// Reads a whole response (RFC 9112), chunked or until the end.
pub fn parse_response(bytes: &[u8]) -> Result<Response, ParseError> {
    let wrong = |problem: String| ParseError {
        what: "HTTP response",
        problem,
    };
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Response::new(&mut headers);
    let start = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) if bytes.is_empty() => return Err(wrong("nothing came back".into())),
        Ok(httparse::Status::Partial) => return Err(wrong("it ends inside its head".into())),
        Err(error) => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
            return Err(wrong(format!("{error} in `{}`", linux::clip(&text))));
        }
    };
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|header| {
            (
                header.name.to_ascii_lowercase(),
                String::from_utf8_lossy(header.value).into_owned(),
            )
        })
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked"));
    let rest = bytes.get(start..).unwrap_or_default();
    let body = if chunked { unchunk(rest) } else { rest.to_vec() };
    Ok(Response {
        status: parsed.code.unwrap_or(0),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Joins the chunks; stops quietly where the response was cut.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let chunk = rest.get(start..).unwrap_or_default();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&chunk[..chunk.len().min(size)]);
        rest = chunk.get(size.saturating_add(2)..).unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_and_wrong_ones_named() {
        let url = |host, port, path| Ok(Url { host, port, path });
        assert_eq!(parse_url("http://web"), url("web", 80, "/"));
        assert_eq!(parse_url("http://app:8080/a?b=c"), url("app", 8080, "/a?b=c"));
        for (wrong, says) in [
            ("https://web/", "only http://"),
            ("http://", "not a host name"),
            ("http://web:0/", "not a port"),
            ("http://web:x/", "not a port"),
            ("http://we b/", "no spaces"),
            ("http://a\"b/", "not a host name"),
        ] {
            assert!(parse_url(wrong).expect_err(wrong).contains(says), "{wrong}");
        }
    }

    #[test]
    fn responses_are_read_plain_and_chunked() {
        let plain = parse_response(b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello").expect("plain");
        assert_eq!((plain.status, plain.body.as_str()), (200, "hello"));
        assert_eq!(plain.headers, [("x-a".to_owned(), "b".to_owned())]);
        let chunked =
            b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
        assert_eq!(parse_response(chunked).expect("chunked").body, "hello!");
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        use proptest::prelude::*;
        proptest!(|(bytes: Vec<u8>)| { let _ = parse_response(&bytes); });
        proptest!(|(tail: Vec<u8>)| {
            let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            bytes.extend(tail);
            let _ = parse_response(&bytes);
        });
        assert!(
            parse_response(b"")
                .expect_err("empty")
                .to_string()
                .contains("nothing came back")
        );
        assert!(parse_response(b"SSH-2.0-x\r\n").is_err());
    }
}
