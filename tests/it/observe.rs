//! What is read of a guest: the parser on recorded output, normalisation, and the judge of drift on anything.

use std::collections::BTreeMap;
use std::iter;

use patchgate::guest::apt::ETC;
use patchgate::guest::linux::observe;
use patchgate::model::drift::{DriftPolicy, Effect};
use patchgate::model::event::{Event, Record};
use patchgate::model::id::{Arm, ArmId};
use patchgate::model::observation::{Class, Moment, Observation, Reading, differences, normalise};
use patchgate::model::update::UpdateSet;
use patchgate::verdict::{DriftState, NodeDrift, judge};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::testkit::plans;

#[test]
fn errors_are_alike_without_what_differs_from_boot_to_boot() {
    for (text, normal) in [
        ("nginx[811]: worker 4711 exited", "nginx[#]: worker # exited"),
        ("at 2026-11-23T14:09:12.123Z", "at #Z"),
        ("BUG: at 0xffffffff81a2b3c4+0x10/0x20", "BUG: at #/#"),
        ("id 7f3c2a90-aaaa-bbbb-cccc-0123456789ab gone", "id # gone"),
        ("link de:ad:be:ef:aa:bb up", "link # up"),
        ("peer 10.0.2.15:5432 and [fe80::1]", "peer # and [#::#]"),
        ("cannot open /tmp/tmp.XyZabc: no", "cannot open /tmp/#: no"),
        ("  two   words ", "two words"),
        ("Failed to start nginx.service", "Failed to start nginx.service"),
    ] {
        assert_eq!(normalise(text), normal, "{text}");
    }
}

#[test]
fn sections_that_are_cut_absent_or_failed_are_never_nothing() {
    let head = "@@ kernel\n running 6.1\n@.\n";
    for (text, class, reading) in [
        (
            "@@ listening\n@.\n",
            Class::Listening,
            Reading::Items(BTreeMap::new()),
        ),
        (
            "@@ listening\n tcp LISTEN 0 5 0.0.0.0:80 0.0.0.0:*\n",
            Class::Listening,
            Reading::Unreadable("the guest's output ends within it".into()),
        ),
        (
            "",
            Class::Listening,
            Reading::Unreadable("the guest did not come to it".into()),
        ),
        (
            "@@ firewall\n@- neither is there\n@.\n",
            Class::Firewall,
            Reading::Absent("neither is there".into()),
        ),
        (
            "@@ firewall\n table ip x {\n@! firewall ended with exit code 1\n@.\n",
            Class::Firewall,
            Reading::Unreadable("firewall ended with exit code 1".into()),
        ),
        // One section of two.
        (
            "@@ taint\n 0\n@.\n",
            Class::Taint,
            Reading::Unreadable("the guest did not come to it".into()),
        ),
        (
            "@@ boot\n FinishTimestampMonotonic=0\n@.\n",
            Class::Boot,
            Reading::Unreadable("the boot has not come to its end".into()),
        ),
    ] {
        let observation = observe::parse(&[&format!("{head}{text}")]).expect("it tells its kernel");
        assert_eq!(observation.readings[&class], reading, "{text}");
    }
    // What a log says cannot end a section or begin another.
    let text = format!("{head}@@ errors\n @.\n @@ kernel\n running 9\n@.\n");
    let observation = observe::parse(&[&text]).expect("readable");
    assert_eq!(observation.kernel(), Some("6.1"));
    assert_eq!(observation.items(Class::Journal).expect("read").len(), 3);
    assert!(observe::parse(&["nonsense"]).is_err());
}

fn items(section: &str, lines: &[&str], class: Class) -> Vec<(String, String)> {
    let lines = lines.join("\n ");
    let text = format!("@@ kernel\n running 6.1\n@.\n@@ {section}\n {lines}\n@.\n");
    let observation = observe::parse(&[&text]).expect("it tells its kernel");
    let items = observation.items(class).expect("read").clone();
    items.into_iter().collect()
}

#[test]
fn lines_become_items() {
    let pair = |item: &str, value: &str| (item.to_owned(), value.to_owned());
    assert_eq!(
        items(
            "units",
            &[
                "cron.service loaded active running Regular background program",
                "dev.service loaded activating auto-restart Restarts for ever",
                "getty@tty1.service loaded active running Getty",
                "ifup.service loaded failed failed network",
                "keys.service loaded active exited once",
                "late.service loaded activating start being started",
                "data.mount loaded failed failed /data",
                "ssh.socket loaded active running in use",
            ],
            Class::Service
        ),
        [
            pair("cron.service", "running"),
            pair("data.mount", "failed"),
            pair("dev.service", "auto-restart"),
            pair("ifup.service", "failed"),
            pair("keys.service", "exited"),
            pair("ssh.socket", "listening"),
        ]
    );
    assert_eq!(
        items(
            "listening",
            &[
                "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:((\"systemd-resolve\",pid=1,fd=2))",
                "udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:*",
                "tcp LISTEN 0 5 [::]:80 [::]:* users:((\"nginx\",pid=2,fd=7),(\"nginx\",pid=3,fd=7))",
                "tcp LISTEN 0 5 [fe80::1%eth0]:22 [::]:*",
                "???",
            ],
            Class::Listening
        ),
        [
            pair("tcp [::]:80", "nginx"),
            pair("tcp [fe80::1]:22", ""),
            pair("udp 127.0.0.53:53", "systemd-resolve"),
        ]
    );
    assert_eq!(
        items(
            "etc",
            &[
                "o 0123456789ab /etc/app.conf",
                "m ba9876543210 /etc/nginx/nginx.conf",
                "o 0123456789ab /etc/ld.so.cache",
                "o 0123456789ab /etc/ssh/ssh_host_rsa_key.pub",
                "l /etc/app.conf.dpkg-dist",
                "x /etc/gone.conf",
            ],
            Class::Config
        ),
        [
            pair("/etc/app.conf", "0123456789ab"),
            pair("/etc/gone.conf", "missing"),
            pair("/etc/nginx/nginx.conf", "edited ba9876543210"),
        ]
    );
    assert_eq!(
        items(
            "mounts",
            &[
                "/dev/vda1 / ext4 rw,relatime 0 0",
                "proc /proc proc rw 0 0",
                "srv:/x /data nfs4 ro,hard 0 0"
            ],
            Class::Mount
        ),
        [pair("/", "ext4 rw"), pair("/data", "nfs4 ro")]
    );
    let rules = [
        "= nft",
        "table inet filter {",
        "\tchain input {",
        "\t\ttcp dport 22 accept",
        "\t}",
        "}",
        "= iptables",
        "# Generated at some time",
        "*filter",
        ":INPUT ACCEPT [12:3456]",
        "-A INPUT -j DROP",
        "COMMIT",
    ];
    let firewall: Vec<String> = items("firewall", &rules, Class::Firewall)
        .into_iter()
        .map(|(item, _)| item)
        .collect();
    assert_eq!(
        firewall,
        [
            "(order)",
            "iptables filter: -A INPUT -j DROP",
            "iptables filter: :INPUT ACCEPT",
            "nft inet filter chain input: chain input",
            "nft inet filter chain input: tcp dport 22 accept",
        ]
    );
}

#[test]
fn the_commands_are_bounded_and_only_data() {
    for command in observe::commands(ETC) {
        assert_eq!(command.argv[0], "/usr/bin/timeout");
        let bytes: usize = command.argv.iter().map(String::len).sum();
        assert!(bytes < 16 * 1024, "{} has {bytes} bytes", command.what);
    }
}

#[test]
fn a_history_of_etc_is_no_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let etc = folder.path().to_str().expect("UTF-8");
    for file in [
        "app.conf",
        ".gitignore",
        ".etckeeper",
        ".git/objects/01/23",
        "app/.svn/entries",
        "cvs/CVS/Root",
    ] {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, "x").expect("a file");
    }
    let here = ETC.replace("find /etc", &format!("find {etc}"));
    let here = here.replace("-path /etc", &format!("-path {etc}"));
    let text = format!("dpkg-query() {{ :; }}\n{here}\netc");
    let output = std::process::Command::new("bash").args(["-c", &text]).output();
    let output = String::from_utf8(output.expect("bash").stdout).expect("UTF-8");
    let mut files: Vec<&str> = output
        .lines()
        .filter_map(|line| line.rsplit_once(&format!("{etc}/")))
        .map(|(_, file)| file)
        .collect();
    files.sort_unstable();
    assert_eq!(files, [".gitignore", "app.conf"], "{output}");
}

const LOOKS: [(Arm, Moment); 4] = [
    (Arm::Control, Moment::BeforeUpdates),
    (Arm::Control, Moment::AfterReboot),
    (Arm::Treatment, Moment::BeforeUpdates),
    (Arm::Treatment, Moment::AfterReboot),
];

fn judged(policy: &DriftPolicy, looks: &[Observation]) -> NodeDrift {
    let cell = plans::cell("web/debian-12", &["web"], &[]);
    let mut plan = plans::plan(vec![cell], Vec::new());
    plan.drift = policy.clone();
    let cell = plan.cells[0].id.clone();
    let resolved = Event::Resolved {
        role: "web".into(),
        set: UpdateSet::pin(Vec::new()),
        rest: Vec::new(),
        lists: None,
    };
    let observed = LOOKS.iter().zip(looks).map(|((arm, moment), observation)| {
        let observed = Event::Observed {
            role: "web".into(),
            moment: *moment,
            observation: observation.clone(),
        };
        (*arm, observed)
    });
    let records: Vec<Record> = (0..)
        .zip(iter::once((Arm::Treatment, resolved)).chain(observed))
        .map(|(seq, (arm, event))| Record {
            seq,
            at: jiff::Timestamp::UNIX_EPOCH,
            arm: Some(ArmId::first(&cell, arm)),
            event,
        })
        .collect();
    let judgement = judge(&plan, &records);
    judgement.cells[0].nodes[0].drift.clone()
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let word = prop_oneof![
        "[a-c]{1,2}",
        "[0-9]{1,6}",
        "tcp [0-9:.]{1,6}",
        any::<String>(),
        Just("running".to_owned()),
        Just("flags".to_owned()),
    ];
    let reading = prop_oneof![
        6 => btree_map(word.clone(), word, 0..4).prop_map(Reading::Items),
        1 => Just(Reading::Absent("x".to_owned())),
        1 => Just(Reading::Unreadable("y".to_owned())),
    ];
    btree_map(prop::sample::select(Class::ALL.to_vec()), reading, 0..19).prop_map(|readings| Observation {
        readings,
        ..Observation::default()
    })
}

proptest! {
    // Regular expressions are slow without optimisation.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn normalising_twice_is_normalising_once(text in "(\\PC|[0-9a-f:. /]|/tmp/|0x){0,400}") {
        let once = normalise(&text);
        prop_assert_eq!(normalise(&once), once.clone());
        prop_assert!(once.chars().count() <= 240);
        prop_assert!(!once.chars().any(|c| c.is_ascii_digit()), "{once}");
    }

    #[test]
    fn no_output_makes_the_parser_panic(text: String, more in "(@[@.!-] ?|[a-z ]|\n){0,200}") {
        let _ = observe::parse(&[&text]);
        for section in ["units", "listening", "etc", "firewall", "processes", "deleted", "disk", "memory", "users", "log x"] {
            let text = format!("@@ kernel\n running 6\n@.\n@@ {section}\n {text}\n{more}\n@.\n");
            let _ = observe::parse(&[&text, &more]);
        }
    }

    #[test]
    fn any_observations_are_judged_and_equal_ones_have_no_finding(
        looks in vec(any_observation(), 0..=4),
        one in any_observation(),
    ) {
        let policy = DriftPolicy::default();
        let drift = judged(&policy, &looks);
        if looks.len() < 4 {
            prop_assert_eq!(drift.state, DriftState::Undecided);
        }
        let same = judged(&policy, &[one.clone(), one.clone(), one.clone(), one.clone()]);
        prop_assert_eq!(&same.findings, &[]);
        prop_assert_eq!(&same.noise, &Vec::<String>::new());
        prop_assert_eq!(differences(&one, &one, None), Vec::<String>::new());
        // A fail class that was not read keeps the node from passing, unless the guest lacks the means.
        let gap = policy.effects.iter().any(|(class, effect)| {
            *effect == Effect::Fail && one.items(*class).is_none() && !one.lacks(*class)
        });
        prop_assert_eq!(same.state == DriftState::Undecided, gap || one.is_empty());
    }
}

/// A web server of Debian 12 after a reboot, and the same one after nginx was stopped, its configuration changed, a file
/// laid beside it, a user made, an error logged, a program deleted while it runs, and a unit masked.
fn recorded(drifted: bool) -> Observation {
    let outputs = if drifted {
        [
            include_str!("../transcripts/debian-12/observe-state-drifted.txt"),
            include_str!("../transcripts/debian-12/observe-files-drifted.txt"),
        ]
    } else {
        [
            include_str!("../transcripts/debian-12/observe-state.txt"),
            include_str!("../transcripts/debian-12/observe-files.txt"),
        ]
    };
    let mut observation = observe::parse(&outputs).expect("a recorded guest");
    // Packages are dpkg's to tell, by another command.
    let packages = Reading::Items(BTreeMap::new());
    observation.readings.insert(Class::Package, packages);
    observation
}

#[test]
fn a_recorded_guest_is_read_whole() {
    let seen = recorded(false);
    let sizes: Vec<String> = Class::ALL
        .into_iter()
        .map(|class| match &seen.readings[&class] {
            Reading::Items(items) => format!("{class} {}", items.len()),
            Reading::Absent(what) => format!("{class}: {what}"),
            Reading::Unreadable(why) => format!("{class} failed: {why}"),
        })
        .collect();
    insta::assert_snapshot!(sizes.join("\n"));
    assert_eq!(seen.kernel(), Some("6.1.0-50-cloud-amd64"));
    let is = |class, item: &str| seen.items(class).and_then(|items| items.get(item)).cloned();
    assert_eq!(is(Class::Service, "nginx.service").as_deref(), Some("running"));
    assert_eq!(is(Class::Listening, "tcp 0.0.0.0:80").as_deref(), Some("nginx"));
    assert_eq!(is(Class::Mount, "/").as_deref(), Some("ext4 rw"));
}

#[test]
fn drift_of_a_recorded_guest_is_found_and_nothing_else() {
    let (good, drifted) = (recorded(false), recorded(true));
    let drift = judged(
        &DriftPolicy::default(),
        &[good.clone(), good.clone(), good, drifted],
    );
    let words: Vec<String> = drift
        .findings
        .iter()
        .map(|finding| format!("{}: {}", finding.effect, finding.words()))
        .collect();
    insta::assert_snapshot!(words.join("\n"));
    assert_eq!((drift.state, drift.undecided.len()), (DriftState::Failed, 0));
}

#[test]
fn a_look_that_read_nothing_is_no_look() {
    let nothing = [(); 4].map(|()| Observation::default());
    let drift = judged(&DriftPolicy::default(), &nothing);
    assert_eq!(drift.state, DriftState::Undecided);
    assert_eq!(
        drift.undecided[0], "nobody looked at treatment after the reboot",
        "{drift:?}"
    );
}
