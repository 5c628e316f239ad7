//! Judging a step's raw result against what it expects. Pure.

use crate::guest::answer::ResultsFile;
use crate::guest::command::OUTPUT_LIMIT;
use crate::guest::family::Family;
use crate::guest::http::{self, End};
use crate::input::pattern::Pattern;
use crate::input::{self, json, number};
use crate::model::results::{Counts, SubResult};
use crate::model::scenario::expect::TextExpectation;
use crate::model::scenario::{
    Action, Engine, File, Http, Log, LogSource, Package, Results, Run, Script, Service, Sql,
};
use crate::secret::Mask;
use crate::step::raw::Raw;
use crate::step::{capture, results};

/// Lines of a log that a failure shows.
const LOG_LINES: usize = 20;

/// What a step's result is worth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// What was expected and is not so, one sentence each; empty when all is well.
    pub failures: Vec<String>,
    /// Single results, where there are some.
    pub results: Vec<SubResult>,
    /// How many there were, where some had to be left out.
    pub counts: Option<Counts>,
}

/// What a step does, in words or as its command line, with the names of its variables and not their values.
pub fn describe(action: &Action) -> String {
    let by = |what: String, user: &Option<String>| match user {
        None => what,
        Some(user) => format!("{what} (as {user})"),
    };
    match action {
        Action::Run(run) => by(run.command.clone(), &run.user),
        Action::Http(http) => format!("{} {}", http.method, http.url),
        Action::Tcp(tcp) => format!("connect to {}:{}", tcp.host, tcp.port),
        Action::Service(service) => format!("state of service {}", service.name),
        Action::File(file) => format!("file {}", file.path),
        Action::Package(package) => format!("package {}", package.name),
        Action::Script(script) => {
            let mut words: Vec<&str> = script.interpreter.iter().map(String::as_str).collect();
            words.push(&script.file);
            words.extend(script.args.iter().map(String::as_str));
            by(words.join(" "), &script.user)
        }
        Action::Sql(sql) => by(format!("ask {}: {}", sql.database, sql.query), &sql.user),
        Action::Log(log) => match &log.source {
            LogSource::Unit(unit) => format!("new lines of {unit}'s journal"),
            LogSource::File(path) => format!("new lines of {path}"),
        },
        Action::Wait(period) => format!("wait {period}"),
        Action::Reboot => "reboot".to_owned(),
    }
}

/// Judges a rendered action's result in a guest of a family. Texts of the guest's are masked before they are shortened: half
/// a secret is one too.
pub fn evaluate(family: &Family, action: &Action, raw: &Raw, mask: &Mask) -> Judged {
    let mut failures = Failures {
        family,
        all: Vec::new(),
        results: Vec::new(),
        counts: None,
        mask,
    };
    if let Some(problem) = &raw.problem {
        failures.add(problem.clone());
    } else if raw.timed_out {
        failures.add("it did not end within the step's time-out".into());
    } else {
        failures.action(action, raw);
    }
    Judged {
        failures: failures.all,
        results: failures.results,
        counts: failures.counts,
    }
}

/// A regular expression that may be looked for in so many bytes.
fn affordable(text: &str, bytes: usize) -> Result<Pattern, String> {
    let shown = input::clip(text);
    let pattern =
        Pattern::new(text).map_err(|problem| format!("/{shown}/ is not a regular expression: {problem}"))?;
    pattern
        .affords(bytes)
        .map_err(|problem| format!("/{shown}/ {problem}"))?;
    Ok(pattern)
}

struct Failures<'m> {
    family: &'m Family,
    all: Vec<String>,
    results: Vec<SubResult>,
    counts: Option<Counts>,
    mask: &'m Mask,
}

impl Failures<'_> {
    fn add(&mut self, failure: String) {
        self.all.push(failure);
    }

    fn shown(&self, text: &str) -> String {
        input::clip(&self.mask.apply(text.trim_end()))
    }

    fn action(&mut self, action: &Action, raw: &Raw) {
        match action {
            Action::Run(run) => self.run(run, raw),
            Action::Http(http) => self.http(http, raw),
            Action::Tcp(tcp) => match (raw.exit == Some(0), tcp.open) {
                (true, true) | (false, false) => {}
                (false, true) => self.add(format!("{}:{} does not accept a connection", tcp.host, tcp.port)),
                (true, false) => self.add(format!("{}:{} accepts a connection", tcp.host, tcp.port)),
            },
            Action::Service(service) => self.service(service, raw),
            Action::File(file) => self.file(file, raw),
            Action::Package(package) => self.package(package, raw),
            Action::Script(script) => self.script(script, raw),
            Action::Sql(sql) => self.sql(sql, action, raw),
            Action::Log(log) => self.log(log, raw),
            Action::Wait(_) | Action::Reboot => {}
        }
    }

    fn exit(&mut self, raw: &Raw, expected: i32) {
        match raw.exit {
            Some(exit) if exit == expected => {}
            Some(exit) => self.add(format!("exit code is {exit}, expected {expected}")),
            None => self.add(format!("a signal ended it, expected exit code {expected}")),
        }
    }

    fn run(&mut self, run: &Run, raw: &Raw) {
        self.exit(raw, run.exit);
        self.text("stdout", &run.stdout, &raw.text());
        self.text("stderr", &run.stderr, &String::from_utf8_lossy(&raw.stderr));
    }

    fn script(&mut self, script: &Script, raw: &Raw) {
        self.exit(raw, script.exit);
        self.text("stdout", &script.stdout, &raw.text());
        self.text("stderr", &script.stderr, &String::from_utf8_lossy(&raw.stderr));
        let printed = ResultsFile {
            name: "standard output".to_owned(),
            is_whole: raw.stdout.len() < OUTPUT_LIMIT,
            bytes: raw.stdout.clone(),
        };
        let written = match &script.results {
            None => std::slice::from_ref(&printed),
            Some(path) if raw.results.is_empty() => {
                return self.add(format!("it wrote no results to {path}"));
            }
            Some(_) => raw.results.as_slice(),
        };
        let texts: Vec<String> = written
            .iter()
            .map(|file| self.mask.apply(&results::decode(&file.bytes)))
            .collect();
        let texts: Vec<(&str, &str)> = written
            .iter()
            .zip(&texts)
            .map(|(file, text)| (file.name.as_str(), text.as_str()))
            .collect();
        let read = match script.output {
            Results::Exit => return,
            Results::Tap => results::tap(&texts),
            Results::Junit => results::junit(&texts),
        };
        if written.iter().any(|file| !file.is_whole) {
            self.add(format!("its results are longer than {} KiB", OUTPUT_LIMIT / 1024));
        }
        self.all.extend(read.failures);
        self.results = read.results;
        self.counts = read.counts;
    }

    fn http(&mut self, http: &Http, raw: &Raw) {
        if raw.exit != Some(0) && raw.stdout.is_empty() {
            let stderr = String::from_utf8_lossy(&raw.stderr);
            let why = self.family.system.http_problem(raw.exit, &stderr);
            let why = why.filter(|_| http.url.starts_with("https:"));
            let why = why.map_or_else(String::new, |why| format!(": {}", self.mask.apply(&why)));
            let url = self.shown(&http.url);
            return self.add(format!("no connection to {url}{why}"));
        }
        let response = match http::parse_response(&http.method, &raw.stdout) {
            Ok(response) => response,
            Err(error) if raw.stdout.is_empty() => return self.add(error.to_string()),
            Err(error) => {
                let text = raw.text();
                let start: String = text.chars().take(1000).collect();
                let shown = input::clip(&self.mask.apply_cut(&start));
                return self.add(format!("{error} in `{shown}`"));
            }
        };
        // What is longer than a guest's command may print was cut by ourselves.
        let cut = match &response.end {
            _ if raw.stdout.len() >= OUTPUT_LIMIT => None,
            End::Whole => None,
            End::Closed => (raw.exit != Some(0)).then_some("the connection broke before its end"),
            End::Cut(how) => Some(how.as_str()),
        };
        if let Some(how) = cut {
            self.add(format!("the answer is cut: {how}"));
        }
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
        let is = self.family.system.service(&raw.text());
        // Of what is not there it can neither be said that it stopped nor that it is not started at boot.
        if !is.is_known {
            return self.add(format!("there is no service {} ({})", service.name, is.state));
        }
        if is.running != service.running {
            let expected = if service.running { "running" } else { "stopped" };
            self.add(format!(
                "service {} is {}, expected {expected}",
                service.name, is.state
            ));
        }
        if let Some(enabled) = service.enabled
            && is.enabled != enabled
        {
            let expected = if enabled { "enabled" } else { "not enabled" };
            self.add(format!(
                "service {} is {}, expected {expected}",
                service.name, is.start
            ));
        }
    }

    fn file(&mut self, file: &File, raw: &Raw) {
        let output = raw.text();
        let is = match (self.family.system.file(&output), file.exists) {
            (Some(is), true) => is,
            (None, false) => return,
            (None, true) => return self.add(format!("{} does not exist", file.path)),
            (Some(_), false) => return self.add(format!("{} exists", file.path)),
        };
        if let Some(expected) = &file.mode
            && is.mode.trim_start_matches('0') != expected.trim_start_matches('0')
        {
            self.add(format!(
                "mode of {} is {}, expected {expected}",
                file.path, is.mode
            ));
        }
        if let Some(expected) = &file.owner
            && is.owner != expected
        {
            self.add(format!(
                "owner of {} is {}, expected {expected}",
                file.path, is.owner
            ));
        }
        self.text("content", &file.text, is.content);
    }

    fn package(&mut self, package: &Package, raw: &Raw) {
        let updates = self.family.updates;
        let is = updates.parse_package(&raw.text());
        if is.version.is_some() != package.installed {
            let expected = if package.installed {
                "installed"
            } else {
                "not installed"
            };
            self.add(format!(
                "package {} has {} state `{}`, expected {expected}",
                package.name,
                updates.words().database,
                is.state
            ));
        }
        if let Some(version) = &is.version {
            self.text("version", &package.version, version);
        }
    }

    fn sql(&mut self, query: &Sql, action: &Action, raw: &Raw) {
        if raw.exit != Some(0) {
            let client = self.family.system.client(query.engine);
            let stderr = String::from_utf8_lossy(&raw.stderr);
            let said = match query.engine {
                Engine::Sqlserver if stderr.trim().is_empty() => raw.text(),
                Engine::Postgresql | Engine::Mysql | Engine::Sqlserver => stderr.into_owned(),
            };
            let said = self.shown(&said);
            return self.add(match raw.exit {
                Some(127) => format!("{client} is not installed in the guest"),
                Some(exit) => format!("the query failed ({client} ended with {exit}): {said}"),
                None => format!("a signal ended {client}"),
            });
        }
        self.text("rows", &query.rows, &capture::output(self.family, action, raw));
    }

    fn log(&mut self, log: &Log, raw: &Raw) {
        if raw.exit != Some(0) {
            let said = self.shown(&String::from_utf8_lossy(&raw.stderr));
            return self.add(format!("the log cannot be read: {said}"));
        }
        if raw.stdout.len() >= OUTPUT_LIMIT {
            let limit = OUTPUT_LIMIT / 1024;
            self.add(format!(
                "more than {limit} KiB were logged: not all of it was looked at"
            ));
        }
        let text = raw.text();
        let unexpected = match affordable(&log.unexpected, text.len()) {
            Ok(unexpected) => unexpected,
            Err(problem) => return self.add(problem),
        };
        let lines: Vec<&str> = text.lines().filter(|line| unexpected.is_match(line)).collect();
        for line in lines.iter().take(LOG_LINES) {
            let shown: String = self.mask.apply(line).chars().take(300).collect();
            self.add(format!("logged: {shown}"));
        }
        if lines.len() > LOG_LINES {
            self.add(format!(
                "and {} more such lines were logged",
                lines.len() - LOG_LINES
            ));
        }
    }

    fn text(&mut self, what: &str, expected: &TextExpectation, is: &str) {
        let shown = self.shown(is);
        if let Some(equals) = &expected.equals
            && equals.trim_end() != is.trim_end()
        {
            self.add(format!("{what} is `{shown}`, expected `{}`", input::clip(equals)));
        }
        if let Some(contains) = &expected.contains
            && !is.contains(contains.as_str())
        {
            self.add(format!(
                "{what} does not contain `{}`; it is `{shown}`",
                input::clip(contains)
            ));
        }
        if let Some(matches) = &expected.matches {
            match affordable(matches, is.len()) {
                Ok(pattern) if pattern.is_match(is.trim_end()) => {}
                Ok(_) => self.add(format!(
                    "{what} does not match /{}/; it is `{shown}`",
                    input::clip(matches)
                )),
                Err(problem) => self.add(format!("{what} cannot be looked at: {problem}")),
            }
        }
        self.bounds(what, expected, is, &shown);
        for (path, expected) in &expected.json {
            self.json(what, path, expected, is);
        }
    }

    fn bounds(&mut self, what: &str, expected: &TextExpectation, is: &str, shown: &str) {
        for (key, bound) in expected.bounds() {
            let Some(bound) = bound else { continue };
            let words = match key {
                "at_least" => "at least",
                "at_most" => "at most",
                "above" => "a number above",
                "below" => "a number below",
                _ => "the number",
            };
            match (number::parse(is), number::parse(bound)) {
                (_, None) => self.add(format!(
                    "{what} is to be {words} `{}`, which is not a number",
                    input::clip(bound)
                )),
                (None, Some(_)) => self.add(format!(
                    "{what} is `{shown}`, which is not a number; expected {words} {bound}"
                )),
                (Some(number), Some(limit)) if number::holds(key, number, limit) => {}
                (Some(_), Some(_)) => self.add(format!("{what} is {shown}, expected {words} {bound}")),
            }
        }
    }

    fn json(&mut self, what: &str, path: &str, expected: &TextExpectation, is: &str) {
        match json::select(is, path) {
            Err(problem) => {
                let shown = self.shown(is);
                self.add(format!("{what} {problem}; it is `{shown}`"));
            }
            Ok(selected) if selected.is_empty() => self.add(format!("{path} selects nothing of {what}")),
            Ok(selected) => {
                for value in selected {
                    let mut expected = expected.clone();
                    // Numbers of JSON are compared as such, however they are written.
                    if value.is_number
                        && expected
                            .equals
                            .as_deref()
                            .is_some_and(|text| number::parse(text).is_some())
                    {
                        expected.equals_number = expected.equals.take();
                    }
                    self.text(&format!("{what} {}", value.at), &expected, &value.text);
                }
            }
        }
    }
}
