//! Loading recipes.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::input::finding::{Finding, Severity, Source};
use crate::input::keys::Table;
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;
use crate::input::{decode, hex};
use crate::lab::disk;
use crate::lab::recipe::changes::{Beside, changes, debs};
use crate::lab::recipe::keys;
use crate::lab::recipe::types::{OsRecipe, RoleRecipe};
use crate::lab::recipe::values::{bare, name, named_packages, packages, plain, texts};
use crate::units::Mib;

/// The largest recipe that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// The largest text in a recipe, in bytes: a file's content may be most of it.
const TEXT_LIMIT: usize = 1024 * 1024;

/// The smallest and largest disk; a Debian server with room for a new kernel needs some 2 GiB.
const DISK_RANGE: (Mib, Mib) = (Mib(1024), Mib(64 * 1024));

/// The kernel's command line of a recipe that does not say: a console for the log, and eth0 on every machine type.
const KERNEL: &str = "console=ttyS0 quiet net.ifnames=0 no_timer_check";

/// Reads an OS recipe.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file; never empty.
pub fn load_os(path: &Path) -> Result<OsRecipe, Vec<Finding>> {
    load(path, &keys::OS, os)
}

/// Reads a role recipe.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file; never empty.
pub fn load_role(path: &Path) -> Result<RoleRecipe, Vec<Finding>> {
    load(path, &keys::ROLE, role)
}

fn load<T>(
    path: &Path,
    keys: &'static Table,
    read: fn(&mut Reader<'_>, &Section<'_>, Beside) -> T,
) -> Result<T, Vec<Finding>> {
    let source = source(path).map_err(|finding| vec![finding])?;
    let table = decode::table(&source)?;
    let mut reader = Reader::new(&source).with_text_limit(TEXT_LIMIT);
    let root = reader.enter("the recipe", 0..0, keys, table.get_ref());
    let digest = hex(&Sha256::digest(source.text.as_bytes()));
    let beside = Beside {
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        inputs: BTreeMap::from([(path.to_owned(), digest)]),
    };
    let recipe = read(&mut reader, &root, beside);
    let findings = reader.finish();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(findings);
    }
    Ok(recipe)
}

fn source(path: &Path) -> Result<Source, Finding> {
    disk::source(path, LIMIT).map_err(|finding| match finding.place {
        Some(_) => finding,
        None => Finding {
            message: format!("recipe {}", finding.message),
            hint: finding
                .hint
                .or(Some("recipes are named relative to the lab file".into())),
            ..finding
        },
    })
}

fn os(reader: &mut Reader<'_>, root: &Section<'_>, mut beside: Beside) -> OsRecipe {
    let os = reader.required(root, "os");
    name(reader, &os, "an OS version", &root.key("os").example());
    let suite = reader.required(root, "suite");
    name(reader, &suite, "a suite", &root.key("suite").example());
    let recipe = OsRecipe {
        os: os.into_inner(),
        suite: suite.into_inner(),
        mirror: mirror(reader, root),
        packages: packages(reader, root, "packages"),
        apt: texts(reader, root, "apt"),
        dpkg: texts(reader, root, "dpkg"),
        sources: sources(reader, root),
        disk: disk_size(reader, root),
        kernel: kernel(reader, root),
        changes: changes(reader, root, &mut beside),
        inputs: BTreeMap::new(),
    };
    OsRecipe {
        inputs: beside.inputs,
        ..recipe
    }
}

fn role(reader: &mut Reader<'_>, root: &Section<'_>, mut beside: Beside) -> RoleRecipe {
    let recipe = RoleRecipe {
        packages: packages(reader, root, "packages"),
        packages_for: packages_for(reader, root),
        fetch: packages(reader, root, "fetch"),
        debs: debs(reader, root, &mut beside),
        changes: changes(reader, root, &mut beside),
        inputs: BTreeMap::new(),
    };
    RoleRecipe {
        inputs: beside.inputs,
        ..recipe
    }
}

fn mirror(reader: &mut Reader<'_>, root: &Section<'_>) -> String {
    let mirror = reader.required(root, "mirror");
    let text = mirror.get_ref();
    plain(reader, &mirror, "mirror");
    let schemes = ["http://", "https://"];
    if !text.is_empty() && !schemes.iter().any(|scheme| text.starts_with(scheme)) {
        reader.hinted(
            mirror.span(),
            format!("mirror {} is not an address", show(text)),
            format!("write it like this: {}", root.like("mirror")),
        );
    }
    mirror.into_inner()
}

fn sources(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<String> {
    if !root.has("sources") {
        reader.missing(root, "sources");
    }
    let Some(sources) = reader.texts(root, "sources") else {
        return Vec::new();
    };
    if sources.get_ref().is_empty() {
        reader.hinted(
            sources.span(),
            "no update sources: nothing would ever be pending",
            "list the release and its security archive as lines of sources.list",
        );
    }
    for line in sources.get_ref() {
        plain(reader, line, "update source");
        if !line.get_ref().starts_with("deb ") {
            reader.hinted(
                line.span(),
                format!("{} is not a line of sources.list", show(line.get_ref())),
                format!("write it like this: {}", root.like("sources")),
            );
        }
    }
    bare(sources.into_inner())
}

fn disk_size(reader: &mut Reader<'_>, root: &Section<'_>) -> Mib {
    if !root.has("disk") {
        reader.missing(root, "disk");
    }
    let disk: Option<Spanned<Mib>> = reader.parsed(root, "disk");
    if let Some(disk) = &disk
        && !(DISK_RANGE.0..=DISK_RANGE.1).contains(disk.get_ref())
    {
        reader.hinted(
            disk.span(),
            format!("disk of {} is out of range", disk.get_ref()),
            format!("write a size from {} to {}", DISK_RANGE.0, DISK_RANGE.1),
        );
    }
    disk.map_or(DISK_RANGE.0, Spanned::into_inner)
}

fn kernel(reader: &mut Reader<'_>, root: &Section<'_>) -> String {
    let Some(kernel) = reader.text(root, "kernel") else {
        return KERNEL.to_owned();
    };
    plain(reader, &kernel, "kernel command line");
    if kernel.get_ref().contains(['"', '\'', '$', ';', '{', '}', '\\']) {
        reader.hinted(
            kernel.span(),
            "kernel command line holds a character that GRUB would interpret",
            "leave out quotes, `$`, `;`, braces and `\\`",
        );
    }
    kernel.into_inner()
}

fn packages_for(reader: &mut Reader<'_>, root: &Section<'_>) -> BTreeMap<String, Vec<String>> {
    let mut packages = BTreeMap::new();
    let Some(versions) = reader.names(root, "packages_for") else {
        return packages;
    };
    let like = root.like("packages_for");
    for (os, value) in versions.entries() {
        name(reader, &os, "an OS version", "\"debian-12\"");
        let what = format!("{} of {}", show(os.get_ref()), versions.what);
        let listed = reader.texts_value(&what, value, &like).unwrap_or_default();
        packages.insert(os.into_inner(), named_packages(reader, listed));
    }
    packages
}
