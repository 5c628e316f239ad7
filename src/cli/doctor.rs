//! `patchgate doctor`: every check of the host, its result and its remedy.

use std::fmt::Write as _;
use std::io::Write;

use clap::Args;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::exit_code;
use crate::input::safe;
use crate::model::plan::HostPlan;
use crate::session::doctor::check::{Check, Health, works};
use crate::session::doctor::examine;

/// Columns of text before a line is broken.
const WIDTH: usize = 100;

/// What `patchgate doctor` takes.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// How the checks are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The host to check; by default the lab's, or `auto` where there is no lab
    #[arg(long, value_name = "URI")]
    pub host: Option<String>,
}

/// Checks the hosts and writes what was found, as JSON or as text, in colour or not. The exit code is 0 where `run` can
/// work and 2 where it cannot.
pub async fn run(
    hosts: &[HostPlan],
    json: bool,
    colour: bool,
    out: &mut (dyn Write + Send),
) -> Result<u8, UserError> {
    let checks = examine(hosts).await;
    let text = if json {
        as_json(&checks)
    } else {
        as_text(&checks, colour)
    };
    out.write_all(safe::document(&text).as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| UserError::usage(format!("writing what was found: {error}")))?;
    Ok(if works(&checks) {
        exit_code::OPEN
    } else {
        exit_code::USAGE
    })
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Failed => "failed",
    }
}

fn colour_of(health: Health) -> &'static str {
    match health {
        Health::Ok => "\x1b[32m",
        Health::Warning => "\x1b[33m",
        Health::Failed => "\x1b[31m",
    }
}

/// The checks for programs: `works` and `checks`.
pub fn as_json(checks: &[Check]) -> String {
    let all = serde_json::json!({ "works": works(checks), "checks": checks });
    safe::json(&format!("{all:#}\n"))
}

/// The checks for people.
pub fn as_text(checks: &[Check], colour: bool) -> String {
    let mut text = String::new();
    let column = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let indent = " ".repeat(9 + column + 2);
    let several = checks.iter().any(|check| check.host.is_some());
    let mut about = None;
    for check in checks {
        if several && about != Some(&check.host) {
            let head = check
                .host
                .as_ref()
                .map_or("this machine".to_owned(), |uri| format!("host {uri}"));
            // As below.
            let _ = writeln!(text, "{head}:");
            about = Some(&check.host);
        }
        let (on, off) = if colour {
            (colour_of(check.health), "\x1b[0m")
        } else {
            ("", "")
        };
        let lines = broken(&check.found, WIDTH - indent.len());
        let word = word(check.health);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{on}{word:<7}{off}  {:<column$}  {}",
            check.name,
            lines.join(&format!("\n{indent}"))
        );
        text.push('\n');
        if let Some(remedy) = &check.remedy {
            let lines = broken(remedy, WIDTH - indent.len() - 3);
            let _ = writeln!(text, "{indent}-> {}", lines.join(&format!("\n{indent}   ")));
        }
    }
    let count = |health| checks.iter().filter(|check| check.health == health).count();
    let (failed, warnings) = (count(Health::Failed), count(Health::Warning));
    let verdict = if failed == 0 {
        "can work here"
    } else {
        "cannot work here"
    };
    let _ = writeln!(
        text,
        "\n`patchgate run` {verdict}: {failed} failed, {warnings} to know about."
    );
    text
}

/// Text in lines of at most `width` columns where its words allow.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Cause;
    use crate::model::policy::Accel;
    use crate::port::LabError;

    fn checks() -> Vec<Check> {
        vec![
            Check::ok("libvirt", "qemu:///system answers; libvirt 9.0.0, QEMU 10.0.2"),
            Check::warning(
                "accelerator",
                "TCG: /dev/kvm opens but a test guest did not run within 10 s",
                "guests run some ten times slower; for KVM, enable virtualisation in the firmware",
            ),
            Check::failed(
                "pool",
                LabError::new(Cause::HostDisk, "making pool x: No space left on device")
                    .with_hint("free disk"),
            ),
        ]
    }

    #[test]
    fn text_for_a_tired_admin() {
        insta::assert_snapshot!(as_text(&checks(), false), @"
        ok       libvirt      qemu:///system answers; libvirt 9.0.0, QEMU 10.0.2
        warning  accelerator  TCG: /dev/kvm opens but a test guest did not run within 10 s
                              -> guests run some ten times slower; for KVM, enable virtualisation in the
                                 firmware
        failed   pool         making pool x: No space left on device
                              -> free disk

        `patchgate run` cannot work here: 1 failed, 1 to know about.
        ");
        insta::assert_snapshot!(as_text(&checks()[..1], false), @"
        ok       libvirt  qemu:///system answers; libvirt 9.0.0, QEMU 10.0.2

        `patchgate run` can work here: 0 failed, 0 to know about.
        ");
        assert!(as_text(&checks(), true).contains("\x1b[31mfailed \x1b[0m"));
    }

    #[test]
    fn json_says_whether_run_works() {
        insta::assert_snapshot!(as_json(&checks()[..2]), @r#"
        {
          "checks": [
            {
              "found": "qemu:///system answers; libvirt 9.0.0, QEMU 10.0.2",
              "health": "ok",
              "name": "libvirt"
            },
            {
              "found": "TCG: /dev/kvm opens but a test guest did not run within 10 s",
              "health": "warning",
              "name": "accelerator",
              "remedy": "guests run some ten times slower; for KVM, enable virtualisation in the firmware"
            }
          ],
          "works": true
        }
        "#);
        assert!(as_json(&checks()).contains("\"works\": false"));
    }

    #[tokio::test]
    async fn a_host_that_cannot_be_reached_fails_with_a_remedy_under_its_name() {
        let host = HostPlan {
            uri: "qemu+unix:///system?socket=/nonexistent/socket".into(),
            accel: Accel::Auto,
            memory: None,
            vcpus: None,
        };
        let mut out = Vec::new();
        let code = run(std::slice::from_ref(&host), false, false, &mut out)
            .await
            .expect("a result");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(code, exit_code::USAGE, "{text}");
        assert!(text.starts_with("failed   libvirt"), "{text}");
        assert!(text.contains("-> start libvirtd"), "{text}");

        let other = HostPlan::at("qemu+unix:///system?socket=/nonexistent/other");
        let mut out = Vec::new();
        let code = run(&[host, other], false, false, &mut out)
            .await
            .expect("a result");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(code, exit_code::USAGE, "{text}");
        let heads: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with(' ') && line.ends_with(':'))
            .collect();
        assert_eq!(
            heads,
            [
                "host qemu+unix:///system?socket=/nonexistent/socket:",
                "host qemu+unix:///system?socket=/nonexistent/other:",
                "this machine:"
            ]
        );
    }
}
