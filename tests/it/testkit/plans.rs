//! Plans, made by hand.

use std::collections::BTreeMap;

use patchgate::measure::Performance;
use patchgate::model::drift::DriftPolicy;
use patchgate::model::id::CellId;
use patchgate::model::machine::MachinePlan;
use patchgate::model::plan::{Addresses, CellPlan, HostPlan, ImagePin, NodePlan, Plan};
use patchgate::model::policy::{
    Accel, CloneMode, Confirm, Deadlines, KeptBack, NetworkMode, NetworkPolicy, RebootPolicy, Soak,
    UpdateMode, UpdatePolicy,
};
use patchgate::model::scenario::{Action, Scenario, Service, Step, When};
use patchgate::units::{Mib, Period};

pub fn cell_id(text: &str) -> CellId {
    CellId(text.to_owned())
}

pub fn scenario(name: &str, whens: &[When]) -> Scenario {
    let (department, _) = name.split_once('/').expect("department/name");
    Scenario {
        name: name.to_owned(),
        department: department.to_owned(),
        title: format!("what {name} shows"),
        owner: format!("{department}-team"),
        required: true,
        timeout: Period::seconds(60),
        retries: 1,
        steps: whens
            .iter()
            .enumerate()
            .map(|(index, &when)| {
                let service = Service {
                    name: "nginx".to_owned(),
                    running: true,
                    enabled: None,
                };
                let name = format!("check {}", index + 1);
                Step {
                    when,
                    timeout: Period::seconds(10),
                    ..Step::new(&name, "web", Action::Service(service))
                }
            })
            .collect(),
        vars: BTreeMap::new(),
        cleanup: Vec::new(),
        files: BTreeMap::new(),
        digest: "d".repeat(64),
    }
}

pub fn cell(id: &str, roles: &[&str], scenarios: &[&str]) -> CellPlan {
    let (group, os) = id.split_once('/').expect("group/os");
    CellPlan {
        id: cell_id(id),
        group: group.to_owned(),
        os: os.to_owned(),
        owner: "Owner <owner@example.org>".to_owned(),
        admin: "Admin <admin@example.org>".to_owned(),
        required: true,
        nodes: roles
            .iter()
            .map(|role| NodePlan {
                role: (*role).to_owned(),
                host: (*role).to_owned(),
                ready: None,
                addresses: Addresses::Given,
                image: ImagePin {
                    name: format!("{os}+{role}"),
                    os: os.to_owned(),
                    key: "k".repeat(64),
                    sha256: Some("5".repeat(64)),
                    machine: MachinePlan::default(),
                    manager: None,
                },
                memory: Mib(512),
                vcpus: 1,
            })
            .collect(),
        reboot_order: Vec::new(),
        scenarios: scenarios.iter().map(|&name| name.to_owned()).collect(),
        deadlines: Deadlines {
            boot: Period::seconds(300),
            resolve: Period::seconds(300),
            download: Period::seconds(900),
            apply: Period::seconds(3600),
            reboot: Period::seconds(600),
        },
        soak: Soak {
            look: false,
            ..Soak::default()
        },
        drift: None,
    }
}

pub fn plan(cells: Vec<CellPlan>, scenarios: Vec<Scenario>) -> Plan {
    Plan {
        lab: "hq".to_owned(),
        updates: UpdatePolicy {
            mode: UpdateMode::Security,
            listed: Vec::new(),
            exclude: Vec::new(),
            expect_updates: true,
            kept_back: KeptBack::Note,
            security_origins: Vec::new(),
        },
        clone: CloneMode::Cold,
        network: NetworkPolicy {
            mode: NetworkMode::Isolated,
            sources: vec!["http://deb.debian.org/debian".to_owned()],
        },
        performance: Performance::default(),
        reboot: RebootPolicy::Always,
        left_out: Vec::new(),
        confirm: Confirm::OFF,
        drift: DriftPolicy::default(),
        hosts: vec![HostPlan {
            uri: "auto".to_owned(),
            accel: Accel::Auto,
            memory: None,
            vcpus: None,
        }],
        cells,
        scenarios: scenarios
            .into_iter()
            .map(|scenario| (scenario.name.clone(), scenario))
            .collect(),
        inputs: BTreeMap::new(),
        digest: "a".repeat(64),
    }
}

/// Two cells: a web server, and a shop of two nodes with two scenarios.
pub fn two_cells() -> Plan {
    plan(
        vec![
            cell(
                "shop/debian-12",
                &["database", "web"],
                &["shop/ledger", "web/page"],
            ),
            cell("web/debian-12", &["web"], &["web/page"]),
        ],
        vec![
            scenario(
                "shop/ledger",
                &[When::BeforeUpdates, When::AfterReboot, When::AfterReboot],
            ),
            scenario("web/page", &[When::AfterReboot, When::AfterReboot]),
        ],
    )
}
