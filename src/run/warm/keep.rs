//! Keeping what was saved for later runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::PoisonError;

use crate::guest::identity::Answer;
use crate::image::warm::{Kept, KeptNode, Part, WarmStore, name_base};
use crate::model::name::{NameError, VolumeName, VolumePath};
use crate::port::{Hypervisor, LabError};
use crate::run::arm::ArmRun;
use crate::run::names;
use crate::run::site::saved::{Files, Saved};

/// Copies one of a state's volumes to a file of that name.
async fn fetch(
    host: &dyn Hypervisor,
    volume: VolumePath,
    folder: &Path,
    file: String,
) -> Result<Part, LabError> {
    let digest = host.fetch_volume(&volume, &folder.join(&file)).await?;
    Ok(Part { file, digest })
}

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
    let nodes: Result<Vec<(Files, Answer, Vec<VolumeName>)>, NameError> = saved
        .nodes
        .iter()
        .zip(&arm.cell.nodes)
        .map(|(node, plan)| {
            let bases = (0..node.files.disks.len()).map(|at| names::base(&plan.image.name, at));
            Ok((
                node.files.clone(),
                node.who.clone(),
                bases.collect::<Result<_, _>>()?,
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
        for (at, (files, who, bases)) in nodes.into_iter().enumerate() {
            let fetch = |volume, file| fetch(&*host, VolumePath::new(&pool, volume), work.path(), file);
            let mut disks = Vec::new();
            for (disk, (volume, base)) in files.disks.iter().zip(bases).enumerate() {
                let part = fetch(volume, format!("{at}.{disk}.disk")).await;
                let part = part.map_err(|error| trouble(&error))?;
                let path = work.path().join(&part.file);
                let named = tokio::task::spawn_blocking(move || name_base(&path, base.as_str())).await;
                let digest = named
                    .map_err(|error| trouble(&error))?
                    .map_err(|error| trouble(&error))?;
                disks.push(Part { digest, ..part });
            }
            let ram = fetch(&files.ram, format!("{at}.ram")).await;
            let state = fetch(&files.state, format!("{at}.state")).await;
            kept.push(KeptNode {
                disks,
                ram: ram.map_err(|error| trouble(&error))?,
                state: state.map_err(|error| trouble(&error))?,
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
