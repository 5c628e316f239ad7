//! Scenarios tried on the fake lab: what is shown, the exit code, and that nothing is left of it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use patchgate::cli::exit_code;
use patchgate::cli::scenario::show::Show;
use patchgate::decide::Decided;
use patchgate::fake::{Agent, GuestScript};
use patchgate::model::scenario::When;
use patchgate::record::ledger::Ledger;
use patchgate::record::state::is_kept;
use patchgate::run::Trial;
use patchgate::session::outcome::{Outcome, TryResult};
use patchgate::session::ready::Ready;

use crate::testkit::lab::{Lab, exit};

const TRIAL: Trial = Trial {
    reboot: true,
    keep: false,
};

/// A writer that a test reads.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tries the lab's scenario; what came of it, and what was shown.
async fn tried(lab: &Lab, trial: Trial) -> (Outcome, String) {
    let shown = Shared::default();
    let show = Arc::new(Show::new(Box::new(shown.clone())));
    let setup = lab.setup(show.clone());
    let ready = Ready::of(setup, lab.state()).await.expect("the host takes it");
    let outcome = ready.attempt(trial, |_| ()).await.expect("the try starts");
    show.end(&outcome);
    let text = String::from_utf8(shown.0.lock().expect("unpoisoned").clone()).expect("text");
    (outcome, text)
}

/// Nothing is on the host or in the state folder, and the fake's rules were kept.
fn left_nothing(lab: &Lab) {
    assert_eq!(lab.fake.violations(), Vec::<String>::new());
    assert_eq!(lab.fake.present(), Vec::<String>::new());
    assert_eq!(lab.state().runs().expect("runs"), []);
}

#[tokio::test(start_paused = true)]
async fn a_passing_scenario_is_shown_step_by_step_and_leaves_nothing() {
    let mut lab = Lab::default();
    let mut seed = lab.scenario().steps[0].clone();
    seed.when = When::BeforeUpdates;
    seed.name = "an order is written".into();
    lab.scenario().steps.insert(0, seed);
    let (outcome, text) = tried(&lab, TRIAL).await;
    assert_eq!(exit_code::of_trial(outcome.result), exit_code::OPEN);
    assert_eq!(
        text,
        "trying web/page on fresh clones of web/debian-12, without updates
host fake:///lab, accelerator none
clone took 0.0s
boot took 0.0s
web/page, before the updates: The page is served
  ok    1/2 an order is written (on web), 0.0s
        true
reboot took 0.0s
web/page: The page is served
  ok    2/2 it answers (on web), 0.0s
        true
web/page: passed
destroy took 0.0s
try: PASSED cell=web/debian-12 scenarios=1/1
"
    );
    left_nothing(&lab);
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_is_shown_with_all_that_helps_and_exits_1() {
    let lab = Lab::default().with_reruns(2);
    lab.script(GuestScript {
        steps: Arc::new(|_| exit(7, "out of order\u{1b}[2J\n")),
        ..GuestScript::default()
    });
    let (outcome, text) = tried(&lab, TRIAL).await;
    assert_eq!(exit_code::of_trial(outcome.result), exit_code::CLOSED);
    for part in [
        "  FAIL  1/1 it answers (on web), 0.0s\n        true\n",
        "        not met: exit code is 7, expected 0\n",
        "        exit code: 7\n",
        "        output | out of order\\u{1b}[2J\n",
        "web/page: failed\n",
        "try: FAILED cell=web/debian-12 scenarios=0/1\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    left_nothing(&lab);
}

#[tokio::test(start_paused = true)]
async fn without_the_reboot_the_rest_is_the_same() {
    let (outcome, text) = tried(
        &Lab::default(),
        Trial {
            reboot: false,
            ..TRIAL
        },
    )
    .await;
    assert_eq!(outcome.result, TryResult::Passed);
    assert!(!text.contains("reboot took"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_scenario_that_fails_before_the_updates_is_not_taken_through_the_reboot() {
    let mut lab = Lab::default();
    let mut seed = lab.scenario().steps[0].clone();
    seed.when = When::BeforeUpdates;
    lab.scenario().steps.insert(0, seed);
    lab.script(GuestScript {
        steps: Arc::new(|call| exit(i32::from(call.calls == 0), "")),
        ..GuestScript::default()
    });
    let (outcome, text) = tried(&lab, TRIAL).await;
    assert_eq!(exit_code::of_trial(outcome.result), exit_code::CLOSED);
    assert!(!text.contains("reboot took"), "{text}");
    assert!(outcome.scenarios[0].steps[1].report.is_none());
    left_nothing(&lab);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_lab_is_told_apart_from_a_failed_step() {
    for what in ["read the boot id", "run"] {
        let lab = Lab::default();
        lab.script(GuestScript {
            agent: Agent::DiesAt(what),
            ..GuestScript::default()
        });
        let (outcome, text) = tried(&lab, TRIAL).await;
        assert_eq!(
            exit_code::of_trial(outcome.result),
            exit_code::UNDECIDED,
            "{what}"
        );
        assert!(text.contains("the lab failed in "), "{text}");
        assert!(
            text.ends_with("try: UNDECIDED cell=web/debian-12 scenarios=0/1\n"),
            "{text}"
        );
        // Nothing is on the host, and what the node showed is kept.
        assert_eq!(lab.fake.present(), Vec::<String>::new());
        let [screen] = &outcome.screens[..] else {
            panic!("{:?}", outcome.screens);
        };
        assert!(screen.is_file(), "{screen:?}");
        let said = format!("screen of the node: {}\n", screen.display());
        assert!(text.contains(&said), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_removes_even_what_was_to_be_kept() {
    let lab = Lab::default().stop_after(Duration::from_secs(12));
    lab.script(GuestScript {
        delay: Duration::from_secs(5),
        ..GuestScript::default()
    });
    let (outcome, _) = tried(&lab, Trial { keep: true, ..TRIAL }).await;
    assert_eq!(exit_code::of_trial(outcome.result), exit_code::UNDECIDED);
    assert!(outcome.kept.is_empty());
    left_nothing(&lab);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_can_be_entered_and_cleaned_and_is_no_run() {
    let lab = Lab::default();
    let (outcome, text) = tried(&lab, Trial { keep: true, ..TRIAL }).await;
    assert_eq!(exit_code::of_trial(outcome.result), exit_code::OPEN);
    let id = outcome.run.as_str();
    assert!(
        text.contains(&format!(
            "  web: virsh -c fake:///lab console pg-{id}-0-trial-web\n"
        )),
        "{text}"
    );
    assert!(text.contains(&format!("patchgate clean {id}\n")), "{text}");
    assert!(lab.fake.present().contains(&format!("pg-{id}-0-trial-web")));

    let state = lab.state();
    let dir = state.run_dir(&outcome.run);
    let left = Ledger::left(&dir.join(patchgate::record::state::RESOURCES)).expect("ledger");
    assert_eq!(left.len(), lab.fake.present().len(), "`clean` finds all of it");
    assert!(is_kept(&dir), "`clean` without its id leaves it alone");
    assert_eq!(state.resolve(id, None).expect("`clean ID` finds it"), outcome.run);

    assert_eq!(state.latest(None).expect("latest"), None);
    let error = Decided::load(&state, &outcome.run, Timestamp::MAX).expect_err("no gate");
    assert!(error.to_string().contains("tried scenarios"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_said() {
    let lab = Lab::default();
    lab.fake.stick("-trial-web");
    let (outcome, text) = tried(&lab, TRIAL).await;
    assert!(!outcome.left_behind.is_empty());
    assert!(text.contains("could not be removed: domain pg-"), "{text}");
    assert!(text.contains("patchgate clean "), "{text}");
}
