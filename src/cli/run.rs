//! `patchgate run`: from the lab file to the gate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::clean::KEPT;
use crate::cli::inputs::{self, Inputs};
use crate::cli::plan::time;
use crate::cli::progress::Progress;
use crate::cli::report::{self, ReportFormat};
use crate::cli::{Colour, image};
use crate::decide::Decided;
use crate::error::UserError;
use crate::exit_code;
use crate::guest::families::Families;
use crate::host::connect::connect;
use crate::host::connected::{Connected, is_same};
use crate::image::catalogue::{ImageDef, Store};
use crate::input::words::count;
use crate::model::event::Event;
use crate::model::id::RunId;
use crate::model::outcome::Cause;
use crate::model::plan::{HostPlan, Plan};
use crate::port::{LabError, Observer};
use crate::record::durations;
use crate::record::ledger::Ledger;
use crate::record::state::State;
use crate::run::{self, HostSetup, RunError, Setup};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Only these cells: patterns over group/os, a group, an OS version or a role, with commas; `!` leaves out.
    #[arg(long, value_name = "EXPR")]
    pub select: Option<String>,
    /// At most so many arms at once; by default as many as the host's budget holds.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Leave the VMs of failed arms running; `patchgate clean RUN` removes them.
    #[arg(long, value_name = "WHICH")]
    pub keep: Option<Keep>,
    /// Build the images that are missing first.
    #[arg(long)]
    pub build: bool,
    /// Check everything and the host, print what would be run, and start nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The report on standard output.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Also write the report to a file; its ending tells the format: .md, .xml (JUnit), .json or .txt.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Plain progress lines even on a terminal.
    #[arg(long)]
    pub plain: bool,
}

/// Which VMs are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Keep {
    /// Those of arms that failed before their end.
    Failed,
}

/// Runs the verb.
pub async fn run(args: RunArgs, lab: Option<&Path>, colour: Colour) -> Result<u8, UserError> {
    let report_format = args.report.as_deref().map(ReportFormat::of_file).transpose()?;
    let lab_file = inputs::lab_path(lab)?;
    let mut inputs = inputs::load(&lab_file, args.select.as_deref())?;
    let secrets = inputs.secrets()?;
    if args.build && !args.dry_run {
        build(inputs.images, inputs.store).await?;
        inputs = inputs::load(&lab_file, args.select.as_deref())?;
    }
    let images = sealed(&inputs)?;
    let warm = inputs.warm()?;
    let files = inputs.files()?;
    let proxies = inputs.proxies();
    let plan = inputs.planned.plan;
    let state = State::open()?;
    let progress = Arc::new(Progress::new(args.plain));
    progress.notice("looking at the hosts");
    let run_id = new_id();
    let (hosts, absent) = open_hosts(&plan, &run_id).await?;
    let stop = CancellationToken::new();
    let setup = Setup {
        run: run_id.clone(),
        families: Families::default(),
        images,
        warm: Some(warm),
        hosts,
        absent,
        expected: durations::expected(&state, &plan.lab),
        proxies,
        files,
        secrets,
        jobs: args.jobs.map(usize::from),
        keep_failed: args.keep == Some(Keep::Failed),
        observer: progress.clone(),
        stop: stop.clone(),
        now,
        plan,
    };
    let capacities = run::preflight(&setup).await.map_err(|error| refused(&error))?;
    let known = setup.expected.known(&setup.plan);
    let time = match known {
        0 => "not known yet".to_owned(),
        _ => time::words(capacities.expected, known, setup.plan.cells.len()),
    };
    if args.dry_run {
        print!("{}", crate::cli::plan::text(&setup.plan, &time));
        println!("dry run: the hosts can hold this plan; nothing was started");
        return Ok(exit_code::OPEN);
    }
    let run_dir = state.create_run(&run_id)?;
    progress.notice(&format!(
        "run {run_id}: {}, expected time {time}",
        count(setup.plan.cells.len(), "cell")
    ));
    let signals = tokio::spawn(on_signals(
        stop,
        run_dir.resources(),
        progress.clone() as Arc<dyn Observer>,
    ));
    let kept = args.keep.is_some().then(|| run_dir.path().join(KEPT));
    let left_behind = match run::execute(setup, capacities, &run_dir).await {
        Ok(left_behind) => left_behind,
        Err(error) => return Err(not_run(&error)),
    };
    signals.abort();
    if let Some(kept) = kept.filter(|_| !left_behind.is_empty()) {
        std::fs::write(&kept, "")
            .map_err(|error| UserError::usage(format!("{}: {error}", kept.display())))?;
        progress.notice(&format!("VMs are kept; `patchgate clean {run_id}` removes them"));
    }
    let decided = Decided::load(&state, &run_id)?;
    if let (Some(file), Some(format)) = (&args.report, report_format) {
        report::write(&decided, format, file)?;
        progress.notice(&format!("report written to {}", file.display()));
    }
    report::print(&report::render(&decided, args.format, report::style(colour))?)?;
    match args.format {
        ReportFormat::Text => {}
        // Standard output holds the one document; a person still sees the line.
        ReportFormat::Json | ReportFormat::Junit | ReportFormat::Markdown => {
            eprintln!("{}", decided.decision.line(&run_id));
        }
    }
    Ok(decided.exit_code())
}

/// Connects to the hosts of a plan. Those that do not answer are told in the journal, as long as one does; one that is there
/// under two URIs is refused.
pub(super) async fn open_hosts(plan: &Plan, run: &RunId) -> Result<(Vec<HostSetup>, Vec<Event>), UserError> {
    let mut hosts = Vec::new();
    let mut opened: Vec<Arc<dyn Connected>> = Vec::new();
    let mut absent = Vec::new();
    let mut first = None;
    for planned in &plan.hosts {
        match open_host(planned).await {
            Ok((host, setup)) => {
                refuse_same(&opened, host.as_ref(), run).await?;
                opened.push(host);
                hosts.push(setup);
            }
            Err(error) => {
                absent.push(Event::HostLost {
                    uri: planned.uri.clone(),
                    reason: error.message.clone(),
                });
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if hosts.is_empty() => Err(refused(&error)),
        Some(_) | None => Ok((hosts, absent)),
    }
}

/// Refuses a host that is one of those before it, under another URI.
async fn refuse_same(
    opened: &[Arc<dyn Connected>],
    host: &dyn Connected,
    run: &RunId,
) -> Result<(), UserError> {
    for other in opened {
        let same = is_same(other.as_ref(), host, run).await;
        if same.map_err(|error| refused(&error))? {
            let message = format!(
                "[[host]] {} and {} are one libvirt: what is free there would be given away twice",
                other.uri(),
                host.uri()
            );
            return Err(UserError::usage(message).with_hint("keep one of both"));
        }
    }
    Ok(())
}

/// Connects to a host and probes its accelerator.
async fn open_host(plan: &HostPlan) -> Result<(Arc<dyn Connected>, HostSetup), LabError> {
    let host = connect(plan).await?;
    let choice = host.accelerator(plan.accel).await?;
    let chosen = Event::HostChosen {
        uri: host.uri().to_owned(),
        accel: if choice.kvm { "kvm" } else { "tcg" }.to_owned(),
        reason: choice.reason,
        version: host.version().to_owned(),
    };
    let setup = HostSetup {
        plan: plan.clone(),
        host: host.clone(),
        chosen,
        kvm: choice.kvm,
    };
    Ok((host, setup))
}

/// Builds what is missing; an interrupt ends it with nothing started.
pub(super) async fn build(images: Vec<ImageDef>, store: Store) -> Result<(), UserError> {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let mut work = tokio::task::spawn_blocking(move || image::run_build(&images, &store, false, &token));
    let ended = tokio::select! {
        ended = &mut work => ended,
        _ = tokio::signal::ctrl_c() => {
            cancel.cancel();
            work.await
        }
    };
    ended
        .map_err(|error| UserError::usage(format!("building the images: {error}")))?
        .map(drop)
}

/// The disks of a plan, each verified against its manifest. A changed byte is named, and nothing is started.
pub(super) fn sealed(inputs: &Inputs) -> Result<BTreeMap<String, PathBuf>, UserError> {
    let missing: Vec<&str> = inputs
        .images
        .iter()
        .filter(|image| image.sealed.is_none())
        .map(|image| image.name.as_str())
        .collect();
    if !missing.is_empty() {
        return Err(UserError::usage(format!("not built yet: {}", missing.join(", ")))
            .with_hint("`patchgate image build --all` builds what the lab needs, and `patchgate run --build` does both"));
    }
    let mut disks = BTreeMap::new();
    for image in &inputs.images {
        if let Some(sealed) = &image.sealed {
            inputs.store.verify(sealed).map_err(|damaged| {
                UserError::usage(damaged.to_string()).with_hint(format!(
                    "`patchgate image build {} --rebuild` makes it anew",
                    image.name
                ))
            })?;
            disks.insert(image.name.clone(), sealed.disk());
        }
    }
    Ok(disks)
}

/// The host cannot do it: nothing was started.
pub(super) fn refused(error: &LabError) -> UserError {
    let hint = match (&error.hint, error.cause) {
        (Some(hint), _) => hint.clone(),
        (None, Cause::HostRefused) => "`patchgate doctor` checks this host and names the remedies".to_owned(),
        (None, _) => "nothing was started".to_owned(),
    };
    UserError::usage(error.to_string()).with_hint(hint)
}

/// A run that did not start, or that has no record.
pub(super) fn not_run(error: &RunError) -> UserError {
    match error {
        RunError::Host(error) => refused(error),
        RunError::Journal(_) | RunError::Ledger(_) => UserError::usage(error.to_string())
            .with_hint("without a journal there is no result; is the state folder's disk full?")
            .with_exit(exit_code::UNDECIDED),
    }
}

/// The clock of a run, for its id and its records.
#[expect(clippy::disallowed_methods, reason = "here a run's time comes in")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// The id of what begins now.
pub(super) fn new_id() -> RunId {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    RunId::new(now(), u16::try_from((high ^ low) & 0xffff).unwrap_or_default())
}

/// The first signal stops the run, which then cleans up; a second one ends the process and says what was left.
pub(super) async fn on_signals(stop: CancellationToken, ledger: PathBuf, progress: Arc<dyn Observer>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        progress.notice("signals cannot be watched; use `patchgate clean` after an interrupt");
        return;
    };
    for count in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if count == 0 {
            progress.notice("interrupted: stopping and cleaning up (once more to end at once)");
            stop.cancel();
        } else {
            abandon(&ledger);
        }
    }
}

/// Ends the process at once.
#[expect(clippy::disallowed_methods, reason = "a second signal refuses the clean-up")]
fn abandon(ledger: &Path) {
    match Ledger::left(ledger) {
        Ok(left) if left.is_empty() => eprintln!("interrupted again: nothing is left on the host"),
        Ok(left) => {
            eprintln!("interrupted again; left behind:");
            for resource in left {
                eprintln!("  {resource}");
            }
            eprintln!("`patchgate clean` removes them");
        }
        Err(error) => eprintln!("interrupted again; what is left cannot be told: {error}"),
    }
    std::process::exit(i32::from(exit_code::INTERRUPTED));
}
