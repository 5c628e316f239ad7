//! HTTP as it is spoken from inside a guest: what is sent, and what comes back.

use std::fmt::Write;

use crate::guest::command::ParseError;
use crate::input::url::Url;

/// One request, everything in it fit to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Where it goes.
    pub url: &'a Url,
    /// Its headers, in order; `Host`, `Connection` and the body's length are added.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<Vec<u8>>,
    /// The guest's file of the authority that must have signed the server's certificate; whom the guest trusts unless
    /// given.
    pub ca: Option<&'a str>,
}

impl Request<'_> {
    /// The request as it is sent (RFC 9112).
    pub fn bytes(&self) -> Vec<u8> {
        let url = self.url;
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, url.path);
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(header, _)| header.eq_ignore_ascii_case(name))
        };
        // Writing to a String cannot fail.
        for (name, value) in [("Host", url.authority().as_str()), ("User-Agent", "patchgate")] {
            if !has(name) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        let mut input = format!("{head}\r\n").into_bytes();
        input.extend_from_slice(self.body.as_deref().unwrap_or_default());
        input
    }
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
        Err(error) => return Err(wrong(error.to_string())),
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
