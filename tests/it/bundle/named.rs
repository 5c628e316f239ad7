//! What is wrong in an archive is told by the archive and the name in it: where it was unpacked to is gone.

use predicates::prelude::*;
use predicates::str::contains;

use super::make;
use crate::testkit::cli::patchgate;
use crate::testkit::disk::{converted, mbr};

#[test]
fn a_flaw_of_a_disk_in_an_archive_is_told_by_the_archive_and_the_name_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = converted(folder.path(), &mbr(8, 1), "vmdk", "", "disk1.vmdk");
    let whole = std::fs::read(disk).expect("a disk");
    let cut = &whole[..whole.len() / 2];
    let ova = make::ova(&make::simple(cut), &[("disk1.vmdk", cut)]);
    std::fs::write(folder.path().join("a.ova"), ova).expect("written");
    let vma = make::Vma::new("scsi0: a,size=1M\n", &[("drive-scsi0", &vec![0; 1 << 20])]).build();
    std::fs::write(folder.path().join("b.vma"), vma).expect("written");
    for (archive, named) in [
        ("a.ova", "a.ova: disk1.vmdk: is cut off"),
        ("b.vma", "b.vma: scsi0: has nothing on it"),
    ] {
        patchgate(folder.path())
            .args(["image", "import", archive, "--os", "debian-12", "--no-probe"])
            .assert()
            .code(2)
            .stderr(contains(named).and(contains("images-store").not()));
    }
    let left = std::fs::read_dir(folder.path().join("images-store/.locks")).expect("a folder");
    let left: Vec<_> = left.flatten().map(|entry| entry.path()).collect();
    assert!(
        left.iter().all(|path| path.extension() == Some("lock".as_ref())),
        "{left:?}"
    );
}
