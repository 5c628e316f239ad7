//! Queries through the clients of database servers in a Linux guest. The query goes in on standard input and a password
//! through the environment: neither is on a command line.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::bounded;
use crate::model::scenario::{Engine, Sql};

/// The client of an engine, in words.
pub fn client(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => "psql",
        Engine::Mysql => "mariadb or mysql",
        Engine::Sqlserver => "sqlcmd",
    }
}

/// The command that asks a query.
pub fn query(sql: &Sql, timeout: Duration) -> GuestCommand {
    match sql.engine {
        Engine::Postgresql => psql(sql, timeout),
        Engine::Mysql => mysql(sql, timeout),
        Engine::Sqlserver => sqlcmd(sql, timeout),
    }
}

/// psql(1): no start-up file, no alignment, no headings, end at the first error, never ask for a password.
fn psql(sql: &Sql, timeout: Duration) -> GuestCommand {
    let mut argv: Vec<String> = Vec::new();
    let mut options = vec![format!("--dbname={}", sql.database)];
    match (&sql.user, &sql.host, &sql.password) {
        // The server knows its own system's users (PostgreSQL's peer authentication).
        (Some(user), None, None) => argv.extend(["/sbin/runuser", "-u", user, "--"].map(str::to_owned)),
        (Some(user), _, _) => options.push(format!("--username={user}")),
        (None, _, _) => {}
    }
    argv.extend(["psql", "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"].map(str::to_owned));
    options.extend(sql.host.iter().map(|host| format!("--host={host}")));
    options.extend(sql.port.iter().map(|port| format!("--port={port}")));
    argv.extend(options);
    let env: Vec<(&str, &str)> = sql
        .password
        .iter()
        .map(|password| ("PGPASSWORD", password.as_str()))
        .collect();
    asked(&argv, &env, timeout, format!("{}\n", sql.query))
}

/// mariadb(1): tab-separated rows with escapes, no headings.
fn mysql(sql: &Sql, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("mysql.sh");
    let mut argv = [
        "/bin/bash",
        "-c",
        TEXT,
        "patchgate",
        "--batch",
        "--skip-column-names",
    ]
    .map(str::to_owned)
    .to_vec();
    argv.push(format!("--database={}", sql.database));
    argv.extend(sql.host.iter().map(|host| format!("--host={host}")));
    argv.extend(sql.port.iter().map(|port| format!("--port={port}")));
    argv.extend(sql.user.iter().map(|user| format!("--user={user}")));
    let env: Vec<(&str, &str)> = sql
        .password
        .iter()
        .map(|password| ("MYSQL_PWD", password.as_str()))
        .collect();
    asked(&argv, &env, timeout, format!("{}\n", sql.query))
}

/// sqlcmd (<https://learn.microsoft.com/sql/tools/sqlcmd/sqlcmd-utility>): end at the first error, no headings, columns
/// separated by `|` without padding, no `$(...)` of its own.
fn sqlcmd(sql: &Sql, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("sqlcmd.sh");
    let host = sql.host.as_deref().unwrap_or("localhost");
    let server = sql
        .port
        .map_or_else(|| host.to_owned(), |port| format!("{host},{port}"));
    let mut argv = [
        "/bin/bash",
        "-c",
        TEXT,
        "patchgate",
        "-b",
        "-x",
        "-h",
        "-1",
        "-W",
        "-s",
        "|",
        "-i",
        "/dev/stdin",
        "-S",
    ]
    .map(str::to_owned)
    .to_vec();
    argv.extend([server, "-d".to_owned(), sql.database.clone()]);
    if let Some(user) = &sql.user {
        argv.extend(["-U".to_owned(), user.clone()]);
    }
    let env: Vec<(&str, &str)> = sql
        .password
        .iter()
        .map(|password| ("SQLCMDPASSWORD", password.as_str()))
        .collect();
    asked(
        &argv,
        &env,
        timeout,
        format!("SET NOCOUNT ON;\n{}\nGO\n", sql.query),
    )
}

fn asked(argv: &[String], env: &[(&str, &str)], timeout: Duration, query: String) -> GuestCommand {
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    // Rows are data: a client that goes by the locale is to write them as UTF-8.
    let env = [env, &[("LC_ALL", "C.UTF-8")]].concat();
    let mut command = bounded("sql", &argv, &env, timeout);
    command.stdin = Some(query.into_bytes());
    command
}

/// The rows that a client printed, columns separated by `|`; in mariadb's batch form a tab inside a value is written `\t`.
pub fn rows(engine: Engine, output: &str) -> String {
    match engine {
        Engine::Mysql => output.replace('\t', "|"),
        Engine::Postgresql | Engine::Sqlserver => output.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scenario::expect::TextExpectation;

    fn sql(engine: Engine) -> Sql {
        Sql {
            engine,
            database: "shop".to_owned(),
            query: "select 'it''s'; -- \"$HOME\" `id`".to_owned(),
            host: None,
            port: None,
            user: Some("clerk".to_owned()),
            password: None,
            rows: TextExpectation::default(),
        }
    }

    #[test]
    fn neither_query_nor_password_is_on_a_command_line() {
        for engine in [Engine::Postgresql, Engine::Mysql, Engine::Sqlserver] {
            let sql = Sql {
                host: Some("database".to_owned()),
                port: Some(5433),
                password: Some("hunter2".to_owned()),
                ..sql(engine)
            };
            let command = query(&sql, Duration::from_secs(5));
            let line = command.argv.join(" ");
            assert!(!line.contains("hunter2") && !line.contains("select"), "{line}");
            assert!(
                line.contains("database") && line.contains("5433") && line.contains("clerk"),
                "{line}"
            );
            assert!(command.env.iter().any(|(_, value)| value == "hunter2"));
            let stdin = String::from_utf8(command.stdin.expect("a query")).expect("UTF-8");
            assert!(stdin.contains(&sql.query), "{stdin}");
        }
    }

    #[test]
    fn postgresql_on_the_node_itself_knows_the_systems_users() {
        let line = query(&sql(Engine::Postgresql), Duration::from_secs(5))
            .argv
            .join(" ");
        assert!(line.contains("/sbin/runuser -u clerk -- psql"), "{line}");
        assert!(!line.contains("--username"), "{line}");
    }

    #[test]
    fn rows_have_one_form() {
        assert_eq!(
            rows(Engine::Mysql, "1\tINV-1\t12.50\n2\ta\\tb\tNULL\n"),
            "1|INV-1|12.50\n2|a\\tb|NULL\n"
        );
    }
}
