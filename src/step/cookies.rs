//! Cookies between the steps of one scenario in one arm: the part of RFC 6265 that a log-in needs. Pure.

use jiff::Timestamp;

use crate::guest::http::Response;
use crate::input::url::Url;

/// Cookies that are kept.
const COOKIES: usize = 100;

/// Bytes of one cookie.
const LIMIT: usize = 4 * 1024;

/// The cookies of one scenario in one arm. Each goes back to the host that set it, whatever its `Domain` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jar(Vec<Cookie>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    path: String,
    secure: bool,
}

impl Jar {
    /// The header `Cookie` of a request; longest paths first (RFC 6265, section 5.4).
    pub fn header(&self, url: &Url) -> Option<String> {
        let bare = url.path.split('?').next().unwrap_or("/");
        let mut sent: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|cookie| {
                cookie.host == url.host && (url.secure || !cookie.secure) && covers(&cookie.path, bare)
            })
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = sent
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Keeps what an answer sets.
    pub fn keep(&mut self, url: &Url, response: &Response) {
        let date = response.headers.iter().find(|(name, _)| name == "date");
        let now = date.and_then(|(_, date)| instant(date));
        for (name, header) in &response.headers {
            if name == "set-cookie" && header.len() <= LIMIT {
                self.set(url, header, now);
            }
        }
    }

    fn set(&mut self, url: &Url, header: &str, now: Option<Timestamp>) {
        let mut parts = header.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let bare = url.path.split('?').next().unwrap_or("/");
        let folder = bare.rfind('/').filter(|at| *at > 0).map_or("/", |at| &bare[..at]);
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            host: url.host.clone(),
            path: folder.to_owned(),
            secure: false,
        };
        let (mut age, mut expires) = (None, None);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.trim().to_ascii_lowercase().as_str() {
                "path" if value.trim().starts_with('/') => value.trim().clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => age = value.trim().parse::<i64>().ok(),
                "expires" => expires = instant(value.trim()),
                _ => {}
            }
        }
        let sendable = |text: &str| text.chars().all(|c| !c.is_control() && c != ';');
        if cookie.name.is_empty() || !sendable(&cookie.name) || !sendable(&cookie.value) {
            return;
        }
        // A server ends a session with a cookie that is over already, by its own clock.
        let is_over = match (age, expires, now) {
            (Some(age), _, _) => age <= 0,
            (None, Some(expires), Some(now)) => expires <= now,
            (None, Some(expires), None) => expires <= Timestamp::UNIX_EPOCH,
            (None, None, _) => false,
        };
        let same = |other: &Cookie| {
            (&other.name, &other.host, &other.path) == (&cookie.name, &cookie.host, &cookie.path)
        };
        self.0.retain(|other| !same(other));
        if !is_over && self.0.len() < COOKIES {
            self.0.push(cookie);
        }
    }
}

/// An HTTP date; some servers put hyphens into it.
fn instant(date: &str) -> Option<Timestamp> {
    let plain = date.replace('-', " ");
    jiff::fmt::rfc2822::parse(&plain)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// Whether a cookie's path covers a request's (RFC 6265, section 5.1.4).
fn covers(cookie: &str, request: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::http::End;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    fn answer(headers: &[&str]) -> Response {
        Response {
            status: 200,
            headers: headers
                .iter()
                .map(|header| {
                    let (name, value) = header.split_once(": ").expect("a header");
                    (name.to_owned(), value.to_owned())
                })
                .collect(),
            body: String::new(),
            end: End::Whole,
        }
    }

    #[test]
    fn cookies_go_back_where_they_came_from() {
        let mut jar = Jar::default();
        jar.keep(
            &url("http://app/login/form"),
            &answer(&[
                "set-cookie: session=a=b; Path=/; HttpOnly",
                "set-cookie: form=1",
                "set-cookie: safe=1; Path=/; Secure",
                "set-cookie: broken",
            ]),
        );
        for (at, sent) in [
            ("http://app/", Some("session=a=b")),
            ("http://app/login/next?x=1", Some("form=1; session=a=b")),
            ("http://app/loginx", Some("session=a=b")),
            ("https://app/", Some("session=a=b; safe=1")),
            ("http://web/", None),
        ] {
            assert_eq!(jar.header(&url(at)).as_deref(), sent, "{at}");
        }
    }

    #[test]
    fn a_server_takes_cookies_back() {
        for end in [
            "s=; Path=/; Max-Age=0",
            "s=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "s=; path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT",
        ] {
            let mut jar = Jar::default();
            jar.keep(&url("http://app/"), &answer(&["set-cookie: s=1; Path=/"]));
            assert!(jar.header(&url("http://app/")).is_some());
            let end = format!("set-cookie: {end}");
            jar.keep(
                &url("http://app/"),
                &answer(&["date: Mon, 23 Nov 2026 17:00:00 GMT", &end]),
            );
            assert_eq!(jar.header(&url("http://app/")), None, "{end}");
        }
        let mut jar = Jar::default();
        let future = "set-cookie: s=2; Expires=Tue, 24 Nov 2026 17:00:00 GMT";
        jar.keep(
            &url("http://app/"),
            &answer(&["date: Mon, 23 Nov 2026 17:00:00 GMT", future]),
        );
        assert_eq!(jar.header(&url("http://app/")).as_deref(), Some("s=2"));
    }
}
