//! The report for a merge request or a ticket.

use std::collections::BTreeMap;
use std::fmt::Write;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::gate::{Counts, Severity};
use crate::input::safe;
use crate::model::id::Arm;
use crate::model::screen::Screen;
use crate::report::advised;
use crate::report::view::Summary;
use crate::report::words::{self, cells, length};
use crate::report::{drift, evidence, learned, measured, times};
use crate::verdict::Verdict;

/// What a link's target has written by its number (<https://spec.commonmark.org/0.31.2/#link-destination>).
const TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b'(')
    .add(b')')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'`');

/// The whole report.
pub fn render(summary: &Summary<'_>) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, summary);
    // Whatever a line forgot of what it quotes.
    safe::document(&out)
}

fn write(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    let decision = summary.decision;
    let Counts {
        passed,
        regressed,
        inconclusive,
        ..
    } = decision.counts;
    let cells = cells(&decision.counts);
    writeln!(out, "# Gate {}\n", decision.gate)?;
    writeln!(
        out,
        "{passed} of {cells} passed, {regressed} regressed, {inconclusive} inconclusive. Run {} of lab {}, {}, {}.\n",
        summary.run,
        safe::md(&summary.plan.lab),
        safe::md(&summary.started()),
        length(summary.wall()),
    )?;
    writeln!(out, "{}.\n", safe::md(&capital(&summary.network())))?;
    if let Some(clones) = summary.clones() {
        writeln!(out, "{}.\n", safe::md(&capital(&clones)))?;
    }
    if let Some(reboots) = summary.reboots() {
        writeln!(out, "{}.\n", safe::md(&capital(&reboots)))?;
    }
    if let Some(as_of) = summary.as_of() {
        writeln!(out, "**Note:** {}.\n", safe::md(&as_of))?;
    }
    if summary.truncated {
        writeln!(out, "The journal's last line was torn and is left out.\n")?;
    }
    if !decision.reasons.is_empty() {
        writeln!(out, "## Why\n")?;
    }
    for reason in &decision.reasons {
        let label = match reason.severity {
            Severity::Closes => "**closes**",
            Severity::Undecides => "**undecides**",
            Severity::Notes => "note",
        };
        let mut subject = String::new();
        for (part, lead) in [
            (reason.cell.as_ref().map(|cell| cell.0.as_str()), " "),
            (reason.role.as_deref(), "/"),
            (reason.scenario.as_deref(), " "),
        ] {
            if let Some(part) = part {
                write!(subject, "{lead}{}", safe::md(part))?;
            }
        }
        write!(out, "- {label}{subject}: {}", safe::md(&reason.text))?;
        if let Some(remedy) = &reason.remedy {
            write!(out, "  \n  → {}", safe::md(remedy))?;
        }
        out.push('\n');
    }
    for evidence in evidence::collect(summary) {
        write_evidence(out, &evidence)?;
        for (arm, screen) in &evidence.screens {
            write_screen(out, summary, screen, &arm.to_string())?;
        }
    }
    write_faults(out, summary)?;
    write_drift(out, summary)?;
    write_verdicts(out, summary)?;
    write_measured(out, summary)?;
    write_learned(out, summary)?;
    write_updates(out, summary)?;
    write_times(out, summary)?;
    writeln!(
        out,
        "\n{}",
        safe::md_block(&[decision.line(summary.run)]).trim_end()
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn write_evidence(out: &mut String, evidence: &evidence::Evidence<'_>) -> std::fmt::Result {
    writeln!(
        out,
        "\n## {} {}{}: {}\n",
        safe::md(&evidence.cell.id.0),
        safe::md(&evidence.scenario.name),
        evidence.of_which(),
        evidence.scenario.verdict
    )?;
    for (label, text) in [
        ("Shows", Some(&evidence.title)),
        ("Owner", Some(&evidence.owner)),
        ("Step", evidence.step.as_ref()),
    ] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            writeln!(out, "- {label}: {}", safe::md(text))?;
        }
    }
    if let Some(did) = &evidence.did {
        writeln!(out, "\n{}", safe::md_block(std::slice::from_ref(did)).trim_end())?;
    }
    writeln!(out, "\n| | control | treatment |\n| --- | --- | --- |")?;
    let mut long = Vec::new();
    for (label, control, treatment) in &evidence.rows {
        if matches!(*label, "output" | "errors") {
            long.push((label, control, treatment));
            continue;
        }
        let side = |lines: &[String]| {
            lines
                .iter()
                .map(|text| safe::md(text))
                .collect::<Vec<_>>()
                .join("<br>")
        };
        writeln!(out, "| {label} | {} | {} |", side(control), side(treatment))?;
    }
    for (label, control, treatment) in long {
        for (arm, lines) in [(Arm::Control, control), (Arm::Treatment, treatment)] {
            if !lines.is_empty() {
                writeln!(
                    out,
                    "\nThe step's {label} in {arm}:\n\n{}",
                    safe::md_block(lines).trim_end()
                )?;
            }
        }
    }
    for (heading, lines) in &evidence.changes {
        writeln!(out, "\nChanged in {}", safe::md(heading))?;
        if !lines.is_empty() {
            writeln!(out, "\n{}", safe::md_block(lines).trim_end())?;
        }
    }
    Ok(())
}

fn write_faults(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    for cell in &summary.judgement.cells {
        for (arm, fault) in &cell.faults {
            writeln!(
                out,
                "\n## {} {arm}: {} ({})\n\n{}",
                safe::md(&cell.id.0),
                fault.cause.words(),
                fault.stage,
                safe::md_block(&evidence::fault_lines(summary, fault)).trim_end()
            )?;
            if let Some(screen) = &fault.screen {
                let of = fault.role.as_deref().unwrap_or("the node");
                write_screen(out, summary, screen, of)?;
            }
        }
    }
    Ok(())
}

/// A picture of a screen. Its path is a link's target: what could end that is written by its number.
fn write_screen(out: &mut String, summary: &Summary<'_>, screen: &Screen, of: &str) -> std::fmt::Result {
    let path = summary.screen(screen);
    writeln!(
        out,
        "\n![screen of {}]({})",
        safe::md(of),
        utf8_percent_encode(&path, TARGET)
    )
}

fn write_drift(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    for (number, (name, found)) in drift::shown(summary).into_iter().enumerate() {
        if number == 0 {
            writeln!(out, "\n## {}", drift::HEADING)?;
        }
        writeln!(
            out,
            "\n**{}**: {}\n\n{}",
            safe::md(&name),
            found.state.words(),
            safe::md_block(&drift::lines(found)).trim_end()
        )?;
    }
    Ok(())
}

fn write_verdicts(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Verdicts\n\n| cell | scenario | control | treatment | verdict |"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- |")?;
    for cell in &summary.judgement.cells {
        for scenario in &cell.scenarios {
            let note = |required: bool| if required { "" } else { " (not required)" };
            let verdict = match scenario.verdict {
                Verdict::Inconclusive(cause) => format!("{}: {}", scenario.verdict, cause.words()),
                verdict => verdict.to_string(),
            };
            writeln!(
                out,
                "| {}{} | {}{} | {} | {} | {} |",
                safe::md(&cell.id.0),
                note(cell.required),
                safe::md(&scenario.name),
                note(scenario.required),
                scenario.control.outcome.word(),
                scenario.treatment.outcome.word(),
                safe::md(&verdict),
            )?;
        }
    }
    Ok(())
}

fn write_measured(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    let rows = measured::rows(summary);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Measured steps\n\n| cell | scenario | {} |",
        measured::HEADER.join(" | ")
    )?;
    writeln!(out, "|{}", " --- |".repeat(measured::HEADER.len() + 2))?;
    for row in rows {
        let columns: Vec<String> = row.columns.iter().map(|text| safe::md(text)).collect();
        writeln!(
            out,
            "| {} | {} | {} |",
            safe::md(&row.cell),
            safe::md(&row.scenario),
            columns.join(" | ")
        )?;
    }
    Ok(())
}

fn write_learned(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    let all = learned::collect(summary);
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## What the steps found out")?;
    for learned in all {
        writeln!(
            out,
            "\n**{}** {}\n",
            safe::md(&learned.cell),
            safe::md(&learned.scenario)
        )?;
        for (arm, lines) in learned.arms {
            for line in lines {
                writeln!(out, "- {arm}: {}", safe::md(&line))?;
            }
        }
    }
    Ok(())
}

fn write_updates(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    writeln!(out, "\n## Updates")?;
    let mut shown: BTreeMap<&str, String> = BTreeMap::new();
    for cell in &summary.judgement.cells {
        for node in &cell.nodes {
            let name = safe::md(&format!("{}/{}", cell.id, node.role));
            writeln!(out, "\n**{name}**: {}", node.state.words())?;
            if let Some(lists) = words::lists(node) {
                writeln!(out, "\n{lists}.")?;
            }
            for line in advised::lines(node) {
                writeln!(out, "\n- {}", safe::md(&line))?;
            }
            if let Some(proof) = &node.proof {
                for (what, items) in proof.faults() {
                    for item in items {
                        writeln!(out, "\n- {what}: {}", safe::md(item))?;
                    }
                }
            }
            let Some(set) = node.set.as_ref().filter(|set| !set.is_empty()) else {
                continue;
            };
            if let Some(same) = shown.get(set.digest.as_str()) {
                writeln!(out, "\nThe same set as {same}.")?;
                continue;
            }
            shown.insert(&set.digest, name);
            writeln!(
                out,
                "\n| package | from | to | origin |\n| --- | --- | --- | --- |"
            )?;
            for update in &set.updates {
                writeln!(
                    out,
                    "| {} | {} | {} | {} |",
                    safe::md(&format!("{}:{}", update.name, update.arch)),
                    safe::md(update.from.as_deref().unwrap_or("(new)")),
                    safe::md(update.to.as_deref().unwrap_or("(removed)")),
                    safe::md(&update.origin),
                )?;
            }
        }
    }
    Ok(())
}

fn write_times(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    let stages = times::by_stage(summary);
    if stages.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Where the time goes\n\n| stage | control | treatment | longest |"
    )?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    for (stage, time) in stages {
        let longest = time.longest.map_or_else(String::new, |(took, cell, arm)| {
            format!("{} in {} {arm}", length(took), safe::md(&cell.0))
        });
        writeln!(
            out,
            "| {stage} | {} | {} | {longest} |",
            length(time.control),
            length(time.treatment)
        )?;
    }
    Ok(())
}
