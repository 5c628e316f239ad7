//! Manifests beside descriptors: what they vouch for, and what they leave out.

use super::{assert_said, contents, make, refused, taken};

fn parts() -> (String, Vec<u8>) {
    let disk = make::vmdk(8, 1);
    (make::simple(&disk), disk)
}

fn archive(manifest: &str) -> Vec<u8> {
    let (descriptor, disk) = parts();
    make::files(&[
        ("server.ovf", descriptor.as_bytes()),
        ("server.mf", manifest.as_bytes()),
        ("disk1.vmdk", &disk),
    ])
}

#[test]
fn a_wrong_digest_is_refused_and_its_file_named_in_every_dialect() {
    let (descriptor, disk) = parts();
    let right = make::manifest(&[("server.ovf", descriptor.as_bytes()), ("disk1.vmdk", &disk)]);
    let wrong = right.replace(&make::sha256(&disk), &make::sha256(b"another disk"));
    assert_ne!(right, wrong);
    for dialect in [
        |text: &str| text.to_owned(),
        |text: &str| text.replace('\n', "\r\n"),
        |text: &str| text.replace("SHA256(", "SHA2-256 ( ").replace(")=", " ) ="),
        |text: &str| {
            text.to_uppercase()
                .replace("SERVER.OVF", "server.ovf")
                .replace("DISK1.VMDK", "disk1.vmdk")
        },
    ] {
        let (_place, foreign) = taken("a", archive(&dialect(&right)));
        assert_eq!(contents(&foreign), [disk.as_slice()]);
        assert!(
            !foreign.said.iter().any(|line| line.contains("manifest")),
            "{:?}",
            foreign.said
        );
        let told = refused("a", archive(&dialect(&wrong)));
        assert!(
            told.contains("`disk1.vmdk` has another SHA-256 than its manifest says"),
            "{told}"
        );
    }
    let wrong = right.replace(&make::sha256(descriptor.as_bytes()), &make::sha256(b"another"));
    assert!(refused("a", archive(&wrong)).contains("`server.ovf` has another SHA-256"));
}

#[test]
fn what_it_does_not_know_is_taken_and_said_and_what_it_knows_must_be_there() {
    let (descriptor, disk) = parts();
    let (_place, foreign) = taken(
        "a",
        archive(&make::manifest(&[("server.ovf", descriptor.as_bytes())])),
    );
    assert_eq!(contents(&foreign), [disk.as_slice()]);
    assert_said(&foreign, &["does not know `disk1.vmdk`, taken unchecked"]);
    let (_place, foreign) = taken("a", archive(&make::manifest(&[("disk1.vmdk", &disk)])));
    assert_said(&foreign, &["does not know its descriptor `server.ovf`"]);
    let told = refused("a", archive(&make::manifest(&[("server.nvram", b"x")])));
    assert!(
        told.contains("`server.nvram`, which its manifest names, is not in it"),
        "{told}"
    );
    let told = refused("a", archive("SHA256(disk1.vmdk)= 00\n"));
    assert!(
        told.contains("line 1 of the manifest `server.mf` is not understood"),
        "{told}"
    );
}

#[test]
fn a_file_that_nobody_needs_is_compared_too() {
    let (descriptor, disk) = parts();
    let manifest = make::manifest(&[("server.iso", b"good")]);
    let told = refused(
        "a",
        make::files(&[
            ("server.ovf", descriptor.as_bytes()),
            ("server.mf", manifest.as_bytes()),
            ("disk1.vmdk", &disk),
            ("server.iso", b"bad"),
        ]),
    );
    assert!(told.contains("`server.iso` has another SHA-256"), "{told}");
}

#[test]
fn a_signature_is_said_not_to_be_checked() {
    let (descriptor, disk) = parts();
    let manifest = make::manifest(&[("disk1.vmdk", &disk)]);
    let files: [(&str, &[u8]); 4] = [
        ("server.ovf", descriptor.as_bytes()),
        ("server.mf", manifest.as_bytes()),
        ("server.cert", b"-----BEGIN"),
        ("disk1.vmdk", &disk),
    ];
    let (_place, foreign) = taken("a", make::files(&files));
    assert_said(&foreign, &["its signature is not checked: `server.cert`"]);
}

#[test]
fn every_manifest_of_an_archive_is_held_and_one_without_a_line_is_said() {
    let (descriptor, disk) = parts();
    let right = make::manifest(&[("server.ovf", descriptor.as_bytes()), ("disk1.vmdk", &disk)]);
    let wrong = make::manifest(&[("disk1.vmdk", b"another disk")]);
    let with = |files: &[(&str, &str)]| {
        let manifests = files.iter().map(|(name, text)| (*name, text.as_bytes()));
        let mut all: Vec<(&str, &[u8])> = vec![("server.ovf", descriptor.as_bytes())];
        all.extend(manifests);
        all.push(("disk1.vmdk", &disk));
        make::files(&all)
    };
    for names in [["server.mf", "other.mf"], ["a.mf", "b.mf"]] {
        let told = refused("a", with(&[(names[0], &right), (names[1], &wrong)]));
        assert!(
            told.contains("`disk1.vmdk` has another SHA-256"),
            "{names:?}: {told}"
        );
        let (_place, foreign) = taken("a", with(&[(names[0], &right), (names[1], &right)]));
        assert!(
            !foreign.said.iter().any(|line| line.contains(".mf")),
            "{:?}",
            foreign.said
        );
    }
    // One that stands in a folder names what is there.
    let told = refused("a", with(&[("server.mf", &right), ("more/x.mf", &right)]));
    assert!(
        told.contains("`more/disk1.vmdk`, which its manifest names"),
        "{told}"
    );
    for empty in ["", "\n \r\n"] {
        let (_place, foreign) = taken("a", with(&[("server.mf", empty)]));
        assert_said(&foreign, &["its manifest `server.mf` lists nothing"]);
    }
}
