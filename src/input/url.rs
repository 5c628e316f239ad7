//! `http://` and `https://` URLs, as far as a step needs them. Pure.

use std::fmt::{self, Write};

use crate::input::names::{is_name, is_port};
use crate::input::words::show;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub secure: bool,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path with query, never empty.
    pub path: String,
}

/// What is wrong with a URL, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct UrlError {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: &'static str,
}

const EXAMPLE: &str = "write it like this: url = \"http://web/\", with a role or a name that the guest knows";

impl Url {
    /// Splits a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let wrong = |problem: &str| UrlError {
            problem: problem.to_owned(),
            hint: EXAMPLE,
        };
        let (secure, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err(wrong("a URL begins with http:// or https://"));
        };
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
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
        let is_right = match bracketed {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_name(host, "-._", 253),
        };
        if !is_right {
            return Err(wrong("its host is not a name or an address"));
        }
        let port = match port {
            None if secure => 443,
            None => 80,
            Some(port) if is_port(port) => port
                .parse()
                .map_err(|_| wrong("its port is not a number from 1 to 65535"))?,
            Some(_) => return Err(wrong("its port is not a number from 1 to 65535")),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            secure,
            host: bracketed.unwrap_or(host).to_owned(),
            port,
            path: format!("{slash}{path}"),
        })
    }

    /// The URL that a `Location` of an answer from here means (RFC 3986, section 5).
    pub fn resolve(&self, location: &str) -> Result<Self, UrlError> {
        let location = encoded(location.split('#').next().unwrap_or_default().trim());
        if location.starts_with("http://") || location.starts_with("https://") {
            return Self::parse(&location);
        }
        let scheme = if self.secure { "https" } else { "http" };
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        if location
            .split(['/', '?'])
            .next()
            .is_some_and(|first| first.contains(':'))
        {
            return Err(UrlError {
                problem: format!("{} is neither http nor https", show(&location)),
                hint: EXAMPLE,
            });
        }
        let bare = self.path.split('?').next().unwrap_or("/");
        let path = if location.starts_with('/') {
            location
        } else if location.is_empty() {
            self.path.clone()
        } else if location.starts_with('?') {
            format!("{bare}{location}")
        } else {
            let folder = bare.rfind('/').map_or("/", |at| &bare[..=at]);
            format!("{folder}{location}")
        };
        Ok(Self {
            path: without_dots(&path),
            ..self.clone()
        })
    }

    /// Whether the host is an address and no name.
    pub fn is_address(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_ok()
    }

    /// What the header `Host` says (RFC 9110, section 7.2).
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.secure, self.port) {
            (false, 80) | (true, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// The text with everything percent-encoded that can stand nowhere in a URL; what is encoded already stays.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
            )
        {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A path without `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_and_written_again() {
        for (text, secure, host, port, path, again) in [
            ("http://web", false, "web", 80, "/", "http://web/"),
            (
                "http://app:8080/a?b=c",
                false,
                "app",
                8080,
                "/a?b=c",
                "http://app:8080/a?b=c",
            ),
            ("https://app?x", true, "app", 443, "/?x", "https://app/?x"),
            (
                "https://[::1]:8443/",
                true,
                "::1",
                8443,
                "/",
                "https://[::1]:8443/",
            ),
            ("http://web:443/", false, "web", 443, "/", "http://web:443/"),
        ] {
            let url = Url::parse(text).expect(text);
            let is = (url.secure, url.host.as_str(), url.port, url.path.as_str());
            assert_eq!(is, (secure, host, port, path), "{text}");
            assert_eq!(url.to_string(), again);
        }
        for (wrong, says) in [
            ("ftp://web/", "begins with http"),
            ("http://", "not a name or an address"),
            ("http://web:0/", "port"),
            ("http://web:x/", "port"),
            ("http://we b/", "cannot be sent"),
            ("http://a\"b/", "not a name"),
            ("http://user@web/", "not a name"),
            ("http://web/#top", "cannot be sent"),
            ("http://web/\r\nX: y", "cannot be sent"),
        ] {
            assert!(
                Url::parse(wrong).expect_err(wrong).problem.contains(says),
                "{wrong}"
            );
        }
    }

    #[test]
    fn locations_are_resolved() {
        let base = Url::parse("https://app:8443/a/b/c?d=e").expect("a URL");
        for (location, is) in [
            ("http://web/x", "http://web/x"),
            ("//web/x", "https://web/x"),
            ("/x#top", "https://app:8443/x"),
            ("x", "https://app:8443/a/b/x"),
            ("?q=1", "https://app:8443/a/b/c?q=1"),
            ("../x/./y", "https://app:8443/a/x/y"),
            ("../../../..", "https://app:8443/"),
            ("", "https://app:8443/a/b/c?d=e"),
            ("/ä b", "https://app:8443/%C3%A4%20b"),
        ] {
            assert_eq!(
                base.resolve(location).expect(location).to_string(),
                is,
                "{location}"
            );
        }
        for wrong in ["mailto:x@y", "javascript:alert(1)", "ftp://web/", "http://we b/"] {
            assert!(base.resolve(wrong).is_err(), "{wrong}");
        }
    }
}
