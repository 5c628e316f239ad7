//! Whether the host can wire clones up, and cut them off from everything else.

use std::path::Path;

use crate::host::connected::Connected;
use crate::host::proxy;
use crate::model::id::RunId;
use crate::model::name::FilterName;
use crate::model::outcome::Cause;
use crate::model::resource::Made;
use crate::port::{FilterSpec, LabError, NetworkSpec, OutletSpec, Tag};
use crate::session::doctor::check::Check;
use crate::session::doctor::removal::remove;

/// A network between nodes, made and removed.
pub(super) async fn networks(lab: &dyn Connected, run: &RunId) -> Check {
    if !lab.has_networks() {
        return Check::warning(
            "network",
            format!(
                "{} gives each VM a network of its own: the nodes of a cell cannot reach each other",
                lab.uri()
            ),
            "for cells of more than one role that talk to each other, set uri = \"qemu:///system\" in [[host]]",
        );
    }
    match wired(lab, run).await {
        Ok(()) => Check::ok("network", "a network between nodes can be made and removed"),
        Err(error) => Check::failed("network", error),
    }
}

async fn wired(lab: &dyn Connected, run: &RunId) -> Result<(), LabError> {
    let spec = NetworkSpec {
        name: format!("pg-{run}-look").parse()?,
        tag: Tag {
            run: run.clone(),
            arm: None,
            run_dir: nowhere(run),
        },
    };
    let made = lab.create_network(&spec).await;
    let removed = remove(lab, run, Made::Network(spec.name)).await;
    made.and(removed)
}

/// The way out of isolated clones: an outlet and a filter, made and removed, and the proxy's program.
pub(super) async fn isolation(lab: &dyn Connected, run: &RunId) -> Check {
    if let Err(error) = lab.can_isolate() {
        let remedy = error.hint.unwrap_or_default();
        return Check::warning("isolation", error.message, remedy);
    }
    match tried(lab, run).await {
        Ok(found) => Check::ok("isolation", found),
        Err(error) => Check::failed("isolation", error),
    }
}

async fn tried(lab: &dyn Connected, run: &RunId) -> Result<String, LabError> {
    if !Path::new(proxy::PROGRAM).is_file() {
        return Err(
            LabError::new(Cause::HostRefused, format!("{} is not installed", proxy::PROGRAM))
                .with_hint("apt-get install squid"),
        );
    }
    let outlet = OutletSpec {
        name: format!("pg-{run}-out").parse()?,
        run: run.clone(),
        run_dir: nowhere(run),
        macs: vec!["52:54:00:00:00:00".to_owned()],
        open: false,
    };
    let filter_name = FilterName::of_run(run);
    let made = match lab.create_outlet(&outlet).await {
        Ok(info) => {
            let filter = FilterSpec {
                name: filter_name.clone(),
                gateway: info.gateway,
                port: 3128,
            };
            lab.create_filter(&filter).await.map(|()| info)
        }
        Err(error) => Err(error),
    };
    let network_gone = remove(lab, run, Made::Network(outlet.name)).await;
    let filter_gone = remove(lab, run, Made::Filter(filter_name)).await;
    let info = made?;
    network_gone.and(filter_gone)?;
    Ok(format!(
        "clones can be cut off from all but the proxy (tried an outlet at {}/{}, and a filter)",
        info.gateway, info.prefix
    ))
}

fn nowhere(run: &RunId) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("patchgate-{run}"))
}
