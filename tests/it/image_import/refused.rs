//! Disks that are refused, and what they lean on.

use std::fs;
use std::os::unix::fs::symlink;

use patchgate::image::foreign::Foreign;
use patchgate::image::import::Import;

use super::{Lab, SECRET, asked, disk, flattened, one, sha256};
use crate::testkit::disk::{converted, gpt};

#[test]
fn what_was_cut_is_refused_whatever_a_converter_says_of_it() {
    let lab = Lab::new();
    let whole = gpt(8, 512, 3);
    for (format, options) in [
        ("qcow2", ""),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=streamOptimized"),
        ("vpc", "subformat=dynamic"),
        ("vpc", "subformat=fixed,force_size"),
        ("vhdx", ""),
        ("vdi", ""),
        ("raw", ""),
    ] {
        let good = fs::read(lab.make(&whole, format, options, "good")).unwrap();
        // Without the zeros at its end, which some writers pad it with, a file has all that it had.
        let padding = good.iter().rev().take_while(|&&byte| byte == 0).count();
        let held = good.len() - padding;
        // Without its padding a packed one is no whole number of sectors.
        for part in [held / 3, held * 2 / 3, held - 1, good.len() - 1] {
            lab.write("cut", &good[..part]);
            let told = lab.refused("cut");
            assert!(
                told.contains("is cut off") || told.contains("is no disk") || told.contains("is damaged"),
                "{format} {options} {part}: {told}"
            );
        }
    }
    lab.write("whole.raw", &whole);
    for packer in [&["gzip", "-k"][..], &["xz", "-k"], &["zstd", "-q"]] {
        lab.run(&[packer, &["whole.raw"]].concat());
    }
    for packed in ["whole.raw.gz", "whole.raw.xz", "whole.raw.zst"] {
        let bytes = fs::read(lab.path(packed)).unwrap();
        lab.write("cut", &bytes[..bytes.len() * 2 / 3]);
        let told = lab.refused("cut");
        assert!(told.contains("does not unpack"), "{packed}: {told}");
    }
    for (file, extent) in [
        ("flat", "flat-flat.vmdk"),
        ("twoGbMaxExtentSparse", "s-s001.vmdk"),
    ] {
        let options = match file {
            "flat" => "subformat=monolithicFlat",
            other => &format!("subformat={other}"),
        };
        let name = if file == "flat" { "flat.vmdk" } else { "s.vmdk" };
        lab.make(&whole, "vmdk", options, name);
        let bytes = fs::read(lab.path(extent)).unwrap();
        lab.write(extent, &bytes[..bytes.len() / 2]);
        let told = lab.refused(name);
        assert!(told.contains("is cut off"), "{name}: {told}");
    }
}

#[test]
fn what_is_no_disk_is_refused_as_what_it_is() {
    let lab = Lab::new();
    let noise: Vec<u8> = (0..1_u64 << 17)
        .flat_map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).to_be_bytes())
        .collect();
    lab.write("empty", b"");
    lab.write("zeros", &vec![0; 1 << 20]);
    lab.write("noise", &noise);
    lab.write("small", b"a text\n");
    let mut tar = vec![0; 10240];
    tar[257..262].copy_from_slice(b"ustar");
    lab.write("archive", &tar);
    lab.run(&["qemu-img", "create", "-q", "-f", "qed", "qed", "2M"]);
    lab.write("noise.gz.raw", &noise);
    lab.run(&["gzip", "noise.gz.raw"]);
    lab.run(&["sh", "-c", "gzip -c noise.gz.raw.gz > twice"]);
    for (name, words) in [
        ("empty", "is empty"),
        ("zeros", "nothing on it that a firmware could start"),
        ("noise", "is no disk"),
        ("small", "is no disk"),
        ("archive", "a tar archive"),
        ("qed", "a disk of format qed"),
        ("noise.gz.raw.gz", "is no disk"),
        ("twice", "packed twice"),
    ] {
        let told = lab.refused(name);
        assert!(told.contains(words), "{name}: {told}");
    }
}

#[test]
fn encrypted_disks_are_refused_as_such_before_anything_is_copied() {
    let lab = Lab::new();
    let key = ["--object", "secret,id=key,data=paper"];
    for (format, options, name) in [
        (
            "qcow2",
            "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10",
            "inside",
        ),
        ("luks", "key-secret=key,iter-time=10", "outside"),
    ] {
        let argv = [
            "qemu-img", "create", "-q", key[0], key[1], "-f", format, "-o", options, name, "1M",
        ];
        lab.run(&argv);
        let told = lab.refused(name);
        assert!(told.contains("is encrypted"), "{name}: {told}");
    }
}

#[test]
fn a_disk_that_names_another_file_is_refused_and_the_name_is_told() {
    let lab = Lab::new();
    let secret = lab.dir.path().join("host-secret");
    let secret = secret.to_str().unwrap();
    lab.run(&[
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", secret, "-F", "raw", "poses", "1M",
    ]);
    lab.run(&["gzip", "-k", "poses"]);
    let server =
        "json:{\"driver\":\"nbd\",\"server\":{\"type\":\"inet\",\"host\":\"192.0.2.1\",\"port\":\"10809\"}}";
    lab.run(&[
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", server, "-F", "raw", "server", "1M",
    ]);
    lab.run(&[
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-u",
        "-b",
        "../host-secret",
        "-F",
        "raw",
        "above",
        "1M",
    ]);
    symlink(secret, lab.path("link")).unwrap();
    lab.run(&[
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "link", "-F", "raw", "by-link", "1M",
    ]);
    lab.run(&[
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "gone", "-F", "raw", "without", "1M",
    ]);
    lab.run(&[
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "data_file=data.raw,data_file_raw=on",
        "data",
        "1M",
    ]);
    lab.run(&["qemu-img", "create", "-q", "-f", "vmdk", "base.vmdk", "1M"]);
    lab.run(&[
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        "base.vmdk",
        "-F",
        "vmdk",
        "on-vmdk",
    ]);
    let description = |extent: &str| {
        format!(
            "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 8 FLAT \"{extent}\" 0\n"
        )
    };
    lab.write("extent-above", description("../host-secret").as_bytes());
    lab.write("extent-far", description(secret).as_bytes());
    lab.write("extent-link", description("link").as_bytes());
    lab.write("extent-protocol", description("nbd:192.0.2.1:1").as_bytes());
    for (name, named) in [
        ("poses", "host-secret"),
        ("poses.gz", "host-secret"),
        ("server", "192.0.2.1"),
        ("above", "../host-secret"),
        ("by-link", "is a link"),
        ("without", "`gone`, which is not there"),
        ("data", "data.raw"),
        ("on-vmdk", "`base.vmdk`, of format `vmdk`"),
        ("extent-above", "../host-secret"),
        ("extent-far", "host-secret"),
        ("extent-link", "is a link"),
        ("extent-protocol", "nbd:192.0.2.1:1"),
    ] {
        let told = lab.refused(name);
        assert!(told.contains(named) && !told.contains(SECRET), "{name}: {told}");
        let error = lab
            .import_as(one(disk(&lab.path(name))), &flattened())
            .expect_err(name);
        assert!(error.to_string().contains(named), "{name}, flattened: {error}");
        let whole = error.hint().is_some_and(|hint| hint.contains("qemu-img convert"));
        assert!(whole, "{name}: {:?}", error.hint());
    }
}

#[test]
fn a_chain_is_joined_where_that_is_wanted_and_told_whole_where_not() {
    let lab = Lab::new();
    let mut whole = gpt(8, 512, 4);
    lab.make(&whole, "qcow2", "", "server.qcow2");
    for (name, below) in [
        ("server.monday", "server.qcow2"),
        ("server.tuesday", "server.monday"),
    ] {
        lab.run(&[
            "qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", name,
        ]);
    }
    lab.run(&[
        "qemu-io",
        "-f",
        "qcow2",
        "-c",
        "write -q -P 7 5242880 65536",
        "server.tuesday",
    ]);
    whole[5_242_880..5_242_880 + 65536].fill(7);
    let told = lab.refused("server.tuesday");
    assert!(
        told.contains("`server.tuesday` on `server.monday` on `server.qcow2`") && told.contains("--flatten"),
        "{told}"
    );
    let base = lab.import("server.qcow2").unwrap();
    let newer = base.said.join("\n");
    assert!(
        newer.contains("newer links") && newer.contains("`server.monday`, `server.tuesday`"),
        "{newer}"
    );
    let made = lab
        .import_as(one(disk(&lab.path("server.tuesday"))), &flattened())
        .unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&whole)));
    // Elsewhere a link is taken only where it was named.
    let lab = Lab::new();
    let elsewhere = lab.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    converted(&elsewhere, &whole, "qcow2", "", "base.qcow2");
    let base = elsewhere.join("base.qcow2");
    lab.run(&[
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        base.to_str().unwrap(),
        "-F",
        "qcow2",
        "top",
    ]);
    let told = lab
        .import_as(one(disk(&lab.path("top"))), &flattened())
        .unwrap_err()
        .to_string();
    assert!(told.contains("outside the disk's own folder"), "{told}");
    let named = Import {
        named: vec![base],
        ..flattened()
    };
    let made = lab.import_as(one(disk(&lab.path("top"))), &named).unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&whole)));
}

#[test]
fn each_disk_of_a_machine_may_be_a_chain_and_what_is_a_link_is_no_disk() {
    let lab = Lab::new();
    let (root, data) = (gpt(4, 512, 4), gpt(8, 512, 5));
    let elsewhere = lab.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let mut disks = Vec::new();
    for (name, content) in [("root", &root), ("data", &data)] {
        let base = converted(&elsewhere, content, "qcow2", "", name);
        let (from, top) = (base.to_str().unwrap(), format!("{name}-top"));
        lab.run(&[
            "qemu-img", "create", "-q", "-f", "qcow2", "-b", from, "-F", "qcow2", &top,
        ]);
        disks.extend([lab.path(&top), base]);
    }
    let machine = || Foreign {
        disks: disks.iter().map(|path| disk(path)).collect(),
        ..Foreign::default()
    };
    let named = Import {
        named: disks[1..].to_vec(),
        ..flattened()
    };
    let made = lab.import_as(machine(), &named).unwrap();
    let manifest = &made.sealed.manifest;
    assert_eq!(manifest.content_sha256, Some(sha256(&root)));
    let [further] = &manifest.disks[..] else {
        panic!("{:?}", manifest.disks);
    };
    assert_eq!(further.content_sha256, Some(sha256(&data)));
    let said = made.said.join("\n");
    assert!(
        said.contains("root-top: joined with what it leans on: `root`")
            && said.contains("data-top: joined with what it leans on: `data`"),
        "{said}"
    );
}

#[test]
fn what_is_refused_comes_with_a_remedy_that_fits() {
    let lab = Lab::new();
    lab.write("root.raw", &gpt(4, 512, 11));
    lab.run(&["gzip", "-k", "root.raw"]);
    let packed = fs::read(lab.path("root.raw.gz")).unwrap();
    lab.write("cut.gz", &packed[..packed.len() / 2]);
    let told = lab.refused("cut.gz");
    assert!(
        told.contains("does not unpack") && !told.contains("qemu-img") && told.contains("copy it anew"),
        "{told}"
    );
    let other = Import {
        sha256: Some("00".repeat(32)),
        ..asked()
    };
    let error = lab
        .import_as(one(disk(&lab.path("root.raw"))), &other)
        .expect_err("another digest");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("fetch it once more"), "{error}: {hint}");
    lab.make(&vec![0; 64 << 10], "qcow2", "", "vars.qcow2");
    let mut vars = fs::read(lab.path("vars.qcow2")).unwrap();
    vars.truncate(vars.len() - 1000);
    vars[40..48].fill(0x7f);
    lab.write("vars.qcow2", &vars);
    let machine = Foreign {
        nvram: Some(lab.path("vars.qcow2")),
        ..one(disk(&lab.path("root.raw")))
    };
    let error = lab.import_as(machine, &asked()).expect_err("damaged variables");
    let hint = error.hint().unwrap_or_default();
    assert!(
        error.to_string().contains("the store of UEFI variables")
            && hint.contains("empty one")
            && !hint.contains("qemu-img"),
        "{error}: {hint}"
    );
    let text = "# Disk DescriptorFile\nversion=1\nparentCID=12345678\nparentFileNameHint=\"older.vmdk\"\nRW 8 FLAT \"x\" 0\n";
    lab.write("child.vmdk", text.as_bytes());
    let told = lab.refused("child.vmdk");
    assert!(
        told.contains("changed since an older disk, `older.vmdk`") && !told.contains("`this`"),
        "{told}"
    );
}

#[test]
fn a_chain_without_an_end_ends() {
    let lab = Lab::new();
    lab.run(&[
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "b", "-F", "qcow2", "a", "1M",
    ]);
    lab.run(&[
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "a", "-F", "qcow2", "b", "1M",
    ]);
    let told = lab.refused("a");
    assert!(told.contains("leads back to `a`"), "{told}");
}

#[test]
fn a_store_of_variables_that_is_none_is_left_out_and_said() {
    let lab = Lab::new();
    lab.write("root.raw", &gpt(4, 512, 11));
    lab.write("vars", SECRET.as_bytes());
    let machine = Foreign {
        nvram: Some(lab.path("vars")),
        ..one(disk(&lab.path("root.raw")))
    };
    let made = lab.import_as(machine, &asked()).unwrap();
    assert_eq!(made.sealed.manifest.nvram, None);
    let said = |line: &String| line.contains("UEFI variables") && line.contains("left out");
    assert!(made.said.iter().any(said), "{:?}", made.said);
    let told = lab
        .import_as(Foreign::default(), &asked())
        .unwrap_err()
        .to_string();
    assert!(told.contains("has no disk"), "{told}");
}

#[test]
fn a_disk_that_is_a_copy_of_another_of_the_same_machine_is_refused() {
    let lab = Lab::new();
    lab.write("root.raw", &gpt(4, 512, 11));
    let volume = |filling: u8| {
        let mut disk = vec![filling; 1 << 20];
        disk[..4096].fill(0);
        disk[512..520].copy_from_slice(b"LABELONE");
        disk[532..536].copy_from_slice(&32_u32.to_le_bytes());
        disk[536..544].copy_from_slice(b"LVM2 001");
        disk[544..576].copy_from_slice(&[b'k'; 32]);
        disk
    };
    lab.write("data.raw", &volume(1));
    lab.write("older.raw", &volume(2));
    for (second, third, words) in [
        ("root.raw", "data.raw", "same content as root.raw"),
        ("data.raw", "older.raw", "which data.raw has too"),
    ] {
        let mut machine = one(disk(&lab.path("root.raw")));
        machine.disks.push(disk(&lab.path(second)));
        machine.disks.push(disk(&lab.path(third)));
        let error = lab.import_as(machine, &asked()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("name each disk of the machine once"))
        );
    }
}
