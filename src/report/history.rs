//! The runs that there are, as a table.

use std::time::Duration;

use crate::decide::history::{Content, Row, Standing};
use crate::gate::Gate;
use crate::input::safe::line as safe_line;
use crate::report::table::{self, Paint};
use crate::report::words::length;

fn words(content: &Content) -> &'static str {
    match (content.standing, content.left) {
        (Standing::Finished, _) => "finished",
        (Standing::Running, _) => "running",
        (Standing::Interrupted, _) => "interrupted",
        (Standing::Died, true) => "died; `patchgate clean` removes what it left",
        (Standing::Died, false) => "died; its list has nothing that it left",
    }
}

/// The runs as a table, in colour or not.
pub fn text(rows: &[Row], colour: bool) -> String {
    if rows.is_empty() {
        return "no run yet; start one with `patchgate run`\n".to_owned();
    }
    let plain = |text: String| (text, Paint::Plain);
    let table: Vec<_> = rows
        .iter()
        .map(|row| {
            let Some(content) = &row.content else {
                let error = row.error.as_deref().unwrap_or("it has no journal");
                let error = (safe_line(&format!("unreadable: {error}")), Paint::Yellow);
                let mut cells = vec![plain(row.run.to_string())];
                cells.extend((0..6).map(|_| plain("-".to_owned())));
                cells.push(error);
                return cells;
            };
            let gate = match (content.gate, content.standing) {
                (_, Standing::Running) => plain("-".to_owned()),
                (Gate::Open, _) => (content.gate.to_string(), Paint::Green),
                (Gate::Closed, _) => (content.gate.to_string(), Paint::Red),
                (Gate::Undecided, _) => (content.gate.to_string(), Paint::Yellow),
            };
            vec![
                plain(row.run.to_string()),
                plain(safe_line(&content.lab)),
                gate,
                plain(format!("{}/{}", content.cells_passed, content.cells_planned)),
                plain(content.regressed.to_string()),
                plain(content.inconclusive.to_string()),
                plain(length(Duration::from_millis(content.wall_millis))),
                plain(words(content).to_owned()),
            ]
        })
        .collect();
    let header = [
        "run",
        "lab",
        "gate",
        "cells",
        "regressed",
        "inconclusive",
        "took",
        "standing",
    ];
    let mut text = table::draw(&header, &table, colour);
    let is_old_and_open = |row: &Row| {
        let content = row.content.as_ref();
        content.is_some_and(|content| content.old && content.gate == Gate::Open)
    };
    if rows.iter().any(is_old_and_open) {
        text.push_str(
            "\nOPEN is what a run has shown of its own time, and some of these are older than a day; `patchgate gate RUN` holds \
             one against the lab as it is now\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    use crate::decide::history::rows;
    use crate::model::id::RunId;
    use crate::record::state::State;

    #[test]
    fn an_empty_history_says_how_to_begin_and_a_broken_run_is_listed() {
        assert!(text(&[], false).contains("patchgate run"));
        let folder = tempfile::tempdir().expect("folder");
        let state = State::at(folder.path().to_owned());
        let id: RunId = "20261123-140912-7c1f".parse().expect("id");
        drop(state.create_run(&id).expect("run"));
        let text = text(&rows(&state, None, Timestamp::MAX).expect("rows"), false);
        assert!(text.contains("20261123-140912-7c1f"), "{text}");
        assert!(text.contains("unreadable: "), "{text}");
        assert!(text.contains("journal.jsonl"), "{text}");
    }
}
