//! The journal on disk and the state folder: what is written is read, and what is damaged is said.

use std::fs;
use std::path::PathBuf;

use patchgate::gate::{Gate, decide};
use patchgate::model::id::RunId;
use patchgate::record::journal::{self, Journal};
use patchgate::record::state::{State, is_live};
use patchgate::verdict::judge;

use super::goldens::regressed;
use crate::testkit::plans::two_cells;
use crate::testkit::story::{Story, all_pass};

fn written(folder: &tempfile::TempDir, story: &Story) -> PathBuf {
    let path = folder.path().join("journal.jsonl");
    let mut journal = Journal::create(&path).expect("create");
    for record in story.records() {
        let back = journal
            .append(record.at, record.arm.clone(), record.event.clone())
            .expect("append");
        assert_eq!(back, record);
    }
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
    let newer = format!("the journal has format 7, and patchgate {version} reads format 1");
    let unknown = format!("the journal has no format number that patchgate {version} knows");
    let again = "a journal that cannot be read decides nothing; run again";
    for (from, to, expected, remedy) in [
        (
            "\"format\":1,",
            "\"format\":7,",
            newer.as_str(),
            "read it with a newer patchgate: 0.1.0 made it",
        ),
        (
            "\"format\":1,\"run\":\"20261123-140912-7c1f\",\"version\":\"0.1.0\",\"plan\":{",
            "\"format\":7,\"plan\":{\"what\":\"nobody knows yet\",",
            &newer,
            "read it with a newer patchgate",
        ),
        ("\"format\":1,", "", &unknown, again),
        ("\"format\":1,", "\"format\":0,", &unknown, again),
        (
            "\"format\":1,",
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
    let text = good.replacen("\"format\":1,", "\"format\":7,", 1);
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
    let change = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n") + "\n"
    };
    let nobody = "\"arm\":{\"cell\":\"shop/debian-12\",\"kind\":\"control\",\"try\":1},";
    let of_nobody = lines[4].replace(nobody, "");
    let of_an_arm = lines[1].replace("\"event\":", &format!("{nobody}\"event\":"));
    assert!(of_nobody.len() < lines[4].len() && of_an_arm.len() > lines[1].len());
    let future = lines[4].replace("\"event\":\"", "\"event\":\"un");
    for (name, text, expected) in [
        (
            "empty",
            String::new(),
            "journal.jsonl: the journal has no whole record",
        ),
        (
            "half a plan",
            lines[0][..500].to_owned(),
            "journal.jsonl: the journal has no whole record",
        ),
        ("no plan", without(0), "journal.jsonl:1: record 1 where 0 is due"),
        ("a gap", without(5), "journal.jsonl:6: record 6 where 5 is due"),
        (
            "twice",
            change(6, lines[5]),
            "journal.jsonl:7: record 5 where 6 is due",
        ),
        ("no JSON", change(7, "what?"), "journal.jsonl:8: not a record: "),
        ("not UTF-8", change(7, "\u{0}"), "journal.jsonl:8: not a record: "),
        (
            "an arm's, without the arm",
            change(4, &of_nobody),
            "journal.jsonl:5: not a record: it does not say of which arm",
        ),
        (
            "the run's, with an arm",
            change(1, &of_an_arm),
            "journal.jsonl:2: not a record: it does not say of which arm",
        ),
        ("the future", change(4, &future), "does not know the event `un"),
        (
            "no plan first",
            lines[1].replace("\"seq\":1,", "\"seq\":0,") + "\n",
            "journal.jsonl:1: the first record is not the plan",
        ),
        (
            "two plans",
            change(1, &lines[0].replace("\"seq\":0,", "\"seq\":1,")),
            "journal.jsonl:2: a second plan in one journal",
        ),
    ] {
        fs::write(&path, text).expect("write");
        let error = journal::read(&path).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    fs::remove_file(&path).expect("remove");
    let error = journal::read(&path).expect_err("no file").to_string();
    assert!(error.contains("cannot open the journal"), "{error}");
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
fn runs_are_found_by_latest_lab_and_prefix() {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().join("state"));
    assert_eq!(state.runs().expect("none"), []);
    let story = Story::whole(two_cells(), all_pass);
    let ids = [
        "20261121-140912-7c1f",
        "20261122-140912-7c1f",
        "20261123-140912-7c1f",
    ]
    .map(id);
    let labs = [Some("hq"), Some("branch"), None];
    for (run, lab) in ids.iter().zip(labs) {
        let dir = state.create_run(run).expect("run");
        let Some(lab) = lab else { continue };
        let text = {
            let path = dir.journal();
            let mut journal = Journal::create(&path).expect("create");
            let first = &story.records()[0];
            journal
                .append(first.at, None, first.event.clone())
                .expect("append");
            fs::read_to_string(&path).expect("text")
        };
        fs::write(
            dir.journal(),
            text.replace("\"lab\":\"hq\"", &format!("\"lab\":\"{lab}\"")),
        )
        .expect("lab");
    }
    fs::create_dir(folder.path().join("state/runs/lost+found")).expect("a stranger");

    assert_eq!(state.runs().expect("runs"), ids);
    assert_eq!(
        state.resolve("latest", None).expect("latest"),
        ids[1],
        "one without a journal is passed over"
    );
    assert_eq!(state.resolve("latest", Some("hq")).expect("hq"), ids[0]);
    assert_eq!(state.resolve("20261123", None).expect("prefix"), ids[2]);
    for (text, lab, message, hint) in [
        (
            "latest",
            Some("moon"),
            "no run of lab `moon` yet",
            "patchgate run",
        ),
        (
            "2026112",
            None,
            "`2026112` begins more than one run",
            "20261121-140912-7c1f",
        ),
        (
            "x",
            None,
            "no run `x`",
            "20261123-140912-7c1f, 20261122-140912-7c1f",
        ),
        ("", None, "no run ``", "newest"),
    ] {
        let error = state.resolve(text, lab).expect_err(text);
        assert_eq!(error.to_string(), message);
        let found = error.hint().unwrap_or_default();
        assert!(found.contains(hint), "{found}");
    }
    let error = state.create_run(&ids[0]).expect_err("twice");
    assert!(
        error.to_string().contains("cannot make the run's folder"),
        "{error}"
    );
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
