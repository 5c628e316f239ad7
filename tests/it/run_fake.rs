//! Whole runs on the fake lab: every fault has its cause, nothing is left behind, and no strictness is violated.

use std::time::Duration;

use patchgate::fake::{Agent, Apply, GuestScript};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::outcome::{Cause, Stage};
use patchgate::model::plan::{NodePlan, Ready};
use patchgate::model::policy::NetworkPolicy;
use patchgate::model::scenario::{Action, Tcp};
use patchgate::port::{Capacity, ExecOutput, LabError};
use patchgate::units::{Mib, Period};
use patchgate::verdict::Verdict;
use std::sync::Arc;

use crate::testkit::lab::{Lab, exit};

#[tokio::test(start_paused = true)]
async fn a_good_update_opens_the_gate() {
    let end = Lab::default().run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_scenario_that_fails_only_with_the_updates_closes_it() {
    let lab = Lab::default();
    lab.script(GuestScript {
        steps: Arc::new(|call| exit(i32::from(call.updated), "out of order")),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.line("CLOSED"), "cells=0/1 regressed=1 inconclusive=0");
    assert_eq!(end.verdict(), Verdict::Regressed);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_both_arms_is_not_the_updates_fault() {
    let lab = Lab::default();
    lab.script(GuestScript {
        steps: Arc::new(|_| exit(1, "")),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=0");
    assert_eq!(end.verdict(), Verdict::AlreadyBroken);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_pass_inside_the_retry_window_is_a_pass_and_on_a_rerun_is_flaky() {
    let late = |calls: usize| exit(i32::from(calls == 0), "");
    let script = GuestScript {
        steps: Arc::new(move |call| late(call.calls)),
        ..GuestScript::default()
    };
    let lab = Lab::default();
    lab.script(script.clone());
    let end = lab.with_step_window(Duration::from_secs(10)).run().await;
    assert_eq!(end.verdict(), Verdict::Pass);
    end.left_nothing();

    let lab = Lab::default();
    lab.script(script);
    let end = lab.with_reruns(1).run().await;
    assert_eq!(end.verdict(), Verdict::Flaky);
    assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=0");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn installations_that_do_not_end_with_the_pinned_set_never_open_the_gate() {
    for (apply, cause) in [
        (Apply::HalfWay, Cause::UpdateFailed),
        (Apply::Lies, Cause::SetNotInstalled),
        (Apply::Extra, Cause::SetNotInstalled),
    ] {
        let lab = Lab::default();
        lab.script(GuestScript {
            apply,
            ..GuestScript::default()
        });
        let end = lab.run().await;
        // The last line counts what closes.
        assert_eq!(
            end.line("CLOSED"),
            "cells=0/1 regressed=1 inconclusive=0",
            "{apply:?}"
        );
        assert_eq!(end.faults(), [(Arm::Treatment, cause)], "{apply:?}");
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_lab_are_inconclusive_with_their_cause() {
    let healthy = GuestScript::default;
    let agent = |agent| GuestScript {
        agent,
        agent_in: Some(ArmKind::Treatment),
        ..healthy()
    };
    let cases = [
        (agent(Agent::Silent), Cause::AgentSilent),
        (agent(Agent::DiesAt("install the update set")), Cause::AgentLost),
        (agent(Agent::DiesAt("run")), Cause::AgentLost),
        (
            agent(Agent::Garbles("read the package states")),
            Cause::GuestProtocol,
        ),
        (agent(Agent::Garbles("observe the node")), Cause::GuestProtocol),
        (
            agent(Agent::PowersOffAt("fetch the update set")),
            Cause::GuestStopped,
        ),
        (
            agent(Agent::DiskFullAt("install the update set")),
            Cause::HostDisk,
        ),
        (
            GuestScript {
                mirror: false,
                ..healthy()
            },
            Cause::MirrorUnreachable,
        ),
        (
            GuestScript {
                pending: Vec::new(),
                ..healthy()
            },
            Cause::NoUpdates,
        ),
    ];
    for (script, cause) in cases {
        let lab = Lab::default();
        lab.script(script);
        let end = lab.run().await;
        assert_eq!(
            end.line("UNDECIDED"),
            "cells=0/1 regressed=0 inconclusive=1",
            "{cause:?}"
        );
        assert_eq!(end.verdict(), Verdict::Inconclusive(cause));
        assert_eq!(end.faults(), [(Arm::Treatment, cause)]);
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_come_back_is_named_and_removed() {
    let lab = Lab::default();
    lab.script(GuestScript {
        comes_back: false,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    end.line("UNDECIDED");
    let fault = Cause::RebootTimeout;
    assert_eq!(end.faults(), [(Arm::Control, fault), (Arm::Treatment, fault)]);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_costs_the_cell_and_leaves_nothing() {
    for operation in [
        "create_pool",
        "place_image",
        "create_network",
        "create_overlay",
        "create_vm",
    ] {
        let lab = Lab::default();
        lab.fake
            .refuse(operation, LabError::new(Cause::HostDisk, "no space left"));
        let end = lab.run().await;
        assert_eq!(
            end.line("UNDECIDED"),
            "cells=0/1 regressed=0 inconclusive=1",
            "{operation}"
        );
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_without_room_is_refused_before_anything_is_made() {
    for (memory, disk, vcpus, cause) in [
        (512, 1 << 20, 8, Cause::HostMemory),
        (64 * 1024, 10, 8, Cause::HostDisk),
        (64 * 1024, 1 << 20, 0, Cause::HostRefused),
    ] {
        let lab = Lab::default();
        lab.fake.capacity_is(Capacity {
            memory_free: Mib(memory),
            vcpus,
            disk_free: Mib(disk),
        });
        let refused = lab.refused().await;
        assert_eq!(refused.cause, cause, "{refused}");
        assert!(refused.hint.is_some(), "{refused}");
        assert_eq!(lab.fake.calls(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_said() {
    let lab = Lab::default();
    lab.fake.stick("-control-web");
    let end = lab.run().await;
    let left = end.left_behind();
    assert!(
        left.iter()
            .any(|line| line.contains("-control-web") && line.contains("busy")),
        "{left:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_cleans_up_and_leaves_the_gate_undecided() {
    let lab = Lab::default();
    lab.script(GuestScript {
        delay: Duration::from_secs(5),
        ..GuestScript::default()
    });
    let end = lab.stop_after(Duration::from_secs(12)).run().await;
    end.line("UNDECIDED");
    assert!(
        end.faults().iter().all(|(_, cause)| *cause == Cause::Interrupted),
        "{:?}",
        end.faults()
    );
    assert!(!end.faults().is_empty());
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_hanging_step_is_ended_and_named_and_output_is_bounded() {
    let lab = Lab::default();
    lab.script(GuestScript {
        steps: Arc::new(|_| ExecOutput {
            exit: Some(1),
            stdout: vec![b'x'; 256 * 1024],
            ..ExecOutput::default()
        }),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    let report = end.failed_step();
    assert!(report.stdout.len() < 20 * 1024, "{}", report.stdout.len());
    assert!(
        report.stdout.contains("cut"),
        "{}",
        &report.stdout[report.stdout.len() - 40..]
    );
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_is_not_cut_off_is_inconclusive_and_nothing_is_tested_on_it() {
    let reaching = |reach| GuestScript {
        reach,
        ..GuestScript::default()
    };
    for (reach, cause) in [
        (
            "open tcp/10.213.0.1/4711\nsource 200\nunlisted squid ERR_ACCESS_DENIED 0\n",
            Cause::NotIsolated,
        ),
        ("source 200\nunlisted 200\n", Cause::NotIsolated),
        (
            "source squid ERR_CONNECT_FAIL 111\nunlisted squid ERR_ACCESS_DENIED 0\n",
            Cause::MirrorUnreachable,
        ),
        ("", Cause::GuestProtocol),
    ] {
        let lab = Lab::default();
        lab.script(reaching(reach));
        let end = lab.run().await;
        end.line("UNDECIDED");
        assert_eq!(
            end.faults(),
            [(Arm::Control, cause), (Arm::Treatment, cause)],
            "{reach}"
        );
        assert!(
            Arm::BOTH.iter().all(|arm| end.steps(*arm).is_empty()),
            "a step ran on a clone that may reach production"
        );
        end.left_nothing();
    }
    let lab = Lab::default();
    lab.proxies.breach();
    let end = lab.run().await;
    assert_eq!(end.verdict(), Verdict::Inconclusive(Cause::NotIsolated));
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_isolate_is_refused_before_anything_is_made() {
    let lab = Lab::default();
    lab.fake
        .refuse("isolate", LabError::new(Cause::HostRefused, "a session"));
    assert_eq!(lab.refused().await.message, "a session");
    assert_eq!(lab.fake.present(), Vec::<String>::new());

    let mut lab = Lab::default();
    lab.fake
        .refuse("isolate", LabError::new(Cause::HostRefused, "a session"));
    lab.plan.network = NetworkPolicy::default();
    let end = lab.run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn without_a_proxy_or_a_filter_no_clone_is_started() {
    let error = || LabError::new(Cause::HostRefused, "not today");
    let lab = Lab::default();
    lab.proxies.refuse(error());
    let end = lab.run().await;
    end.line("UNDECIDED");
    assert!(!end.fake.calls().iter().any(|call| call.starts_with("create_vm")));
    end.left_nothing();

    for operation in ["create_outlet", "create_filter"] {
        let lab = Lab::default();
        lab.fake.refuse(operation, error());
        let end = lab.run().await;
        end.line("UNDECIDED");
        assert!(!end.fake.calls().iter().any(|call| call.starts_with("create_vm")));
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn the_nodes_of_a_cell_start_and_reboot_in_their_own_orders_each_ready_before_the_next() {
    let mut lab = Lab::default();
    let not_yet = |call: &patchgate::fake::StepCall<'_>| exit(i32::from(call.calls < 2), "");
    lab.fake.script(
        "database",
        GuestScript {
            steps: Arc::new(not_yet),
            ..GuestScript::default()
        },
    );
    let cell = &mut lab.plan.cells[0];
    let web = cell.nodes[0].clone();
    cell.nodes.insert(
        0,
        NodePlan {
            role: "database".into(),
            host: "db".into(),
            ready: Some(Ready {
                check: Action::Tcp(Tcp {
                    host: "localhost".into(),
                    port: 5432,
                    open: true,
                }),
                within: Period::seconds(60),
            }),
            ..web
        },
    );
    cell.reboot_order = vec![1, 0];
    let end = lab.run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    let asked: Vec<String> = end
        .fake
        .asked()
        .into_iter()
        .filter(|(domain, _)| domain.contains("control"))
        .filter(|(_, what)| ["tcp", "give the node its name", "reboot"].contains(&what.as_str()))
        .map(|(domain, what)| format!("{}: {what}", domain.rsplit('-').next().unwrap_or_default()))
        .collect();
    assert_eq!(
        asked,
        [
            "database: give the node its name",
            "database: tcp",
            "database: tcp",
            "database: tcp",
            "web: give the node its name",
            "web: reboot",
            "web: give the node its name",
            "database: reboot",
            "database: give the node its name",
            "database: tcp",
        ]
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_never_ready_is_a_deadline_before_the_updates() {
    let mut lab = Lab::default();
    lab.script(GuestScript {
        steps: Arc::new(|_| exit(1, "")),
        ..GuestScript::default()
    });
    lab.plan.cells[0].nodes[0].ready = Some(Ready {
        check: Action::Tcp(Tcp {
            host: "localhost".into(),
            port: 80,
            open: true,
        }),
        within: Period::seconds(60),
    });
    let end = lab.run().await;
    end.line("UNDECIDED");
    assert_eq!(
        end.faults(),
        [(Arm::Control, Cause::Deadline), (Arm::Treatment, Cause::Deadline)]
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn each_stage_tells_how_much_of_it_was_spent_waiting_for_guests() {
    let lab = Lab::default();
    lab.script(GuestScript {
        delay: Duration::from_secs(3),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    let mut waited = 0;
    for record in &end.journal.records {
        let Event::StageFinished {
            stage,
            millis,
            guest_millis,
            ..
        } = &record.event
        else {
            continue;
        };
        // On the fake lab nothing but a guest takes time.
        match stage {
            Stage::Queue | Stage::Clone | Stage::Destroy => assert_eq!(*guest_millis, 0, "{stage}"),
            _ => assert_eq!(guest_millis, millis, "{stage}"),
        }
        waited += guest_millis;
    }
    assert!(waited > 60_000, "{waited}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_may_not_run_commands_is_found_at_once() {
    let lab = Lab::default();
    lab.script(GuestScript {
        agent: Agent::Forbids,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    end.line("UNDECIDED");
    let forbids = [Arm::Control, Arm::Treatment].map(|arm| (arm, Cause::AgentForbids));
    assert_eq!(end.faults(), forbids);
    for record in &end.journal.records {
        if let Event::StageFinished {
            stage: Stage::Boot,
            millis,
            ..
        } = record.event
        {
            assert!(millis < 5_000, "it was waited {millis} ms for what cannot come");
        }
    }
    let reasons = end.reasons().concat();
    assert!(reasons.contains("guest-exec has been disabled"), "{reasons}");
    end.left_nothing();
}
