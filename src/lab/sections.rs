//! Reading the sections that the lab has several of: images, roles and groups.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::read::{Reader, Section};
use crate::lab::drift;
use crate::lab::file::{GroupSection, ImageSection, RoleSection};
use crate::lab::load::{absent, path, required_list};
use crate::lab::scenario::action;
use crate::model::plan::Ready;
use crate::units::{Mib, Period};

pub(super) fn image(reader: &mut Reader<'_>, section: &Section<'_>) -> ImageSection {
    reader.known(
        section,
        &["build", "imported"],
        &[
            ("file", "import the disk with `patchgate image import FILE --os OS`, and write imported = \"<sha256>\""),
            ("sha256", "it is called `imported`"),
            ("recipe", "it is called `build`"),
        ],
    );
    let image = ImageSection {
        build: path(reader, section, "build", "\"images/debian-12.toml\""),
        imported: reader.text(
            section,
            "imported",
            "\"<the sha256 that `patchgate image import` printed>\"",
        ),
    };
    let remedy = "give one of them: build = \"images/debian-12.toml\", or imported = \"<the sha256 that \
                  `patchgate image import` printed>\"";
    match (section.get("build"), section.get("imported")) {
        (Some(_), Some(_)) => {
            let message = format!("{} has both `build` and `imported`", section.what);
            reader.hinted(section.key_span("imported"), message, remedy);
        }
        (None, None) => {
            let message = format!("{} has neither `build` nor `imported`", section.what);
            reader.hinted(section.span.clone(), message, remedy);
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    if let Some(digest) = &image.imported
        && !(digest.get_ref().len() == 64
            && digest
                .get_ref()
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    {
        reader.hinted(
            digest.span(),
            format!(
                "`imported` of {} is not a SHA-256: 64 digits of 0-9 and a-f",
                section.what
            ),
            "`patchgate image list` shows what is imported, with its SHA-256",
        );
    }
    image
}

pub(super) fn role(reader: &mut Reader<'_>, section: &Section<'_>) -> RoleSection {
    reader.known(
        section,
        &["recipe", "memory", "vcpus", "host", "ready"],
        &[
            ("build", "it is called `recipe`"),
            ("cpus", "it is called `vcpus`"),
            ("hostname", "it is called `host`"),
        ],
    );
    let memory = reader.parsed(section, "memory", "\"512MiB\"");
    if let Some(memory) = &memory
        && !(LEAST_MEMORY..=MOST_MEMORY).contains(memory.get_ref())
    {
        reader.hinted(
            memory.span(),
            format!(
                "`memory` of {} must be from {LEAST_MEMORY} to {MOST_MEMORY}",
                section.what
            ),
            "512MiB does for a small server",
        );
    }
    RoleSection {
        recipe: path(reader, section, "recipe", "\"images/roles/web.toml\""),
        memory: memory.map_or(Mib(512), Spanned::into_inner),
        vcpus: reader
            .number(section, "vcpus", 1..=1024)
            .unwrap_or_else(|| absent(1)),
        host: reader.text(section, "host", "\"app\""),
        ready: section
            .get("ready")
            .and_then(|value| ready(reader, section, value)),
    }
}

/// A condition is written like the action of a scenario's step, and looked at in the same way.
fn ready(reader: &mut Reader<'_>, role: &Section<'_>, value: &Spanned<DeValue<'_>>) -> Option<Ready> {
    let example = "ready = { tcp = \"localhost:5432\" }";
    let section = reader.section(format!("`ready` of {}", role.what), value, example)?;
    let known = [
        "within", "user", "expect", "run", "http", "tcp", "service", "file", "package",
    ];
    reader.known(&section, &known, &[("timeout", "it is called `within`")]);
    let within = reader.parsed::<Period>(&section, "within", "\"3m\"");
    Some(Ready {
        check: action::read(reader, &section)?,
        within: within.map_or(READY_WITHIN, Spanned::into_inner),
    })
}

/// How long a node's service may take after its boot where the lab file does not say; under TCG it takes its time.
const READY_WITHIN: Period = Period::seconds(180);

/// Memory with which a Debian kernel and its initramfs still start.
const LEAST_MEMORY: Mib = Mib(128);

/// Memory beyond which QEMU's machine types have no guest: 16 TiB, and sums of it stay far from overflow.
const MOST_MEMORY: Mib = Mib(16 * 1024 * 1024);

pub(super) fn group(reader: &mut Reader<'_>, section: &Section<'_>) -> GroupSection {
    reader.known(
        section,
        &[
            "owner",
            "admin",
            "os",
            "roles",
            "reboot",
            "scenarios",
            "required",
            "drift",
        ],
        &[
            ("exclude", "it belongs below [lab]"),
            ("updates", "it belongs below [lab]"),
        ],
    );
    GroupSection {
        owner: reader
            .required(section, "owner", "\"Web shop <shop@example.org>\"")
            .into_inner(),
        admin: reader
            .required(section, "admin", "\"Server team <servers@example.org>\"")
            .into_inner(),
        os: required_list(
            reader,
            section,
            "os",
            "[\"debian-12\"]",
            "its OS versions, one cell each",
        ),
        roles: required_list(
            reader,
            section,
            "roles",
            "[\"web\"]",
            "its roles in start order, one VM each",
        ),
        reboot: reader.texts(section, "reboot", "[\"database\", \"app\"]"),
        scenarios: required_list(
            reader,
            section,
            "scenarios",
            "[\"web\"]",
            "the departments whose scenarios test it; without one nothing is tested",
        ),
        required: reader.flag(section, "required").unwrap_or(true),
        drift: drift::section(reader, section, "[group.NAME.drift]"),
    }
}
