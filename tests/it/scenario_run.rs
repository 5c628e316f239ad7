//! Scenarios that use the whole language, run on the fake lab.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use patchgate::fake::{Agent, GuestScript, StepCall};
use patchgate::guest::command::GuestCommand;
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::outcome::StepOutcome;
use patchgate::model::results::SubOutcome;
use patchgate::port::ExecOutput;
use patchgate::verdict::Verdict;

use crate::testkit::guests::{run, run_in};
use crate::testkit::lab::{End, Lab, exit};

fn stdin(command: &GuestCommand) -> String {
    String::from_utf8(command.stdin.clone().unwrap_or_default()).expect("UTF-8")
}

fn env<'c>(command: &'c GuestCommand, name: &str) -> Option<&'c str> {
    let found = command.env.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

#[tokio::test(start_paused = true)]
async fn variables_outlive_the_reboot_and_are_in_every_report() {
    let end = run(
        r#"
[vars]
customer = "Window Ltd"
[[step]]
name = "an invoice is written"
on = "web"
when = "before-updates"
http = { url = "http://app/invoices", json = { customer = "${customer}" }, status = 201 }
capture = { invoice = { json = "$.id" }, place = { header = "location" } }
[[step]]
name = "it is found again"
on = "web"
http = { url = "http://app${place}", response_json = { "$.id" = "${invoice}", "$.total" = { at_least = 12.5, below = "12.51" } } }
[[step]]
name = "the ledger has it"
on = "web"
run = 'ledger "$invoice"'
expect = { stdout = { contains = "${invoice}" } }
"#,
        |call| match call.command.what.as_str() {
            "http" if stdin(call.command).starts_with("POST") => {
                assert!(stdin(call.command).ends_with(r#"{"customer":"Window Ltd"}"#));
                let id = if call.arm == ArmKind::Control { "INV-1" } else { "INV-2" };
                exit(0, &format!("HTTP/1.1 201 Created\r\nLocation: /invoices/{id}\r\n\r\n{{\"id\": \"{id}\"}}"))
            }
            "http" => {
                let request = stdin(call.command);
                let id = request.split(['/', ' ']).nth(3).unwrap_or_default().to_owned();
                exit(0, &format!("HTTP/1.1 200 OK\r\n\r\n{{\"id\": \"{id}\", \"total\": 12.50}}"))
            }
            _ => {
                assert!(call.command.argv.contains(&"ledger \"$invoice\"".to_owned()));
                exit(0, &format!("{} posted", env(call.command, "invoice").unwrap_or_default()))
            }
        },
    )
    .await;
    assert_eq!(end.verdict(), Verdict::Pass, "{:?}", end.steps(Arm::Treatment));
    assert_eq!(end.steps(Arm::Control)[0].captured["invoice"], "INV-1");
    let reports = end.reports();
    for (line, times) in [
        ("captured invoice = INV-1", 3),
        ("captured invoice = INV-2", 3),
        ("\"invoice\": \"INV-2\"", 1),
    ] {
        // Markdown writes nothing of these characters otherwise but the hyphen's neighbours.
        assert_eq!(reports.matches(line).count(), times, "{line}\n{reports}");
    }
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_log_in_keeps_its_cookie_through_redirects_and_steps() {
    let end = run(
        r#"
[[step]]
name = "log in"
on = "web"
http = { url = "http://app/login", form = { user = "clerk" }, follow = 2, contains = "Dashboard" }
[[step]]
name = "still logged in"
on = "web"
http = { url = "http://app/private", contains = "Dashboard" }
[[step]]
name = "not without the cookie"
on = "web"
http = { url = "http://app/private", cookies = false, status = 401 }
"#,
        |call| {
            let request = stdin(call.command);
            if request.starts_with("POST /login") {
                return exit(
                    0,
                    "HTTP/1.1 302 Found\r\nLocation: /private\r\nSet-Cookie: s=1; Path=/\r\n\r\n",
                );
            }
            if request.contains("Cookie: s=1") {
                exit(0, "HTTP/1.1 200 OK\r\n\r\nDashboard")
            } else {
                exit(0, "HTTP/1.1 401 No\r\n\r\n")
            }
        },
    )
    .await;
    assert_eq!(end.verdict(), Verdict::Pass, "{:?}", end.steps(Arm::Control));
    assert!(
        end.steps(Arm::Control)[0]
            .did
            .ends_with("redirected with 302 to http://app/private")
    );
}

#[tokio::test(start_paused = true)]
async fn a_script_arrives_whole_and_its_tests_are_single_results() {
    let content: Vec<u8> = (0..600_000_u32)
        .map(|n| b'a' + u8::try_from(n % 23).expect("small"))
        .collect();
    let lab = || {
        Lab::default()
            .with_scenario(
                "[[step]]\nname = \"suite\"\non = \"web\"\nuser = \"www-data\"\nscript = { file = \"smoke.t\", interpreter = [\"perl\", \"-w\"], args = [\"-v\"], output = \"tap\" }",
            )
            .with_file("smoke.t", &content)
    };
    let good = run_in(lab(), |call| {
        let line = call.command.argv.join(" ");
        assert!(
            line.contains("runuser -u www-data -- /bin/sh -c ")
                && line.contains(" patchgate perl -w /run/patchgate/")
                && line.ends_with("/smoke.t -v"),
            "{line}"
        );
        exit(0, "1..2\nok 1 - log in\nok 2 - pdf # SKIP no printer\n")
    })
    .await;
    assert_eq!(good.verdict(), Verdict::Pass, "{:?}", good.steps(Arm::Control));
    assert!(good.reports().contains("tests: 1 passed, 1 skipped"));
    good.left_nothing();
    let bad = run_in(lab(), |call| {
        if call.updated {
            exit(1, "1..1\nnot ok 1 - totals\n# 12.51 is not 12.50\n")
        } else {
            exit(0, "1..1\nok 1 - totals\n")
        }
    })
    .await;
    assert_eq!(bad.verdict(), Verdict::Regressed);
    let report = bad.steps(Arm::Treatment)[0];
    assert_eq!(report.results[0].outcome, SubOutcome::Failed);
    assert!(
        report
            .failures
            .contains(&"test `totals` failed: 12.51 is not 12.50".to_owned()),
        "{report:?}"
    );
    bad.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn results_in_a_file_are_read_and_their_absence_is_a_failure() {
    let lab = || {
        Lab::default()
            .with_scenario(
                "[[step]]\nname = \"suite\"\non = \"web\"\nscript = { file = \"t.py\", interpreter = \"python3\", output = \"junit\", results = \"/tmp/r.xml\" }",
            )
            .with_file("t.py", b"pass")
    };
    let end = run_in(lab(), |call| match call.command.what.as_str() {
        "script" => exit(0, "chatter"),
        _ => exit(
            0,
            "file 43 /tmp/r.xml\n<testsuite><testcase name='a'/></testsuite>\n",
        ),
    })
    .await;
    assert_eq!(end.verdict(), Verdict::Pass, "{:?}", end.steps(Arm::Control));
    let end = run_in(lab(), |call| {
        exit(if call.command.what == "script" { 0 } else { 2 }, "")
    })
    .await;
    assert_eq!(
        end.steps(Arm::Control)[0].failures,
        ["it wrote no results to /tmp/r.xml"]
    );
}

#[tokio::test(start_paused = true)]
async fn new_lines_of_a_log_fail_the_step_that_looks() {
    let end = run(
        "[[step]]\nname = \"page\"\non = \"web\"\nrun = \"true\"\n[[step]]\nname = \"log\"\non = \"web\"\nlog = { unit = \"nginx\", unexpected = '(?i)error' }",
        |call| match call.command.what.as_str() {
            "log" if call.updated => exit(0, "10:00 web nginx: started\n10:01 web nginx: Error 7\n"),
            "log" => {
                assert!(call.command.argv.contains(&"s=1".to_owned()), "from the mark on");
                exit(0, "10:00 web nginx: started\n")
            }
            _ => exit(0, ""),
        },
    )
    .await;
    assert_eq!(end.verdict(), Verdict::Regressed);
    assert_eq!(
        end.steps(Arm::Treatment)[1].failures,
        ["logged: 10:01 web nginx: Error 7"]
    );
    let flood = run(
        "[[step]]\nname = \"page\"\non = \"web\"\nrun = \"true\"\n[[step]]\nname = \"log\"\non = \"web\"\nlog = { file = \"/x\", unexpected = 'error' }",
        |call| exit(0, &"x".repeat(if call.command.what == "log" { 256 * 1024 } else { 0 })),
    )
    .await;
    assert!(flood.steps(Arm::Control)[1].failures[0].contains("not all of it was looked at"));
}

#[tokio::test(start_paused = true)]
async fn clean_up_is_run_whatever_happened_and_decides_nothing() {
    let text = "
[[step]]
name = \"order\"
on = \"web\"
run = \"order\"
capture = { order = \"output\" }
[[step]]
name = \"check\"
on = \"web\"
run = \"check\"
[[cleanup]]
name = \"withdraw\"
on = \"web\"
run = 'withdraw \"$order\"'
[[cleanup]]
name = \"look\"
on = \"web\"
file = { path = \"/orders/${order}\", exists = false }
";
    let answers = |check: i32, withdraw: i32| {
        move |call: &StepCall<'_>| {
            let argv = &call.command.argv;
            if argv.iter().any(|word| word.starts_with("withdraw")) {
                assert_eq!(env(call.command, "order"), Some("7"));
                exit(withdraw, "")
            } else if argv.contains(&"check".to_owned()) {
                exit(check, "")
            } else if call.command.what == "file" {
                exit(0, "absent\n")
            } else {
                exit(0, "7\n")
            }
        }
    };
    let failed = run(text, answers(1, 0)).await;
    assert_eq!(failed.verdict(), Verdict::AlreadyBroken);
    let outcomes = |end: &End, arm| -> Vec<StepOutcome> {
        end.cleanup(arm).iter().map(|report| report.outcome).collect()
    };
    for arm in Arm::BOTH {
        assert_eq!(outcomes(&failed, arm), [StepOutcome::Passed, StepOutcome::Passed]);
    }
    let untidy = run(text, answers(0, 3)).await;
    assert_eq!(untidy.verdict(), Verdict::Pass);
    assert_eq!(untidy.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert_eq!(
        outcomes(&untidy, Arm::Control),
        [StepOutcome::Failed, StepOutcome::Passed]
    );
    let note = "clean-up step `withdraw` failed in control: exit code is 3, expected 0";
    assert!(untidy.reports().contains(note), "{}", untidy.reports());
    let never = run(text, |call| exit(i32::from(call.command.what == "run"), "")).await;
    let report = never.cleanup(Arm::Control)[1];
    assert!(report.failures[0].contains("`order` has no value"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn after_an_interrupt_nothing_is_cleaned_up_and_a_lost_node_is_left_alone() {
    let text = "[[step]]\nname = \"hangs\"\non = \"web\"\nrun = \"true\"\n[[cleanup]]\nname = \"c\"\non = \"web\"\nrun = \"true\"";
    let lab = Lab::default().with_scenario(text);
    lab.script(GuestScript {
        delay: Duration::from_secs(5),
        ..GuestScript::default()
    });
    let end = lab.stop_after(Duration::from_secs(12)).run().await;
    assert!(end.cleanup(Arm::Control).is_empty() && end.cleanup(Arm::Treatment).is_empty());
    let lab = Lab::default().with_scenario(text);
    lab.script(GuestScript {
        agent: Agent::DiesAt("run"),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(
        end.cleanup(Arm::Control)[0].failures,
        ["not run: node web is lost"]
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn waits_reboots_and_lists_run_as_written() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let end = run(
        "timeout = \"8m\"
[[step]]
name = \"queue\"
on = \"web\"
wait = \"5s\"
[[step]]
name = \"again\"
on = \"web\"
reboot = true
[[step]]
name = \"in ${item}\"
on = \"web\"
each = [\"EUR\", \"USD\"]
run = \"price\"
expect = { stdout = \"${item}\" }
",
        move |call| {
            let item = env(call.command, "item").unwrap_or_default().to_owned();
            seen.lock().expect("a lock").push(item.clone());
            exit(0, &item)
        },
    )
    .await;
    assert_eq!(end.verdict(), Verdict::Pass, "{:?}", end.steps(Arm::Control));
    assert_eq!(end.steps(Arm::Control).len(), 4);
    let asked = asked.lock().expect("a lock");
    assert_eq!(
        asked.iter().filter(|item| *item == "USD").count(),
        2,
        "once in each arm: {asked:?}"
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_secret_reaches_its_step_and_nothing_that_is_kept() {
    let value = "hunter2/äö+\"quoted\"";
    let plain = "[[step]]\nname = \"other\"\non = \"web\"\nrun = \"env\"\n";
    let text = format!(
        r#"{plain}
[[step]]
name = "by shell"
on = "web"
run = "login"
secrets = ["PASSWORD"]
expect = {{ stdout = {{ equals = "no" }} }}
retry = {{ window = "3s", every = "2s" }}
"#
    );
    let web = r#"
[[step]]
name = "by form"
on = "web"
secrets = ["PASSWORD"]
http = { url = "http://app/x?p=${PASSWORD}", form = { p = "${PASSWORD}" }, auth = { user = "clerk", password = "${PASSWORD}" }, headers = { "x-p" = "${PASSWORD}" } }
capture = { echo = "output" }
[[step]]
name = "by query"
on = "web"
secrets = ["PASSWORD"]
sql = { database = "shop", user = "shop", password = "${PASSWORD}", query = "select '${PASSWORD}'", rows = "no" }
"#;
    let handed = Arc::new(Mutex::new(0));
    for text in [text.as_str(), web] {
        let seen = handed.clone();
        let lab = Lab::default().with_scenario(text).with_secret("PASSWORD", value);
        let end = run_in(lab, move |call| {
            let command = call.command;
            assert!(
                !command.argv.join(" ").contains("hunter2"),
                "on a command line: {:?}",
                command.argv
            );
            assert!(!format!("{command:?}").contains("hunter2"));
            let has = env(command, "PASSWORD") == Some(value)
                || env(command, "PGPASSWORD") == Some(value)
                || stdin(command).contains("hunter2");
            *seen.lock().expect("a lock") += i32::from(has);
            if command.argv.contains(&"env".to_owned()) {
                assert!(!has, "a step gets what it did not ask for");
                return exit(0, "");
            }
            let form: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let said = format!(
                "{value} {form} {} {}",
                serde_json::to_string(value).expect("JSON"),
                base64::Engine::encode(
                    &base64::engine::general_purpose::STANDARD,
                    format!("clerk:{value}")
                ),
            );
            match command.what.as_str() {
                "http" => exit(0, &format!("HTTP/1.1 200 OK\r\n\r\n{said}")),
                _ => ExecOutput {
                    stderr: said.clone().into_bytes(),
                    ..exit(0, &said)
                },
            }
        })
        .await;
        assert_eq!(
            end.verdict(),
            Verdict::AlreadyBroken,
            "{:?}",
            end.steps(Arm::Control)
        );
        let inner = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("clerk:{value}"),
        );
        let mut kept = end.reports();
        for entry in walk(end.folder()) {
            kept.push_str(&String::from_utf8_lossy(&std::fs::read(entry).expect("a file")));
        }
        for form in ["hunter2", "äö", &inner[8..24]] {
            assert!(!kept.contains(form), "{form} is kept");
        }
        assert!(kept.contains("[secret PASSWORD]"));
        end.left_nothing();
    }
    assert!(*handed.lock().expect("a lock") >= 6, "the steps did get it");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    assert!(!files.is_empty());
    files
}
