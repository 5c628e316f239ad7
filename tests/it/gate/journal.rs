//! The journal on disk and the state folder: what is written is read, and what is damaged is said.

use std::fs;
use std::path::PathBuf;

use patchgate::gate::{Gate, decide};
use patchgate::model::event::{Event, FORMAT};
use patchgate::model::id::RunId;
use patchgate::record::journal::{self, Journal};
use patchgate::record::state::{State, is_live};
use patchgate::verdict::judge;

use super::goldens::regressed;
use crate::testkit::plans::two_cells;
use crate::testkit::seal::{bare, sealed};
use crate::testkit::story::{Story, all_pass};

fn written(folder: &tempfile::TempDir, story: &Story) -> PathBuf {
    let path = folder.path().join("journal.jsonl");
    story.write(&path);
    path
}

#[test]
fn what_is_written_is_read_and_decides_alike() {
    let folder = tempfile::tempdir().expect("folder");
    let story = Story::whole(two_cells(), all_pass);
    let path = written(&folder, &story);
    let loaded = journal::read(&path).expect("read");
    assert_eq!(loaded, story.loaded());
    assert_eq!(journal::lab(&path).expect("lab"), "hq");
    let error = Journal::create(&path).expect_err("exists").to_string();
    assert!(
        error.contains("journal.jsonl: cannot create the journal"),
        "{error}"
    );
}

#[test]
fn a_journal_of_a_run_that_regressed() {
    // Its file is also what `make check` has a patchgate without libvirt replay.
    let folder = tempfile::tempdir().expect("folder");
    let path = written(&folder, &regressed());
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_binary_snapshot!("regressed.jsonl", fs::read(&path).expect("a journal"));
    });
}

#[test]
fn only_a_journal_of_a_known_form_is_read() {
    let folder = tempfile::tempdir().expect("folder");
    let path = written(&folder, &Story::whole(two_cells(), all_pass));
    let good = fs::read_to_string(&path).expect("text");
    let version = env!("CARGO_PKG_VERSION");
    let newer = format!("the journal has format 7, and patchgate {version} reads format {FORMAT}");
    let unknown = format!("the journal has no format number that patchgate {version} knows");
    let again = "a journal that cannot be read decides nothing; run again";
    let known = format!("\"format\":{FORMAT},");
    let of_plan = format!("{known}\"run\":\"20261123-140912-7c1f\",\"version\":\"0.1.0\",\"plan\":{{");
    for (from, to, expected, remedy) in [
        (
            known.as_str(),
            "\"format\":7,",
            newer.as_str(),
            "read it with a newer patchgate: 0.1.0 made it",
        ),
        (
            &of_plan,
            "\"format\":7,\"plan\":{\"what\":\"nobody knows yet\",",
            &newer,
            "read it with a newer patchgate",
        ),
        (&known, "", &unknown, again),
        (&known, "\"format\":0,", &unknown, again),
        (&known, "\"format\":1,", &unknown, again),
        (
            &known,
            "\"format\":\"1\",",
            "journal.jsonl:1: not a record: ",
            again,
        ),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        fs::write(&path, text).expect("write");
        let error = journal::read(&path).expect_err(to);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.remedy(), remedy, "{to}");
    }
    // It is still the lab's, so that no older run is taken for the latest.
    let text = good.replacen(&known, "\"format\":7,", 1);
    fs::write(&path, text).expect("write");
    assert_eq!(journal::lab(&path).expect("lab"), "hq");
}

#[test]
fn a_journal_that_is_cut_at_any_byte_never_opens_the_gate() {
    let folder = tempfile::tempdir().expect("folder");
    let mut plan = two_cells();
    plan.cells.truncate(1);
    let path = written(&folder, &Story::whole(plan, all_pass));
    let bytes = fs::read(&path).expect("bytes");
    let newlines = String::from_utf8_lossy(&bytes).lines().count();
    let mut read = 0;
    // Every byte around the line ends, and some within the lines.
    for length in
        (0..bytes.len()).filter(|at| at % 97 == 0 || bytes[at.saturating_sub(1)..].starts_with(b"}\n"))
    {
        fs::write(&path, &bytes[..length]).expect("cut");
        let Ok(loaded) = journal::read(&path) else {
            continue;
        };
        read += 1;
        assert_eq!(loaded.truncated, bytes[length - 1] != b'\n');
        let decision = decide(&loaded.plan, &judge(&loaded.plan, &loaded.records));
        assert_eq!(decision.gate, Gate::Undecided, "cut at {length}");
    }
    assert!(read > newlines, "{read} cuts could be read");
}

#[test]
fn damage_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("folder");
    let path = written(&folder, &Story::whole(two_cells(), all_pass));
    let good = fs::read_to_string(&path).expect("text");
    let lines: Vec<&str> = good.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n") + "\n"
    };
    let one_bit = lines[4].replacen("shop", "sjop", 1);
    let second = lines.len() + 1;
    for (name, text, line) in [
        ("a gap", without(5), 6),
        ("twice", with(6, lines[5]), 7),
        ("no JSON", with(7, "what?"), 8),
        ("not UTF-8", with(7, "\u{0}"), 8),
        ("one bit", with(4, &one_bit), 5),
        ("no hash", with(4, &bare(&good)[4]), 5),
        ("one more", good.clone() + lines[5] + "\n", second),
        ("another journal behind it", good.clone() + &good, second),
    ] {
        fs::write(&path, text).expect("write");
        let error = journal::read(&path).expect_err(name).to_string();
        let expected = format!("journal.jsonl:{line}: not what was written here: ");
        assert!(error.contains(&expected), "{name}: {error}");
    }
    for (name, text, expected) in [
        ("empty", "", "journal.jsonl: the journal has no whole record"),
        (
            "half a plan",
            &lines[0][..500],
            "journal.jsonl: the journal has no whole record",
        ),
        (
            "no plan",
            &without(0),
            "journal.jsonl:1: the first record is not the plan",
        ),
        (
            "half a record behind the end",
            &(good.clone() + &lines[5][..20]),
            "something stands behind the end of the run",
        ),
    ] {
        fs::write(&path, text).expect("write");
        let error = journal::read(&path).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    fs::remove_file(&path).expect("remove");
    let error = journal::read(&path).expect_err("no file").to_string();
    assert!(
        error.contains("journal.jsonl: the journal is not there"),
        "{error}"
    );
    fs::create_dir(&path).expect("a folder");
    let error = journal::read(&path).expect_err("a folder").to_string();
    assert!(
        error.contains("journal.jsonl: the journal is not a file"),
        "{error}"
    );
}

/// What a change makes of one record of a good run, tied to the others again.
fn changed(lines: &[String], (at, from, to): (usize, &str, &str)) -> String {
    let mut lines = lines.to_vec();
    let text = lines[at].replace(from, to);
    assert_ne!(text, lines[at], "{from} is not in record {at}: {}", lines[at]);
    lines[at] = text;
    sealed(&lines)
}

#[test]
fn what_the_plan_or_the_form_has_not_is_damage_whoever_sealed_it() {
    let folder = tempfile::tempdir().expect("folder");
    let path = written(&folder, &Story::whole(two_cells(), all_pass));
    let good = fs::read_to_string(&path).expect("text");
    let lines = bare(&good);
    assert_eq!(sealed(&lines), good);
    let first = |event: &str| {
        let found = lines
            .iter()
            .position(|line| line.contains(&format!("\"event\":\"{event}\"")));
        found.unwrap_or_else(|| panic!("no {event}"))
    };
    let (proved, observed, step) = (first("proved"), first("observed"), first("step-finished"));
    let nobody = "\"arm\":{\"cell\":\"shop/debian-12\",\"kind\":\"control\",\"try\":1},";
    let an_arm = format!("{nobody}\"event\":");
    for (name, change, expected) in [
        (
            "an arm's, without the arm",
            (4, nobody, ""),
            "not a record: it does not say of which arm",
        ),
        (
            "the run's, with an arm",
            (1, "\"event\":", an_arm.as_str()),
            "not a record: it does not say of which arm",
        ),
        (
            "the future",
            (4, "\"event\":\"", "\"event\":\"un"),
            "does not know the event `un",
        ),
        ("no JSON", (4, "{\"seq\"", "{seq"), "not a record: "),
        (
            "a key more",
            (4, "\"at\":", "\"more\":1,\"at\":"),
            "a key is unknown",
        ),
        ("a key twice", (4, "\"at\":", "\"seq\":4,\"at\":"), "not a record"),
        (
            "a key of the proof that is another",
            (proved, "\"proof\":{", "\"proof\":{\"missinf\":[\"nginx\"],"),
            "a key is unknown",
        ),
        (
            "a key of the plan that is another",
            (0, "\"drift\":{", "\"drift\":{\"enfirce\":true,"),
            "a key is unknown",
        ),
        (
            "another plan",
            (0, "\"vcpus\":1", "\"vcpus\":2"),
            "the plan is not the one that its digest is of",
        ),
        (
            "another order",
            (4, "\"seq\":4", "\"seq\":5"),
            "record 5 where 4 is due",
        ),
        (
            "another cell",
            (4, "shop/debian-12", "ship/debian-12"),
            "tells of cell \"ship/debian-12\", which the plan has not",
        ),
        (
            "another role",
            (observed, "\"role\":\"database\"", "\"role\":\"databasf\""),
            "tells of role \"databasf\", which cell shop/debian-12 has not",
        ),
        (
            "another scenario",
            (step, "shop/ledger", "shop/ledges"),
            "tells of scenario \"shop/ledges\", which cell shop/debian-12 has not",
        ),
        (
            "another step",
            (step, "\"step\":0", "\"step\":3"),
            "tells of step 3 of scenario \"shop/ledger\"",
        ),
    ] {
        fs::write(&path, changed(&lines, change)).expect("write");
        let error = journal::read(&path).expect_err(name).to_string();
        let line = format!("journal.jsonl:{}: ", change.0 + 1);
        assert!(
            error.contains(&line) && error.contains(expected),
            "{name}: {error}"
        );
    }
    let whole = |lines: &[String], name: &str, expected: &str| {
        fs::write(&path, sealed(lines)).expect("write");
        let error = journal::read(&path).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    };
    let mut two = lines.clone();
    two[1] = two[0].replace("\"seq\":0,", "\"seq\":1,");
    whole(&two, "two plans", "journal.jsonl:2: a second plan in one journal");
    let mut more = lines.clone();
    let last = format!("\"seq\":{},", lines.len() - 1);
    more.push(lines[lines.len() - 1].replace(&last, &format!("\"seq\":{},", lines.len())));
    whole(&more, "one more", "something stands behind the end of the run");
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("journal.jsonl");
    let story = Story::whole(two_cells(), all_pass);
    let records = story.records();
    let mut journal = Journal::create(&path).expect("create");
    journal
        .append(records[0].at, None, records[0].event.clone())
        .expect("append");
    let long = Event::Finished {
        left_behind: vec!["x".repeat(1024 * 1024); 16],
    };
    let error = journal.append(records[0].at, None, long).expect_err("too long");
    assert!(error.to_string().contains("record 1 has"), "{error}");
    journal
        .append(records[1].at, None, records[1].event.clone())
        .expect("what fits is still written");
    assert_eq!(journal::read(&path).expect("read").records, records[..2]);
}

#[test]
fn a_line_without_end_is_not_read_into_memory() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("journal.jsonl");
    fs::write(&path, vec![b'x'; journal::LINE_LIMIT + 10]).expect("write");
    let error = journal::read(&path).expect_err("too long").to_string();
    assert!(
        error.contains("journal.jsonl:1: the line is longer than"),
        "{error}"
    );
}

fn id(text: &str) -> RunId {
    text.parse().expect("run id")
}

#[test]
fn a_run_lives_as_long_as_its_lock() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().to_owned());
    let dir = state.create_run(&id("20261123-140912-7c1f")).expect("run");
    let path = dir.path().to_owned();
    assert_eq!(
        fs::metadata(&path).expect("folder").permissions().mode() & 0o777,
        0o700
    );
    assert!(is_live(&path));
    assert!(is_live(&path), "asking does not take the lock");
    drop(dir);
    assert!(!is_live(&path));
    assert!(!is_live(&folder.path().join("runs/none")));
}
