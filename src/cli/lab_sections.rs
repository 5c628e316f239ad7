//! The sections of a lab file for machines that were imported.

use std::fmt::Write as _;

use crate::cli::error::UserError;
use crate::cli::print;
use crate::guest::families::Families;
use crate::image::manifest::Sealed;

/// Prints what of an image goes into the lab file.
pub fn tell(sealed: &Sealed, from: &str) -> Result<(), UserError> {
    let manifest = &sealed.manifest;
    if Families::default().of(&manifest.os).is_none() {
        print::note(&format!(
            "note: patchgate cannot apply updates to {} yet; a group on it stays undecided",
            manifest.os
        ));
    }
    print::note(&format!(
        "for the lab file; where it has [image.\"{}\"] already, `imported` goes there in place of its `build`:",
        manifest.name,
    ));
    print::print(&format!("\n{}\n", machine(sealed, from)))
}

/// An image, and its role where it has one. `from`: what it was made of, for people.
pub fn machine(sealed: &Sealed, from: &str) -> String {
    let manifest = &sealed.manifest;
    let mut text = format!(
        "# {}\n[image.\"{}\"]\nimported = \"{}\"\n",
        from.replace(['\n', '\r'], " "),
        manifest.name,
        manifest.key
    );
    // Writing to a String cannot fail.
    if let Some(role) = &manifest.role {
        let _ = writeln!(text, "\n[role.{role}]");
        if let Some(memory) = manifest.memory {
            let _ = writeln!(text, "memory = \"{memory}\"");
        }
        if let Some(vcpus) = manifest.vcpus {
            let _ = writeln!(text, "vcpus = {vcpus}");
        }
    }
    text
}

/// A group of all, to be cut into those that there are.
pub fn group(all: &[&Sealed]) -> String {
    let mut systems: Vec<&str> = all.iter().map(|sealed| sealed.manifest.os.as_str()).collect();
    systems.sort_unstable();
    systems.dedup();
    let roles = all.iter().filter_map(|sealed| sealed.manifest.role.as_deref());
    format!(
        "# One group for each system: who owns it, who runs it, its servers in start order, and the folders of its scenarios.\n\
         [group.imported]\nowner = \"NAME <ADDRESS>\"\nadmin = \"NAME <ADDRESS>\"\nos = [{}]\nroles = [{}]\n\
         scenarios = [\"imported\"]\n",
        quoted(systems),
        quoted(roles)
    )
}

fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::image::manifest::{ImageSource, Manifest};
    use crate::input::finding::Source;
    use crate::lab::load::parse;
    use crate::model::hardware::{DiskHardware, Wishes};
    use crate::units::Mib;

    #[test]
    fn the_sections_of_what_was_taken_are_a_lab_file() {
        let manifest = Manifest {
            name: "debian-12+erp-db".into(),
            os: "debian-12".into(),
            role: Some("erp-db".into()),
            key: "ab".repeat(32),
            sha256: "ab".repeat(32),
            size_bytes: 1,
            virtual_size: 1,
            built: jiff::Timestamp::UNIX_EPOCH,
            builder: "0".into(),
            source: ImageSource::Imported,
            base_key: None,
            files: BTreeMap::new(),
            content_sha256: None,
            hardware: Wishes::default(),
            disk: DiskHardware::default(),
            nics: Vec::new(),
            disks: Vec::new(),
            nvram: None,
            made_for: None,
            memory: Some(Mib(2048)),
            vcpus: Some(2),
            prepared: None,
        };
        let sealed = Sealed {
            dir: "/store".into(),
            manifest,
        };
        let sections = format!("{}\n{}", machine(&sealed, "domain erp\n[lab]"), group(&[&sealed]));
        insta::assert_snapshot!(sections, @r#"
        # domain erp [lab]
        [image."debian-12+erp-db"]
        imported = "abababababababababababababababababababababababababababababababab"

        [role.erp-db]
        memory = "2GiB"
        vcpus = 2

        # One group for each system: who owns it, who runs it, its servers in start order, and the folders of its scenarios.
        [group.imported]
        owner = "NAME <ADDRESS>"
        admin = "NAME <ADDRESS>"
        os = ["debian-12"]
        roles = ["erp-db"]
        scenarios = ["imported"]
        "#);
        let text = format!("[lab]\nname = \"t\"\n{sections}");
        let read = parse(Source::new(Path::new("patchgate.toml"), text), "/".into());
        assert!(read.is_ok(), "{read:?}");
    }
}
