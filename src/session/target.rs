//! Which cell a scenario is tried on. Pure.

use crate::input::words::{did_you_mean, list, show};
use crate::lab::file::{GroupSection, Lab};
use crate::lab::names;
use crate::model::plan::Plan;
use crate::model::scenario::Scenario;

/// What is asked for on the command line.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// A scenario's full name, or a department.
    pub scenario: &'a str,
    /// The OS version.
    pub on: Option<&'a str>,
    /// The group.
    pub group: Option<&'a str>,
}

/// Why a scenario cannot be tried as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ChooseError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ChooseError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// The cell to clone, and the scenarios to try on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The group.
    pub group: String,
    /// The OS version.
    pub os: String,
    /// Full names, in the order in which the group asks for them; never empty.
    pub scenarios: Vec<String>,
}

impl Target {
    /// The selection that takes its cell alone.
    pub fn selection(&self) -> String {
        format!("{}/{}", self.group, self.os)
    }

    /// A plan of its cell, left with the scenarios to try. A pass on a rerun would be flaky in a run, so there is none;
    /// and nothing is measured, as that takes both arms.
    pub fn narrow(&self, mut plan: Plan) -> Plan {
        plan.cells
            .retain(|cell| cell.group == self.group && cell.os == self.os);
        for cell in &mut plan.cells {
            cell.scenarios.clone_from(&self.scenarios);
        }
        plan.scenarios.retain(|name, _| self.scenarios.contains(name));
        for scenario in plan.scenarios.values_mut() {
            scenario.retries = 0;
            for step in &mut scenario.steps {
                step.measure = None;
            }
        }
        plan
    }
}

/// A group that could be meant.
struct Candidate<'a> {
    name: &'a str,
    section: &'a GroupSection,
    scenarios: Vec<String>,
}

impl Candidate<'_> {
    fn has_os(&self, os: &str) -> bool {
        self.section.os.get_ref().iter().any(|has| has.get_ref() == os)
    }

    fn os(&self) -> Vec<&str> {
        let os = self.section.os.get_ref().iter();
        os.map(|os| os.get_ref().as_str()).collect()
    }
}

/// Finds the group that asks for the scenario and has the OS version.
///
/// # Errors
/// None has, or more than one; the message names them.
pub fn choose(lab: &Lab, scenarios: &[Scenario], wish: &Wish<'_>) -> Result<Target, ChooseError> {
    let wanted: Vec<&str> = names::asked(wish.scenario, scenarios)
        .into_iter()
        .map(|scenario| scenario.name.as_str())
        .collect();
    if wanted.is_empty() {
        let known = scenarios
            .iter()
            .flat_map(|scenario| [scenario.department.as_str(), scenario.name.as_str()]);
        return Err(ChooseError::new(
            format!("there is no scenario or department {}", show(wish.scenario)),
            did_you_mean(
                wish.scenario,
                "scenario",
                known.collect::<std::collections::BTreeSet<_>>(),
            ),
        ));
    }
    let all: Vec<&Scenario> = scenarios.iter().collect();
    let asking: Vec<Candidate<'_>> = lab
        .file
        .group
        .iter()
        .map(|(name, section)| Candidate {
            name: name.get_ref(),
            section,
            scenarios: names::all_asked(section.scenarios.get_ref(), &all)
                .into_iter()
                .map(|scenario| scenario.name.clone())
                .filter(|name| wanted.contains(&name.as_str()))
                .collect(),
        })
        .filter(|candidate| !candidate.scenarios.is_empty())
        .collect();
    let asking = of_group(lab, asking, wish)?;
    let os_known = list(
        asking
            .iter()
            .flat_map(Candidate::os)
            .collect::<std::collections::BTreeSet<_>>(),
    );
    let fitting: Vec<Candidate<'_>> = asking
        .into_iter()
        .filter(|candidate| wish.on.is_none_or(|os| candidate.has_os(os)))
        .collect();
    let candidate = match fitting.as_slice() {
        [one] => one,
        [] => {
            let message = format!(
                "no group that asks for {} has OS version {}",
                show(wish.scenario),
                show(wish.on.unwrap_or_default())
            );
            return Err(ChooseError::new(
                message,
                format!("OS versions that there are: {os_known}"),
            ));
        }
        many => {
            let message = format!("more than one group asks for {}", show(wish.scenario));
            let names = list(many.iter().map(|candidate| candidate.name));
            return Err(ChooseError::new(
                message,
                format!("say which with --group: {names}"),
            ));
        }
    };
    let os = match (wish.on, candidate.os().as_slice()) {
        (Some(os), _) => os.to_owned(),
        (None, [one]) => (*one).to_owned(),
        (None, many) => {
            let message = format!("group {} has more than one OS version", show(candidate.name));
            let names = list(many.iter().copied());
            return Err(ChooseError::new(message, format!("say which with --on: {names}")));
        }
    };
    Ok(Target {
        group: candidate.name.to_owned(),
        os,
        scenarios: candidate.scenarios.clone(),
    })
}

/// The groups that ask for the scenario: all of them, or the one that is named.
fn of_group<'a>(
    lab: &Lab,
    mut asking: Vec<Candidate<'a>>,
    wish: &Wish<'_>,
) -> Result<Vec<Candidate<'a>>, ChooseError> {
    let names = list(asking.iter().map(|candidate| candidate.name));
    if asking.is_empty() {
        let groups = list(lab.file.group.keys().map(|name| name.get_ref().as_str()));
        return Err(ChooseError::new(
            format!("no group asks for {}", show(wish.scenario)),
            format!("add it to `scenarios` of the group that it tests; groups: {groups}"),
        ));
    }
    let Some(group) = wish.group else {
        return Ok(asking);
    };
    asking.retain(|candidate| candidate.name == group);
    if !asking.is_empty() {
        return Ok(asking);
    }
    let known = lab.file.group.keys().map(|name| name.get_ref().as_str());
    Err(if known.clone().any(|name| name == group) {
        ChooseError::new(
            format!("group {} does not ask for {}", show(group), show(wish.scenario)),
            format!("groups that do: {names}"),
        )
    } else {
        ChooseError::new(
            format!("there is no group {}", show(group)),
            did_you_mean(group, "group", known),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::input::finding::Source;
    use crate::lab::load;
    use crate::lab::scenario::parse;

    const LAB: &str = r#"
[lab]
name = "hq"
[image.debian-11]
build = "a.toml"
[image.debian-12]
build = "a.toml"
[role.web]
[group.shop]
owner = "a"
admin = "b"
os = ["debian-11", "debian-12"]
roles = ["web"]
scenarios = ["web"]
[group.intranet]
owner = "a"
admin = "b"
os = ["debian-12"]
roles = ["web"]
scenarios = ["web/page", "intranet"]
"#;

    fn scenario(name: &str) -> Scenario {
        let (department, stem) = name.split_once('/').expect("department/name");
        let text = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"s\"\non = \"web\"\nrun = \"true\"\n";
        let (file, findings) = parse::parse(department, stem, &Source::new(Path::new("s.toml"), text));
        file.unwrap_or_else(|| panic!("{findings:?}")).scenario
    }

    fn chosen(scenario_name: &str, on: Option<&str>, group: Option<&str>) -> Result<Target, ChooseError> {
        let lab = load::parse(Source::new(Path::new("patchgate.toml"), LAB), ".".into()).expect("a lab");
        let scenarios = ["web/page", "web/login", "intranet/wiki", "lonely/one"].map(scenario);
        let wish = Wish {
            scenario: scenario_name,
            on,
            group,
        };
        choose(&lab, &scenarios, &wish)
    }

    #[test]
    fn the_one_group_that_fits_is_taken() {
        for (asked, on, group, cell, scenarios) in [
            (
                "intranet",
                None,
                None,
                "intranet/debian-12",
                &["intranet/wiki"][..],
            ),
            (
                "web/login",
                Some("debian-12"),
                None,
                "shop/debian-12",
                &["web/login"],
            ),
            (
                "web",
                Some("debian-11"),
                None,
                "shop/debian-11",
                &["web/login", "web/page"],
            ),
            ("web", None, Some("intranet"), "intranet/debian-12", &["web/page"]),
            (
                "web",
                Some("debian-12"),
                Some("shop"),
                "shop/debian-12",
                &["web/login", "web/page"],
            ),
        ] {
            let target = chosen(asked, on, group).expect(asked);
            assert_eq!(target.selection(), cell, "{asked} {on:?} {group:?}");
            assert_eq!(target.scenarios, scenarios, "{asked} {on:?} {group:?}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_not_there_is_refused_with_the_candidates() {
        for (asked, on, group, message, hint) in [
            (
                "wbe",
                None,
                None,
                "there is no scenario or department `wbe`",
                "did you mean `web`?",
            ),
            (
                "lonely",
                None,
                None,
                "no group asks for `lonely`",
                "groups: `intranet` and `shop`",
            ),
            (
                "web",
                Some("debian-12"),
                None,
                "more than one group asks for `web`",
                "say which with --group: `intranet` and `shop`",
            ),
            (
                "web/login",
                None,
                None,
                "group `shop` has more than one OS version",
                "say which with --on: `debian-11` and `debian-12`",
            ),
            (
                "intranet",
                Some("debian-11"),
                None,
                "no group that asks for `intranet` has OS version `debian-11`",
                "`debian-12`",
            ),
            (
                "web/login",
                None,
                Some("intranet"),
                "group `intranet` does not ask for `web/login`",
                "groups that do: `shop`",
            ),
            (
                "web",
                None,
                Some("shpo"),
                "there is no group `shpo`",
                "did you mean `shop`?",
            ),
        ] {
            let error = chosen(asked, on, group).expect_err(message);
            assert_eq!(error.message, message);
            assert!(error.hint.contains(hint), "{:?}", error.hint);
        }
    }
}
