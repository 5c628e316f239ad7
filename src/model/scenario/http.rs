//! An `http` step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::scenario::expect::TextExpectation;

/// An HTTP/1.1 request. Every text may hold variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// `http[s]://host[:port]/path`; the host is a role of the cell or a name the guest knows.
    pub url: String,
    /// The method, upper case.
    pub method: String,
    /// Request headers.
    pub headers: BTreeMap<String, String>,
    /// Request body; at most one of this, `form` and `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Fields of a form, sent as `application/x-www-form-urlencoded`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub form: BTreeMap<String, String>,
    /// A JSON document, sent as `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
    /// Basic authentication (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Whether cookies are kept for and sent by the steps of this scenario.
    pub cookies: bool,
    /// How many redirects are followed.
    pub follow: u8,
    /// Who must have signed the server's certificate; whom the guest trusts unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authority>,
    /// The status code that is expected.
    pub status: u16,
    /// What is expected of response headers, by lower-case name.
    pub response_headers: BTreeMap<String, TextExpectation>,
    /// What is expected of the body.
    pub text: TextExpectation,
}

impl Default for Http {
    /// A GET of nothing yet, which is to answer 200.
    fn default() -> Self {
        Self {
            url: String::new(),
            method: "GET".to_owned(),
            headers: BTreeMap::new(),
            body: None,
            form: BTreeMap::new(),
            json: None,
            auth: None,
            cookies: true,
            follow: 0,
            ca: None,
            status: 200,
            response_headers: BTreeMap::new(),
            text: TextExpectation::default(),
        }
    }
}

impl Http {
    /// The host that is asked, where it is no variable.
    pub fn host(&self) -> Option<&str> {
        let (_, rest) = self.url.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        (!host.contains('$')).then_some(host)
    }
}

/// Name and password of basic authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// The name; it has no colon.
    pub user: String,
    /// The password, which should be a secret.
    pub password: String,
}

/// Certificates of an authority, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// A file of the department's folder.
    File(String),
    /// A file of the guest.
    Guest(String),
}
