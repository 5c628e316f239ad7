//! What zypper would do, as its dry run tells it (`--xmlout`).

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Document;

use crate::guest::command::ParseError;
use crate::guest::rpm::nevra::{is_arch, is_evr, is_name};
use crate::guest::zypper::parts::{attribute, elements, is_package, wrong};
use crate::input;

/// A version of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The package.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// `[EPOCH:]VERSION-RELEASE`.
    pub evr: String,
}

impl Version {
    /// Reads one.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn new(name: &str, arch: &str, evr: &str) -> Result<Self, ParseError> {
        if !(is_name(name) && is_arch(arch) && is_evr(evr)) {
            let text = format!("{name}.{arch}={evr}");
            return Err(wrong(format!("`{}` names no package", input::clip(&text))));
        }
        Ok(Self {
            name: name.to_owned(),
            arch: arch.to_owned(),
            evr: evr.to_owned(),
        })
    }

    /// As our scripts have it.
    pub fn word(&self) -> String {
        format!("{}.{}={}", self.name, self.arch, self.evr)
    }
}

/// What a transaction does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What comes, with what it replaces, where that is of the same name.
    pub comes: BTreeMap<Version, Option<Version>>,
    /// What goes.
    pub goes: BTreeSet<Version>,
    /// What comes from another vendor than before.
    pub other_vendor: BTreeSet<Version>,
}

/// Reads a dry run.
///
/// # Errors
/// It has no summary and does not say that there is nothing to do, or something of it is not understood.
pub fn transaction(document: &Document<'_>) -> Result<Transaction, ParseError> {
    let mut transaction = Transaction::default();
    let Some(summary) = elements(document, "install-summary").next() else {
        return Err(wrong("the dry run has no summary".into()));
    };
    for section in summary.children().filter(roxmltree::Node::is_element) {
        let name = section.tag_name().name();
        for node in section.children().filter(roxmltree::Node::is_element) {
            let kind = attribute(node, "type")?;
            if !is_package(kind).ok_or_else(|| not_a_kind(kind))? {
                continue;
            }
            let arch = attribute(node, "arch")?;
            let package = attribute(node, "name")?;
            let version = Version::new(package, arch, attribute(node, "edition")?)?;
            let old = node.attribute("edition-old");
            let old = old.map(|evr| Version::new(package, node.attribute("arch-old").unwrap_or(arch), evr));
            let old = old.transpose()?;
            match name {
                "to-upgrade" | "to-downgrade" | "to-install" | "to-change-arch" => {
                    transaction.comes.insert(version, old);
                }
                "to-change-vendor" => {
                    transaction.other_vendor.insert(version.clone());
                    transaction.comes.insert(version, old);
                }
                "to-remove" => {
                    transaction.goes.insert(version);
                }
                // What is wrong about them by a contract of support is no part of what is done.
                "_unsupported" | "to-reinstall" => {}
                other => {
                    let section = input::clip(other);
                    return Err(wrong(format!("a section `{section}` is not understood")));
                }
            }
        }
    }
    // It counts the solvables of other kinds too, so that only less than nothing is told by it.
    let counted = summary.attribute("packages-to-change").unwrap_or("0");
    if counted != "0" && summary.children().all(|child| !child.is_element()) {
        return Err(wrong(format!(
            "{} packages are to change, and none is named",
            input::clip(counted)
        )));
    }
    Ok(transaction)
}

fn not_a_kind(kind: &str) -> ParseError {
    wrong(format!(
        "`{}` is no kind of zypper's in English; is the guest's LANGUAGE forced?",
        input::clip(kind)
    ))
}

/// What a list of newer versions names: each with the source that has it.
///
/// # Errors
/// Something of it is not understood.
pub fn newer(document: &Document<'_>) -> Result<BTreeMap<Version, (String, Option<String>)>, ParseError> {
    let mut found = BTreeMap::new();
    for node in elements(document, "update") {
        let kind = attribute(node, "kind")?;
        if !is_package(kind).ok_or_else(|| not_a_kind(kind))? {
            continue;
        }
        let version = Version::new(
            attribute(node, "name")?,
            attribute(node, "arch")?,
            attribute(node, "edition")?,
        )?;
        let source = node.children().find(|child| child.has_tag_name("source"));
        let alias = source.and_then(|source| source.attribute("alias"));
        let old = node.attribute("edition-old").map(str::to_owned);
        found.insert(version, (alias.unwrap_or_default().to_owned(), old));
    }
    if elements(document, "update-status").next().is_none() {
        return Err(wrong("the newer versions are not listed".into()));
    }
    Ok(found)
}

/// What a search found: each version with the names of the sources that have it.
///
/// # Errors
/// Something of it is not understood.
pub fn found(document: &Document<'_>) -> Result<BTreeMap<Version, BTreeSet<String>>, ParseError> {
    let mut found: BTreeMap<Version, BTreeSet<String>> = BTreeMap::new();
    for node in elements(document, "solvable") {
        let kind = attribute(node, "kind")?;
        if !is_package(kind).ok_or_else(|| not_a_kind(kind))? {
            continue;
        }
        let version = Version::new(
            attribute(node, "name")?,
            attribute(node, "arch")?,
            attribute(node, "edition")?,
        )?;
        let source = node.attribute("repository").unwrap_or_default();
        found.entry(version).or_default().insert(source.to_owned());
    }
    Ok(found)
}

/// The sources that are enabled: alias and name, the one that goes before others first.
///
/// # Errors
/// There is none.
pub fn sources(document: &Document<'_>) -> Result<Vec<(String, String)>, ParseError> {
    let mut sources: Vec<(u32, String, String)> = elements(document, "repo")
        .filter(|repo| repo.attribute("enabled") == Some("1"))
        .filter_map(|repo| {
            let alias = repo.attribute("alias")?;
            let priority = repo.attribute("priority").and_then(|text| text.parse().ok());
            let name = repo.attribute("name").unwrap_or(alias);
            Some((priority.unwrap_or(99), alias.to_owned(), name.to_owned()))
        })
        .collect();
    if sources.is_empty() {
        return Err(wrong(
            "no repository is enabled, so that nothing can be pending; is the system registered?".into(),
        ));
    }
    sources.sort();
    Ok(sources
        .into_iter()
        .map(|(_, alias, name)| (alias, name))
        .collect())
}

/// The problem of a dry run that found no way, in a line; `None` where it found one.
pub fn problem(document: &Document<'_>) -> Option<String> {
    let text = elements(document, "description")
        .filter(|node| node.parent().is_some_and(|parent| parent.has_tag_name("prompt")))
        .filter_map(|node| node.text())
        .find(|text| text.contains("roblem"))?;
    let lines = text.lines().map(str::trim);
    let said: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Solution "))
        .filter(|line| !line.is_empty())
        .collect();
    let said = said.join("; ");
    Some(said.strip_prefix("Problem: ").unwrap_or(&said).to_owned())
}
