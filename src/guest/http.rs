//! HTTP as it is spoken from inside a guest: what is sent, and what comes back.

use std::fmt::Write;

use crate::guest::command::ParseError;
use crate::input::clip;
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
    /// How the body ended.
    pub end: End,
}

/// How a response's body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Where the server said that it would.
    Whole,
    /// With the connection, as no length was given: whether there should have been more only the connection can tell.
    Closed,
    /// Before its end; the words say how.
    Cut(String),
}

/// Reads a response to a request with that method (RFC 9112, section 6.3): by its length, in chunks or until the end. Interim
/// responses before it are passed over.
pub fn parse_response(method: &str, bytes: &[u8]) -> Result<Response, ParseError> {
    let mut rest = bytes;
    loop {
        let (status, headers, start) = head(rest)?;
        rest = rest.get(start..).unwrap_or_default();
        if matches!(status, 100 | 102..=199) {
            continue;
        }
        let has_none = method.eq_ignore_ascii_case("HEAD") || matches!(status, 101 | 204 | 304);
        let (body, end) = if has_none {
            (Vec::new(), End::Whole)
        } else {
            body(&headers, rest)
        };
        return Ok(Response {
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            end,
        });
    }
}

type Head = (u16, Vec<(String, String)>, usize);

/// The head of a response, and where its body begins.
fn head(bytes: &[u8]) -> Result<Head, ParseError> {
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
    let headers = parsed
        .headers
        .iter()
        .map(|header| {
            (
                header.name.to_ascii_lowercase(),
                String::from_utf8_lossy(header.value).into_owned(),
            )
        })
        .collect();
    Ok((parsed.code.unwrap_or(0), headers, start))
}

fn body(headers: &[(String, String)], rest: &[u8]) -> (Vec<u8>, End) {
    let values = |wanted: &'static str| {
        headers
            .iter()
            .filter(move |(name, _)| name == wanted)
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
    };
    if values("transfer-encoding")
        .next_back()
        .is_some_and(|last| last.eq_ignore_ascii_case("chunked"))
    {
        return unchunk(rest);
    }
    let mut lengths: Vec<&str> = values("content-length").collect();
    lengths.dedup();
    match lengths.as_slice() {
        [] => (rest.to_vec(), End::Closed),
        [one] => match one.parse::<usize>() {
            Ok(length) if length <= rest.len() => (rest[..length].to_vec(), End::Whole),
            Ok(length) => {
                let words = format!("{} of {length} bytes of its body came", rest.len());
                (rest.to_vec(), End::Cut(words))
            }
            Err(_) => (
                rest.to_vec(),
                End::Cut(format!("its Content-Length is `{}`", clip(one))),
            ),
        },
        _ => (rest.to_vec(), End::Cut("it has several lengths".to_owned())),
    }
}

/// Joins the chunks. The last is empty, and what may follow it are fields (RFC 9112, section 7.1).
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, End) {
    let mut body = Vec::new();
    let problem = loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => break "its last chunk is missing",
            Err(_) => break "its chunks cannot be read",
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let chunk = rest.get(start..).unwrap_or_default();
        if size == 0 {
            // An empty line ends it all; servers that leave it out have sent all the same.
            return (body, End::Whole);
        }
        body.extend_from_slice(&chunk[..chunk.len().min(size)]);
        let after = chunk.get(size..).unwrap_or_default();
        rest = match after {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => break "it ends inside a chunk",
            _ => break "its chunks cannot be read",
        };
    };
    (body, End::Cut(problem.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_read_plain_and_chunked() {
        let plain = parse_response("GET", b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello").expect("plain");
        assert_eq!((plain.status, plain.body.as_str()), (200, "hello"));
        assert_eq!(plain.headers, [("x-a".to_owned(), "b".to_owned())]);
        let chunked =
            b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
        assert_eq!(parse_response("GET", chunked).expect("chunked").body, "hello!");
    }

    #[test]
    fn what_ends_before_its_end_is_told() {
        let told = |method: &str, rest: &str| {
            let bytes = format!("HTTP/1.1 {rest}");
            let response = parse_response(method, bytes.as_bytes()).expect(rest);
            (response.body, response.end)
        };
        let cut = |words: &str| End::Cut(words.to_owned());
        for (method, rest, body, end) in [
            ("GET", "200 OK\r\n\r\nall", "all", End::Closed),
            ("GET", "200 OK\r\nContent-Length: 3\r\n\r\nall", "all", End::Whole),
            (
                "GET",
                "200 OK\r\nContent-Length: 3, 3\r\n\r\nall of it",
                "all",
                End::Whole,
            ),
            (
                "GET",
                "200 OK\r\nContent-Length: 5000\r\n\r\nonly a start",
                "only a start",
                cut("12 of 5000 bytes of its body came"),
            ),
            (
                "GET",
                "200 OK\r\nContent-Length: x\r\n\r\nall",
                "all",
                cut("its Content-Length is `x`"),
            ),
            (
                "GET",
                "200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nall",
                "all",
                cut("it has several lengths"),
            ),
            ("HEAD", "200 OK\r\nContent-Length: 5000\r\n\r\n", "", End::Whole),
            ("GET", "204 None\r\n\r\n", "", End::Whole),
            ("GET", "304 Same\r\nContent-Length: 5000\r\n\r\n", "", End::Whole),
            (
                "POST",
                "100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
                "a",
                End::Whole,
            ),
            (
                "GET",
                "200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
                "a",
                End::Whole,
            ),
            (
                "GET",
                "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
                "a",
                cut("its last chunk is missing"),
            ),
            (
                "GET",
                "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na",
                "a",
                cut("it ends inside a chunk"),
            ),
            (
                "GET",
                "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
                "a",
                cut("its chunks cannot be read"),
            ),
            (
                "GET",
                "200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
                "",
                cut("its chunks cannot be read"),
            ),
        ] {
            assert_eq!(told(method, rest), (body.to_owned(), end), "{rest}");
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        use proptest::prelude::*;
        proptest!(|(bytes: Vec<u8>)| { let _ = parse_response("GET", &bytes); });
        proptest!(|(tail: Vec<u8>)| {
            let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            bytes.extend(tail);
            let _ = parse_response("GET", &bytes);
        });
        assert!(
            parse_response("GET", b"")
                .expect_err("empty")
                .to_string()
                .contains("nothing came back")
        );
        assert!(parse_response("GET", b"SSH-2.0-x\r\n").is_err());
    }
}
