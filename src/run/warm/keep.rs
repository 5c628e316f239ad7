//! Keeping what was saved for later runs.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::guest::identity::Answer;
use crate::image::warm::{Kept, KeptNode, Part, WarmStore, name_base};
use crate::model::name::{NameError, VolumeName, VolumePath};
use crate::run::arm::ArmRun;
use crate::run::names;
use crate::run::site::saved::{Files, Saved};

/// Keeps a state for later runs, beside what the arms do meanwhile.
pub fn keep(
    arm: &ArmRun<'_>,
    store: WarmStore,
    set: String,
    machine: BTreeMap<String, String>,
    saved: &Saved,
) {
    let host = arm.site.host.clone();
    let pool = names::pool(&arm.setup().run);
    let nodes: Result<Vec<(Files, Answer, VolumeName)>, NameError> = saved
        .nodes
        .iter()
        .zip(&arm.cell.nodes)
        .map(|(node, plan)| {
            Ok((
                node.files.clone(),
                node.who.clone(),
                names::base(&plan.image.name)?,
            ))
        })
        .collect();
    let of = arm.cell.nodes.iter();
    let images = of.filter_map(|plan| plan.image.sha256.clone()).collect();
    let cell = arm.cell.id.clone();
    let keeping = async move {
        let trouble =
            |error: &dyn std::fmt::Display| format!("the saved state of {cell} is not kept: {error}");
        let work = store.begin().map_err(|error| trouble(&error))?;
        let nodes = nodes.map_err(|error| trouble(&error))?;
        let mut kept = Vec::new();
        for (at, (files, who, base)) in nodes.into_iter().enumerate() {
            let mut parts = Vec::new();
            for (volume, what) in [
                (&files.disk, "disk"),
                (&files.ram, "ram"),
                (&files.state, "state"),
            ] {
                let file = format!("{at}.{what}");
                let path = work.path().join(&file);
                let fetched = host.fetch_volume(&VolumePath::new(&pool, volume), &path).await;
                let mut digest = fetched.map_err(|error| trouble(&error))?;
                if what == "disk" {
                    let base = base.clone();
                    let named = tokio::task::spawn_blocking(move || name_base(&path, base.as_str())).await;
                    digest = named
                        .map_err(|error| trouble(&error))?
                        .map_err(|error| trouble(&error))?;
                }
                parts.push(Part { file, digest });
            }
            let Ok([disk, ram, state]) = <[Part; 3]>::try_from(parts) else {
                return Err(trouble(&"it has no three parts"));
            };
            kept.push(KeptNode {
                disk,
                ram,
                state,
                who,
            });
        }
        let kept = Kept {
            machine,
            images,
            nodes: kept,
        };
        tokio::task::spawn_blocking(move || store.seal(work, &set, &kept).map_err(|error| error.to_string()))
            .await
            .map_err(|error| trouble(&error))?
            .map_err(|error| trouble(&error))
    };
    let mut tasks = arm
        .site
        .warm
        .keeping
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let stop = arm.setup().stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            biased;
            // Who stops a run waits for no copy.
            () = stop.cancelled() => {}
            kept = keeping => {
                if let Err(why) = kept {
                    tracing::warn!("{why}");
                }
            }
        }
    });
}
