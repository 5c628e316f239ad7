//! Which run answers for a lab: the newest, whatever became of it.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use patchgate::decide::{Decided, history};
use patchgate::gate::Gate;
use patchgate::model::event::FORMAT;
use patchgate::model::id::RunId;
use patchgate::record::journal;
use patchgate::record::state::State;

use crate::testkit::plans::two_cells;
use crate::testkit::story::{Story, all_pass};

fn id(text: &str) -> RunId {
    text.parse().expect("run id")
}

const OLD: &str = "20251121-140912-7c1f";
const NEW: &str = "20251122-140912-7c1f";

/// The time at which the gate is asked.
fn now() -> Timestamp {
    "2025-11-22T15:00:00Z".parse().expect("a time")
}

#[test]
fn runs_are_found_by_latest_lab_and_prefix() {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().join("state"));
    assert_eq!(state.runs().expect("none"), []);
    let ids = [
        "20261121-140912-7c1f",
        "20261122-140912-7c1f",
        "20261123-140912-7c1f",
    ]
    .map(id);
    for (run, lab) in ids.iter().zip(["hq", "branch", "hq"]) {
        let dir = state.create_run(run).expect("run");
        Story::whole(two_cells(), all_pass)
            .renamed(run.as_str(), lab)
            .write(&dir.journal());
    }
    fs::create_dir(folder.path().join("state/runs/lost+found")).expect("a stranger");

    assert_eq!(state.runs().expect("runs"), ids);
    assert_eq!(state.resolve("latest", None).expect("latest"), ids[2]);
    assert_eq!(state.resolve("latest", Some("branch")).expect("branch"), ids[1]);
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

/// What becomes of a journal.
type Way<'a> = &'a dyn Fn(&State, &Path);

/// A state folder with an older run that opens its gate, and a newer one whose journal is as it is made.
fn newer(make: impl Fn(&State, &Path)) -> (tempfile::TempDir, State) {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().to_owned());
    for run in [OLD, NEW] {
        let dir = state.create_run(&id(run)).expect("run");
        Story::whole(two_cells(), all_pass)
            .renamed(run, "hq")
            .write(&dir.journal());
    }
    let decided = Decided::load(&state, &id(NEW), now()).expect("decided");
    assert_eq!(decided.decision.gate, Gate::Open);
    make(&state, &state.journal(&id(NEW)));
    (folder, state)
}

#[test]
fn a_newer_run_that_cannot_be_read_leaves_the_gate_undecided() {
    let rewrite = |path: &Path, change: &dyn Fn(String) -> String| {
        let text = fs::read_to_string(path).expect("text");
        fs::write(path, change(text)).expect("write");
    };
    let is_newer = format!("\"format\":{},", FORMAT + 1);
    let known = format!("\"format\":{FORMAT},");
    let ways: [(&str, Way<'_>); 9] = [
        ("removed", &|_, path| fs::remove_file(path).expect("remove")),
        ("empty", &|_, path| fs::write(path, "").expect("write")),
        ("torn", &|_, path| rewrite(path, &|text| text[..300].to_owned())),
        ("another lab by one bit", &|_, path| {
            rewrite(path, &|text| text.replacen("\"lab\":\"hq\"", "\"lab\":\"hp\"", 1));
        }),
        ("too long", &|_, path| {
            fs::write(path, vec![b'x'; journal::LINE_LIMIT + 1]).expect("write");
        }),
        ("newer", &|_, path| {
            rewrite(path, &|text| text.replacen(&known, &is_newer, 1));
        }),
        ("a record changed", &|_, path| {
            rewrite(path, &|text| text.replacen("seq\":9,", "seq\":8,", 1));
        }),
        ("the older one in its place", &|state, path| {
            fs::copy(state.journal(&id(OLD)), path).expect("copy");
        }),
        ("with a trial's record beside it", &|_, path| {
            rewrite(path, &|text| text.replacen("\"try\":1", "\"try\":3", 1));
            fs::write(path.with_file_name("trial.jsonl"), "").expect("write");
        }),
    ];
    for (name, make) in ways {
        let (_folder, state) = newer(make);
        let run = state.resolve("latest", Some("hq")).expect("latest");
        assert_eq!(run, id(NEW), "{name}");
        let error = Decided::load(&state, &run, now()).expect_err(name).to_string();
        assert!(
            error.contains(NEW) || error.contains("journal.jsonl"),
            "{name}: {error}"
        );
        let rows = history::rows(&state, Some("hq"), now()).expect("rows");
        assert_eq!(rows.len(), 2, "{name}");
        assert!(rows[0].error.is_some(), "{name}");
    }
    // A run of another lab that can be told to be one is passed over.
    let (_folder, state) = newer(|_, path| {
        fs::remove_file(path).expect("remove");
        Story::whole(two_cells(), all_pass)
            .renamed(NEW, "branch")
            .write(path);
    });
    assert_eq!(state.latest(Some("hq")).expect("latest"), Some(id(OLD)));
}

#[test]
fn a_run_from_the_future_or_in_a_folder_of_another_name_is_named() {
    let (_folder, state) = newer(|_, _| ());
    let early = "2025-11-22T13:00:00Z".parse().expect("a time");
    let error = Decided::load(&state, &id(NEW), early).expect_err("future");
    assert_eq!(
        error.to_string(),
        format!("run {NEW} is from the future: it is 2025-11-22 13:00:00 UTC")
    );
    for (name, problem) in [
        (
            "20251122-145959-7c1f",
            format!("the folder of run 20251122-145959-7c1f has the journal of run {NEW}"),
        ),
        (
            "20251399-140912-7c1f",
            "run 20251399-140912-7c1f is from the future".to_owned(),
        ),
    ] {
        let other = id(name);
        fs::rename(state.run_dir(&id(NEW)), state.run_dir(&other)).expect("rename");
        let run = state.resolve("latest", Some("hq")).expect("latest");
        assert_eq!(run, other);
        let error = Decided::load(&state, &run, now()).expect_err(name);
        assert!(error.to_string().starts_with(&problem), "{error}");
        fs::rename(state.run_dir(&other), state.run_dir(&id(NEW))).expect("rename");
    }
}
