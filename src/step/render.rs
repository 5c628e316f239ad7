//! Actions with the values of their variables in place. Pure.
//!
//! What a guest answered is not trusted: after a value is put in, a host must still be a host, and a header one line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::input::names::{PACKAGE, UNIT, is_absolute, is_host, is_name};
use crate::input::pattern::{self, Pattern};
use crate::input::template;
use crate::input::url::{self, Url};
use crate::input::words::show;
use crate::model::scenario::expect::TextExpectation;
use crate::model::scenario::{
    Action, Auth, Authority, Engine, File, Http, Log, LogSource, Package, Run, Script, Service, Sql, Tcp,
};

/// Looks up a variable's value.
pub type Values<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Why an action cannot be performed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A variable has no value.
    #[error("{0}")]
    Missing(String),
    /// With the values in place it makes no sense.
    #[error("{0}")]
    Wrong(String),
}

fn wrong(text: &str, what: &str) -> Problem {
    Problem::Wrong(format!("{} is not {what}", show(text)))
}

/// The action with every variable replaced.
pub fn action(action: &Action, values: Values<'_>) -> Result<Action, Problem> {
    let put = |text: &str| plain(text, values);
    Ok(match action {
        // Environment variables carry the values: no text of a guest's becomes part of a command line.
        Action::Run(run) => Action::Run(Run {
            stdout: expectation(&run.stdout, values)?,
            stderr: expectation(&run.stderr, values)?,
            ..run.clone()
        }),
        Action::Script(script) => Action::Script(Script {
            stdout: expectation(&script.stdout, values)?,
            stderr: expectation(&script.stderr, values)?,
            ..script.clone()
        }),
        Action::Http(http) => Action::Http(request(http, values)?),
        Action::Tcp(tcp) => {
            let host = put(&tcp.host)?;
            if !is_host(&host) {
                return Err(wrong(&host, "a host's name or address"));
            }
            Action::Tcp(Tcp { host, ..tcp.clone() })
        }
        Action::Service(service) => Action::Service(Service {
            name: thing(put(&service.name)?, UNIT, "a service's name")?,
            ..service.clone()
        }),
        Action::File(file) => Action::File(File {
            path: absolute(put(&file.path)?)?,
            owner: file.owner.as_deref().map(put).transpose()?,
            text: expectation(&file.text, values)?,
            ..file.clone()
        }),
        Action::Package(package) => Action::Package(Package {
            name: thing(put(&package.name)?, PACKAGE, "a package's name")?,
            version: expectation(&package.version, values)?,
            ..package.clone()
        }),
        Action::Sql(sql) => Action::Sql(query(sql, values)?),
        Action::Log(log) => Action::Log(Log {
            source: match &log.source {
                LogSource::Unit(unit) => LogSource::Unit(thing(put(unit)?, UNIT, "a unit's name")?),
                LogSource::File(path) => LogSource::File(absolute(put(path)?)?),
            },
            unexpected: pattern(&log.unexpected, values)?,
        }),
        Action::Wait(period) => Action::Wait(*period),
        Action::Reboot => Action::Reboot,
    })
}

fn plain(text: &str, values: Values<'_>) -> Result<String, Problem> {
    template::fill(text, values).map_err(Problem::Missing)
}

fn thing(name: String, also: &str, what: &str) -> Result<String, Problem> {
    if is_name(&name, also, 255) {
        Ok(name)
    } else {
        Err(wrong(&name, what))
    }
}

fn absolute(path: String) -> Result<String, Problem> {
    if is_absolute(&path) {
        Ok(path)
    } else {
        Err(wrong(&path, "an absolute path of the guest"))
    }
}

/// A regular expression in which values stand for themselves.
fn pattern(text: &str, values: Values<'_>) -> Result<String, Problem> {
    let pattern = template::fill(text, &|name| values(name).map(|value| pattern::escape(&value)))
        .map_err(Problem::Missing)?;
    match Pattern::new(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(Problem::Wrong(format!(
            "{} is not a regular expression: {error}",
            show(&pattern)
        ))),
    }
}

fn expectation(expected: &TextExpectation, values: Values<'_>) -> Result<TextExpectation, Problem> {
    let fill = |text: &Option<String>| text.as_deref().map(|text| plain(text, values)).transpose();
    Ok(TextExpectation {
        equals: fill(&expected.equals)?,
        contains: fill(&expected.contains)?,
        matches: expected
            .matches
            .as_deref()
            .map(|text| pattern(text, values))
            .transpose()?,
        at_least: fill(&expected.at_least)?,
        at_most: fill(&expected.at_most)?,
        above: fill(&expected.above)?,
        below: fill(&expected.below)?,
        equals_number: fill(&expected.equals_number)?,
        json: expected
            .json
            .iter()
            .map(|(path, expected)| Ok((path.clone(), expectation(expected, values)?)))
            .collect::<Result<_, Problem>>()?,
    })
}

fn texts(texts: &BTreeMap<String, String>, values: Values<'_>) -> Result<BTreeMap<String, String>, Problem> {
    texts
        .iter()
        .map(|(name, text)| Ok((name.clone(), plain(text, values)?)))
        .collect()
}

fn request(http: &Http, values: Values<'_>) -> Result<Http, Problem> {
    // A URL that is a variable's whole value is one that a server gave.
    let address = template::fill(&http.url, &|name| values(name).map(|value| url::encoded(&value)))
        .map_err(Problem::Missing)?;
    let address = Url::parse(&address)
        .map_err(|error| Problem::Wrong(format!("{}: {}", show(&address), error.problem)))?;
    let headers = texts(&http.headers, values)?;
    if let Some((name, _)) = headers
        .iter()
        .find(|(_, value)| value.chars().any(char::is_control))
    {
        return Err(Problem::Wrong(format!(
            "header {} holds a control character",
            show(name)
        )));
    }
    let auth = match &http.auth {
        None => None,
        Some(auth) => {
            let user = plain(&auth.user, values)?;
            if user.contains(':') {
                return Err(wrong(&user, "a user of basic authentication: it has a colon"));
            }
            let password = plain(&auth.password, values)?;
            Some(Auth { user, password })
        }
    };
    let ca = match &http.ca {
        Some(Authority::Guest(path)) => Some(Authority::Guest(absolute(plain(path, values)?)?)),
        other => other.clone(),
    };
    Ok(Http {
        url: address.to_string(),
        method: http.method.clone(),
        headers,
        body: http.body.as_deref().map(|body| plain(body, values)).transpose()?,
        form: texts(&http.form, values)?,
        json: http
            .json
            .as_ref()
            .map(|value| document(value, values))
            .transpose()?,
        auth,
        cookies: http.cookies,
        follow: http.follow,
        ca,
        status: http.status,
        response_headers: http
            .response_headers
            .iter()
            .map(|(name, expected)| Ok((name.clone(), expectation(expected, values)?)))
            .collect::<Result<_, Problem>>()?,
        text: expectation(&http.text, values)?,
    })
}

/// A JSON document whose texts have variables; a value never becomes structure.
fn document(value: &Value, values: Values<'_>) -> Result<Value, Problem> {
    Ok(match value {
        Value::String(text) => Value::String(plain(text, values)?),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| document(item, values))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), document(value, values)?)))
                .collect::<Result<_, Problem>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn query(sql: &Sql, values: Values<'_>) -> Result<Sql, Problem> {
    let fill = |text: &Option<String>| text.as_deref().map(|text| plain(text, values)).transpose();
    let host = fill(&sql.host)?;
    if let Some(host) = &host
        && !is_host(host)
    {
        return Err(wrong(host, "a host's name or address"));
    }
    let quoted = |value: String| {
        let value = value.replace('\'', "''");
        match sql.engine {
            Engine::Mysql => value.replace('\\', "\\\\"),
            Engine::Postgresql | Engine::Sqlserver => value,
        }
    };
    let query = template::fill(&sql.query, &|name| values(name).map(quoted)).map_err(Problem::Missing)?;
    let user = fill(&sql.user)?;
    if let Some(user) = &user
        && !is_name(user, "_-.@$", 128)
    {
        return Err(wrong(user, "a database user's name"));
    }
    let database = plain(&sql.database, values)?;
    if !is_name(&database, "_-.$ ", 128) {
        return Err(wrong(&database, "a database's name"));
    }
    Ok(Sql {
        engine: sql.engine,
        database,
        query,
        host,
        port: sql.port,
        user,
        password: fill(&sql.password)?,
        rows: expectation(&sql.rows, values)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(name: &str) -> Option<String> {
        let all = [
            ("invoice", "INV 1"),
            ("host", "app"),
            ("evil", "x\r\nX-Evil: 1"),
            ("quote", "O'Neil\\"),
            ("dot", "1.5"),
            ("dash", "--help"),
        ];
        let found = all.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    }

    fn http(url: &str) -> Http {
        Http {
            url: url.to_owned(),
            ..Http::default()
        }
    }

    #[test]
    fn values_stand_in_requests_and_expectations() {
        let asked = Http {
            headers: [("x-id".to_owned(), "${invoice}".to_owned())].into(),
            json: Some(serde_json::json!({"id": ["${invoice}", 7], "note": "$${x}"})),
            text: TextExpectation {
                matches: Some("^total ${dot}$".to_owned()),
                contains: Some("${invoice}".to_owned()),
                ..TextExpectation::default()
            },
            ..http("http://${host}/invoice/${invoice}")
        };
        let Ok(Action::Http(sent)) = action(&Action::Http(asked), &values) else {
            panic!("a request");
        };
        assert_eq!(sent.url, "http://app/invoice/INV%201");
        assert_eq!(sent.headers["x-id"], "INV 1");
        assert_eq!(
            sent.json,
            Some(serde_json::json!({"id": ["INV 1", 7], "note": "${x}"}))
        );
        assert_eq!(sent.text.matches.as_deref(), Some(r"^total 1\.5$"));
        assert_eq!(sent.text.contains.as_deref(), Some("INV 1"));
    }

    #[test]
    fn a_value_in_a_query_stays_a_value() {
        for (engine, query) in [
            (Engine::Postgresql, r"select 'O''Neil\'"),
            (Engine::Mysql, r"select 'O''Neil\\'"),
        ] {
            let sql = Action::Sql(Sql {
                engine,
                database: "shop".to_owned(),
                query: "select '${quote}'".to_owned(),
                host: None,
                port: None,
                user: None,
                password: None,
                rows: TextExpectation::default(),
            });
            let Ok(Action::Sql(sql)) = action(&sql, &values) else {
                panic!("a query");
            };
            assert_eq!(sql.query, query);
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        let evil_header = Http {
            headers: [("x".to_owned(), "${evil}".to_owned())].into(),
            ..http("http://app/")
        };
        let service = |name: &str| {
            Action::Service(Service {
                name: name.to_owned(),
                running: true,
                enabled: None,
            })
        };
        let tcp = Action::Tcp(Tcp {
            host: "${evil}".to_owned(),
            port: 1,
            open: true,
        });
        for (given, says) in [
            (Action::Http(evil_header), "control character"),
            (Action::Http(http("http://${evil}/")), "not a name or an address"),
            (service("${dash}"), "not a service's name"),
            (tcp, "not a host's name"),
            (service("${unknown}"), "has no value"),
        ] {
            let problem = action(&given, &values).expect_err(says).to_string();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
