//! What is wrong with a sealed image is found and named.

use super::*;
use crate::image::digest::BLOCK;

fn sealed_disk(bytes: &[u8]) -> (tempfile::TempDir, Sealed) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join(DISK), bytes).expect("a disk");
    let identity = Identity {
        name: "debian-12+web".into(),
        os: "debian-12".into(),
        role: Some("web".into()),
        key: Some("ab".repeat(32)),
        base_key: None,
        source: ImageSource::Built,
    };
    let sealed = seal(dir.path(), identity, 1 << 30, Timestamp::UNIX_EPOCH).expect("sealed");
    (dir, sealed)
}

fn rewrite(sealed: &Sealed, bytes: &[u8]) {
    fs::remove_file(sealed.disk()).expect("removed");
    fs::write(sealed.disk(), bytes).expect("rewritten");
}

#[test]
fn a_sealed_image_is_read_back_and_its_disk_is_read_only() {
    let (dir, sealed) = sealed_disk(&vec![7; 3_000_000]);
    assert_eq!(Sealed::read(dir.path()), Ok(Some(sealed.clone())));
    assert!(
        fs::metadata(sealed.disk())
            .expect("disk")
            .permissions()
            .readonly()
    );
    assert_eq!(verify(&sealed), Ok(()));
}

#[test]
fn every_changed_byte_is_found_and_its_block_named() {
    const SIZE: usize = 3_000_000;
    const SECOND: usize = 1024 * 1024;
    let last = (2 * BLOCK, SIZE as u64);
    for (changed, ranges) in [
        (vec![0], vec![(0, BLOCK)]),
        (vec![SECOND], vec![(BLOCK, 2 * BLOCK)]),
        (vec![SIZE - 1], vec![last]),
        (vec![5, SECOND + 5], vec![(0, 2 * BLOCK)]),
        (vec![5, SIZE - 1], vec![(0, BLOCK), last]),
    ] {
        let mut bytes = vec![7; SIZE];
        let (_dir, sealed) = sealed_disk(&bytes);
        for at in &changed {
            bytes[*at] ^= 1;
        }
        rewrite(&sealed, &bytes);
        let error = verify(&sealed).expect_err("damaged");
        assert_eq!(error.damage, Damage::Changed(ranges.clone()), "{changed:?}");
        assert!(
            error
                .to_string()
                .contains(&format!("byte range {}..{} changed", ranges[0].0, ranges[0].1)),
            "{error}"
        );
    }
}

#[test]
fn a_missing_or_truncated_disk_is_said_as_such() {
    let (_dir, sealed) = sealed_disk(&[7; 5000]);
    rewrite(&sealed, &[7; 4999]);
    let error = verify(&sealed).expect_err("truncated").to_string();
    assert!(
        error.contains("has 4999 bytes instead of 5000: truncated"),
        "{error}"
    );
    fs::remove_file(sealed.disk()).expect("removed");
    assert_eq!(verify(&sealed).expect_err("missing").damage, Damage::Missing);
}

#[test]
fn a_changed_disk_without_its_block_digests_is_still_refused() {
    let (dir, sealed) = sealed_disk(&[7; 5000]);
    rewrite(&sealed, &[8; 5000]);
    fs::write(dir.path().join(BLOCKS), "").expect("emptied");
    assert!(matches!(
        verify(&sealed).expect_err("damaged").damage,
        Damage::ChangedSomewhere(_)
    ));
}

#[test]
fn a_folder_without_manifest_is_not_sealed_and_a_torn_one_is_damaged() {
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(Sealed::read(dir.path()), Ok(None));
    fs::write(dir.path().join(MANIFEST), "{\"name\":").expect("torn");
    assert!(matches!(
        Sealed::read(dir.path()).expect_err("damaged").damage,
        Damage::Manifest(_)
    ));
}
