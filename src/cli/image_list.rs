//! `patchgate image list`: what the lab needs, and what the store has.

use std::path::Path;

use serde::Serialize;

use crate::image::catalogue::{ImageDef, Listing, Origin};
use crate::image::manifest::{ImageSource, Manifest};
use crate::input::safe::{self, line};

/// How an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Built, and what the lab's recipes ask for.
    Built,
    /// Imported, and named by the lab.
    Imported,
    /// The lab needs it and the store does not have it.
    Missing,
    /// In the store; no lab is there to ask for it.
    Sealed,
    /// In the store, and not what the lab asks for (any more).
    Unused,
    /// In the store, with a manifest that cannot be read.
    Damaged,
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Imported => "imported",
            Self::Missing => "not built",
            Self::Sealed => "sealed",
            Self::Unused => "unused",
            Self::Damaged => "damaged",
        }
    }
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The image's name.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// Its key; absent where the manifest cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
}

/// The lab's images in their order, where there is a lab, then what else the store has.
pub fn rows(lab: Option<&[ImageDef]>, listing: &Listing) -> Vec<Row> {
    let images = lab.unwrap_or_default();
    let other = if lab.is_some() {
        Standing::Unused
    } else {
        Standing::Sealed
    };
    let mut rows: Vec<Row> = images
        .iter()
        .map(|image| Row {
            name: image.name.clone(),
            standing: match (&image.sealed, &image.origin) {
                (Some(_), Origin::Build { .. }) => Standing::Built,
                (Some(_), Origin::Imported { .. }) => Standing::Imported,
                (None, _) => Standing::Missing,
            },
            key: Some(image.key.clone()),
            manifest: image.sealed.as_ref().map(|sealed| sealed.manifest.clone()),
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let used = |manifest: &Manifest| {
        images
            .iter()
            .filter_map(|image| image.sealed.as_ref())
            .any(|sealed| sealed.manifest == *manifest)
    };
    rows.extend(
        listing
            .sealed
            .iter()
            .filter(|sealed| !used(&sealed.manifest))
            .map(|sealed| Row {
                name: sealed.manifest.name.clone(),
                standing: other,
                key: Some(sealed.manifest.key.clone()),
                manifest: Some(sealed.manifest.clone()),
            }),
    );
    rows.extend(listing.damaged.iter().map(|damaged| Row {
        name: damaged.name.clone(),
        standing: Standing::Damaged,
        key: None,
        manifest: None,
    }));
    rows
}

/// The list as a table.
pub fn text(rows: &[Row], store: &Path) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header([
        "IMAGE",
        "STATE",
        "SIZE",
        "SHA-256",
        "SEALED (UTC)",
    ]);
    for row in rows {
        let [size, sha256, built] = match &row.manifest {
            Some(manifest) => [
                size(manifest.size_bytes),
                short(&manifest.sha256),
                built(manifest),
            ],
            None => ["-", "-", "-"].map(String::from),
        };
        table.add_row([
            line(&row.name),
            row.standing.word().to_owned(),
            size,
            sha256,
            built,
        ]);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    format!(
        "{}\nstore: {}\n",
        lines.join("\n"),
        line(&store.display().to_string())
    )
}

/// The list as JSON.
pub fn json(rows: &[Row], store: &Path) -> String {
    let value = serde_json::json!({ "store": store.display().to_string(), "images": rows });
    safe::json(&format!("{value:#}\n"))
}

/// What each disk of an image holds, as its guest sees it.
pub fn contents(manifest: &Manifest) -> Vec<String> {
    let further = manifest.disks.iter().map(|disk| &disk.content_sha256);
    let all = [&manifest.content_sha256].into_iter().chain(further);
    all.enumerate()
        .filter_map(|(number, content)| {
            let content = content.as_ref()?;
            Some(format!("content of disk {}: sha256 {content}", number + 1))
        })
        .collect()
}

/// A sealed image in a few words: `352 MiB, sha256 67cc1c2e5153, built 2026-11-23 14:54`.
pub fn summary(manifest: &Manifest) -> String {
    let how = match manifest.source {
        ImageSource::Built => "built",
        ImageSource::Imported => "imported",
    };
    format!(
        "{}, sha256 {}, {how} {}",
        size(manifest.size_bytes),
        short(&manifest.sha256),
        built(manifest)
    )
}

fn size(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

fn built(manifest: &Manifest) -> String {
    manifest.built.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::catalogue::Store;
    use crate::image::manifest::Sealed;
    use crate::model::hardware::{DiskHardware, Wishes};
    use jiff::Timestamp;
    use std::collections::BTreeMap;

    fn manifest(name: &str, key: &str) -> Manifest {
        Manifest {
            name: name.into(),
            os: "debian-12".into(),
            role: None,
            key: key.repeat(32),
            sha256: "cd".repeat(32),
            size_bytes: 369_885_184,
            virtual_size: 4 << 30,
            built: Timestamp::from_second(1_795_445_673).expect("a time"),
            builder: "0.1.0".into(),
            source: ImageSource::Built,
            base_key: None,
            files: BTreeMap::new(),
            content_sha256: None,
            hardware: Wishes::default(),
            disk: DiskHardware::default(),
            nics: Vec::new(),
            disks: Vec::new(),
            nvram: None,
            made_for: None,
            memory: None,
            vcpus: None,
            prepared: None,
        }
    }

    fn image(name: &str, sealed: Option<Manifest>) -> ImageDef {
        ImageDef {
            name: name.into(),
            os: "debian-12".into(),
            role: None,
            key: "ab".repeat(32),
            origin: Origin::Imported {
                sha256: "cd".repeat(32),
            },
            recipes: BTreeMap::new(),
            hardware: Wishes::default(),
            manager: None,
            sealed: sealed.map(|manifest| Sealed {
                dir: "/store/x".into(),
                manifest,
            }),
        }
    }

    #[test]
    fn the_list_tells_used_missing_unused_and_damaged_apart() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::at(dir.path()).expect("a store");
        for manifest in [manifest("debian-12", "ab"), manifest("debian-12", "ef")] {
            let folder = store.folder(&manifest.name, &manifest.key);
            std::fs::create_dir(&folder).expect("folder");
            let json = serde_json::to_vec(&manifest).expect("json");
            std::fs::write(folder.join("manifest.json"), json).expect("written");
        }
        std::fs::create_dir(dir.path().join("debian-13-0")).expect("folder");
        std::fs::write(dir.path().join("debian-13-0/manifest.json"), "{").expect("written");
        let images = [
            image("debian-12", Some(manifest("debian-12", "ab"))),
            image("debian-12+web", None),
        ];
        let listing = store.list().expect("a list");
        let rows = rows(Some(&images), &listing);
        insta::assert_snapshot!(text(&rows, Path::new("/store")), @r"
        IMAGE          STATE      SIZE     SHA-256       SEALED (UTC)
        debian-12      imported   353 MiB  cdcdcdcdcdcd  2026-11-23 14:54
        debian-12+web  not built  -        -             -
        debian-12      unused     353 MiB  cdcdcdcdcdcd  2026-11-23 14:54
        debian-13-0    damaged    -        -             -
        store: /store
        ");
        let json: serde_json::Value = serde_json::from_str(&json(&rows, Path::new("/store"))).expect("json");
        assert_eq!(json["images"][1]["standing"], "missing");
        assert_eq!(json["images"][0]["manifest"]["size_bytes"], 369_885_184);
        let alone: Vec<Standing> = super::rows(None, &listing)
            .iter()
            .map(|row| row.standing)
            .collect();
        assert_eq!(alone, [Standing::Sealed, Standing::Sealed, Standing::Damaged]);
    }
}
