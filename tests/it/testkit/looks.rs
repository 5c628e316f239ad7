//! What a node shows of itself in a story.

use std::collections::BTreeMap;

use patchgate::model::observation::{Class, Observation, Reading};

/// A web server in all classes; what a class has of its own is empty unless it matters to a story.
pub fn seen(updated: bool, broken: bool) -> Observation {
    let pick = |old: &str, new: &str| if updated { new.to_owned() } else { old.to_owned() };
    let mut observation = Observation {
        readings: Class::ALL
            .map(|class| (class, Reading::Items(BTreeMap::new())))
            .into(),
        ..Observation::default()
    };
    for (class, item, value) in [
        (Class::Kernel, "running", "6.1.0-37-amd64".to_owned()),
        (Class::Kernel, "newest", "6.1.0-37-amd64".to_owned()),
        (
            Class::Package,
            "nginx:amd64",
            pick("1.22.1-9", "1.22.1-9+deb12u2"),
        ),
        (
            Class::Package,
            "libssl3:amd64",
            pick("3.0.11-1~deb12u2", "3.0.17-1~deb12u3"),
        ),
        (Class::Package, "bash:amd64", "5.2.15-2".to_owned()),
        (Class::Boot, "finish", pick("21000", "21500")),
    ] {
        plant(&mut observation, class, item, &value);
    }
    if broken {
        plant(&mut observation, Class::Service, "nginx.service", "failed");
        let log = "nginx: [emerg] unknown directive \"more_headers\" in /etc/nginx/nginx.conf:12\n";
        let logs = &mut observation.unit_logs;
        logs.insert("nginx.service".to_owned(), log.to_owned());
    } else {
        plant(&mut observation, Class::Service, "nginx.service", "running");
        plant(&mut observation, Class::Listening, "tcp 0.0.0.0:80", "nginx");
    }
    observation
}

/// Puts an item into an observation.
pub fn plant(observation: &mut Observation, class: Class, item: &str, value: &str) {
    let Some(Reading::Items(items)) = observation.readings.get_mut(&class) else {
        panic!("{class} is read");
    };
    items.insert(item.to_owned(), value.to_owned());
}
