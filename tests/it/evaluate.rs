//! What each kind of step makes of a guest's answer.

use std::collections::BTreeMap;

use patchgate::guest::debian::DEBIAN;
use patchgate::model::scenario::expect::TextExpectation;
use patchgate::model::scenario::{Action, Engine, File, Http, Package, Run, Service, Sql, Tcp};
use patchgate::secret::Mask;
use patchgate::step::evaluate::evaluate;
use patchgate::step::raw::Raw;

fn raw(exit: i32, stdout: &str) -> Raw {
    Raw {
        exit: Some(exit),
        stdout: stdout.into(),
        ..Raw::default()
    }
}

fn contains(text: &str) -> TextExpectation {
    TextExpectation {
        contains: Some(text.into()),
        ..TextExpectation::default()
    }
}

fn check(action: &Action, cases: &[(Raw, &[&str])]) {
    for (raw, says) in cases {
        assert_eq!(
            evaluate(&DEBIAN, action, raw, &Mask::default()).failures,
            *says,
            "{raw:?}"
        );
    }
}

#[test]
fn run_compares_exit_code_and_both_outputs() {
    let action = Action::Run(Run {
        command: "x".into(),
        user: None,
        exit: 0,
        stdout: TextExpectation {
            equals: Some("0.00".into()),
            matches: Some(r"^\d+\.\d\d$".into()),
            ..TextExpectation::default()
        },
        stderr: TextExpectation::default(),
    });
    check(
        &action,
        &[
            (raw(0, "0.00\n"), &[]),
            (raw(3, "0.00"), &["exit code is 3, expected 0"]),
            (
                Raw {
                    exit: None,
                    ..raw(0, "0.00")
                },
                &["a signal ended it, expected exit code 0"],
            ),
            (raw(0, "1.00"), &["stdout is `1.00`, expected `0.00`"]),
            (
                raw(0, "x"),
                &[
                    "stdout is `x`, expected `0.00`",
                    r"stdout does not match /^\d+\.\d\d$/; it is `x`",
                ],
            ),
            (
                Raw {
                    timed_out: true,
                    ..raw(124, "")
                },
                &["it did not end within the step's time-out"],
            ),
        ],
    );
}

#[test]
fn http_compares_status_headers_and_body() {
    let action = Action::Http(Http {
        url: "http://web/".into(),
        response_headers: BTreeMap::from([("x-role".to_owned(), contains("web"))]),
        text: contains("open"),
        ..Http::default()
    });
    check(
        &action,
        &[
            (raw(0, "HTTP/1.1 200 OK\r\nX-Role: web\r\n\r\nwe are open"), &[]),
            (raw(7, ""), &["no connection to http://web/"]),
            (raw(0, ""), &["HTTP response: nothing came back"]),
            (
                raw(0, "HTTP/1.1 502 Bad\r\n\r\nsorry"),
                &[
                    "status is 502, expected 200",
                    "header x-role is missing",
                    "body does not contain `open`; it is `sorry`",
                ],
            ),
        ],
    );
}

#[test]
fn services_ports_files_and_packages_are_compared() {
    let service = |running, enabled| {
        Action::Service(Service {
            name: "nginx".into(),
            running,
            enabled,
        })
    };
    let state = |active, sub, file| {
        raw(
            0,
            &format!("LoadState=loaded\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\n"),
        )
    };
    check(
        &service(true, Some(true)),
        &[
            (state("active", "running", "enabled"), &[]),
            (
                state("failed", "failed", "disabled"),
                &[
                    "service nginx is failed (failed), expected running",
                    "service nginx is disabled, expected enabled",
                ],
            ),
            (state("active", "exited", "enabled"), &[]),
            (
                raw(0, "LoadState=not-found\nActiveState=inactive\nSubState=dead\n"),
                &["there is no service nginx (inactive (dead), unit not-found)"],
            ),
        ],
    );
    check(
        &service(false, None),
        &[
            (state("inactive", "dead", "disabled"), &[]),
            // A name that no unit has can neither be stopped.
            (
                raw(0, "LoadState=not-found\nActiveState=inactive\nSubState=dead\n"),
                &["there is no service nginx (inactive (dead), unit not-found)"],
            ),
            (
                raw(0, ""),
                &["there is no service nginx (unknown (unknown), unit unknown)"],
            ),
        ],
    );

    let tcp = |open| {
        Action::Tcp(Tcp {
            host: "db".into(),
            port: 5432,
            open,
        })
    };
    check(
        &tcp(true),
        &[
            (raw(0, ""), &[]),
            (raw(1, ""), &["db:5432 does not accept a connection"]),
        ],
    );
    check(
        &tcp(false),
        &[(raw(1, ""), &[]), (raw(0, ""), &["db:5432 accepts a connection"])],
    );

    let file = Action::File(File {
        path: "/etc/x".into(),
        exists: true,
        mode: Some("0644".into()),
        owner: Some("root".into()),
        text: contains("yes"),
    });
    check(
        &file,
        &[
            (raw(0, "644 root regular file\nyes\n"), &[]),
            (raw(0, "absent\n"), &["/etc/x does not exist"]),
            (
                raw(0, "600 www regular file\nno"),
                &[
                    "mode of /etc/x is 600, expected 0644",
                    "owner of /etc/x is www, expected root",
                    "content does not contain `yes`; it is `no`",
                ],
            ),
        ],
    );

    let package = |installed| {
        Action::Package(Package {
            name: "nginx".into(),
            installed,
            version: TextExpectation::default(),
        })
    };
    check(
        &package(true),
        &[
            (raw(0, "ii \t1.22\n"), &[]),
            (
                raw(1, ""),
                &["package nginx has dpkg state `absent`, expected installed"],
            ),
            (
                raw(0, "iF \t1.22\n"),
                &["package nginx has dpkg state `iF`, expected installed"],
            ),
        ],
    );
    check(
        &package(false),
        &[(raw(1, ""), &[]), (raw(0, "rc \t1.22\n"), &[])],
    );
}

#[test]
fn numbers_and_json_are_compared_exactly() {
    let expects = |stdout: TextExpectation| {
        Action::Run(Run {
            command: "x".into(),
            user: None,
            exit: 0,
            stdout,
            stderr: TextExpectation::default(),
        })
    };
    let text = |text: &str| Some(text.to_owned());
    let bounds = expects(TextExpectation {
        at_least: text("0.10"),
        below: text("12.51"),
        ..TextExpectation::default()
    });
    check(
        &bounds,
        &[
            (raw(0, "0.1\n"), &[]),
            (raw(0, "12.509999999999999999"), &[]),
            (
                raw(0, "12.51"),
                &["stdout is 12.51, expected a number below 12.51"],
            ),
            (raw(0, "0.09"), &["stdout is 0.09, expected at least 0.10"]),
            (
                raw(0, "12,50"),
                &[
                    "stdout is `12,50`, which is not a number; expected at least 0.10",
                    "stdout is `12,50`, which is not a number; expected a number below 12.51",
                ],
            ),
        ],
    );
    let equals = |text: &str| TextExpectation {
        equals: Some(text.to_owned()),
        ..TextExpectation::default()
    };
    let json = expects(TextExpectation {
        json: BTreeMap::from([
            ("$.id".to_owned(), equals("INV-1")),
            ("$.lines[*].total".to_owned(), equals("12.50")),
        ]),
        ..TextExpectation::default()
    });
    check(
        &json,
        &[
            (
                raw(
                    0,
                    r#"{"id": "INV-1", "lines": [{"total": 12.5}, {"total": "12.50"}]}"#,
                ),
                &[],
            ),
            (
                raw(
                    0,
                    r#"{"id": "INV-1", "lines": [{"total": 12.51}, {"total": "12.5"}]}"#,
                ),
                &[
                    "stdout $['lines'][0]['total'] is 12.51, expected the number 12.50",
                    "stdout $['lines'][1]['total'] is `12.5`, expected `12.50`",
                ],
            ),
            (
                raw(0, r#"{"lines": []}"#),
                &[
                    "$.id selects nothing of stdout",
                    "$.lines[*].total selects nothing of stdout",
                ],
            ),
            (
                raw(0, "oops"),
                &[
                    "stdout is not JSON: expected value at line 1 column 1; it is `oops`",
                    "stdout is not JSON: expected value at line 1 column 1; it is `oops`",
                ],
            ),
        ],
    );
}

#[test]
fn queries_and_certificates_fail_in_words() {
    let sql = |engine| {
        Action::Sql(Sql {
            engine,
            database: "shop".into(),
            query: "select 1".into(),
            host: None,
            port: None,
            user: None,
            password: None,
            rows: TextExpectation {
                equals: Some("3|124.95".into()),
                ..TextExpectation::default()
            },
        })
    };
    let failed = |exit: i32, stderr: &str| Raw {
        stderr: stderr.into(),
        ..raw(exit, "")
    };
    check(
        &sql(Engine::Postgresql),
        &[
            (raw(0, "3|124.95\n"), &[]),
            (raw(0, ""), &["rows is ``, expected `3|124.95`"]),
            (failed(127, ""), &["psql is not installed in the guest"]),
            (
                failed(3, "ERROR:  relation \"orders\" does not exist\n"),
                &["the query failed (psql ended with 3): ERROR:  relation \"orders\" does not exist"],
            ),
        ],
    );
    check(&sql(Engine::Mysql), &[(raw(0, "3\t124.95\n"), &[])]);
    let https = Action::Http(Http {
        url: "https://app/".into(),
        ..Http::default()
    });
    check(
        &https,
        &[
            (
                failed(1, "verify error:num=18:self-signed certificate"),
                &[
                    "no connection to https://app/: the server's certificate is not accepted: self-signed certificate",
                ],
            ),
            (
                failed(127, "openssl is not installed"),
                &[
                    "no connection to https://app/: openssl is not installed in the guest, and https is spoken through it",
                ],
            ),
            (failed(1, "connect:errno=111"), &["no connection to https://app/"]),
        ],
    );
}
