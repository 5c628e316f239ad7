//! Saved states that are of no use, on real clones: a boot instead, with the reason, and never a wrong result.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use patchgate::image::store::Store;

use crate::lab::{LiveLab, text};

/// The description of a saved state, in its folder.
const MANIFEST: &str = "state.json";

/// Where saved states are kept from run to run.
fn store() -> PathBuf {
    let store = Store::open().and_then(|images| images.warm());
    store.expect("a store of saved states").dir().to_owned()
}

/// The folders of all states that are kept.
fn kept() -> BTreeSet<PathBuf> {
    let folders = |path: &Path| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let machines = folders(&store()).into_iter().flat_map(|set| folders(&set));
    machines.filter(|folder| folder.join(MANIFEST).exists()).collect()
}

/// A step that fails on a clone whose clock is wrong.
fn clock() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs();
    format!(
        "title = \"The clock is right\"\nowner = \"tests\"\ntimeout = \"1m\"\n\n[[step]]\nname = \"the time\"\non = \"app\"\n\
         run = \"now=$(date +%s); test $now -ge {now} -a $now -le {}\"\n",
        now + 1200
    )
}

#[test]
fn a_damaged_and_a_stale_state_cost_a_boot_and_say_why() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    // Another host name makes it another set of nodes: no other lab's state is touched.
    let file = lab.path().join("patchgate.toml");
    let lab_file = fs::read_to_string(&file).expect("a lab file");
    let named = lab_file.replace(
        "[role.app]\n",
        &format!("[role.app]\nhost = \"app-{}\"\n", std::process::id()),
    );
    fs::write(
        &file,
        named.replace("scenarios = [\"app\"]", "scenarios = [\"app/clock\"]"),
    )
    .expect("a lab file");
    lab.add_scenario("clock", &clock());
    let run = || {
        let output = lab.patchgate(&["scenario", "try", "app/clock", "--no-reboot"]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };

    let before = kept();
    let said = run();
    assert!(!said.contains("saved state of"), "{said}");
    let new: Vec<PathBuf> = kept().difference(&before).cloned().collect();
    let [folder] = new.as_slice() else {
        panic!("not one state was kept, but {new:?}: {said}");
    };

    let damaged = OpenOptions::new()
        .write(true)
        .open(folder.join("0.state"))
        .expect("a state");
    damaged
        .write_all_at(b"not what was saved", 4096)
        .expect("it is written");
    let said = run();
    assert!(
        said.contains("is not used") && said.contains("its content is not what was saved"),
        "{said}"
    );

    let manifest = fs::read_to_string(folder.join(MANIFEST)).expect("it was saved anew");
    let mut stale: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    stale["machine"]["QEMU"] = "8.2.0".into();
    let other = folder.with_file_name("of-an-older-qemu");
    fs::rename(folder, &other).expect("it is renamed");
    fs::write(other.join(MANIFEST), stale.to_string()).expect("it is written");
    let said = run();
    assert!(said.contains("does not fit") && said.contains("8.2.0"), "{said}");
    assert!(folder.join(MANIFEST).exists(), "it was not saved anew: {said}");

    let set = folder.parent().expect("a set's folder");
    fs::remove_dir_all(set).expect("the set is removed");
}
