//! Judging a step's raw result against what it expects. Pure.

use regex_lite::Regex;

use super::model::{Action, File, Http, Package, Run, Service, TextExpectation};
use crate::guest::{http, linux};

/// What came back from the guest for one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw {
    /// Exit code; `None` where a signal ended the command.
    pub exit: Option<i32>,
    /// Output, bounded.
    pub stdout: Vec<u8>,
    /// Error output, bounded.
    pub stderr: Vec<u8>,
    /// Whether the step's time-out ended it.
    pub timed_out: bool,
}

impl Raw {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// What a step does, in words or as its command line.
pub fn describe(action: &Action) -> String {
    match action {
        Action::Run(run) => match &run.user {
            None => run.command.clone(),
            Some(user) => format!("{} (as {user})", run.command),
        },
        Action::Http(http) => format!("{} {}", http.method, http.url),
        Action::Tcp(tcp) => format!("connect to {}:{}", tcp.host, tcp.port),
        Action::Service(service) => format!("state of service {}", service.name),
        Action::File(file) => format!("file {}", file.path),
        Action::Package(package) => format!("package {}", package.name),
    }
}

/// What was expected and is not so, one sentence each; empty when all is well.
pub fn evaluate(action: &Action, raw: &Raw) -> Vec<String> {
    if raw.timed_out {
        return vec!["it did not end within the step's time-out".into()];
    }
    let mut failures = Failures::default();
    match action {
        Action::Run(run) => failures.run(run, raw),
        Action::Http(http) => failures.http(http, raw),
        Action::Tcp(tcp) => match (raw.exit == Some(0), tcp.open) {
            (true, true) | (false, false) => {}
            (false, true) => failures.add(format!("{}:{} does not accept a connection", tcp.host, tcp.port)),
            (true, false) => failures.add(format!("{}:{} accepts a connection", tcp.host, tcp.port)),
        },
        Action::Service(service) => failures.service(service, raw),
        Action::File(file) => failures.file(file, raw),
        Action::Package(package) => failures.package(package, raw),
    }
    failures.0
}

#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn add(&mut self, failure: String) {
        self.0.push(failure);
    }

    fn run(&mut self, run: &Run, raw: &Raw) {
        match raw.exit {
            Some(exit) if exit == run.exit => {}
            Some(exit) => self.add(format!("exit code is {exit}, expected {}", run.exit)),
            None => self.add(format!("a signal ended it, expected exit code {}", run.exit)),
        }
        self.text("stdout", &run.stdout, &raw.text());
        self.text("stderr", &run.stderr, &String::from_utf8_lossy(&raw.stderr));
    }

    fn http(&mut self, http: &Http, raw: &Raw) {
        if raw.exit != Some(0) && raw.stdout.is_empty() {
            return self.add(format!("no connection to {}", http.url));
        }
        let response = match http::parse_response(&raw.stdout) {
            Ok(response) => response,
            Err(error) => return self.add(error.to_string()),
        };
        if response.status != http.status {
            self.add(format!("status is {}, expected {}", response.status, http.status));
        }
        for (name, expected) in &http.response_headers {
            let values: Vec<&str> = response
                .headers
                .iter()
                .filter(|(header, _)| header == name)
                .map(|(_, value)| value.as_str())
                .collect();
            if values.is_empty() {
                self.add(format!("header {name} is missing"));
            } else {
                self.text(&format!("header {name}"), expected, &values.join(", "));
            }
        }
        self.text("body", &http.text, &response.body);
    }

    fn service(&mut self, service: &Service, raw: &Raw) {
        let output = raw.text();
        let properties = linux::parse_properties(&output);
        let property = |key| properties.get(key).copied().unwrap_or("unknown");
        let running = matches!(property("ActiveState"), "active" | "reloading");
        let state = format!("{} ({})", property("ActiveState"), property("SubState"));
        if running != service.running {
            let expected = if service.running { "running" } else { "stopped" };
            let load = match property("LoadState") {
                "loaded" => String::new(),
                load => format!(", unit {load}"),
            };
            self.add(format!(
                "service {} is {state}{load}, expected {expected}",
                service.name
            ));
        }
        if let Some(enabled) = service.enabled {
            let state = property("UnitFileState");
            if (state == "enabled" || state == "enabled-runtime") != enabled {
                let expected = if enabled { "enabled" } else { "not enabled" };
                self.add(format!(
                    "service {} is {state}, expected {expected}",
                    service.name
                ));
            }
        }
    }

    fn file(&mut self, file: &File, raw: &Raw) {
        let output = raw.text();
        let (head, content) = output.split_once('\n').unwrap_or((&output, ""));
        let exists = head != "absent";
        match (exists, file.exists) {
            (true, true) => {}
            (false, false) => return,
            (false, true) => return self.add(format!("{} does not exist", file.path)),
            (true, false) => return self.add(format!("{} exists", file.path)),
        }
        let mut fields = head.split_whitespace();
        let (mode, owner) = (fields.next().unwrap_or("?"), fields.next().unwrap_or("?"));
        if let Some(expected) = &file.mode
            && mode.trim_start_matches('0') != expected.trim_start_matches('0')
        {
            self.add(format!("mode of {} is {mode}, expected {expected}", file.path));
        }
        if let Some(expected) = &file.owner
            && owner != expected
        {
            self.add(format!("owner of {} is {owner}, expected {expected}", file.path));
        }
        self.text("content", &file.text, content);
    }

    /// Reads `ii<TAB>version`, or nothing where dpkg does not know the package.
    fn package(&mut self, package: &Package, raw: &Raw) {
        let output = raw.text();
        let (state, version) = output.trim_end().split_once('\t').unwrap_or(("absent", ""));
        let installed = state.as_bytes().get(1) == Some(&b'i') && state.trim_end().len() == 2;
        if installed != package.installed {
            let expected = if package.installed {
                "installed"
            } else {
                "not installed"
            };
            self.add(format!(
                "package {} has dpkg state `{}`, expected {expected}",
                package.name,
                state.trim()
            ));
        }
        if installed {
            self.text("version", &package.version, version);
        }
    }

    fn text(&mut self, what: &str, expected: &TextExpectation, is: &str) {
        let shown = || linux::clip(is.trim_end());
        if let Some(equals) = &expected.equals
            && equals.trim_end() != is.trim_end()
        {
            self.add(format!(
                "{what} is `{}`, expected `{}`",
                shown(),
                linux::clip(equals)
            ));
        }
        if let Some(contains) = &expected.contains
            && !is.contains(contains.as_str())
        {
            self.add(format!(
                "{what} does not contain `{}`; it is `{}`",
                linux::clip(contains),
                shown()
            ));
        }
        if let Some(matches) = &expected.matches
            && !Regex::new(matches).is_ok_and(|regex| regex.is_match(is.trim_end()))
        {
            self.add(format!(
                "{what} does not match /{}/; it is `{}`",
                linux::clip(matches),
                shown()
            ));
        }
    }
}
