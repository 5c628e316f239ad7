//! What is wrong with a lab's secrets, and with what scenarios ask of them.

use std::collections::BTreeSet;

use crate::input::finding::Finding;
use crate::input::words::{did_you_mean, show};
use crate::lab::lint::state::Lint;

/// Looks at every secret that a scenario asks for: it must be there, and be for that department.
pub(super) fn secrets(lint: &mut Lint<'_>) {
    let known = &lint.lab.file.secret;
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    let mut findings = Vec::new();
    for file in lint.scenarios {
        let department = file.scenario.department.as_str();
        for secret in &file.secrets {
            let name = secret.get_ref().as_str();
            asked.insert(name);
            let error = |message: String, hint: String| {
                Finding::error(&file.source, secret.span(), message).with_hint(hint)
            };
            match known.get(name) {
                None => {
                    let mine = known
                        .iter()
                        .filter(|(_, section)| {
                            section
                                .departments
                                .iter()
                                .any(|other| other.get_ref() == department)
                        })
                        .map(|(name, _)| name.get_ref().as_str());
                    let hint = format!(
                        "{}; the lab's admin adds it to patchgate.toml as [secret.{name}]",
                        did_you_mean(name, "secret", mine)
                    );
                    findings.push(error(format!("there is no secret {}", show(name)), hint));
                }
                Some(section)
                    if !section
                        .departments
                        .iter()
                        .any(|other| other.get_ref() == department) =>
                {
                    findings.push(error(
                        format!("secret {} is not for department {}", show(name), show(department)),
                        format!(
                            "the lab's admin lists who may ask for it in `departments` of [secret.{name}]"
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
    }
    // A scenario that could not be read may be the one that asks.
    if lint.broken.is_empty() {
        for name in known.keys() {
            if !asked.contains(name.get_ref().as_str()) {
                let message = format!("no scenario asks for secret {}", show(name.get_ref()));
                let finding = Finding::warning(&lint.lab.source, name.span(), message);
                findings.push(
                    finding.with_hint("take the section away, or name the secret in a step's `secrets`"),
                );
            }
        }
    }
    lint.findings.extend(findings);
}
