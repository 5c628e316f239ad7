//! The updates of one node: pinned, fetched, installed, proved.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use crate::guest::answer::Pending;
use crate::guest::command::GuestCommand;
use crate::input::clip;
use crate::input::words::first;
use crate::model::advisory::Advisory;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::policy::{Deadlines, UpdateMode, UpdatePolicy};
use crate::model::update::{PackageStates, Unrehearsed, Update, UpdateSet, Why, unrehearsed_words};
use crate::port::ExecOutput;
use crate::run::evidence::tail;
use crate::run::node::{Node, exit_words, output_text};

/// Has a node read its update sources.
pub async fn refresh(node: &Node<'_>, deadlines: &Deadlines, proxy: Option<&str>) -> Result<(), Fault> {
    let limit = deadlines.resolve.0;
    let updates = node.family.updates;
    let output = node.exec(Stage::Resolve, &updates.refresh(proxy, limit)).await?;
    let errors = updates.refresh_errors(&String::from_utf8_lossy(&output.stderr));
    if output.exit != Some(0) || !errors.is_empty() {
        let text = output_text(&output);
        if let Some((cause, message)) = updates.blame(&text) {
            return Err(node.told_fault(Stage::Resolve, cause, message, &text));
        }
        let message = errors.first().cloned().unwrap_or_else(|| {
            let refresh = updates.words().refresh;
            format!("{refresh} ended with exit code {}", exit_words(output.exit))
        });
        let mut fault = node.told_fault(Stage::Resolve, Cause::MirrorUnreachable, message, &text);
        fault.hint =
            Some("is the mirror of the image's sources up, and can this host reach it? An isolated clone may ask for what the \
                  image's recipe and `sources` below [network] list, and nothing else".into());
        return Err(fault);
    }
    Ok(())
}

/// What was found out about a node's updates.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// The set.
    pub set: UpdateSet,
    /// What is pending, or kept back, and not in it.
    pub rest: Vec<Unrehearsed>,
    /// When the oldest of the lists was made, where the node tells.
    pub lists: Option<Timestamp>,
}

/// What is pending on a node, by the lists that it has.
pub async fn pending(node: &Node<'_>, stage: Stage, deadlines: &Deadlines) -> Result<Pending, Fault> {
    let updates = node.family.updates;
    let output = simulated(node, stage, &updates.pending(deadlines.resolve.0)).await?;
    let pending = updates.parse_pending(&output);
    pending.map_err(|error| node.garbled(stage, &error))
}

/// Pins what the policy asks for, by what the node's lists say. An empty set is a fault where updates are expected.
pub async fn resolve(
    node: &Node<'_>,
    policy: &UpdatePolicy,
    deadlines: &Deadlines,
) -> Result<Resolved, Fault> {
    let (updates, limit) = (node.family.updates, deadlines.resolve.0);
    let Pending {
        updates: pending,
        kept,
        lists,
        broken,
        silent,
    } = pending(node, Stage::Resolve, deadlines).await?;
    let refused = |message: String| node.fault(Stage::Resolve, Cause::ResolveFailed, message);
    let origins = policy.origins_or(node.family.security);
    // Whose updates are all of security needs to tell nothing of them.
    let is_named = |source: &String| {
        let origin = source.clone();
        updates.is_security(
            &Update {
                origin,
                ..Update::default()
            },
            &origins,
        )
    };
    let silent: Vec<String> = silent.into_iter().filter(|source| !is_named(source)).collect();
    match policy.mode {
        UpdateMode::Security if !silent.is_empty() => {
            let mut fault = refused(format!(
                "the sources carry no advisories, so that none of their updates can be told to be one of security: {}",
                clip(&silent.join(", "))
            ));
            fault.hint = Some(
                "take all updates (`updates = \"all\"` in [lab]), or name the sources whose updates are all of security in \
                 `security_origins`"
                    .into(),
            );
            return Err(fault);
        }
        UpdateMode::Security | UpdateMode::All | UpdateMode::Listed => {}
    }
    let fixes = superseded_fixes(node, policy, &pending, &origins, limit).await?;
    let is_security = |update: &Update| updates.is_security(update, &origins) || fixes.contains(&update.name);
    if let Some((update, why)) = broken
        .iter()
        .find(|(update, _)| policy.leaves_out(update, is_security).is_none())
    {
        return Err(refused(format!(
            "{} {} cannot be installed: {}",
            update.name,
            update.to.as_deref().unwrap_or("(removal)"),
            clip(why)
        )));
    }
    let chosen = policy.choose(&pending, is_security);
    // The resolver's own answer may be taken as it is only where the policy leaves nothing out.
    let set = if chosen.len() == pending.len() || chosen.is_empty() {
        chosen.clone()
    } else {
        let output = simulated(node, Stage::Resolve, &updates.resolve(&chosen, limit)).await?;
        updates
            .parse_updates(&output)
            .map_err(|error| node.garbled(Stage::Resolve, &error))?
    };
    let is_in_set = |update: &&Update| {
        let is_it = |other: &Update| (&other.name, &other.to) == (&update.name, &update.to);
        set.iter().any(is_it)
    };
    let (unpinned, mut rest): (Vec<_>, Vec<_>) = kept.into_iter().partition(|one| one.why == Why::Unpinned);
    rest.extend(
        pending
            .iter()
            .filter(|update| !is_in_set(update))
            .filter_map(|update| {
                Some(Unrehearsed {
                    why: policy.leaves_out(update, is_security)?,
                    name: update.name.clone(),
                    to: update.to.clone(),
                })
            }),
    );
    rest.extend(unpinned);
    if set.is_empty() && policy.expect_updates {
        let mut message = "no pending update fits the policy".to_owned();
        if let Some(words) = unrehearsed_words(&rest) {
            message = format!("{message}; {words}");
        }
        let mut fault = node.fault(Stage::Resolve, Cause::NoUpdates, message);
        fault.hint = Some(
            "an empty patch window proves nothing; set `expect_updates = false` in [lab] where that is all right"
                .into(),
        );
        return Err(fault);
    }
    if let Some(excluded) = set.iter().find(|update| policy.excludes(update)) {
        return Err(refused(format!(
            "the set cannot be installed without {}, which the lab file excludes",
            excluded.name
        )));
    }
    if let Some(lost) = chosen.iter().find(|update| !is_in_set(update)) {
        return Err(refused(format!(
            "{} {} was chosen, and {} leaves it out of the set",
            lost.name,
            lost.to.as_deref().unwrap_or("(removal)"),
            updates.words().manager
        )));
    }
    Ok(Resolved {
        set: UpdateSet::pin(set),
        rest,
        lists,
    })
}

/// The updates that are none of security themselves and bring a fix of security that a newer version has superseded.
async fn superseded_fixes(
    node: &Node<'_>,
    policy: &UpdatePolicy,
    pending: &[Update],
    origins: &[&str],
    limit: Duration,
) -> Result<BTreeSet<String>, Fault> {
    let updates = node.family.updates;
    match policy.mode {
        UpdateMode::Security => {}
        UpdateMode::All | UpdateMode::Listed => return Ok(BTreeSet::new()),
    }
    let asked: Vec<Update> = pending
        .iter()
        .filter(|update| update.to.is_some() && !updates.is_security(update, origins))
        .cloned()
        .collect();
    match updates.fixes(&asked, limit) {
        Some(command) if !asked.is_empty() => {
            Ok(updates.parse_fixes(&simulated(node, Stage::Resolve, &command).await?, origins))
        }
        Some(_) | None => Ok(BTreeSet::new()),
    }
}

/// The output of a question to the package manager.
async fn simulated(node: &Node<'_>, stage: Stage, command: &GuestCommand) -> Result<String, Fault> {
    let updates = node.family.updates;
    let output = node.exec(stage, command).await?;
    if output.exit != Some(0) {
        let text = output_text(&output);
        let (cause, message) = updates.blame(&text).unwrap_or_else(|| {
            let message = format!(
                "to {}: {} ended with exit code {}",
                command.what,
                updates.words().manager,
                exit_words(output.exit)
            );
            (Cause::ResolveFailed, message)
        });
        return Err(node.told_fault(stage, cause, message, &text));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
    let text = output_text(&output);
    let blamed = node.family.updates.blame(&text);
    let is_of_sources = blamed
        .as_ref()
        .is_none_or(|(cause, _)| matches!(cause, Cause::MirrorUnreachable | Cause::ResolveFailed));
    if is_of_sources
        && !node.system().is_timeout(output.exit)
        && let Some(changed) = changed(node, set, deadlines, proxy).await
    {
        let mut fault = node.told_fault(Stage::Download, Cause::SourcesChanged, changed, &text);
        fault.hint = Some(
            "the set that was pinned is not to be had any more; run again, with what the sources have now"
                .into(),
        );
        return Err(fault);
    }
    if let Some((cause, message)) = blamed {
        return Err(node.told_fault(Stage::Download, cause, message, &text));
    }
    let what = if node.system().is_timeout(output.exit) {
        format!("the update set was not fetched within {}", deadlines.download)
    } else {
        format!(
            "fetching the update set ended with exit code {}",
            exit_words(output.exit)
        )
    };
    let mut fault = node.told_fault(Stage::Download, Cause::MirrorUnreachable, what, &text);
    fault.hint = Some("is the mirror up, and is there room on the guest's disk?".into());
    Err(fault)
}

/// What of a set that could not be fetched the sources have no more, in words: read anew, they tell. `None` where they still have
/// all of it, or do not answer.
async fn changed(
    node: &Node<'_>,
    set: &UpdateSet,
    deadlines: &Deadlines,
    proxy: Option<&str>,
) -> Option<String> {
    refresh(node, deadlines, proxy).await.ok()?;
    let now = pending(node, Stage::Download, deadlines).await.ok()?;
    let mut words = Vec::new();
    for update in &set.updates {
        let same = |other: &&Update| (&other.name, &other.arch) == (&update.name, &update.arch);
        let offered = now.updates.iter().find(same);
        let held = now
            .kept
            .iter()
            .any(|kept| kept.name == update.name && kept.why == Why::Held);
        match (&update.to, offered) {
            (Some(to), Some(offered)) if offered.to.as_ref() != Some(to) => words.push(format!(
                "{} {to} was replaced by {}",
                update.name,
                offered.to.as_deref().unwrap_or("its removal")
            )),
            (Some(to), None) if held => words.push(format!("{} {to} is held now", update.name)),
            (Some(to), None) => words.push(format!("{} {to} was withdrawn", update.name)),
            (Some(_), Some(_)) | (None, _) => {}
        }
    }
    let named = || first(&words, NAMED);
    (!words.is_empty()).then(|| format!("the sources have changed since the set was pinned: {}", named()))
}

/// Packages of a set that a message names.
const NAMED: usize = 6;

/// What the updates of a set are for, or why that could not be read; `None` where the node has nothing that tells.
pub async fn advisories(
    node: &Node<'_>,
    set: &UpdateSet,
    deadlines: &Deadlines,
) -> Option<Result<Vec<Advisory>, String>> {
    let updates = node.family.updates;
    let command = updates.advisories(set, deadlines.resolve.0)?;
    let read = async {
        let output = simulated(node, Stage::Download, &command).await;
        let output = output.map_err(|fault| fault.message)?;
        let advisories = updates.parse_advisories(&output, set);
        advisories.map_err(|error| error.to_string())
    };
    Some(read.await)
}

/// How long before the end of its time an installation that goes on is looked at.
const LAST_LOOK: Duration = Duration::from_secs(15);

/// Runs an installation; with its output, where it takes nearly all its time, what runs of it then.
async fn install(node: &Node<'_>, set: &UpdateSet, limit: Duration) -> Result<(ExecOutput, String), Fault> {
    let command = node.family.updates.apply(set, limit);
    let mut work = Box::pin(node.exec(Stage::Apply, &command));
    tokio::select! {
        output = &mut work => return Ok((output?, String::new())),
        () = sleep(limit.saturating_sub(LAST_LOOK.min(limit / 4))) => {}
    }
    let words = node.family.updates.words();
    let look = async {
        let seen = node
            .exec(
                Stage::Apply,
                &node.system().processes(&[words.manager, words.database]),
            )
            .await;
        seen.map_or_else(
            |_| String::new(),
            |seen| String::from_utf8_lossy(&seen.stdout).into_owned(),
        )
    };
    let (output, running) = tokio::join!(work, look);
    Ok((output?, running))
}

/// Packages with their states, in words.
fn in_words<'p>(packages: impl Iterator<Item = (&'p String, &'p String)>) -> String {
    let words: Vec<String> = packages
        .map(|(name, state)| format!("{name} is `{state}`"))
        .collect();
    words.join(", ")
}

/// Installs the set. The packages' state is the truth: an exit code alone is not believed. What was unfinished `before` is
/// not the updates' doing.
pub async fn apply(
    node: &Node<'_>,
    set: &UpdateSet,
    before: Option<&PackageStates>,
    deadlines: &Deadlines,
) -> Result<(), Fault> {
    let updates = node.family.updates;
    let (output, running) = install(node, set, deadlines.apply.0).await?;
    let states = packages(node, Stage::Apply).await?;
    let unfinished = in_words(states.unfinished_since(before));
    if output.exit != Some(0) || !unfinished.is_empty() {
        let text = output_text(&output);
        let old = before.map_or_else(String::new, |before| in_words(before.unfinished.iter()));
        let (cause, mut message) = if node.system().is_timeout(output.exit) {
            let last = running
                .lines()
                .next_back()
                .map(str::trim)
                .filter(|line| !line.is_empty());
            let last = last.map(|line| format!("; last running: {}", clip(line)));
            let at = updates.was_at(&text).map(|at| format!("; it was at {at}"));
            (
                Cause::Deadline,
                format!(
                    "the update set was not installed within {}{}{}",
                    deadlines.apply,
                    at.unwrap_or_default(),
                    last.unwrap_or_default()
                ),
            )
        } else if unfinished.is_empty() && !old.is_empty() {
            (
                Cause::BrokenBefore,
                format!(
                    "{} ended with exit code {}; in {}'s state before the updates: {old}",
                    updates.words().manager,
                    exit_words(output.exit),
                    updates.words().database
                ),
            )
        } else if let Some((cause, message)) = updates.blame(&text) {
            (cause, message)
        } else {
            let manager = updates.words().manager;
            (
                Cause::UpdateFailed,
                format!("{manager} ended with exit code {}", exit_words(output.exit)),
            )
        };
        if !unfinished.is_empty() {
            let database = updates.words().database;
            message = format!("{message}; in {database}'s state: {unfinished}");
        }
        let mut fault = node.told_fault(Stage::Apply, cause, message, &text);
        if node.system().is_timeout(output.exit) && !running.is_empty() {
            fault.detail = format!("{}\n\nwhat ran of it then:\n{}", fault.detail, tail(&running));
        }
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
