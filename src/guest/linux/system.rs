//! What the contract asks of an OS, answered by Linux.

use std::time::Duration;

use crate::guest::answer::{FileState, ResultsFile, ServiceState};
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::family::{Dead, System};
use crate::guest::http::Request;
use crate::guest::identity::{Answer, Identity, Place, Way};
use crate::guest::linux::{
    action, boot, command, console, http, identity, log, look, observe, probe, script, sql, timing,
};
use crate::guest::log::Mark;
use crate::guest::probe::Probe;
use crate::model::facts::SystemFacts;
use crate::model::observation::Observation;
use crate::model::scenario::{Action, Engine, LogSource, Script};

/// Linux with systemd.
#[derive(Debug)]
pub struct Linux {
    /// Shell text of the package manager's that tells of the files below /etc, as [`observe::commands`] says; empty where
    /// it does not know its files.
    pub etc: &'static str,
    /// Shell text of the package manager's that keeps the guest from updating itself until the next boot; it is run whenever
    /// the node is named. Empty where nothing in the guest would.
    pub quiet: &'static str,
}

impl System for Linux {
    fn boot_id(&self) -> GuestCommand {
        boot::boot_id()
    }

    fn parse_boot_id(&self, output: &str) -> Result<String, ParseError> {
        boot::parse_boot_id(output)
    }

    fn settle(&self, patience: Duration) -> GuestCommand {
        boot::settle(patience)
    }

    fn reboot(&self) -> GuestCommand {
        boot::reboot()
    }

    fn dead<'c>(&self, console: &'c str) -> Option<Dead<'c>> {
        console::dead(console)
    }

    fn processes(&self, names: &[&str]) -> GuestCommand {
        boot::processes(names)
    }

    fn is_timeout(&self, exit: Option<i32>) -> bool {
        command::is_timeout(exit)
    }

    fn identify(&self, name: &str, place: Option<&Place>) -> GuestCommand {
        identity::identify(self.quiet, name, place)
    }

    fn attach(&self, way: &Way) -> GuestCommand {
        identity::attach(self.quiet, way)
    }

    fn renew(&self, identity: &Identity, now_millis: u64) -> GuestCommand {
        identity::renew(identity, now_millis)
    }

    fn who(&self) -> GuestCommand {
        identity::ask()
    }

    fn parse_who(&self, output: &str) -> Result<Answer, ParseError> {
        identity::parse(output)
    }

    fn look(&self) -> GuestCommand {
        look::command()
    }

    fn parse_look(&self, output: &str) -> Result<SystemFacts, ParseError> {
        look::parse(output)
    }

    fn probe(&self, probe: &Probe) -> GuestCommand {
        probe::command(probe)
    }

    fn observe(&self) -> Vec<GuestCommand> {
        observe::commands(self.etc)
    }

    fn observe_late(&self) -> Vec<GuestCommand> {
        observe::late_commands()
    }

    fn parse_observation(&self, outputs: &[&str]) -> Result<Observation, ParseError> {
        observe::parse(outputs)
    }

    fn action(&self, action: &Action, env: &[(&str, &str)], timeout: Duration) -> Option<GuestCommand> {
        action::action(action, env, timeout)
    }

    fn service(&self, output: &str) -> ServiceState {
        action::service(output)
    }

    fn file<'o>(&self, output: &'o str) -> Option<FileState<'o>> {
        action::file(output)
    }

    fn client(&self, engine: Engine) -> &'static str {
        sql::client(engine)
    }

    fn rows(&self, engine: Engine, output: &str) -> String {
        sql::rows(engine, output)
    }

    fn http(&self, request: &Request<'_>, timeout: Duration) -> GuestCommand {
        http::request(request, timeout)
    }

    fn http_problem(&self, exit: Option<i32>, stderr: &str) -> Option<String> {
        http::tls_problem(exit, stderr)
    }

    fn timed(&self, command: GuestCommand) -> Option<GuestCommand> {
        timing::timed(command)
    }

    fn take_time(&self, stderr: &mut Vec<u8>, limit: Duration) -> Result<u64, ParseError> {
        timing::take(stderr, limit)
    }

    fn place(&self, file: &str, sha256: &str) -> String {
        script::place(file, sha256)
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Vec<GuestCommand> {
        script::put(path, bytes)
    }

    fn check(&self, path: &str) -> GuestCommand {
        script::check(path)
    }

    fn is_whole(&self, output: &str, sha256: &str) -> bool {
        script::is_whole(output, sha256)
    }

    fn remove(&self, path: &str) -> GuestCommand {
        script::remove(path)
    }

    fn run_script(
        &self,
        asked: &Script,
        path: &str,
        env: &[(&str, &str)],
        timeout: Duration,
    ) -> GuestCommand {
        script::run(asked, path, env, timeout)
    }

    fn clear(&self, path: &str) -> GuestCommand {
        script::clear(path)
    }

    fn results(&self, path: &str, timeout: Duration) -> GuestCommand {
        script::results(path, timeout)
    }

    fn parse_results(&self, output: &[u8]) -> Result<Vec<ResultsFile>, ParseError> {
        script::parse_results(output)
    }

    fn mark(&self, source: &LogSource) -> GuestCommand {
        log::mark(source)
    }

    fn parse_mark(&self, output: &str) -> Result<Mark, ParseError> {
        log::parse_mark(output)
    }

    fn read_log(&self, source: &LogSource, mark: &Mark, timeout: Duration) -> GuestCommand {
        log::read(source, mark, timeout)
    }
}
