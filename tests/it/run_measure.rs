//! Measured steps on the fake lab: arms take turns, a slowdown closes the gate, and no arm waits for a dead one.

use std::sync::Arc;
use std::time::Duration;

use patchgate::fake::{Agent, GuestScript, SAMPLE, StepCall};
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::outcome::Cause;
use patchgate::port::Capacity;
use patchgate::units::Mib;
use patchgate::verdict::Verdict;

use crate::testkit::guests::broken_by_updates;
use crate::testkit::lab::{Lab, exit};

/// Ten milliseconds and some noise, that no two samples share.
fn steady(call: &StepCall<'_>) -> u64 {
    10_000 + (call.calls as u64 * 7919) % 1_500
}

fn timed(times: impl Fn(&StepCall<'_>) -> String + Send + Sync + 'static) -> GuestScript {
    GuestScript {
        times: Arc::new(times),
        ..GuestScript::default()
    }
}

fn lab(script: GuestScript) -> Lab {
    let lab = Lab::default().with_measure(20, 3);
    lab.script(script);
    lab
}

#[tokio::test(start_paused = true)]
async fn three_times_slower_with_the_updates_closes_the_gate() {
    let end = lab(timed(|call| {
        (steady(call) * if call.updated { 3 } else { 1 }).to_string()
    }))
    .run()
    .await;
    assert_eq!(end.line("CLOSED"), "cells=0/1 regressed=1 inconclusive=0");
    assert_eq!(end.verdict(), Verdict::Regressed);
    assert!(
        end.reason()
            .starts_with("`it answers` on web: p95 3.0 x slower (95 % confidence "),
        "{}",
        end.reason()
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn noise_and_a_single_slow_sample_do_not() {
    for slow_call in [usize::MAX, 10] {
        let end = lab(timed(move |call| {
            let slow = call.updated && call.calls == slow_call;
            (steady(call) + if slow { 500_000 } else { 0 }).to_string()
        }))
        .run()
        .await;
        assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn arms_take_turns_and_swap_who_is_first() {
    use Arm::{Control as C, Treatment as T};
    let lab = Lab::default().with_measure(5, 1);
    let end = lab.run().await;
    assert_eq!(end.sampled(), [C, T, T, C, C, T, T, C, C, T, T, C]);
    end.line("OPEN");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn an_arm_that_dies_releases_the_other_and_nothing_is_decided() {
    for arm in Arm::BOTH {
        for (dies_at, sampled) in [("read the boot id", false), ("run", false), (SAMPLE, true)] {
            let end = lab(GuestScript {
                agent: Agent::DiesAt(dies_at),
                agent_in: Some(arm.into()),
                ..GuestScript::default()
            })
            .run()
            .await;
            end.line("UNDECIDED");
            let [(of, cause)] = end.faults()[..] else {
                panic!("one fault, of the arm that died: {:?}", end.faults());
            };
            assert_eq!(of, arm, "{dies_at}");
            assert_eq!(end.verdict(), Verdict::Inconclusive(cause), "{dies_at}");
            assert_eq!(!end.sampled().is_empty(), sampled, "{dies_at}");
            end.left_nothing();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_cannot_be_installed_releases_control() {
    let end = lab(GuestScript {
        agent: Agent::DiesAt("install the update set"),
        agent_in: Some(ArmKind::Treatment),
        ..GuestScript::default()
    })
    .run()
    .await;
    end.line("UNDECIDED");
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::AgentLost)]);
    assert_eq!(end.sampled(), []);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_says_no_time_is_inconclusive() {
    for time in ["soon", "-5", "0", "", "99999999999", "1\n2 3"] {
        let end = lab(timed(move |call| {
            if call.updated {
                time.to_owned()
            } else {
                "10000".to_owned()
            }
        }))
        .run()
        .await;
        assert_eq!(
            end.line("UNDECIDED"),
            "cells=0/1 regressed=0 inconclusive=1",
            "{time}"
        );
        assert_eq!(end.verdict(), Verdict::Inconclusive(Cause::NotMeasured), "{time}");
        assert!(
            end.reason().contains("0 of 20 samples in treatment have a time"),
            "{}",
            end.reason()
        );
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn samples_that_fail_fail_the_step_and_are_not_taken_for_ever() {
    let script = |failing: fn(&StepCall<'_>) -> bool| GuestScript {
        steps: Arc::new(move |call| exit(i32::from(failing(call)), "")),
        ..GuestScript::default()
    };
    let end = lab(script(|call| call.updated && call.calls > 4)).run().await;
    assert_eq!(end.verdict(), Verdict::Regressed);
    assert!(
        end.reason()
            .contains("3 of 20 samples failed; the first: exit code is 1, expected 0"),
        "{}",
        end.reason()
    );
    assert!(end.sampled().len() < 20, "{:?}", end.sampled());
    end.line("CLOSED");
    end.left_nothing();

    // One in ten may fail.
    let end = lab(script(|call| call.updated && matches!(call.calls, 10 | 11)))
        .run()
        .await;
    end.line("OPEN");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_an_arm_is_not_sampled() {
    let end = lab(broken_by_updates()).run().await;
    assert_eq!(end.verdict(), Verdict::Regressed);
    assert!(end.reason().contains("exit code is 1"), "{}", end.reason());
    assert_eq!(end.sampled(), []);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_while_samples_are_taken_cleans_up() {
    let end = lab(GuestScript {
        delay: Duration::from_secs(1),
        ..GuestScript::default()
    })
    .stop_after(Duration::from_secs(40))
    .run()
    .await;
    assert!(!end.sampled().is_empty(), "it was sampling");
    end.line("UNDECIDED");
    assert_eq!(end.verdict(), Verdict::Inconclusive(Cause::Interrupted));
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_hold_both_arms_is_refused_before_anything_is_made() {
    // An arm takes 512 MiB and QEMU's own 384; 1024 are never given away.
    for (memory, vcpus, refused) in [
        (2 * 896 + 1024, 2, None),
        (2 * 896 + 1023, 2, Some(Cause::HostMemory)),
        (64 * 1024, 1, Some(Cause::HostRefused)),
    ] {
        let lab = lab(timed(|call| steady(call).to_string()));
        lab.fake.capacity_is(Capacity {
            memory_free: Mib(memory),
            vcpus,
            disk_free: Mib(1 << 20),
        });
        let Some(cause) = refused else {
            lab.run().await.line("OPEN");
            continue;
        };
        let error = lab.refused().await;
        assert_eq!(error.cause, cause, "{error}");
        assert!(
            error.message.starts_with("both arms of cell web/debian-12"),
            "{error}"
        );
        assert!(error.hint.is_some_and(|hint| hint.contains("`measure`")));
        assert_eq!(lab.fake.calls(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn both_arms_need_disk_at_once() {
    for (disk, measured, fits) in [(2048, true, true), (2047, true, false), (2047, false, true)] {
        let lab = if measured {
            lab(timed(|call| steady(call).to_string()))
        } else {
            Lab::default()
        };
        lab.fake.capacity_is(Capacity {
            memory_free: Mib(64 * 1024),
            vcpus: 8,
            disk_free: Mib(disk),
        });
        if fits {
            lab.run().await.line("OPEN");
        } else {
            assert_eq!(lab.refused().await.cause, Cause::HostDisk);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_jobs_are_enough_and_one_is_refused() {
    let measured = || lab(timed(|call| steady(call).to_string()));
    measured().with_jobs(2).run().await.line("OPEN");
    let error = measured().with_jobs(1).refused().await;
    assert!(error.hint.is_some_and(|hint| hint.contains("--jobs 2")));
    Lab::default().with_jobs(1).run().await.line("OPEN");
}
