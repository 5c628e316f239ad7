//! The requests of one `http` step: the first, and those that redirects lead to. Pure; `run` makes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::guest::http::{self, Request, Response};
use crate::input::url::Url;
use crate::model::scenario::Http;
use crate::step::cookies::Jar;

/// A step's request as it stands.
pub struct Exchange<'a> {
    http: &'a Http,
    url: Url,
    method: String,
    body: Option<(String, Vec<u8>)>,
    /// Whether it is still the host that the department named, to which its credentials may be sent.
    at_home: bool,
    left: u8,
    went: Vec<String>,
}

/// What follows an answer.
pub enum Next {
    /// Nothing: it is the answer that is judged.
    Done,
    /// Another request.
    Again,
    /// It leads nowhere; the words say why.
    Lost(String),
}

impl<'a> Exchange<'a> {
    /// The exchange that a rendered step begins; none where its URL is none, which rendering refuses.
    pub fn new(http: &'a Http) -> Option<Self> {
        Some(Self {
            http,
            url: Url::parse(&http.url).ok()?,
            method: http.method.clone(),
            body: body(http),
            at_home: true,
            left: http.follow,
            went: Vec::new(),
        })
    }

    /// Where the next request goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The redirects that were followed, in words.
    pub fn went(&self) -> &[String] {
        &self.went
    }

    /// The next request; `ca` is where the authority stands in the guest.
    pub fn request<'r>(&'r self, jar: &Jar, ca: Option<&'r str>) -> Request<'r> {
        // Which of a department's own headers holds a secret nobody can tell: those that never do may go elsewhere.
        let private = |name: &str| {
            !matches!(
                name.to_ascii_lowercase().as_str(),
                "accept"
                    | "accept-charset"
                    | "accept-encoding"
                    | "accept-language"
                    | "cache-control"
                    | "content-type"
                    | "pragma"
                    | "user-agent"
            )
        };
        let mut headers: Vec<(String, String)> = self
            .http
            .headers
            .iter()
            .filter(|(name, _)| self.at_home || !private(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut add = |name: &str, value: String| {
            if !headers
                .iter()
                .any(|(header, _)| header.eq_ignore_ascii_case(name))
            {
                headers.push((name.to_owned(), value));
            }
        };
        if let Some(auth) = self.http.auth.as_ref().filter(|_| self.at_home) {
            let pair = STANDARD.encode(format!("{}:{}", auth.user, auth.password));
            add("Authorization", format!("Basic {pair}"));
        }
        if let Some(cookies) = self.cookies(jar) {
            add("Cookie", cookies);
        }
        if let Some((kind, _)) = self.body.as_ref().filter(|(kind, _)| !kind.is_empty()) {
            add("Content-Type", kind.clone());
        }
        Request {
            method: &self.method,
            url: &self.url,
            headers,
            body: self.body.as_ref().map(|(_, body)| body.clone()),
            ca,
        }
    }

    fn cookies(&self, jar: &Jar) -> Option<String> {
        if self.http.cookies {
            jar.header(&self.url)
        } else {
            None
        }
    }

    /// Takes an answer: keeps its cookies, and follows where it leads.
    pub fn answer(&mut self, jar: &mut Jar, bytes: &[u8]) -> Next {
        let Ok(response) = http::parse_response(&self.method, bytes) else {
            return Next::Done;
        };
        if self.http.cookies {
            jar.keep(&self.url, &response);
        }
        let Some(location) = location(&response).filter(|_| self.http.follow > 0) else {
            return Next::Done;
        };
        if self.left == 0 {
            return Next::Lost(format!(
                "more than {} redirects, the last to {location}",
                self.http.follow
            ));
        }
        self.left -= 1;
        let target = match self.url.resolve(location) {
            Ok(target) => target,
            Err(error) => return Next::Lost(format!("redirected to where it cannot follow: {error}")),
        };
        if self.url.secure && !target.secure {
            return Next::Lost(format!("redirected from https to {target}"));
        }
        // RFC 9110, section 15.4: 307 and 308 repeat the request, the others ask anew.
        if !matches!(response.status, 307 | 308) && self.method != "HEAD" {
            "GET".clone_into(&mut self.method);
            self.body = None;
        }
        let same_port = target.port == self.url.port || (target.secure && !self.url.secure);
        self.at_home = self.at_home && target.host == self.url.host && same_port;
        if !self.at_home && self.body.is_some() {
            return Next::Lost(format!(
                "redirected with {} to {target}: what was sent would go to another host, and is not",
                response.status
            ));
        }
        self.went.push(format!("{} to {target}", response.status));
        self.url = target;
        Next::Again
    }
}

fn location(response: &Response) -> Option<&str> {
    let redirects = matches!(response.status, 301 | 302 | 303 | 307 | 308);
    let header = response.headers.iter().find(|(name, _)| name == "location");
    header
        .filter(|_| redirects)
        .map(|(_, location)| location.as_str())
}

/// The body with its content type.
fn body(http: &Http) -> Option<(String, Vec<u8>)> {
    if let Some(body) = &http.body {
        return Some((String::new(), body.clone().into_bytes()));
    }
    if let Some(value) = &http.json {
        return Some(("application/json".to_owned(), value.to_string().into_bytes()));
    }
    if http.form.is_empty() {
        return None;
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(&http.form);
    Some((
        "application/x-www-form-urlencoded".to_owned(),
        form.finish().into_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scenario::Auth;

    fn http(url: &str, follow: u8) -> Http {
        Http {
            url: url.to_owned(),
            method: "POST".to_owned(),
            form: [("user".to_owned(), "a b&c".to_owned())].into(),
            auth: Some(Auth {
                user: "clerk".to_owned(),
                password: "hunter2".to_owned(),
            }),
            follow,
            ..Http::default()
        }
    }

    fn redirect(status: u16, location: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nSet-Cookie: s=1; Path=/\r\n\r\n")
            .into_bytes()
    }

    fn header<'r>(request: &'r Request<'_>, name: &str) -> Option<&'r str> {
        let header = request.headers.iter().find(|(header, _)| header == name);
        header.map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_log_in_is_sent_followed_and_remembered() {
        let http = http("http://app/login", 3);
        let mut jar = Jar::default();
        let mut exchange = Exchange::new(&http).expect("a URL");
        let first = exchange.request(&jar, None);
        assert_eq!(first.body.as_deref(), Some(&b"user=a+b%26c"[..]));
        assert_eq!(
            header(&first, "Content-Type"),
            Some("application/x-www-form-urlencoded")
        );
        assert_eq!(
            header(&first, "Authorization"),
            Some("Basic Y2xlcms6aHVudGVyMg==")
        );
        assert!(matches!(
            exchange.answer(&mut jar, &redirect(302, "home?x=1")),
            Next::Again
        ));
        let second = exchange.request(&jar, None);
        assert_eq!(
            (second.method, second.url.to_string().as_str()),
            ("GET", "http://app/home?x=1")
        );
        assert_eq!(
            (second.body.as_ref(), header(&second, "Cookie")),
            (None, Some("s=1"))
        );
        assert!(header(&second, "Authorization").is_some());
        assert!(matches!(
            exchange.answer(&mut jar, b"HTTP/1.1 200 OK\r\n\r\n"),
            Next::Done
        ));
        assert_eq!(exchange.went(), ["302 to http://app/home?x=1"]);
    }

    #[test]
    fn credentials_stay_with_the_host_that_was_named() {
        for (status, location, method, known) in [
            (307, "http://app/x", "POST", true),
            (303, "http://app:81/x", "GET", false),
            (301, "https://app/x", "GET", true),
        ] {
            let http = http("http://app/", 1);
            let mut exchange = Exchange::new(&http).expect("a URL");
            let next = exchange.answer(&mut Jar::default(), &redirect(status, location));
            assert!(matches!(next, Next::Again), "{location}");
            let request = exchange.request(&Jar::default(), None);
            assert_eq!(request.method, method, "{location}");
            assert_eq!(header(&request, "Authorization").is_some(), known, "{location}");
        }
    }

    #[test]
    fn nothing_that_may_be_secret_goes_to_another_host() {
        for (status, location) in [
            (307, "http://other/x"),
            (308, "http://other/x"),
            (307, "http://app:81/"),
        ] {
            let http = http("http://app/", 1);
            let mut exchange = Exchange::new(&http).expect("a URL");
            match exchange.answer(&mut Jar::default(), &redirect(status, location)) {
                Next::Lost(why) => assert!(why.contains("would go to another host"), "{why}"),
                Next::Done | Next::Again => panic!("{location} is sent the body"),
            }
        }
        let mut http = http("http://app/", 1);
        http.form.clear();
        http.headers = [("X-Api-Key", "hunter2"), ("Accept", "text/html")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        for (status, location, key) in [
            (302, "http://other/x", false),
            (307, "http://other/x", false),
            (302, "/x", true),
        ] {
            let mut exchange = Exchange::new(&http).expect("a URL");
            assert!(matches!(
                exchange.answer(&mut Jar::default(), &redirect(status, location)),
                Next::Again
            ));
            let request = exchange.request(&Jar::default(), None);
            assert_eq!(header(&request, "X-Api-Key").is_some(), key, "{location}");
            assert!(header(&request, "Accept").is_some());
        }
    }

    #[test]
    fn redirects_are_bounded_and_never_leave_tls() {
        for (url, follow, location, says) in [
            ("https://app/", 5, "http://app/", "from https"),
            ("http://app/", 5, "ftp://app/", "cannot follow"),
        ] {
            let http = http(url, follow);
            let mut exchange = Exchange::new(&http).expect("a URL");
            match exchange.answer(&mut Jar::default(), &redirect(302, location)) {
                Next::Lost(why) => assert!(why.contains(says), "{why}"),
                Next::Done | Next::Again => panic!("{location} is followed"),
            }
        }
        let looping = http("http://app/", 2);
        let mut exchange = Exchange::new(&looping).expect("a URL");
        let answers: Vec<Next> = (0..3)
            .map(|_| exchange.answer(&mut Jar::default(), &redirect(302, "/")))
            .collect();
        assert!(matches!(
            answers.as_slice(),
            [Next::Again, Next::Again, Next::Lost(_)]
        ));
        let not = http("http://app/", 0);
        let mut exchange = Exchange::new(&not).expect("a URL");
        assert!(matches!(
            exchange.answer(&mut Jar::default(), &redirect(302, "/")),
            Next::Done
        ));
    }
}
