//! The corpus of updates, bad but for one: each script writes a lab in which exactly its update is pending, and which `check` accepts.

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use assert_cmd::Command;

#[test]
fn every_planted_lab_is_well_formed_and_has_one_package_pending() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for (symptom, role, group) in [
        ("breaks-after-reboot", "web", "web"),
        ("breaks-login", "ledgersmb", "accounting"),
        ("changes-rounding", "tryton", "erp"),
        ("hangs-in-its-script", "web", "web"),
        ("harmless", "web", "web,database"),
        ("harmless", "database", "web,database"),
        ("masks-the-agent", "web", "web"),
        ("opens-port", "web", "web"),
        ("panics-at-boot", "web", "web"),
        ("slows-page", "web", "web"),
        ("stops-after-a-minute", "web", "web"),
        ("stops-service", "web", "web"),
    ] {
        let folder = tempfile::tempdir().expect("folder");
        let lab = folder.path().join("lab");
        let written = Process::new(scripts.join(format!("{symptom}.sh")))
            .arg(&lab)
            .output()
            .expect(symptom);
        assert!(
            written.status.success(),
            "{symptom}: {}",
            String::from_utf8_lossy(&written.stderr)
        );

        let repository = fs::read_to_string(lab.join("roles/Packages")).expect(symptom);
        let field = |name: &str| {
            let mut values = repository.lines().filter_map(|line| line.strip_prefix(name));
            let value = values.next().expect(symptom);
            assert_eq!(values.next(), None, "{symptom}: more than one package is pending");
            value.to_owned()
        };
        let package = field("Package: ");
        assert_eq!(field("Version: "), "2.0", "{symptom}");
        let recipe = fs::read_to_string(lab.join(format!("roles/{role}.toml"))).expect(symptom);
        assert!(
            recipe.starts_with(&format!("debs = [\"{package}_1.0_all.deb\"]\n")),
            "{symptom}: {recipe}"
        );
        let file = fs::read_to_string(lab.join("patchgate.toml")).expect(symptom);
        assert!(
            file.contains(&format!("\nlisted = [\"{package}\"]\n")),
            "{symptom}: {file}"
        );

        for arguments in [vec!["check"], vec!["plan", "--select", group]] {
            Command::cargo_bin("patchgate")
                .expect("the binary")
                .current_dir(&lab)
                .env("PATCHGATE_STATE", folder.path().join("state"))
                .env("PATCHGATE_IMAGES", folder.path().join("images"))
                .env_remove("PATCHGATE_LAB")
                .args(arguments)
                .assert()
                .success();
        }
    }
}
