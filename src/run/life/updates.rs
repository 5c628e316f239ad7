//! The updates of one node: pinned, fetched, installed, proved.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::policy::{Deadlines, UpdatePolicy};
use crate::model::update::{PackageStates, Update, UpdateSet};
use crate::run::node::{Node, exit_words, output_text, tail};
use crate::run::pinned::Pinned;

/// Reads the sources and pins what the policy asks for. Nodes of one image get one set: the first resolves it, others wait
/// for that and take it, and where it failed the next resolves it. An empty set is a fault where updates are expected.
pub async fn resolve(
    node: &Node<'_>,
    pinned: &Pinned,
    policy: &UpdatePolicy,
    deadlines: &Deadlines,
    proxy: Option<&str>,
) -> Result<UpdateSet, Fault> {
    // Even a set that is known is fetched by what the node's own lists say.
    refresh(node, deadlines, proxy).await?;
    let resolve = || pin(node, policy, deadlines.resolve.0);
    match &node.plan.image.sha256 {
        Some(image) => pinned.of(image).get_or_try_init(resolve).await.cloned(),
        None => resolve().await,
    }
}

/// Has a node read its update sources.
pub async fn refresh(node: &Node<'_>, deadlines: &Deadlines, proxy: Option<&str>) -> Result<(), Fault> {
    let limit = deadlines.resolve.0;
    let updates = node.family.updates;
    let output = node.exec(Stage::Resolve, &updates.refresh(proxy, limit)).await?;
    let errors = updates.refresh_errors(&String::from_utf8_lossy(&output.stderr));
    if output.exit != Some(0) || !errors.is_empty() {
        let mut fault = node.fault(
            Stage::Resolve,
            Cause::MirrorUnreachable,
            errors.first().cloned().unwrap_or_else(|| {
                let refresh = updates.words().refresh;
                format!("{refresh} ended with exit code {}", exit_words(output.exit))
            }),
        );
        fault.detail = tail(&output_text(&output));
        fault.hint =
            Some("is the mirror of the image's sources up, and can this host reach it? An isolated clone may ask for what the \
                  image's recipe and `sources` below [network] list, and nothing else".into());
        return Err(fault);
    }
    Ok(())
}

async fn pin(node: &Node<'_>, policy: &UpdatePolicy, limit: Duration) -> Result<UpdateSet, Fault> {
    let updates = node.family.updates;
    let pending = simulation(node, &updates.pending(limit)).await?;
    let chosen = updates.choose(&pending, policy);
    if chosen.is_empty() {
        if policy.expect_updates {
            let mut fault = node.fault(
                Stage::Resolve,
                Cause::NoUpdates,
                "no pending update fits the policy",
            );
            fault.hint = Some(
                "an empty patch window proves nothing; set `expect_updates = false` in [lab] where that is all right"
                    .into(),
            );
            return Err(fault);
        }
        return Ok(UpdateSet::pin(Vec::new()));
    }
    // The resolver's own answer may be taken as it is only where the policy leaves nothing out.
    let set = if chosen.len() == pending.len() {
        chosen
    } else {
        simulation(node, &updates.resolve(&chosen, limit)).await?
    };
    if let Some(excluded) = set.iter().find(|update| policy.exclude.contains(&update.name)) {
        return Err(node.fault(
            Stage::Resolve,
            Cause::ResolveFailed,
            format!(
                "the set cannot be installed without {}, which the lab file excludes",
                excluded.name
            ),
        ));
    }
    Ok(UpdateSet::pin(set))
}

async fn simulation(node: &Node<'_>, command: &GuestCommand) -> Result<Vec<Update>, Fault> {
    let updates = node.family.updates;
    let output = node.exec(Stage::Resolve, command).await?;
    if output.exit != Some(0) {
        let mut fault = node.fault(
            Stage::Resolve,
            Cause::ResolveFailed,
            format!(
                "to {}: {} ended with exit code {}",
                command.what,
                updates.words().manager,
                exit_words(output.exit)
            ),
        );
        fault.detail = tail(&output_text(&output));
        return Err(fault);
    }
    updates
        .parse_updates(&String::from_utf8_lossy(&output.stdout))
        .map_err(|error| node.garbled(Stage::Resolve, &error))
}

/// Fetches the set; what fails here is the mirror's fault, never the updates'.
pub async fn download(
    node: &Node<'_>,
    set: &UpdateSet,
    deadlines: &Deadlines,
    proxy: Option<&str>,
) -> Result<(), Fault> {
    let command = node.family.updates.fetch(set, proxy, deadlines.download.0);
    let output = node.exec(Stage::Download, &command).await?;
    if output.exit == Some(0) {
        return Ok(());
    }
    let what = if node.system().is_timeout(output.exit) {
        format!("the update set was not fetched within {}", deadlines.download)
    } else {
        format!(
            "fetching the update set ended with exit code {}",
            exit_words(output.exit)
        )
    };
    let mut fault = node.fault(Stage::Download, Cause::MirrorUnreachable, what);
    fault.detail = tail(&output_text(&output));
    fault.hint = Some("is the mirror up, and is there room on the guest's disk?".into());
    Err(fault)
}

/// Installs the set. The packages' state is the truth: an exit code alone is not believed.
pub async fn apply(node: &Node<'_>, set: &UpdateSet, deadlines: &Deadlines) -> Result<(), Fault> {
    let updates = node.family.updates;
    let output = node
        .exec(Stage::Apply, &updates.apply(set, deadlines.apply.0))
        .await?;
    let states = packages(node, Stage::Apply).await?;
    let unfinished: Vec<String> = states
        .unfinished
        .iter()
        .map(|(name, state)| format!("{name} is `{state}`"))
        .collect();
    if output.exit != Some(0) || !unfinished.is_empty() {
        let text = output_text(&output);
        let (cause, mut message) = if node.system().is_timeout(output.exit) {
            (
                Cause::Deadline,
                format!("the update set was not installed within {}", deadlines.apply),
            )
        } else if let Some((cause, message)) = updates.blame(&text) {
            (cause, message.to_owned())
        } else {
            let manager = updates.words().manager;
            (
                Cause::UpdateFailed,
                format!("{manager} ended with exit code {}", exit_words(output.exit)),
            )
        };
        if !unfinished.is_empty() {
            let database = updates.words().database;
            message = format!("{message}; in {database}'s state: {}", unfinished.join(", "));
        }
        let mut fault = node.fault(Stage::Apply, cause, message);
        fault.detail = tail(&text);
        return Err(fault);
    }
    Ok(())
}

/// Why a node needs a reboot after its set is installed; `None` where it needs none.
pub async fn reboot_reason(node: &Node<'_>, set: &UpdateSet) -> Result<Option<String>, Fault> {
    let hints = node
        .ask(Stage::Apply, &node.family.updates.reboot_hints())
        .await?;
    Ok(node.family.updates.reboot_reason(&hints, set))
}

/// The package manager's word on every package.
pub async fn packages(node: &Node<'_>, stage: Stage) -> Result<PackageStates, Fault> {
    let output = node.ask(stage, &node.family.updates.packages()).await?;
    let packages = node.family.updates.parse_packages(&output);
    packages.map_err(|error| node.garbled(stage, &error))
}
