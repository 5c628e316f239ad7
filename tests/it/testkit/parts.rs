//! What arms say of themselves in stories.

use patchgate::model::event::StepReport;
use patchgate::model::outcome::{Cause, Fault, Stage, StepOutcome};
use patchgate::model::screen::Screen;
use patchgate::model::update::{Proof, Update, UpdateSet};

pub fn update(name: &str, from: &str, to: &str) -> Update {
    Update {
        name: name.to_owned(),
        arch: "amd64".to_owned(),
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
        origin: "Debian-Security:12/oldstable-security".to_owned(),
        ..Update::default()
    }
}

/// The update of that name, which must be there.
pub fn find<'u>(updates: &'u [Update], name: &str) -> &'u Update {
    let found = updates.iter().find(|update| update.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {updates:?}"))
}

pub fn nginx_set() -> UpdateSet {
    UpdateSet::pin(vec![
        update("nginx", "1.22.1-9", "1.22.1-9+deb12u2"),
        update("libssl3", "3.0.11-1~deb12u2", "3.0.17-1~deb12u3"),
    ])
}

pub fn good_proof() -> Proof {
    Proof {
        boot_changed: true,
        ..Proof::default()
    }
}

pub fn step(outcome: StepOutcome) -> StepReport {
    let failed = outcome == StepOutcome::Failed;
    StepReport {
        outcome,
        attempts: if failed { 7 } else { 1 },
        millis: 420,
        exit: Some(if failed { 3 } else { 0 }),
        failures: if failed {
            vec!["nginx is failed, expected running".to_owned()]
        } else {
            Vec::new()
        },
        stdout: if failed {
            "failed\n".to_owned()
        } else {
            "active\n".to_owned()
        },
        ..StepReport::new("systemctl is-active nginx".to_owned())
    }
}

pub fn fault(cause: Cause, stage: Stage) -> Fault {
    Fault {
        cause,
        stage,
        role: Some("web".to_owned()),
        message: format!("web: waited in {stage} to no end"),
        detail: "Booting...\nKernel panic - not syncing\n".to_owned(),
        screen: Some(Screen::of("0-treatment-web", 1)),
        hint: Some("look at the console".to_owned()),
    }
}
