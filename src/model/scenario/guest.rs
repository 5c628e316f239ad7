//! Steps that run a program of the guest's: `script`, `sql`, `log`.

use serde::{Deserialize, Serialize};

use crate::model::scenario::expect::TextExpectation;

/// A file of the department's, put into the guest, run there and removed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Its path in the department's folder.
    pub file: String,
    /// The program that runs it, with arguments that come before the file; never empty.
    pub interpreter: Vec<String>,
    /// Arguments that come after the file.
    pub args: Vec<String>,
    /// Run as this user of the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What its output means.
    pub output: Results,
    /// The file of the guest that has the results; standard output unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<String>,
    /// The exit code that is expected.
    pub exit: i32,
    /// What is expected of standard output.
    pub stdout: TextExpectation,
    /// What is expected of standard error.
    pub stderr: TextExpectation,
}

/// What a script's output means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Results {
    /// Nothing: its exit code is the result.
    #[default]
    Exit,
    /// Results in the Test Anything Protocol (<https://testanything.org/tap-version-14-specification.html>).
    Tap,
    /// Results in the XML of JUnit.
    Junit,
}

/// A query through the client of a database server. Every text may hold variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sql {
    /// Which server.
    pub engine: Engine,
    /// The database.
    pub database: String,
    /// One statement, or several.
    pub query: String,
    /// The server's host; the node's own server unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The server's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database's user. For PostgreSQL on the node itself also the user of the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password, which should be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What is expected of the rows: one to a line, columns separated by `|`.
    pub rows: TextExpectation,
}

/// A database server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// PostgreSQL, through psql.
    #[default]
    Postgresql,
    /// MySQL or MariaDB, through mariadb or mysql.
    Mysql,
    /// SQL Server, through sqlcmd.
    Sqlserver,
}

/// What must not have been logged since the step before began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Which log.
    pub source: LogSource,
    /// A regular expression; a new line that it matches is a failure.
    pub unexpected: String,
}

/// A log of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogSource {
    /// The journal of a unit.
    Unit(String),
    /// A file.
    File(String),
}
