//! zypper's patches: what updates are for, and what stays open beside a set. What a patch is at odds with are the packages that
//! are older than its own (`Conflicts: NAME[.ARCH] < VERSION`), which is how zypper itself decides whether it is needed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::guest::command::ParseError;
use crate::guest::rpm::nevra::{evr, is_evr};
use crate::guest::rpm::order::compare;
use crate::guest::zypper::command::base_name;
use crate::guest::zypper::parts::{Answer, attribute, elements, wrong};
use crate::input;
use crate::model::advisory::{Advisory, Kind, Purpose, Severity};
use crate::model::update::{Update, UpdateSet};

/// A patch that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    kind: Kind,
    severity: Option<Severity>,
    title: String,
    cves: BTreeSet<String>,
    issued: Option<Date>,
    /// Packages, as it names them, each with the version that has what it brings.
    below: Vec<(String, String)>,
}

/// Patches by their names.
pub type Patches = BTreeMap<String, Patch>;

/// Reads those that are needed; what is only listed as blocked by others of them is needed as well.
///
/// # Errors
/// They are not listed, or something is in another language than ours.
pub fn read(answer: &Answer<'_>) -> Result<Patches, ParseError> {
    let document = answer.document("patches")?;
    if elements(&document, "update-status").next().is_none() {
        return Err(wrong("the patches are not listed".into()));
    }
    let mut patches = Patches::new();
    for node in elements(&document, "update") {
        if attribute(node, "kind")? != "patch" {
            let kind = input::clip(attribute(node, "kind")?);
            return Err(wrong(format!("`{kind}` is no kind of zypper's in English")));
        }
        let text = |name: &'static str| {
            let child = node.children().find(|child| child.has_tag_name(name));
            child.and_then(|child| child.text()).unwrap_or_default()
        };
        let issues = elements(&document, "issue").filter(|issue| {
            issue.attribute("type") == Some("cve") && issue.ancestors().any(|above| above == node)
        });
        let dated = node.children().find(|child| child.has_tag_name("issue-date"));
        let dated = dated
            .and_then(|node| node.attribute("text"))
            .and_then(|text| text.get(..10));
        let patch = Patch {
            kind: match node.attribute("category").unwrap_or_default() {
                "security" => Kind::Security,
                "bugfix" | "recommended" => Kind::Bugfix,
                "enhancement" | "feature" | "optional" => Kind::Enhancement,
                _ => Kind::Other,
            },
            severity: node.attribute("severity").and_then(Severity::parse),
            title: input::clip(&text("summary").split_whitespace().collect::<Vec<_>>().join(" ")),
            cves: issues
                .filter_map(|issue| issue.attribute("id"))
                .filter(|id| is_cve(id))
                .map(str::to_owned)
                .collect(),
            issued: dated.and_then(|text| text.parse().ok()),
            below: Vec::new(),
        };
        // The same patch may be in several sources.
        patches
            .entry(input::clip(attribute(node, "name")?))
            .or_insert(patch);
    }
    let contents = answer.part("contents");
    let mut patch = None;
    for line in contents.map(|part| part.text.lines()).into_iter().flatten() {
        if let Some(id) = line.strip_prefix("Patch ") {
            patch = patches.get_mut(id.trim());
        } else if let (Some(rest), Some(patch)) = (line.strip_prefix("Below "), patch.as_mut())
            && let Some((name, version)) = rest.split_once(" < ")
            && is_evr(version.trim())
        {
            patch
                .below
                .push((name.trim().to_owned(), version.trim().to_owned()));
        }
    }
    // It is needed because of something that is installed and older; in another language than ours that is not found.
    if let Some((id, _)) = patches.iter().find(|(_, patch)| patch.below.is_empty()) {
        return Err(wrong(format!("what {id} is of is not told")));
    }
    Ok(patches)
}

fn is_cve(text: &str) -> bool {
    let rest = text.strip_prefix("CVE-");
    text.len() < 30 && rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '-'))
}

impl Patch {
    /// The version of a package that has what it brings.
    fn below(&self, name: &str, arch: &str) -> Option<&str> {
        let is_it = |token: &str| {
            token == name || token.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) == Some(arch)
        };
        let found = self.below.iter().find(|(token, _)| is_it(token));
        found.map(|(_, version)| version.as_str())
    }

    /// Whether an update has what it brings, which was not there.
    fn is_closed_by(&self, update: &Update) -> bool {
        let Some(version) = self.below(base_name(update), &update.arch) else {
            return false;
        };
        let is_new = |from: &String| compare(from, version) == Ordering::Less;
        update.from.as_ref().is_none_or(is_new)
            && update
                .to
                .as_ref()
                .is_none_or(|to| compare(to, version) != Ordering::Less)
    }
}

/// What an update is for.
pub fn purpose(update: &Update, patches: &Patches) -> Option<Purpose> {
    let closed = patches
        .values()
        .filter(|patch| update.to.is_some() && patch.is_closed_by(update));
    Purpose::of(closed.map(|patch| Purpose {
        kind: patch.kind,
        severity: patch.severity,
        issued: patch.issued,
    }))
}

/// Reads what a set closes and what stays open.
///
/// # Errors
/// As [`read`], or what is installed cannot be read.
pub fn advisories(output: &str, set: &UpdateSet) -> Result<Vec<Advisory>, ParseError> {
    let answer = Answer::read(output)?;
    let patches = read(&answer)?;
    let installed = answer
        .part("installed")
        .ok_or_else(|| wrong("what is installed is not told".into()))?;
    // Of a package of which several versions stay side by side, the newest.
    let mut newest: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for line in installed.text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [name, epoch, version, release, arch] = fields[..] else {
            return Err(wrong(format!("`{}` has not five fields", input::clip(line))));
        };
        let evr = evr(epoch, version, release);
        let newer = newest.entry((name, arch)).or_insert_with(|| evr.clone());
        if compare(newer, &evr) == Ordering::Less {
            *newer = evr;
        }
    }
    let advisory = |(id, patch): (String, Patch)| {
        let closing: Vec<&Update> = set
            .updates
            .iter()
            .filter(|update| patch.is_closed_by(update))
            .collect();
        let is_closed = |name: &str, arch: &str| {
            closing
                .iter()
                .any(|update| base_name(update) == name && (update.arch == arch || update.to.is_some()))
        };
        let is_open = |(name, arch): &(&str, &str), evr: &String| {
            patch
                .below(name, arch)
                .is_some_and(|version| compare(evr, version) == Ordering::Less)
                && !is_closed(name, arch)
        };
        let mut open_in: Vec<String> = newest
            .iter()
            .filter(|(package, evr)| is_open(package, evr))
            .map(|((name, _), _)| (*name).to_owned())
            .collect();
        if closing.is_empty() && open_in.is_empty() {
            open_in = patch.below.iter().map(|(name, _)| name.clone()).collect();
        }
        open_in.dedup();
        Advisory {
            id,
            kind: patch.kind,
            severity: patch.severity,
            title: patch.title.clone(),
            cves: patch.cves.iter().cloned().collect(),
            closed_by: closing.iter().map(|update| update.name.clone()).collect(),
            open_in,
        }
    };
    Ok(patches.into_iter().map(advisory).collect())
}
