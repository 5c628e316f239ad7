//! HTTP spoken from inside the guest: the request goes in on standard input, the response comes back whole. In the clear
//! it takes no client there, as bash opens the connection (bash(1), `/dev/tcp`); TLS is spoken by openssl(1).

use std::fmt::Write;
use std::time::Duration;

use crate::guest::{GuestCommand, ParseError, linux};
use crate::input;
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

/// The command that makes a request.
pub fn request(request: &Request<'_>, timeout: Duration) -> GuestCommand {
    let url = request.url;
    let mut head = format!(
        "{} {} HTTP/1.1\r\nConnection: close\r\n",
        request.method, url.path
    );
    let has = |name: &str| {
        request
            .headers
            .iter()
            .any(|(header, _)| header.eq_ignore_ascii_case(name))
    };
    // Writing to a String cannot fail.
    for (name, value) in [("Host", url.authority().as_str()), ("User-Agent", "patchgate")] {
        if !has(name) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    for (name, value) in &request.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if let Some(body) = &request.body {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    let mut input = format!("{head}\r\n").into_bytes();
    input.extend_from_slice(request.body.as_deref().unwrap_or_default());
    let mut command = if url.secure {
        tls(url, request.ca, timeout)
    } else {
        clear(url, timeout)
    };
    command.stdin = Some(input);
    command
}

fn clear(url: &Url, timeout: Duration) -> GuestCommand {
    const TEXT: &str = r#"exec 3<>"/dev/tcp/$1/$2" || exit 7
cat >&3
cat <&3"#;
    let port = url.port.to_string();
    linux::bounded(
        "http",
        &["/bin/bash", "-c", TEXT, "patchgate", &url.host, &port],
        &[],
        timeout,
    )
}

/// openssl-s_client(1). A chain that does not verify, or is for another name, ends it before a byte is sent; with an
/// authority given, no other is trusted.
fn tls(url: &Url, ca: Option<&str>, timeout: Duration) -> GuestCommand {
    const TEXT: &str = r#"command -v openssl >/dev/null || { echo 'openssl is not installed' >&2; exit 127; }
[ -z "$1" ] || [ -r "$1" ] || { echo "no authority in $1" >&2; exit 126; }
shift
exec openssl s_client -quiet -verify_return_error "$@""#;
    let connect = if url.host.contains(':') {
        format!("[{}]:{}", url.host, url.port)
    } else {
        format!("{}:{}", url.host, url.port)
    };
    let mut argv = vec!["/bin/bash", "-c", TEXT, "patchgate", ca.unwrap_or_default()];
    argv.extend(["-connect", &connect]);
    if url.is_address() {
        argv.extend(["-noservername", "-verify_ip", &url.host]);
    } else {
        argv.extend(["-servername", &url.host, "-verify_hostname", &url.host]);
    }
    if let Some(ca) = ca {
        argv.extend(["-CAfile", ca, "-no-CApath"]);
    }
    linux::bounded("http", &argv, &[], timeout)
}

/// Why no TLS connection came about, in openssl's words where it has some.
pub fn tls_problem(exit: Option<i32>, stderr: &str) -> Option<String> {
    match exit {
        Some(127) => Some("openssl is not installed in the guest, and https is spoken through it".to_owned()),
        Some(126) => Some("the file of the authority cannot be read in the guest".to_owned()),
        Some(_) | None => {
            // `verify error:num=18:self-signed certificate`
            let line = stderr
                .lines()
                .find_map(|line| line.trim().strip_prefix("verify error:"))?;
            let words = line.split_once(':').map_or(line, |(_, words)| words);
            Some(format!(
                "the server's certificate is not accepted: {}",
                input::clip(words)
            ))
        }
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

    fn asked(url: &str, ca: Option<&str>) -> GuestCommand {
        let url = Url::parse(url).expect(url);
        request(
            &Request {
                method: "POST",
                url: &url,
                headers: vec![("x-token".to_owned(), "hunter2".to_owned())],
                body: Some(b"a=1".to_vec()),
                ca,
            },
            Duration::from_secs(5),
        )
    }

    #[test]
    fn a_request_goes_in_on_standard_input_alone() {
        let command = asked("http://app:8080/a?b", None);
        let stdin = String::from_utf8(command.stdin.clone().expect("a request")).expect("UTF-8");
        assert_eq!(
            stdin,
            "POST /a?b HTTP/1.1\r\nConnection: close\r\nHost: app:8080\r\nUser-Agent: patchgate\r\n\
             x-token: hunter2\r\nContent-Length: 3\r\n\r\na=1"
        );
        assert!(!command.argv.join(" ").contains("hunter2"));
        assert!(!format!("{command:?}").contains("hunter2"));
    }

    #[test]
    fn certificates_are_verified_with_the_name_and_the_authority() {
        let line = asked("https://app/", Some("/run/ca.pem")).argv.join(" ");
        for part in [
            "-connect app:443",
            "-verify_return_error",
            "-verify_hostname app",
            "-CAfile /run/ca.pem -no-CApath",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(
            asked("https://[::1]:1/", None)
                .argv
                .join(" ")
                .contains("-connect [::1]:1 -noservername -verify_ip ::1")
        );
        for (exit, stderr, says) in [
            (127, "", "openssl is not installed"),
            (126, "", "authority cannot be read"),
            (
                1,
                "depth=0 CN = app\nverify error:num=62:hostname mismatch\n",
                "not accepted: hostname mismatch",
            ),
        ] {
            assert!(tls_problem(Some(exit), stderr).expect(says).contains(says));
        }
        assert_eq!(tls_problem(Some(1), "connect:errno=111"), None);
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
