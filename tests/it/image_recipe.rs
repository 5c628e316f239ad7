//! Recipes and the catalogue: what is refused with which words, and what decides an image's key.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use patchgate::image::catalogue::{ImageDef, Origin, Store, named, needed};
use patchgate::image::manifest::{DISK, Identity, ImageSource, seal};
use patchgate::input::finding::{Finding, Source};
use patchgate::lab::file::Lab;
use patchgate::lab::load::parse;
use patchgate::lab::recipe::{load_os, load_role};

const OS: &str = r#"
os = "debian-12"
suite = "bookworm"
mirror = "http://deb.debian.org/debian"
disk = "2GiB"
packages = ["systemd"]
sources = ["deb http://deb.debian.org/debian bookworm main"]
mask = ["apt-daily.timer"]
commands = ["true"]

[[file]]
path = "/etc/motd"
source = "motd"
"#;

const ROLE: &str = r#"
packages = ["nginx"]
packages_for = { debian-11 = ["nginx-light"] }

[[file]]
path = "/var/www/index.html"
content = "hello"
"#;

const LAB: &str = r#"
[lab]
name = "test"

[image.debian-12]
build = "debian-12.toml"

[role.web]
recipe = "web.toml"

[role.plain]

[group.shop]
owner = "a"
admin = "b"
os = ["debian-12"]
roles = ["web"]
scenarios = ["web"]
"#;

struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        let fixture = Self { dir, store };
        fixture.write("motd", "welcome");
        fixture.write("debian-12.toml", OS);
        fixture.write("web.toml", ROLE);
        fixture
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn lab(&self, text: &str) -> Lab {
        parse(
            Source::new(Path::new("patchgate.toml"), text),
            self.dir.path().to_owned(),
        )
        .unwrap()
    }

    fn needed(&self, lab: &str) -> Result<Vec<ImageDef>, Vec<Finding>> {
        needed(&self.lab(lab), &self.store)
    }

    fn web_key(&self) -> String {
        self.needed(LAB).unwrap()[0].key.clone()
    }

    /// Seals a disk of these bytes under that identity, as an import does.
    fn imported(&self, os: &str, bytes: &[u8]) -> String {
        let place = self.store.folder(os, "0");
        fs::create_dir(&place).unwrap();
        fs::write(place.join(DISK), bytes).unwrap();
        let identity = Identity {
            name: os.into(),
            os: os.into(),
            role: None,
            key: None,
            base_key: None,
            source: ImageSource::Imported,
        };
        let sealed = seal(&place, identity, 1 << 20, jiff::Timestamp::UNIX_EPOCH).unwrap();
        sealed.manifest.sha256
    }
}

#[test]
fn the_shipped_recipes_are_well_formed() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    for (name, suite) in [
        ("debian-11", "bullseye"),
        ("debian-12", "bookworm"),
        ("debian-13", "trixie"),
    ] {
        let recipe = load_os(&images.join(format!("{name}.toml"))).unwrap();
        assert_eq!((recipe.os.as_str(), recipe.suite.as_str()), (name, suite));
        let security = format!("deb http://deb.debian.org/debian-security {suite}-security main");
        assert!(recipe.sources.contains(&security), "{name}");
    }
    for role in [
        "web",
        "database",
        "ledgersmb",
        "ledgersmb-database",
        "tryton",
        "tryton-database",
    ] {
        load_role(&images.join(format!("roles/{role}.toml"))).unwrap();
    }
}

#[test]
fn a_wrong_os_recipe_is_refused_with_its_place() {
    for (from, to, line, words) in [
        (
            "suite = \"bookworm\"",
            "siute = \"bookworm\"",
            3,
            "unknown key `siute`",
        ),
        (
            "suite = \"bookworm\"",
            "suite = \"Book worm\"",
            3,
            "not a name for a suite",
        ),
        ("http://deb", "deb", 4, "is not an address"),
        ("\"2GiB\"", "\"2GB\"", 5, "not a size"),
        ("\"2GiB\"", "\"2MiB\"", 5, "out of range"),
        ("\"systemd\"", "\"sys temd\"", 6, "not a package name"),
        ("\"systemd\"", "\"--force\"", 6, "not a package name"),
        (
            "[\"deb http://deb.debian.org/debian bookworm main\"]",
            "[]",
            7,
            "no update sources",
        ),
        ("\"deb http", "\"http", 7, "not a line of sources.list"),
        ("apt-daily.timer", "../evil", 8, "not a systemd unit"),
        ("\"true\"", "\" \"", 9, "empty command"),
        ("/etc/motd", "etc/motd", 12, "not the absolute path"),
        ("/etc/motd", "/etc/../../x", 12, "not the absolute path"),
        ("source = \"motd\"", "source = \"nothing\"", 13, "nothing"),
        (
            "source = \"motd\"",
            "mode = \"0644\"",
            12,
            "exactly one of `content` and `source`",
        ),
        (
            "source = \"motd\"",
            "source = \"motd\"\nmode = \"rw\"",
            14,
            "not a file mode",
        ),
    ] {
        let fixture = Fixture::new();
        let text = OS.replacen(from, to, 1);
        assert_ne!(text, OS, "{from}");
        fixture.write("debian-12.toml", &text);
        let path = fixture.dir.path().join("debian-12.toml");
        let findings = load_os(&path).unwrap_err();
        let location = findings[0].location().unwrap();
        assert!(
            findings[0].message.contains(words),
            "{to}: {}",
            findings[0].message
        );
        assert!(
            location.starts_with(&format!("{}:{line}:", path.display())),
            "{to}: {location}"
        );
    }
}

#[test]
fn a_local_package_that_is_not_there_is_refused_with_its_place() {
    let fixture = Fixture::new();
    fixture.write("web.toml", "debs = [\"a.deb\", \"motd\"]\n");
    let findings = load_role(&fixture.dir.path().join("web.toml")).unwrap_err();
    assert_eq!(findings.len(), 2);
    assert!(
        findings[1].message.contains("not a .deb file"),
        "{}",
        findings[1].message
    );
}

#[test]
fn what_is_only_fetched_must_be_packages_too() {
    let fixture = Fixture::new();
    fixture.write("web.toml", "fetch = [\"ledgersmb\", \"--force\"]\n");
    let findings = load_role(&fixture.dir.path().join("web.toml")).unwrap_err();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "`--force` is not a package name");
}

#[test]
fn no_bytes_make_the_loader_panic() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("x.toml");
    for bytes in [
        &b""[..],
        b"\xff\xfe",
        b"os = 1",
        b"[[file]]\n[[file]]",
        b"packages = [[[[",
        b"\0",
    ] {
        fs::write(&path, bytes).unwrap();
        assert!(load_os(&path).is_err());
    }
    fs::write(&path, "").unwrap();
    assert!(load_role(&path).is_ok(), "a role may add nothing");
}

#[test]
fn what_decides_an_image_changes_its_key_and_nothing_else_does() {
    let fixture = Fixture::new();
    let first = fixture.web_key();
    fixture.write("debian-12.toml", &format!("# a comment\n{OS}"));
    fixture.write("web.toml", &ROLE.replace("nginx-light", "nginx-extras"));
    assert_eq!(
        fixture.web_key(),
        first,
        "comments and other OS versions do not decide"
    );
    let mut seen = vec![first];
    for (file, text) in [
        ("motd", "another greeting".to_owned()),
        ("debian-12.toml", OS.replace("2GiB", "3GiB")),
        ("debian-12.toml", OS.replace("apt-daily.timer", "man-db.timer")),
        ("web.toml", ROLE.replace("hello", "goodbye")),
        ("web.toml", ROLE.replace("[\"nginx\"]", "[\"apache2\"]")),
        ("web.toml", format!("fetch = [\"exim4\"]\n{ROLE}")),
    ] {
        fixture.write(file, &text);
        let key = fixture.web_key();
        assert!(!seen.contains(&key), "{file}: {text}");
        seen.push(key);
    }
}

#[test]
fn a_definition_names_its_inputs_and_its_base() {
    let fixture = Fixture::new();
    let image = &fixture.needed(LAB).unwrap()[0];
    assert_eq!(
        (image.name.as_str(), image.role.as_deref()),
        ("debian-12+web", Some("web"))
    );
    let inputs: Vec<&str> = image.recipes.keys().map(String::as_str).collect();
    assert_eq!(inputs, ["debian-12.toml", "motd", "web.toml"]);
    assert_eq!(image.pin().sha256, None, "nothing is sealed yet");
    let base = image.base(&fixture.store).unwrap();
    assert_eq!(
        base.key,
        named(&fixture.lab(LAB), &fixture.store, "debian-12").unwrap().key
    );
    assert!(base.base(&fixture.store).is_none());
}

#[test]
fn what_the_lab_lacks_is_named_where_it_is_asked_for() {
    for (from, to, place, words) in [
        (
            "os = [\"debian-12\"]",
            "os = [\"debian-14\"]",
            "16:7",
            "no image for the OS version `debian-14`",
        ),
        (
            "roles = [\"web\"]",
            "roles = [\"mail\"]",
            "17:10",
            "no role `mail`",
        ),
        (
            "roles = [\"web\"]",
            "roles = [\"plain\"]",
            "17:10",
            "role `plain` has no recipe",
        ),
        (
            "build = \"debian-12.toml\"",
            &format!("imported = \"{}\"", "12".repeat(32)),
            "9:10",
            "cannot be layered",
        ),
        (
            "build = \"debian-12.toml\"",
            "build = \"nothing.toml\"",
            "6:9",
            "nothing.toml",
        ),
        (
            "[image.debian-12]",
            "[image.debian-11]\nbuild = \"debian-12.toml\"\n[image.debian-12]",
            "",
            "",
        ),
        ("\"web.toml\"", "\"nothing.toml\"", "9:10", "nothing.toml"),
    ] {
        let fixture = Fixture::new();
        let text = LAB.replacen(from, to, 1);
        assert_ne!(text, LAB);
        match fixture.needed(&text) {
            Ok(_) => assert_eq!(words, "", "{to} is accepted"),
            Err(findings) => {
                assert_eq!(findings.len(), 1, "{to}: {findings:?}");
                assert!(
                    findings[0].message.contains(words),
                    "{to}: {}",
                    findings[0].message
                );
                assert_eq!(
                    findings[0].location().unwrap(),
                    format!("patchgate.toml:{place}"),
                    "{to}"
                );
                assert!(findings[0].hint.is_some(), "{to}");
            }
        }
    }
}

#[test]
fn a_recipe_of_another_os_version_is_refused() {
    let fixture = Fixture::new();
    let text = LAB
        .replace("debian-12]", "debian-13]")
        .replace("[\"debian-12\"]", "[\"debian-13\"]");
    let findings = fixture.needed(&text).unwrap_err();
    assert!(
        findings[0]
            .message
            .contains("the recipe builds `debian-12`, not `debian-13`")
    );
}

#[test]
fn an_imported_disk_serves_its_os_version_alone() {
    let fixture = Fixture::new();
    let sha256 = fixture.imported("debian-12", b"a disk");
    let lab = |os: &str| {
        LAB.replace("build = \"debian-12.toml\"", &format!("imported = \"{sha256}\""))
            .replace("[image.debian-12]", &format!("[image.{os}]"))
            .replace("[\"debian-12\"]", &format!("[\"{os}\"]"))
            .replace("[\"web\"]\nscenarios", "[\"plain\"]\nscenarios")
    };
    let images = fixture.needed(&lab("debian-12")).unwrap();
    assert_eq!(
        images[0].origin,
        Origin::Imported {
            sha256: sha256.clone()
        }
    );
    assert_eq!(images[0].name, "debian-12+plain");
    assert_eq!(images[0].pin().sha256.as_deref(), Some(sha256.as_str()));
    let findings = fixture.needed(&lab("debian-11")).unwrap_err();
    assert!(
        findings[0].message.contains("imported as `debian-12`"),
        "{}",
        findings[0].message
    );
}

#[test]
fn an_imported_disk_with_its_role_goes_before_a_recipe() {
    let fixture = Fixture::new();
    let text = format!(
        "{LAB}\n[image.\"debian-12+web\"]\nimported = \"{}\"\n",
        "ab".repeat(32)
    );
    let images = fixture.needed(&text).unwrap();
    assert!(matches!(images[0].origin, Origin::Imported { .. }));
    assert_eq!(images[0].sealed, None, "it is not in the store");
}
