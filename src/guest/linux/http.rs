//! HTTP spoken from inside a Linux guest: the request goes in on standard input, the response comes back whole. In the clear
//! it takes no client there, as bash opens the connection (bash(1), `/dev/tcp`); TLS is spoken by openssl(1).

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::http::Request;
use crate::guest::linux::command::bounded;
use crate::input;
use crate::input::url::Url;

/// The command that makes a request.
pub fn request(request: &Request<'_>, timeout: Duration) -> GuestCommand {
    let url = request.url;
    let mut command = if url.secure {
        tls(url, request.ca, timeout)
    } else {
        clear(url, timeout)
    };
    command.stdin = Some(request.bytes());
    command
}

fn clear(url: &Url, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("http_clear.sh");
    let port = url.port.to_string();
    bounded(
        "http",
        &["/bin/bash", "-c", TEXT, "patchgate", &url.host, &port],
        &[],
        timeout,
    )
}

/// openssl-s_client(1). A chain that does not verify, or is for another name, ends it before a byte is sent; with an
/// authority given, no other is trusted.
fn tls(url: &Url, ca: Option<&str>, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("http_tls.sh");
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
    bounded("http", &argv, &[], timeout)
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
}
