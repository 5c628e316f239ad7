//! What the first looks at a lab's images found, held against the lab: what keeps a run from its end is said before it begins.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::guest::families::Families;
use crate::guest::look;
use crate::image::catalogue::{ImageDef, image_name};
use crate::image::facts::{self, Found};
use crate::input::finding::Finding;
use crate::lab::file::Lab;
use crate::model::facts::Facts;

/// What is wrong, or worth knowing, of images that somebody has looked at; of others nothing is.
pub fn findings(lab: &Lab, images: &[ImageDef], families: &Families) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known: BTreeMap<&str, Facts> = BTreeMap::new();
    for image in images {
        let Some(sealed) = &image.sealed else { continue };
        let span = section(lab, image);
        match facts::find(sealed) {
            Found::Nothing => {}
            Found::Unusable { path, problem } => {
                let message = format!(
                    "what is known of image {} is not used: {} {problem}",
                    image.name,
                    path.display()
                );
                let finding = Finding::warning(&lab.source, span, message);
                findings.push(finding.with_hint(again(&image.name)));
            }
            Found::Facts(kept) => {
                findings.extend(hindrances(lab, image, &span, &kept.facts, families));
                known.insert(&image.name, kept.facts);
            }
        }
    }
    findings.extend(twins(lab, &known));
    findings
}

fn again(image: &str) -> String {
    format!("look at it again: `patchgate image probe {image}`")
}

/// Where the lab file names an image: its own section, or that of its OS version; else its beginning.
fn section(lab: &Lab, image: &ImageDef) -> Range<usize> {
    let of = |name: &str| {
        let mut sections = lab.file.image.keys();
        sections
            .find(|key| key.get_ref() == name)
            .map(toml::Spanned::span)
    };
    of(&image.name).or_else(|| of(&image.os)).unwrap_or(0..0)
}

/// What keeps a run on that image from its end.
fn hindrances(
    lab: &Lab,
    image: &ImageDef,
    span: &Range<usize>,
    facts: &Facts,
    families: &Families,
) -> Vec<Finding> {
    let family = families.of_image(&image.os, image.manager.as_deref());
    let lines = look::hindrances(facts, &image.os, family).into_iter();
    let finding = |line: look::Line| {
        let message = format!(
            "image {} cannot be run: {}: {}: {}",
            image.name, line.what, line.found, line.wanting
        );
        let finding = Finding::error(&lab.source, span.clone(), message);
        finding.with_hint(format!(
            "{}; once that is done, {}",
            line.remedy,
            again(&image.name)
        ))
    };
    lines.map(finding).collect()
}

/// Roles of one cell whose images have one machine id.
fn twins(lab: &Lab, known: &BTreeMap<&str, Facts>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in lab.file.group.values() {
        for os in group.os.get_ref() {
            let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
            for role in group.roles.get_ref() {
                let name = image_name(os.get_ref(), Some(role.get_ref()));
                let facts = known.get(name.as_str()).and_then(|facts| facts.system.as_ref());
                let Some(id) = facts
                    .map(|facts| facts.machine_id.as_str())
                    .filter(|id| id.len() == 32)
                else {
                    continue;
                };
                if let Some(other) = ids.insert(id, role.get_ref()) {
                    let message = format!(
                        "roles {other} and {} have one machine id on {}, {id}: to programs that go by it they are one machine",
                        role.get_ref(),
                        os.get_ref()
                    );
                    findings.push(Finding::warning(&lab.source, role.span(), message).with_hint(
                        "warm clones get one of their own; for cold ones, empty /etc/machine-id in one of the images, which \
                         then makes one at its first boot",
                    ));
                }
            }
        }
    }
    findings
}
