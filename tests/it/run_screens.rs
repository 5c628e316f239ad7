//! Nodes that do not come up, or are lost: what their consoles and screens show is kept, and named in every report.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use patchgate::fake::{Agent, FakeLab, GuestScript, SCREEN};
use patchgate::model::event::{Event, StepReport};
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::outcome::{Cause, Fault};
use patchgate::model::screen::Screen;
use patchgate::port::LabError;

use crate::testkit::lab::{End, Lab};

fn lab(agent: Agent, agent_in: Option<ArmKind>) -> Lab {
    let lab = Lab::default();
    lab.script(GuestScript {
        agent,
        agent_in,
        ..GuestScript::default()
    });
    lab
}

fn faults(end: &End) -> Vec<&Fault> {
    let records = end.journal.records.iter();
    let faults = records.filter_map(|record| match &record.event {
        Event::ArmFailed { fault } => Some(fault),
        _ => None,
    });
    faults.collect()
}

fn file(end: &End, screen: &Screen) -> PathBuf {
    let run_dir = end.folder().join("runs").join(end.journal.run.as_str());
    run_dir.join(screen.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_ready_or_is_lost_leaves_its_screen_and_its_consoles_end() {
    for (agent, cause) in [
        (Agent::Silent, Cause::AgentSilent),
        (Agent::NeverBack, Cause::RebootTimeout),
        (Agent::Panics, Cause::BootBroken),
        (Agent::DiesAt("read the package states"), Cause::AgentLost),
        (Agent::DiesAt("run"), Cause::AgentLost),
    ] {
        let end = lab(agent, Some(ArmKind::Treatment)).run().await;
        assert_eq!(end.faults(), [(Arm::Treatment, cause)], "{agent:?}");
        let fault = faults(&end)[0];
        assert!(fault.detail.contains("console of pg-"), "{agent:?}: {fault:?}");
        let screen = fault.screen.as_ref().expect("a picture");
        assert_eq!(screen.as_str(), "screens/0-treatment-web-1.png", "{agent:?}");
        let file = file(&end, screen);
        assert_eq!(fs::read(&file).expect("a picture"), SCREEN);
        let mode = fs::metadata(&file).expect("a picture").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let reports = end.reports();
        for said in [
            "screen: screens/0-treatment-web-1.png",
            "![screen of web](screens/0-treatment-web-1.png)",
            "[[ATTACHMENT|screens/0-treatment-web-1.png]]",
            "\"screen\": \"screens/0-treatment-web-1.png\"",
        ] {
            assert!(reports.contains(said), "{agent:?}, {said}: {reports}");
        }
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn the_step_that_lost_its_node_names_the_screen_too() {
    fn report(end: &End) -> &StepReport {
        end.steps(Arm::Treatment).pop().expect("a step")
    }
    let end = lab(Agent::DiesAt("run"), Some(ArmKind::Treatment)).run().await;
    assert_eq!(report(&end).screen, faults(&end)[0].screen);

    // A reboot from which a node does not come back is what its step is there to find, and no fault of the lab.
    let reboot = "[[step]]\nname = \"it comes back\"\non = \"web\"\nwhen = \"before-updates\"\nreboot = true\ntimeout = \"1m\"\n\
                  [[step]]\nname = \"it answers\"\non = \"web\"\nrun = \"true\"\n";
    let lab = Lab::default().with_scenario(reboot);
    lab.script(GuestScript {
        agent: Agent::NeverBack,
        agent_in: Some(ArmKind::Treatment),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    let report = end.failed_step();
    assert!(
        report.failures[0].contains("did not come back within 1m"),
        "{report:?}"
    );
    assert!(report.stderr.contains("console of pg-"), "{report:?}");
    assert!(report.screen.is_some(), "{report:?}");
    assert!(
        end.reports()
            .contains("![screen of treatment](screens/0-treatment-web-1.png)")
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_screen_the_console_is_told_all_the_same() {
    let lab = lab(Agent::Silent, Some(ArmKind::Treatment));
    let refused = LabError::new(Cause::HostRefused, "no graphics");
    lab.fake.refuse("screenshot", refused);
    let end = lab.run().await;
    assert_eq!(faults(&end)[0].screen, None);
    assert!(faults(&end)[0].detail.contains("console of pg-"));
    assert!(!end.reports().contains("screens/"), "{}", end.reports());
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_off_has_no_screen() {
    let end = lab(
        Agent::PowersOffAt("read the package states"),
        Some(ArmKind::Treatment),
    )
    .run()
    .await;
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::GuestStopped)]);
    assert_eq!(faults(&end)[0].screen, None);
}

#[tokio::test(start_paused = true)]
async fn a_run_keeps_a_bounded_number_of_pictures() {
    let lab = lab(Agent::Silent, None).with_cells(40);
    let fake: FakeLab = lab.fake.clone();
    let end = lab.run().await;
    let faults = faults(&end);
    assert_eq!(faults.len(), 80);
    let named: Vec<&Screen> = faults.iter().filter_map(|fault| fault.screen.as_ref()).collect();
    assert_eq!(named.len(), 64);
    for screen in named {
        assert!(file(&end, screen).is_file(), "{screen}");
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
}
