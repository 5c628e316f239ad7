//! What differs without the updates too: it excuses what was seen, and what is of a kind that was seen to vary by chance.

use std::sync::Arc;

use patchgate::fake::{GuestScript, LookCall, Section, Sections};
use patchgate::verdict::{DriftFinding, DriftState};

use crate::testkit::lab::{End, Lab};

async fn end(shows: impl Fn(LookCall, &mut Sections) + Send + Sync + 'static) -> End {
    let lab = Lab::default();
    lab.script(GuestScript {
        shows: Arc::new(shows),
        ..GuestScript::default()
    });
    lab.run().await
}

fn add(sections: &mut Sections, name: &'static str, line: &str) {
    match sections.get_mut(name) {
        Some(Section::Lines(lines)) => lines.push(line.to_owned()),
        other => panic!("{name} is {other:?}"),
    }
}

/// What one of the four looks is: before the updates in both arms, after the reboot without them, after it with them.
fn pick<T: Copy>(look: LookCall, before: T, control: T, treatment: T) -> T {
    match (look.boots, look.updated) {
        (_, true) => treatment,
        (1, false) => before,
        (_, false) => control,
    }
}

fn words(end: &End) -> Vec<String> {
    end.drift().findings.iter().map(DriftFinding::words).collect()
}

type Shows = fn(LookCall, &mut Sections);

#[tokio::test(start_paused = true)]
async fn a_value_that_no_look_without_the_updates_had_is_never_noise() {
    let cases: [(Shows, &str); 7] = [
        // It starts late, and with the updates it fails.
        (
            |look, sections| {
                let states = [
                    "",
                    "late.service loaded active running late",
                    "late.service loaded failed failed late",
                ];
                let state = pick(look, states[0], states[1], states[2]);
                if !state.is_empty() {
                    add(sections, "units", state);
                }
            },
            "service late.service failed (running in control)",
        ),
        // One port comes late, and with the updates there is another.
        (
            |look, sections| {
                if let Some(port) = pick(look, None, Some(443), Some(8443)) {
                    let line =
                        format!("tcp LISTEN 0 5 0.0.0.0:{port} 0.0.0.0:* users:((\"nginx\",pid=1,fd=7))");
                    add(sections, "listening", &line);
                }
            },
            "listening tcp 0.0.0.0:8443 new (nginx)",
        ),
        // A file is written late, and with the updates it says something else.
        (
            |look, sections| {
                if let Some(digest) = pick(look, None, Some("aaaa11112222"), Some("bbbb33334444")) {
                    add(sections, "etc", &format!("o {digest} /etc/app/state.conf"));
                }
            },
            "config /etc/app/state.conf aaaa11112222 -> bbbb33334444",
        ),
        // The port is chance, and with the updates nobody listens.
        (
            |look, sections| {
                if let Some(port) = pick(look, Some(841), Some(790), None) {
                    let line =
                        format!("udp UNCONN 0 0 127.0.0.1:{port} 0.0.0.0:* users:((\"statd\",pid=5,fd=4))");
                    add(sections, "listening", &line);
                }
            },
            "listening udp 127.0.0.1:* gone (statd)",
        ),
        // The port is chance below 1024, and with the updates it is elsewhere.
        (
            |look, sections| {
                let port = pick(look, 841, 790, 4444);
                let line =
                    format!("udp UNCONN 0 0 127.0.0.1:{port} 0.0.0.0:* users:((\"statd\",pid=5,fd=4))");
                add(sections, "listening", &line);
            },
            "listening udp 127.0.0.1:4444 new (statd)",
        ),
        // The port is chance, and with the updates another program has it.
        (
            |look, sections| {
                let port = pick(look, 841, 790, 612);
                let program = pick(look, "statd", "statd", "sh");
                let line =
                    format!("udp UNCONN 0 0 127.0.0.1:{port} 0.0.0.0:* users:((\"{program}\",pid=5,fd=4))");
                add(sections, "listening", &line);
            },
            "listening udp 127.0.0.1:612 new (sh)",
        ),
        // The name is chance, and with the updates what is so named fails.
        (
            |look, sections| {
                let (number, state) = (
                    pick(look, 4711, 815, 1234),
                    pick(look, "active running", "active running", "failed failed"),
                );
                add(
                    sections,
                    "units",
                    &format!("job-{number}.service loaded {state} job"),
                );
            },
            "service job-1234.service failed (not running in control)",
        ),
    ];
    for (plant, finding) in cases {
        let end = end(plant).await;
        assert!(
            words(&end).iter().any(|text| text == finding),
            "{finding}: {:?}",
            end.drift()
        );
        assert_eq!(end.drift().state, DriftState::Failed, "{finding}");
        assert!(
            end.line("CLOSED").starts_with("cells=0/1 regressed=1"),
            "{finding}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn more_of_what_varies_than_was_ever_seen_is_found() {
    let end = end(|look, sections| {
        let ports: &[u32] = pick(look, &[841][..], &[790][..], &[612, 913][..]);
        for port in ports {
            let line = format!("tcp LISTEN 0 5 127.0.0.1:{port} 0.0.0.0:* users:((\"statd\",pid=5,fd=4))");
            add(sections, "listening", &line);
        }
    })
    .await;
    end.line("CLOSED");
    assert_eq!(
        words(&end),
        [
            "listening tcp 127.0.0.1:612 new (statd)",
            "listening tcp 127.0.0.1:913 new (statd)"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_varies_by_chance_is_learned_by_program_folder_and_pattern() {
    let cases: [(Shows, &str); 10] = [
        // The port is taken below 1024 by chance, as rpc.statd does (bindresvport(3)).
        (
            |look, sections| {
                let port = pick(look, 841, 790, 612);
                let line =
                    format!("udp UNCONN 0 0 127.0.0.1:{port} 0.0.0.0:* users:((\"rpc.statd\",pid=400,fd=5))");
                add(sections, "listening", &line);
            },
            "listening:udp 127.0.0.1:* rpc.statd",
        ),
        // A kernel's port, in a boot after the first alone.
        (
            |look, sections| {
                if let Some(port) = pick(look, None, Some(40_017), Some(51_234)) {
                    add(
                        sections,
                        "listening",
                        &format!("tcp LISTEN 0 5 0.0.0.0:{port} 0.0.0.0:*"),
                    );
                }
            },
            "listening:tcp 0.0.0.0:*",
        ),
        // A file of the same name, with other bytes at every boot.
        (
            |look, sections| {
                let digest = pick(look, "aaaa11112222", "bbbb33334444", "0c0c5e5e6f6f");
                add(sections, "etc", &format!("o {digest} /etc/app/seed"));
            },
            "config:/etc/app/seed",
        ),
        // A file with a number in its name.
        (
            |look, sections| {
                let number = pick(look, 17, 23, 31);
                add(
                    sections,
                    "etc",
                    &format!("o aaaa11112222 /etc/app/state-{number}.conf"),
                );
            },
            "config:/etc/app/state-*.conf",
        ),
        // One more of them at each boot, each with bytes of its own.
        (
            |look, sections| {
                add(sections, "etc", "o aaaa11112222 /etc/app/run1200.conf");
                let later = pick(
                    look,
                    None,
                    Some((1764, "bbbb33334444")),
                    Some((1799, "cccc55556666")),
                );
                if let Some((number, digest)) = later {
                    add(sections, "etc", &format!("o {digest} /etc/app/run{number}.conf"));
                }
            },
            "config:/etc/app/run*.conf",
        ),
        // The first of them after the reboot.
        (
            |look, sections| {
                let later = pick(
                    look,
                    None,
                    Some((17_641, "bbbb33334444")),
                    Some((27_999, "cccc55556666")),
                );
                if let Some((number, digest)) = later {
                    add(sections, "etc", &format!("o {digest} /etc/app/{number}.conf"));
                }
            },
            "config:/etc/app/*.conf",
        ),
        // A folder with a name of mktemp(1)'s.
        (
            |look, sections| {
                let name = pick(look, "XyZabC", "QwErTy", "a8DkeP");
                add(
                    sections,
                    "etc",
                    &format!("o aaaa11112222 /etc/app/tmp.{name}/state"),
                );
            },
            "config:/etc/app/tmp.*/state",
        ),
        (
            |look, sections| {
                let id = pick(look, "r4af21c07", "r09b1c2d3", "rfe42aa11");
                add(
                    sections,
                    "units",
                    &format!("job-{id}.service loaded active running job"),
                );
            },
            "service:job-*.service",
        ),
        (
            |look, sections| {
                let id = pick(look, "4af21c07aa", "09b1c2d3bb", "fe42aa11cc");
                add(
                    sections,
                    "mounts",
                    &format!("overlay2 /srv/layers/{id}/merged ext4 rw 0 0"),
                );
            },
            "mount:/srv/layers/*/merged",
        ),
        (
            |look, sections| {
                let octet = pick(look, 2, 3, 7);
                add(
                    sections,
                    "firewall",
                    &format!("-A DOCKER -d 172.17.0.{octet} -j ACCEPT"),
                );
            },
            "firewall:nft: -A DOCKER -d 172.17.0.* -j ACCEPT",
        ),
    ];
    for (plant, noise) in cases {
        let end = end(plant).await;
        assert_eq!(words(&end), Vec::<String>::new(), "{noise}");
        assert!(end.line("OPEN").starts_with("cells=1/1"), "{noise}");
        assert!(
            end.drift().noise.iter().any(|item| item == noise),
            "{noise}: {:?}",
            end.drift().noise
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_starts_with_the_reboot_and_never_does_with_the_updates_is_found() {
    let cases: [(Shows, &str); 5] = [
        (
            |look, sections| {
                if pick(look, false, true, false) {
                    add(sections, "units", "payroll.service loaded active running pay");
                }
            },
            "service payroll.service stopped (running in control)",
        ),
        (
            |look, sections| {
                if pick(look, false, true, false) {
                    let line = "tcp LISTEN 0 5 0.0.0.0:5432 0.0.0.0:* users:((\"postgres\",pid=1,fd=7))";
                    add(sections, "listening", line);
                }
            },
            "listening tcp 0.0.0.0:5432 gone (postgres)",
        ),
        (
            |look, sections| {
                if pick(look, false, true, false) {
                    add(sections, "mounts", "/dev/vdb /srv/data ext4 rw 0 0");
                }
            },
            "mount /srv/data gone (ext4 rw)",
        ),
        // It failed in the first boot, and with the updates it goes on to.
        (
            |look, sections| {
                let state = pick(look, "failed failed", "active running", "failed failed");
                add(sections, "units", &format!("pay.service loaded {state} pay"));
            },
            "service pay.service failed (running in control)",
        ),
        // Its number is chance, that there is one is not.
        (
            |look, sections| {
                if pick(look, false, true, false) {
                    add(sections, "units", "job-48151.service loaded active running job");
                }
            },
            "service job-*.service stopped (running in control)",
        ),
    ];
    for (plant, finding) in cases {
        let end = end(plant).await;
        assert_eq!(words(&end), [finding], "{:?}", end.drift());
        end.line("CLOSED");
        let told = end.drift().noise.iter().any(|name| finding.contains(name));
        assert!(!told, "{:?}", end.drift().noise);
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_moment_shows_both_with_and_without_excuses_its_lack() {
    let lab = Lab::default();
    lab.script(GuestScript {
        shows: Arc::new(|look, sections| {
            if !look.updated
                && (look.boots > 1 || look.arm.side() == Some(patchgate::model::id::Arm::Control))
            {
                add(
                    sections,
                    "units",
                    "now-and-then.service loaded active running now",
                );
            }
        }),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    end.line("OPEN");
    assert_eq!(end.drift().noise, ["service:now-and-then.service"]);
}
