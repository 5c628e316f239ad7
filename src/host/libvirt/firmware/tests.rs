//! Which firmware a VM gets, by descriptions as packages have them.

use super::*;
use crate::system::firmware::described;

fn description(code: &str, variables: &str, machines: &[&str], features: &[&str]) -> String {
    serde_json::json!({
        "description": "UEFI firmware for x86_64",
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": { "filename": code, "format": "raw" },
            "nvram-template": { "filename": variables, "format": "raw" },
        },
        "targets": [{ "architecture": "x86_64", "machines": machines }],
        "features": features,
        "tags": [],
    })
    .to_string()
}

fn build(text: &str) -> Option<Build> {
    described(text.as_bytes(), |_| Some(540_672))
}

/// As Debian's package `ovmf` describes its own, in the order of the files' names.
fn debian() -> Vec<Build> {
    let q35 = ["pc-q35-*"];
    let secure = ["acpi-s3", "requires-smm", "secure-boot"];
    let enrolled = ["acpi-s3", "enrolled-keys", "requires-smm", "secure-boot"];
    [
        description("/o/CODE.ms.fd", "/o/VARS.ms.fd", &q35, &enrolled),
        description("/o/CODE.secboot.fd", "/o/VARS.fd", &q35, &secure),
        description(
            "/o/CODE.fd",
            "/o/VARS.fd",
            &["pc-i440fx-*", "pc-q35-*"],
            &["acpi-s3"],
        ),
    ]
    .iter()
    .filter_map(|text| build(text))
    .collect()
}

#[test]
fn each_firmware_has_the_build_that_is_described_for_it() {
    let builds = debian();
    let code = |firmware, board| {
        choose(&builds, firmware, board, None).map(|build| (build.code.as_str(), build.smm))
    };
    let plain = code(Firmware::Uefi, Machine::Q35).expect("a build");
    assert_eq!(plain, ("/o/CODE.fd", false));
    assert_eq!(
        code(Firmware::Uefi, Machine::Pc).expect("a build").0,
        "/o/CODE.fd"
    );
    let secure = code(Firmware::UefiSecure, Machine::Q35).expect("a build");
    assert_eq!(secure, ("/o/CODE.ms.fd", true));
    // Where all builds keep their variables to themselves, one without keys does.
    let locked = choose(&builds[..2], Firmware::Uefi, Machine::Q35, None).expect("a build");
    assert_eq!(locked.code, "/o/CODE.secboot.fd");
}

#[test]
fn what_is_not_installed_is_said_with_its_package() {
    for (builds, firmware, words) in [
        (
            &[][..],
            Firmware::Uefi,
            "no UEFI firmware for VMs with the board q35",
        ),
        (
            &debian()[1..],
            Firmware::UefiSecure,
            "with Microsoft's keys enrolled",
        ),
    ] {
        let error = choose(builds, firmware, Machine::Q35, None).expect_err(words);
        assert!(error.message.contains(words), "{error}");
        assert!(
            error.hint.as_deref().is_some_and(|hint| hint.contains("ovmf")),
            "{error:?}"
        );
    }
}

#[test]
fn variables_of_an_image_are_paired_by_their_size_or_refused_with_both() {
    let mut builds = debian();
    let mut old = builds[2].clone();
    old.size = 131_072;
    old.code = "/o/OLD_CODE.fd".into();
    builds.push(old);
    let code =
        |size| choose(&builds, Firmware::Uefi, Machine::Q35, Some(size)).map(|build| build.code.clone());
    assert_eq!(code(131_072).expect("a build"), "/o/OLD_CODE.fd");
    assert_eq!(code(540_672).expect("a build"), "/o/CODE.fd");
    let error = code(65_536).expect_err("no such build");
    for part in ["65536", "/o/VARS.fd has 540672", "has 131072"] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_description_of_anything_else_is_of_no_use() {
    let good = description("/c", "/v", &["pc-q35-*"], &[]);
    assert!(build(&good).is_some());
    for other in [
        good.replace("flash", "memory"),
        good.replace("\"uefi\"", "\"bios\""),
        good.replace("raw", "qcow2"),
        good.replace("nvram-template", "other"),
        description("/c", "/v", &["pc-q35-*"], &["intel-tdx"]),
        good.replace('{', "["),
        String::new(),
    ] {
        assert_eq!(build(&other), None, "{other}");
    }
    let arm = build(&good.replace("\"x86_64\"", "\"aarch64\"")).expect("a build");
    assert_eq!(arm.boards, []);
    assert_eq!(described(good.as_bytes(), |_| None), None);
}

#[test]
fn another_machines_firmware_and_tpm_are_what_its_libvirt_says() {
    let says = |tpm: &str| {
        format!(
            "<domainCapabilities><os supported='yes'><loader supported='yes'>
             <value>/usr/share/OVMF/OVMF_CODE_4M.fd</value><value>/o</value><enum name='type'><value>rom</value></enum>
             </loader></os><devices><tpm supported='yes'><enum name='backendModel'>{tpm}</enum></tpm></devices>
             </domainCapabilities>"
        )
    };
    let with = says("<value>passthrough</value><value>emulator</value>");
    let known = loaders(&with);
    assert_eq!(known, ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/o"]);
    let usual: Vec<Build> = usual(|code| known.iter().any(|loader| loader == code)).collect();
    let [one] = usual.as_slice() else {
        panic!("{usual:?}");
    };
    assert_eq!((one.keys, one.size), (Keys::None, 540_672));
    assert!(emulates_tpm(&with));
    assert!(!emulates_tpm(&says("<value>passthrough</value>")));
    assert!(!emulates_tpm("<domainCapabilities"));
}
