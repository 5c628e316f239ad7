//! What a gate is about: the whole lab or a part of it, this lab and no other, and the lab as it is now.

use std::fs;
use std::path::Path;

use patchgate::decide::Decided;
use patchgate::gate::outdated::changed;
use patchgate::gate::{Gate, Severity, decide, decide_part};
use patchgate::model::event::Event;
use patchgate::model::plan::Plan;
use patchgate::record::journal::Journal;
use patchgate::record::state::State;
use patchgate::verdict::judge;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};

use crate::testkit::cli::patchgate;
use crate::testkit::plans::{cell, cell_id, two_cells};
use crate::testkit::story::{Story, all_pass};

/// Of a time that is past by every clock.
const RUN: &str = "20200102-140912-7c1f";

fn selected() -> Plan {
    Plan {
        left_out: ["erp/debian-12", "erp/debian-13"].map(cell_id).to_vec(),
        ..two_cells()
    }
}

#[test]
fn a_selection_that_passed_opens_no_gate_of_the_lab() {
    let story = Story::whole(selected(), all_pass);
    let judgement = judge(&story.plan, &story.records());
    let run = RUN.parse().expect("a run id");
    let lab = decide(&story.plan, &judgement);
    assert_eq!(lab.gate, Gate::Undecided);
    let first = &lab.reasons[0];
    assert_eq!(first.severity, Severity::Undecides);
    assert!(
        first.text.contains("2 of the lab's 4 cells") && first.text.contains("erp/debian-12, erp/debian-13"),
        "{first:?}"
    );
    assert_eq!(
        lab.line(&run),
        format!("gate: UNDECIDED run={RUN} cells=2/2 of 4 regressed=0 inconclusive=0")
    );
    let part = decide_part(&story.plan, &judgement);
    assert_eq!(part.gate, Gate::Open);
    assert_eq!(part.reasons[0].severity, Severity::Notes);
    assert_eq!(
        part.line(&run),
        format!("gate: OPEN run={RUN} cells=2/2 of 4 regressed=0 inconclusive=0")
    );
    // What is closed is closed either way.
    let mut story = Story::whole(selected(), all_pass);
    story.break_nginx("web/debian-12", "web");
    let judgement = judge(&story.plan, &story.records());
    assert_eq!(decide(&story.plan, &judgement).gate, Gate::Closed);
    assert_eq!(decide_part(&story.plan, &judgement).gate, Gate::Closed);
    let decided = Decided::of(Story::whole(selected(), all_pass).loaded(), false);
    assert_eq!(decided.decision.gate, Gate::Undecided);
    assert_eq!(decided.in_part().decision.gate, Gate::Open);
}

fn with_inputs(mut plan: Plan) -> Plan {
    for what in [
        "lab",
        "image debian-12+web",
        "scenario web/page",
        "recipe images/web.toml",
    ] {
        plan.inputs.insert(what.to_owned(), "1".to_owned());
    }
    plan
}

type Change = fn(&mut Plan);

#[test]
fn a_lab_that_is_not_what_was_tested_is_named() {
    let was = with_inputs(two_cells());
    assert_eq!(changed(&was, &was), None);
    let cases: [(&str, Change); 8] = [
        ("scenario web/page was changed", |plan| {
            plan.inputs.insert("scenario web/page".to_owned(), "2".to_owned());
        }),
        ("the lab file was changed", |plan| {
            plan.inputs.insert("lab".to_owned(), "2".to_owned());
        }),
        ("recipe images/web.toml is gone", |plan| {
            plan.inputs.remove("recipe images/web.toml");
        }),
        ("cell web/debian-12 is gone", |plan| {
            plan.cells.retain(|cell| cell.id != cell_id("web/debian-12"));
        }),
        ("cell erp/debian-12 is new", |plan| {
            plan.cells.push(cell("erp/debian-12", &["web"], &["web/page"]));
        }),
        ("scenario web/new is new in cell web/debian-12", |plan| {
            plan.cells[1].scenarios.push("web/new".to_owned());
        }),
        ("cell web/debian-12 is planned otherwise", |plan| {
            plan.cells[1].required = !plan.cells[1].required;
        }),
        ("the run is of lab `hq`, and this is lab `branch`", |plan| {
            plan.lab = "branch".to_owned();
        }),
    ];
    for (words, change) in cases {
        let mut is = was.clone();
        change(&mut is);
        is.digest = "b".repeat(64);
        let reason = changed(&was, &is).expect(words);
        assert_eq!(reason.severity, Severity::Undecides);
        assert!(reason.text.contains(words), "{}", reason.text);
        let story = Story::whole(was.clone(), all_pass);
        let decision = decide(&story.plan, &judge(&story.plan, &story.records()));
        assert_eq!(decision.gate, Gate::Open);
        assert_eq!(decision.with([reason]).gate, Gate::Undecided, "{words}");
    }
    // Cells that were left out are no news.
    let mut part = was.clone();
    part.cells.truncate(1);
    part.left_out = vec![cell_id("web/debian-12")];
    part.digest = "c".repeat(64);
    assert_eq!(changed(&part, &was), None);
}

/// A state folder with an open run of lab `hq`, and a folder beside it to ask in.
fn open_run(plan: Plan) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().join("state"));
    let dir = state.create_run(&RUN.parse().expect("a run id")).expect("run");
    let mut journal = Journal::create(&dir.journal()).expect("journal");
    let begin: jiff::Timestamp = "2020-01-02T14:09:12Z".parse().expect("a time");
    for mut record in Story::whole(plan, all_pass).records() {
        if let Event::Planned { run, .. } = &mut record.event {
            *run = RUN.parse().expect("a run id");
        }
        let seconds = i64::try_from(record.seq).expect("small");
        let at = begin + jiff::SignedDuration::from_secs(seconds);
        journal.append(at, record.arm, record.event).expect("append");
    }
    folder
}

fn gate(folder: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    patchgate(folder).args(arguments).assert()
}

#[test]
fn latest_is_answered_for_no_other_lab() {
    let folder = open_run(two_cells());
    // Its id needs no lab, but what it tells of.
    gate(folder.path(), &["gate", RUN]).code(3).stdout(
        contains("no lab file here to compare the run with")
            .and(contains("--lab FILE"))
            .and(contains("gate: UNDECIDED")),
    );
    gate(folder.path(), &["gate", RUN, "--format", "json"])
        .code(3)
        .stdout(contains("\"gate\": \"undecided\""));
    gate(folder.path(), &["gate", RUN, "--replay"])
        .code(0)
        .stdout(contains("gate: OPEN"));
    for verb in ["gate", "report"] {
        gate(folder.path(), &[verb, "latest"])
            .code(2)
            .stdout(is_empty())
            .stderr(contains("whose latest run is meant").and(contains("--lab")));
    }
    let lab_file = folder.path().join("patchgate.toml");
    fs::write(&lab_file, "[lab\nname = \"hq\"\n").expect("write");
    for arguments in [&["gate", "latest"][..], &["gate"], &["report"], &["gate", RUN]] {
        gate(folder.path(), arguments)
            .code(2)
            .stdout(is_empty())
            .stderr(contains("patchgate.toml"));
    }
    gate(folder.path(), &["gate", RUN, "--replay"]).code(0);
    gate(folder.path(), &["gate", "latest", "--replay"])
        .code(2)
        .stdout(is_empty());
}

#[test]
fn a_run_of_another_lab_or_of_one_that_was_changed_is_undecided() {
    let folder = open_run(two_cells());
    gate(folder.path(), &["init", "lab"]).success();
    let lab = folder.path().join("lab/patchgate.toml");
    let lab = lab.to_str().expect("text");
    gate(folder.path(), &["--lab", lab, "gate", RUN])
        .code(3)
        .stdout(contains("the run is of lab `hq`, and this is lab").and(contains("gate: UNDECIDED")));
    gate(folder.path(), &["--lab", lab, "gate", RUN, "--replay"]).code(0);
    gate(folder.path(), &["--lab", lab, "gate", "latest"])
        .code(2)
        .stderr(contains("no run of lab"));
}

#[test]
fn an_old_run_and_a_part_of_the_lab_are_told() {
    let folder = open_run(selected());
    gate(folder.path(), &["gate", RUN])
        .code(3)
        .stdout(contains("cells=2/2 of 4").and(contains("erp/debian-12")));
    gate(folder.path(), &["gate", RUN, "--partial", "--replay"])
        .code(0)
        .stdout(contains("gate: OPEN").and(contains("cells=2/2 of 4")));
    gate(folder.path(), &["report", RUN, "--partial", "--format", "json"]).success();
    gate(folder.path(), &["gate", RUN, "--partial", "--max-age", "1m"])
        .code(3)
        .stdout(contains("and at most 1 min are asked for"));
    gate(
        folder.path(),
        &["gate", RUN, "--partial", "--replay", "--max-age", "36500d"],
    )
    .code(0);
    gate(folder.path(), &["gate", RUN, "--max-age", "soon"])
        .code(2)
        .stderr(contains("is no age"));
}

/// Each form of a report tells of which time its decision is, and decides nothing anew.
#[test]
fn a_report_tells_what_has_come_since_its_run() {
    let folder = open_run(two_cells());
    let reported = |arguments: &[&str]| {
        let told = gate(folder.path(), &[&["report", RUN, "--format"], arguments].concat()).success();
        String::from_utf8_lossy(&told.get_output().stdout).replace(char::is_whitespace, " ")
    };
    for form in ["text", "markdown", "junit"] {
        let text = reported(&[form]);
        for words in [
            "decided as of the run",
            " old",
            "no lab file here",
            "patchgate gate",
        ] {
            let words = if form == "markdown" {
                words.replace('_', "\\_")
            } else {
                words.to_owned()
            };
            assert!(text.contains(&words), "{form} has no `{words}`: {text}");
        }
        assert!(
            text.contains("OPEN") && !text.contains("UNDECIDED"),
            "{form}: {text}"
        );
    }
    let json: serde_json::Value = serde_json::from_str(&reported(&["json"])).expect("JSON");
    assert_eq!(json["gate"], "open");
    assert_eq!(json["since"].as_array().map(Vec::len), Some(2), "{json}");

    gate(folder.path(), &["init", "lab"]).success();
    let lab = folder.path().join("lab/patchgate.toml");
    let lab = lab.to_str().expect("text");
    let text = reported(&["text", "--lab", lab]);
    assert!(text.contains("the run is of lab `hq`, and this is lab"), "{text}");
    fs::write(lab, "[lab\n").expect("write");
    let text = reported(&["text", "--lab", lab]);
    assert!(text.contains("the lab here cannot be compared"), "{text}");
}

#[test]
fn an_old_open_run_is_said_to_be_old_where_all_are_listed() {
    let folder = open_run(two_cells());
    gate(folder.path(), &["history"]).success().stdout(
        contains("OPEN")
            .and(contains("older than a day"))
            .and(contains("patchgate gate RUN")),
    );
    let state = State::at(folder.path().join("state"));
    fs::remove_dir_all(state.run_dir(&RUN.parse().expect("an id"))).expect("remove");
    gate(folder.path(), &["history"])
        .success()
        .stdout(contains("older than a day").count(0));
}
