//! Finding and loading the lab file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeValue;

use crate::error::UserError;
use crate::input::finding::{Finding, Severity, Source};
use crate::input::read::{self, Reader, Section};
use crate::input::words::{self, nearest, show};
use crate::lab::file::{HostSection, Lab, LabFile, LabSection};
use crate::lab::sections::{group, image, role};
use crate::lab::{disk, drift, policy, secret};
use crate::model::policy::{Accel, CloneMode, RebootPolicy, UpdateMode};

/// The lab file's name.
pub const FILE_NAME: &str = "patchgate.toml";

/// Bytes of a lab file.
pub const LIMIT: u64 = 1024 * 1024;

/// Entries of a folder that are looked at for a name that was meant.
const FOLDER_LIMIT: usize = 1000;

/// The lab file of a folder or of the nearest of its parents that has one.
pub fn find(folder: &Path) -> Result<PathBuf, UserError> {
    folder
        .ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            UserError::usage(format!(
                "no {FILE_NAME} in {} or a folder above it",
                folder.display()
            ))
            .with_hint("`patchgate init` writes one; run patchgate in the lab's folder")
        })
}

/// Loads a lab file; recipes that it names exist.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file; never empty.
pub fn load(path: &Path) -> Result<Lab, Vec<Finding>> {
    let source = disk::source(path, LIMIT).map_err(|finding| vec![finding])?;
    let dir = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let lab = parse(source, dir)?;
    let missing = missing_recipes(&lab);
    if missing.is_empty() { Ok(lab) } else { Err(missing) }
}

/// Parses a lab file's text; looks at no other file.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file; never empty.
pub fn parse(source: Source, dir: PathBuf) -> Result<Lab, Vec<Finding>> {
    let table = read::table(&source)?;
    let root = Section::new("the lab file", 0..0, table.get_ref());
    let mut reader = Reader::new(&source);
    let file = lab_file(&mut reader, &root);
    for name in file.secret.keys() {
        secret::name(&mut reader, name);
    }
    let findings = reader.finish();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(findings);
    }
    Ok(Lab { source, dir, file })
}

/// The recipes that a lab file names and that are not there.
fn missing_recipes(lab: &Lab) -> Vec<Finding> {
    let builds = lab
        .file
        .image
        .iter()
        .map(|(name, image)| (name, image.build.as_ref()));
    let recipes = lab
        .file
        .role
        .iter()
        .map(|(name, role)| (name, role.recipe.as_ref()));
    let mut findings: Vec<Finding> = builds
        .map(|(name, path)| ("image", name, path))
        .chain(recipes.map(|(name, path)| ("role", name, path)))
        .filter_map(|(what, name, path)| {
            let path = path?;
            let full = lab.dir.join(path.get_ref());
            if full.is_file() {
                return None;
            }
            let message = format!(
                "the recipe of {what} {} is not there: {}",
                show(name.get_ref()),
                show(&full.display().to_string())
            );
            Some(
                Finding::error(&lab.source, path.span(), message)
                    .with_hint(neighbours(&lab.dir, path.get_ref())),
            )
        })
        .collect();
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    findings
}

/// A hint towards the recipes that are in the folder of one that is not.
fn neighbours(dir: &Path, path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let Ok(entries) = std::fs::read_dir(dir.join(folder)) else {
        return "the path is relative to the lab file's folder, and its folder is not there either".into();
    };
    let mut stems: Vec<String> = entries
        .take(FOLDER_LIMIT)
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    stems.sort();
    let full = |stem: &str| folder.join(format!("{stem}.toml")).display().to_string();
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if let Some(near) = nearest(stem, stems.iter().map(String::as_str)) {
        return format!("did you mean {}?", show(&full(near)));
    }
    let all: Vec<String> = stems.iter().map(|stem| full(stem)).collect();
    format!("recipes there: {}", words::list(all.iter().map(String::as_str)))
}

fn lab_file(reader: &mut Reader<'_>, root: &Section<'_>) -> LabFile {
    reader.known(
        root,
        &[
            "lab",
            "network",
            "host",
            "image",
            "role",
            "group",
            "secret",
            "deadlines",
            "performance",
            "drift",
        ],
        MISPLACED,
    );
    LabFile {
        lab: lab_section(reader, root),
        network: policy::network(reader, root),
        host: hosts(reader, root),
        image: named(reader, root, "image", "debian-12", image),
        role: named(reader, root, "role", "web", role),
        group: named(reader, root, "group", "shop", group),
        secret: named(reader, root, "secret", "ERP_PASSWORD", secret::read),
        deadlines: policy::deadlines(reader, root),
        performance: policy::performance(reader, root),
        drift: drift::section(reader, root, "[drift]").unwrap_or_default(),
    }
}

/// Keys that are often written at the top of the file.
const MISPLACED: &[(&str, &str)] = &[
    ("name", "it belongs below [lab]"),
    ("updates", "it belongs below [lab]"),
    ("exclude", "it belongs below [lab]"),
    ("listed", "it belongs below [lab]"),
    (
        "scenarios",
        "it belongs below [lab] (the folder) or [group.NAME] (the list)",
    ),
    ("uri", "it belongs below [[host]]"),
    (
        "step",
        "this is a lab file; steps belong in scenarios/<department>/<name>.toml",
    ),
];

fn lab_section(reader: &mut Reader<'_>, root: &Section<'_>) -> LabSection {
    if root.get("lab").is_none() {
        reader.hinted(0..0, "there is no [lab]", "add: [lab] and below it name = \"hq\"");
    }
    let section = root
        .get("lab")
        .and_then(|value| reader.section("[lab]", value, "[lab]"));
    let mut lab = LabSection {
        name: absent(String::new()),
        updates: absent(UpdateMode::Security),
        listed: Vec::new(),
        exclude: Vec::new(),
        expect_updates: true,
        clone: CloneMode::Warm,
        reboot: RebootPolicy::Always,
        scenarios: absent("scenarios".into()),
    };
    let Some(section) = section else { return lab };
    reader.known(
        &section,
        &[
            "name",
            "updates",
            "listed",
            "exclude",
            "expect_updates",
            "clone",
            "reboot",
            "scenarios",
        ],
        &[
            ("os", "it belongs below [group.NAME]"),
            ("uri", "it belongs below [[host]]"),
        ],
    );
    lab.name = reader.required(&section, "name", "\"hq\"");
    let modes = [
        ("security", UpdateMode::Security),
        ("all", UpdateMode::All),
        ("listed", UpdateMode::Listed),
    ];
    if let Some(mode) = reader.choice(&section, "updates", &modes) {
        lab.updates = Spanned::new(section.span_of("updates"), mode);
    }
    lab.listed = list(reader, &section, "listed", "[\"openssl\"]");
    lab.exclude = list(reader, &section, "exclude", "[\"mariadb-server\"]");
    lab.expect_updates = reader.flag(&section, "expect_updates").unwrap_or(true);
    let clones = [("warm", CloneMode::Warm), ("cold", CloneMode::Cold)];
    lab.clone = reader.choice(&section, "clone", &clones).unwrap_or(lab.clone);
    let reboots = [
        ("always", RebootPolicy::Always),
        ("when-needed", RebootPolicy::WhenNeeded),
    ];
    if let Some(policy) = reader.choice(&section, "reboot", &reboots) {
        lab.reboot = policy;
    }
    if let Some(folder) = path(reader, &section, "scenarios", "\"scenarios\"") {
        lab.scenarios = folder;
    }
    lab
}

fn hosts(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Spanned<HostSection>> {
    let Some(value) = root.get("host") else {
        return Vec::new();
    };
    let DeValue::Array(array) = value.get_ref() else {
        reader.hinted(
            value.span(),
            "a host is an entry of a list",
            "write [[host]] with two brackets",
        );
        return Vec::new();
    };
    array
        .iter()
        .filter_map(|entry| Some(Spanned::new(entry.span(), host(reader, entry)?)))
        .collect()
}

fn host(reader: &mut Reader<'_>, entry: &Spanned<DeValue<'_>>) -> Option<HostSection> {
    let section = reader.section("[[host]]", entry, "[[host]]")?;
    reader.known(
        &section,
        &["uri", "accel", "memory", "vcpus"],
        &[("cpus", "it is called `vcpus`")],
    );
    let accels = [("auto", Accel::Auto), ("kvm", Accel::Kvm), ("tcg", Accel::Tcg)];
    Some(HostSection {
        uri: reader
            .text(&section, "uri", "\"qemu:///system\"")
            .unwrap_or_else(|| absent("auto".into())),
        accel: reader.choice(&section, "accel", &accels).unwrap_or_default(),
        memory: reader.parsed(&section, "memory", "\"16GiB\""),
        vcpus: reader.number(&section, "vcpus", 1..=65_536),
    })
}

/// The sections `[kind.NAME]`.
fn named<T>(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    kind: &str,
    example: &str,
    read: fn(&mut Reader<'_>, &Section<'_>) -> T,
) -> BTreeMap<Spanned<String>, T> {
    let example = format!("[{kind}.{example}]");
    let Some(value) = root.get(kind) else {
        return BTreeMap::new();
    };
    let Some(sections) = reader.section(format!("[{kind}]"), value, &example) else {
        return BTreeMap::new();
    };
    sections
        .entries()
        .filter_map(|(name, value)| {
            let what = format!("[{kind}.{}]", name.get_ref().escape_debug());
            let DeValue::Table(table) = value.get_ref() else {
                reader.hinted(
                    name.span(),
                    format!(
                        "[{kind}] has no keys of its own, and {} is one",
                        show(name.get_ref())
                    ),
                    format!("each {kind} has a section with its name: {example}"),
                );
                return None;
            };
            let content = read(reader, &Section::new(what, name.span(), table));
            Some((name, content))
        })
        .collect()
}

/// A default: its empty span tells that the file does not have it.
pub(super) fn absent<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

pub(super) fn path(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Option<Spanned<PathBuf>> {
    let text = reader.text(section, key, example)?;
    if text.get_ref().is_empty() {
        let message = format!("`{key}` of {} is empty", section.what);
        reader.hinted(
            text.span(),
            message,
            format!("write it like this: {key} = {example}"),
        );
        return None;
    }
    Some(Spanned::new(text.span(), PathBuf::from(text.into_inner())))
}

pub(super) fn list(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Vec<Spanned<String>> {
    reader
        .texts(section, key, example)
        .map(Spanned::into_inner)
        .unwrap_or_default()
}

pub(super) fn required_list(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
    meaning: &str,
) -> Spanned<Vec<Spanned<String>>> {
    if section.get(key).is_none() {
        reader.missing(section, key, &format!("{example}   ({meaning})"));
    }
    let texts = reader.texts(section, key, example);
    if let Some(texts) = &texts
        && texts.get_ref().is_empty()
    {
        let message = format!("`{key}` of {} is empty", section.what);
        reader.hinted(
            texts.span(),
            message,
            format!("write {meaning}: {key} = {example}"),
        );
    }
    texts.unwrap_or_else(|| absent(Vec::new()))
}
