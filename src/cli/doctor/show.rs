//! What the checks found, as text and as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::port::LabError;

/// Columns of text before a line is broken.
const WIDTH: usize = 100;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// `run` works, less well or not everything.
    Warning,
    /// `run` cannot work.
    Failed,
}

impl Health {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Failed => "\x1b[31m",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The host that it is about, where several are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// A check that found what it should.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            host: None,
            name,
            health: Health::Ok,
            found: found.into(),
            remedy: None,
        }
    }

    /// A check that found something to know about.
    pub fn warning(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            health: Health::Warning,
            remedy: Some(remedy.into()),
            ..Self::ok(name, found)
        }
    }

    /// A check that failed.
    pub fn failed(name: &'static str, error: LabError) -> Self {
        Self {
            host: None,
            name,
            health: Health::Failed,
            found: error.message,
            remedy: error.hint,
        }
    }
}

/// Whether `run` can work.
pub fn works(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.health != Health::Failed)
}

/// The checks for programs: `works` and `checks`.
pub fn as_json(checks: &[Check]) -> String {
    let all = serde_json::json!({ "works": works(checks), "checks": checks });
    format!("{all:#}\n")
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
            (check.health.colour(), "\x1b[0m")
        } else {
            ("", "")
        };
        let lines = broken(&check.found, WIDTH - indent.len());
        let word = check.health.word();
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
}
