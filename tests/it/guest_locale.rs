//! What is parsed of a guest is asked for in words and times that the parsers know, whatever its locale and time zone are.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use patchgate::guest::command::GuestCommand;
use patchgate::guest::debian::DEBIAN;
use patchgate::guest::family::Family;
use patchgate::guest::http::Request;
use patchgate::guest::identity::{Identity, Place, Way};
use patchgate::guest::log::Mark;
use patchgate::guest::probe::Probe;
use patchgate::input::url::Url;
use patchgate::model::scenario::expect::TextExpectation;
use patchgate::model::scenario::{
    Action, Engine, File, LogSource, Package, Results, Run, Script, Service, Sql, Tcp,
};
use patchgate::model::update::UpdateSet;

use crate::testkit::parts::update;

const LIMIT: Duration = Duration::from_secs(20);

/// As commands of our own have it.
const OURS: [(&str, &str); 2] = [("LC_ALL", "C"), ("TZ", "UTC")];

/// The functions of the contract that give commands.
fn contract() -> BTreeSet<String> {
    let text = include_str!("../../src/guest/family.rs");
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let functions = code.split("fn ").skip(1).filter_map(|function| {
        let name = function.split('(').next()?;
        let (_, result) = function.split_once("->")?;
        let result = result.split([';', '{']).next()?;
        result.contains("GuestCommand").then(|| name.to_owned())
    });
    functions.collect()
}

fn sql(engine: Engine) -> Action {
    Action::Sql(Sql {
        engine,
        database: "erp".into(),
        query: "select 1".into(),
        host: None,
        port: None,
        user: None,
        password: None,
        rows: TextExpectation::default(),
    })
}

fn run() -> Action {
    Action::Run(Run {
        command: "true".into(),
        user: None,
        exit: 0,
        stdout: TextExpectation::default(),
        stderr: TextExpectation::default(),
    })
}

fn script() -> Script {
    Script {
        file: "smoke.sh".into(),
        interpreter: vec!["/bin/sh".into()],
        args: Vec::new(),
        user: None,
        output: Results::Exit,
        results: None,
        exit: 0,
        stdout: TextExpectation::default(),
        stderr: TextExpectation::default(),
    }
}

/// Every command of a family that is not a department's, by the function that gives it.
fn commands(family: &Family) -> Vec<(&'static str, Vec<GuestCommand>)> {
    let (system, updates) = (family.system, family.updates);
    let set = UpdateSet::pin(vec![update("nginx", "1", "2")]);
    let place = Place {
        mac: "52:54:00:00:00:01".into(),
        address: "10.214.0.10/16".into(),
        hosts: vec![("10.214.0.10".into(), "web".into())],
    };
    let identity = Identity {
        machine_id: "0".repeat(32),
        seed: "0".repeat(128),
        macs: Vec::new(),
        kept: Vec::new(),
    };
    let probe = Probe {
        proxy: ("10.213.0.1".into(), 3128),
        sources: Vec::new(),
        refused: Vec::new(),
        tcp: Vec::new(),
        udp: Vec::new(),
        name: None,
        card: None,
        wire: None,
    };
    let way = Way {
        mac: "52:54:00:00:00:02".into(),
        address: Ipv4Addr::new(10, 213, 0, 10),
        gateway: Ipv4Addr::new(10, 213, 0, 1),
    };
    let url = |text: &str| Url::parse(text).expect("a URL");
    let request = |url: &Url| {
        let request = Request {
            method: "GET",
            url,
            headers: Vec::new(),
            body: None,
            ca: None,
        };
        system.http(&request, LIMIT)
    };
    let mark = Mark::Journal {
        boot: "b".into(),
        cursor: "c".into(),
    };
    let (unit, file) = (
        LogSource::Unit("nginx".into()),
        LogSource::File("/var/log/x".into()),
    );
    let own = [
        Action::Tcp(Tcp {
            host: "web".into(),
            port: 80,
            open: true,
        }),
        Action::Service(Service {
            name: "nginx".into(),
            running: true,
            enabled: None,
        }),
        Action::File(File {
            path: "/etc/hosts".into(),
            exists: true,
            mode: None,
            owner: None,
            text: TextExpectation::default(),
        }),
        Action::Package(Package {
            name: "nginx".into(),
            installed: true,
            version: TextExpectation::default(),
        }),
        sql(Engine::Postgresql),
        sql(Engine::Mysql),
        sql(Engine::Sqlserver),
    ];
    let timed = family.action(&run(), &OURS, LIMIT).expect("a command");
    vec![
        ("boot_id", vec![system.boot_id()]),
        ("settle", vec![system.settle(LIMIT)]),
        ("reboot", vec![system.reboot()]),
        ("processes", vec![system.processes(&["sh"])]),
        ("identify", vec![system.identify("web", Some(&place))]),
        ("attach", vec![system.attach(&way)]),
        ("renew", vec![system.renew(&identity, 0)]),
        ("who", vec![system.who()]),
        ("look", vec![system.look()]),
        ("probe", vec![system.probe(&probe)]),
        ("observe", system.observe()),
        ("observe_late", system.observe_late()),
        (
            "action",
            own.iter()
                .map(|action| family.action(action, &[], LIMIT).expect("a command"))
                .collect(),
        ),
        (
            "http",
            vec![request(&url("http://web/")), request(&url("https://web/"))],
        ),
        ("timed", system.timed(timed).into_iter().collect()),
        ("put", system.put("/run/x/y", &vec![0; 700_000])),
        ("check", vec![system.check("/run/x/y")]),
        ("remove", vec![system.remove("/run/x/y")]),
        ("clear", vec![system.clear("/run/x/*.xml")]),
        ("results", vec![system.results("/run/x/*.xml", LIMIT)]),
        ("mark", vec![system.mark(&unit), system.mark(&file)]),
        (
            "read_log",
            vec![
                system.read_log(&unit, &mark, LIMIT),
                system.read_log(&file, &Mark::Absent, LIMIT),
            ],
        ),
        ("refresh", vec![updates.refresh(None, LIMIT)]),
        ("pending", vec![updates.pending(LIMIT)]),
        ("resolve", vec![updates.resolve(&set.updates, LIMIT)]),
        ("fixes", updates.fixes(&set.updates, LIMIT).into_iter().collect()),
        (
            "advisories",
            updates.advisories(&set, LIMIT).into_iter().collect(),
        ),
        ("fetch", vec![updates.fetch(&set, None, LIMIT)]),
        ("apply", vec![updates.apply(&set, LIMIT)]),
        ("packages", vec![updates.packages()]),
        ("package", vec![updates.package("nginx", LIMIT)]),
        ("reboot_hints", vec![updates.reboot_hints()]),
        (
            "roll_back",
            updates.roll_back(&set, None, LIMIT).into_iter().collect(),
        ),
    ]
}

fn env<'c>(command: &'c GuestCommand, name: &str) -> Option<&'c str> {
    let mut pairs = command.env.iter();
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

#[test]
fn whatever_is_parsed_is_asked_for_in_the_c_locale_and_in_utc() {
    let commands = commands(&DEBIAN);
    let mut named: BTreeSet<String> = commands.iter().map(|(name, _)| (*name).to_owned()).collect();
    // A department's own.
    named.insert("run_script".to_owned());
    assert_eq!(named, contract(), "name what is new in the contract here too");
    for (name, commands) in commands {
        for command in commands {
            let locale = env(&command, "LC_ALL");
            assert!(
                matches!(locale, Some("C" | "C.UTF-8")),
                "{name}: {command:?}: {locale:?}"
            );
            assert_eq!(env(&command, "TZ"), Some("UTC"), "{name}: {command:?}");
            let twice = command.env.iter().filter(|(known, _)| known == "LC_ALL").count();
            assert_eq!(twice, 1, "{name}: {command:?}");
        }
    }
}

#[test]
fn a_departments_command_has_the_guests_own_zone_and_a_locale_that_can_be_overruled() {
    let mine = [("LANG", "de_DE.UTF-8"), ("TZ", "Europe/Berlin")];
    let own = |env: &[(&str, &str)]| {
        [
            DEBIAN.action(&run(), env, LIMIT).expect("a command"),
            DEBIAN.system.run_script(&script(), "/run/x/smoke.sh", env, LIMIT),
        ]
    };
    for command in own(&[]) {
        assert_eq!(env(&command, "LC_ALL"), None, "{command:?}");
        assert_eq!(env(&command, "TZ"), None, "{command:?}");
        assert_eq!(env(&command, "LANG"), Some("C.UTF-8"), "{command:?}");
    }
    for command in own(&mine) {
        for (name, value) in mine {
            assert_eq!(env(&command, name), Some(value), "{command:?}");
        }
    }
}
