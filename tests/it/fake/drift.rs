//! Drift on the fake lab: what is planted in a guest without any scenario looking, and what the gate makes of it.

use std::sync::Arc;

use patchgate::fake::{Agent, Apply, GuestScript, LookCall, Section, Sections};
use patchgate::model::drift::{DriftPolicy, Effect};
use patchgate::model::observation::Class;
use patchgate::model::outcome::Cause;
use patchgate::verdict::{DriftFinding, DriftState};

use crate::testkit::lab::{End, Lab};

fn lab(shows: impl Fn(LookCall, &mut Sections) + Send + Sync + 'static) -> Lab {
    let lab = Lab::default();
    lab.script(GuestScript {
        shows: Arc::new(shows),
        ..GuestScript::default()
    });
    lab
}

async fn end(shows: impl Fn(LookCall, &mut Sections) + Send + Sync + 'static) -> End {
    lab(shows).run().await
}

fn add(sections: &mut Sections, name: &'static str, line: &str) {
    match sections.get_mut(name) {
        Some(Section::Lines(lines)) => lines.push(line.to_owned()),
        other => panic!("{name} is {other:?}"),
    }
}

fn set(sections: &mut Sections, name: &'static str, lines: &[&str]) {
    sections.insert(
        name,
        Section::Lines(lines.iter().map(|&line| line.to_owned()).collect()),
    );
}

const NEW_PORT: &str = "tcp LISTEN 0 5 0.0.0.0:8080 0.0.0.0:* users:((\"python3\",pid=9,fd=3))";

#[tokio::test(start_paused = true)]
async fn what_the_updates_did_and_no_scenario_saw_closes_the_gate() {
    type Shows = fn(LookCall, &mut Sections);
    let cases: [(Shows, &str); 13] = [
        (
            |_, sections| {
                set(
                    sections,
                    "units",
                    &["apt-daily.timer loaded active waiting daily"],
                );
            },
            "service nginx.service stopped (running in control)",
        ),
        (
            |_, sections| {
                set(
                    sections,
                    "units",
                    &[
                        "nginx.service loaded failed failed web",
                        "apt-daily.timer loaded active waiting daily",
                    ],
                );
            },
            "service nginx.service failed (running in control)",
        ),
        (
            |_, sections| add(sections, "listening", NEW_PORT),
            "listening tcp 0.0.0.0:8080 new (python3)",
        ),
        (
            |_, sections| set(sections, "listening", &[]),
            "listening tcp 0.0.0.0:80 gone (nginx)",
        ),
        (
            |_, sections| set(sections, "kernel", &["running 6.1.0", "newest 6.2.0"]),
            "kernel running the newest that is installed -> 6.1.0, with 6.2.0 installed",
        ),
        (
            |_, sections| {
                set(
                    sections,
                    "etc",
                    &["m ffff00001111 /etc/nginx/sites-available/default"],
                );
            },
            "config /etc/nginx/sites-available/default edited 0123456789ab -> edited ffff00001111",
        ),
        (
            |_, sections| {
                add(sections, "etc", "o 00001111aaaa /etc/app.keys");
                add(sections, "etc", "w of-no-update /etc/app.keys");
            },
            "config /etc/app.keys new (00001111aaaa)",
        ),
        (
            |_, sections| set(sections, "etc", &[]),
            "config /etc/nginx/sites-available/default as packaged (edited 0123456789ab in control)",
        ),
        (
            |_, sections| set(sections, "taint", &["512"]),
            "taint flags 0 -> 512",
        ),
        (
            |_, sections| {
                add(
                    sections,
                    "dumps",
                    "/var/lib/systemd/coredump/core.nginx.33.abc1.812.zst",
                );
            },
            "dump /var/lib/systemd/coredump/core.nginx.#.zst new",
        ),
        (
            |_, sections| set(sections, "mounts", &["/dev/vda1 / ext4 ro,relatime 0 0"]),
            "mount / ext4 rw -> ext4 ro",
        ),
        (
            |_, sections| add(sections, "users", "eve:x:0:0::/root:/bin/bash"),
            "user user eve new (0:0 /root /bin/bash)",
        ),
        (
            |_, sections| add(sections, "firewall", "-A INPUT -j DROP"),
            "firewall nft: -A INPUT -j DROP new",
        ),
    ];
    for (plant, words) in cases {
        let end = end(move |look, sections| {
            if look.updated {
                plant(look, sections);
            }
        })
        .await;
        assert_eq!(
            end.line("CLOSED"),
            "cells=0/1 regressed=1 inconclusive=0",
            "{words}"
        );
        let reason = format!("drift on web: {words}");
        assert!(
            end.reasons().iter().any(|text| text.starts_with(&reason)),
            "{reason}: {:?}",
            end.reasons()
        );
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_worth_a_look_is_told_and_does_not_close_it() {
    type Shows = fn(&mut Sections);
    let cases: [(Shows, &str); 10] = [
        // The scripts of a package of the set speak of the file, which no package ships.
        (
            |sections| {
                add(sections, "etc", "o 00001111aaaa /etc/nginx.keys");
                add(sections, "etc", "w nginx /etc/nginx.keys");
            },
            "config /etc/nginx.keys new (00001111aaaa)",
        ),
        (
            |sections| add(sections, "errors", "nginx[811]: cannot open 0x7f31"),
            "journal nginx: cannot open # new",
        ),
        (
            |sections| {
                add(
                    sections,
                    "deleted",
                    "/proc/1/maps:7f-8f r-xp 0 08:01 7 /usr/lib/libssl.so.3 (deleted)",
                );
            },
            "stale nginx new (/usr/lib/libssl.so.3)",
        ),
        (
            |sections| add(sections, "etc", "l /etc/nginx/nginx.conf.dpkg-dist"),
            "leftover /etc/nginx/nginx.conf.dpkg-dist new",
        ),
        (
            |sections| add(sections, "certificates", "expires /etc/ssl/shop.pem"),
            "certificate /etc/ssl/shop.pem new (expires within 30 days)",
        ),
        (
            |sections| set(sections, "units", &["nginx.service loaded active running web"]),
            "timer apt-daily.timer gone",
        ),
        (
            |sections| add(sections, "units", "helper.service loaded active running helper"),
            "service helper.service running (not in control)",
        ),
        (
            |sections| {
                set(
                    sections,
                    "memory",
                    &["MemTotal: 500000 kB", "MemAvailable: 100000 kB"],
                );
            },
            "memory used 97 MiB -> 390 MiB",
        ),
        (
            |sections| set(sections, "boot", &["FinishTimestampMonotonic=35000000"]),
            "boot finish 20000 ms -> 35000 ms",
        ),
        (
            |sections| set(sections, "disk", &["/dev/vda1 4000 1400 2600 35% /"]),
            "disk / 800 MiB -> 1400 MiB",
        ),
    ];
    for (plant, words) in cases {
        let end = end(move |look, sections| {
            if look.updated {
                plant(sections);
            }
        })
        .await;
        assert_eq!(
            end.line("OPEN"),
            "cells=1/1 regressed=0 inconclusive=0",
            "{words}"
        );
        assert_eq!(end.drift().state, DriftState::Warned, "{words}");
        assert_eq!(end.reasons(), [format!("drift on web: {words}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_differs_without_the_updates_too_is_noise() {
    type Shows = fn(LookCall, &mut Sections);
    let cases: [(Shows, &[&str]); 4] = [
        // At every boot another port that the kernel chose.
        (
            |look, sections| {
                let port = 40_000 + look.boots + u32::from(look.updated) * 7;
                let line = format!("udp UNCONN 0 0 0.0.0.0:{port} 0.0.0.0:* users:((\"statd\",pid=5,fd=4))");
                add(sections, "listening", &line);
            },
            &["listening:udp 0.0.0.0:* statd"],
        ),
        // A service that is there in the first boot alone, and once more with the updates.
        (
            |look, sections| {
                if look.boots == 1 || look.updated {
                    add(sections, "units", "first-boot.service loaded active exited once");
                }
            },
            &["service:first-boot.service"],
        ),
        // The same error of another process, at another time.
        (
            |look, sections| {
                let line = format!(
                    "nginx[{}]: no answer from 10.0.0.{}",
                    600 + look.boots,
                    look.boots
                );
                add(sections, "errors", &line);
            },
            &[],
        ),
        // Amounts differ by a little.
        (
            |look, sections| {
                let line = format!(
                    "MemAvailable: {} kB",
                    400_000 - 9000 * look.boots - 9000 * u32::from(look.updated)
                );
                set(sections, "memory", &["MemTotal: 500000 kB", &line]);
            },
            &[],
        ),
    ];
    for (plant, noise) in cases {
        let end = end(plant).await;
        assert_eq!(
            end.line("OPEN"),
            "cells=1/1 regressed=0 inconclusive=0",
            "{noise:?}"
        );
        assert_eq!(end.drift().state, DriftState::None, "{:?}", end.drift());
        assert_eq!(end.drift().noise, noise);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_compared_leaves_the_gate_undecided() {
    for hidden in [
        |look: LookCall| look.updated,
        |look: LookCall| !look.updated,
        |look: LookCall| look.boots == 1,
        // A failure in every look is no comparison either.
        |_: LookCall| true,
    ] {
        let end = end(move |look, sections| {
            if hidden(look) {
                sections.insert(
                    "firewall",
                    Section::Fails("nft ended with exit code 1".to_owned()),
                );
            }
        })
        .await;
        assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=1");
        assert_eq!(end.drift().state, DriftState::Undecided);
        let reasons = end.reasons();
        assert!(
            reasons[0].contains("firewall could not be read in")
                && reasons[0].contains("nft ended with exit code 1"),
            "{reasons:?}"
        );
    }
    // A class that only warns does not keep the gate from opening.
    let end = end(|look, sections| {
        if look.updated {
            sections.insert("errors", Section::Absent("there is no journal".to_owned()));
        }
    })
    .await;
    end.line("OPEN");
    assert_eq!(end.drift().undecided.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_no_look_can_read_is_said_and_is_no_fault() {
    let end = end(|_, sections| {
        sections.insert(
            "firewall",
            Section::Absent("neither nft nor iptables-save is there".to_owned()),
        );
    })
    .await;
    end.line("OPEN");
    let unreadable: Vec<_> = end.drift().unreadable.iter().map(|(class, _)| *class).collect();
    assert_eq!(unreadable, [Class::Firewall]);
}

#[tokio::test(start_paused = true)]
async fn the_policy_says_what_a_class_does_and_which_items_are_left_out() {
    let planted = || {
        lab(|look, sections| {
            if look.updated {
                add(sections, "listening", NEW_PORT);
            }
        })
    };
    let with = |effect: Effect, ignore: &[&str]| {
        let mut policy = DriftPolicy {
            ignore: ignore.iter().map(|&pattern| pattern.to_owned()).collect(),
            ..DriftPolicy::default()
        };
        policy.effects.insert(Class::Listening, effect);
        policy
    };
    for (policy, gate, state, ignored) in [
        (with(Effect::Fail, &[]), "CLOSED", DriftState::Failed, 0),
        (with(Effect::Warn, &[]), "OPEN", DriftState::Warned, 0),
        (with(Effect::Ignore, &[]), "OPEN", DriftState::None, 0),
        (
            with(Effect::Fail, &["listening:tcp *:8080"]),
            "OPEN",
            DriftState::None,
            1,
        ),
        (
            with(Effect::Fail, &["listening:tcp *:8081"]),
            "CLOSED",
            DriftState::Failed,
            0,
        ),
        (
            with(Effect::Fail, &["service:*"]),
            "CLOSED",
            DriftState::Failed,
            0,
        ),
    ] {
        let end = planted().with_drift(policy.clone()).run().await;
        end.line(gate);
        assert_eq!(
            (end.drift().state, end.drift().ignored),
            (state, ignored),
            "{policy:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn packages_are_explained_by_exactly_what_was_pinned() {
    let lab = Lab::default();
    lab.script(GuestScript {
        apply: Apply::Extra,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    end.line("CLOSED");
    let words: Vec<String> = end.drift().findings.iter().map(DriftFinding::words).collect();
    assert_eq!(words, ["package stowaway:amd64 new (1)"]);
    // It is told once: by the proof.
    let told = end
        .reasons()
        .iter()
        .filter(|text| text.contains("stowaway"))
        .count();
    assert_eq!(told, 1, "{:?}", end.reasons());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_means_nothing_is_the_guests_fault_and_never_a_finding() {
    for what in ["observe the node", "observe the node's files"] {
        let lab = Lab::default();
        lab.script(GuestScript {
            agent: Agent::Garbles(what),
            ..GuestScript::default()
        });
        let end = lab.run().await;
        end.line("UNDECIDED");
        let faults = end.faults();
        assert!(
            faults.iter().all(|(_, cause)| *cause == Cause::GuestProtocol),
            "{faults:?}"
        );
        assert_eq!(faults.is_empty(), what == "observe the node's files");
        assert_eq!(end.drift().findings, []);
        end.left_nothing();
    }
}
