//! `patchgate image probe`: boots a sealed image once, cut off from everything, and says what it is and what is wanting.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::interrupt::abandon;
use crate::cli::progress::Progress;
use crate::cli::{exit_code, lab, print};
use crate::guest::families::Families;
use crate::guest::look::{self, Line, Weight};
use crate::image::catalogue::Store;
use crate::image::facts;
use crate::image::manifest::{Manifest, Sealed};
use crate::image::relabel::UNNAMED;
use crate::input::safe;
use crate::model::hardware::Wishes;
use crate::model::plan::HostPlan;
use crate::record::state::State;
use crate::session::begin::now;
use crate::session::look::{Look, Wish, kit, remedy, unknown};
use crate::session::ready::{Choices, Ready};
use crate::units::{Mib, Period};

/// Shown under the help text.
const EXIT_CODES: &str = "\
Exit codes:
  0    nothing is wanting that a run needs
  1    something is wanting without which no run comes to its end
  2    usage or configuration error; nothing was started
  3    the guest could not be asked, or the look was interrupted
  130  a second interrupt ended it before its clean-up did";

/// Arguments of `image probe`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ProbeArgs {
    /// An image of the store, such as debian-12+web, or the beginning of its disk's SHA-256
    pub name: String,
    /// How it is booted
    #[command(flatten)]
    pub how: How,
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How an image is booted to be looked at.
#[derive(Debug, Clone, Args)]
pub struct How {
    /// The libvirt URI of the host that boots it
    #[arg(long, value_name = "URI", default_value = "auto")]
    pub uri: String,
    /// The memory that it has
    #[arg(long, value_name = "SIZE", default_value = "1 GiB")]
    pub memory: Mib,
    /// The vCPUs that it has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub vcpus: u32,
    /// How long it may take to its agent's first answer
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub boot: Period,
    /// What the lab file says of its hardware
    #[arg(skip)]
    pub hardware: Wishes,
}

/// The least memory that a look is taken with, and the most: a lab host may have less than production.
const LEAST: Mib = Mib(1024);
const MOST: Mib = Mib(4096);
/// The most vCPUs.
const MOST_VCPUS: u32 = 2;
/// How long it may take to its agent's first answer.
const BOOT: Period = Period(Duration::from_secs(5 * 60));

impl How {
    /// As the machine was that an image was made of, as far as a look needs that.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            uri: "auto".to_owned(),
            memory: manifest.memory.unwrap_or(LEAST).clamp(LEAST, MOST),
            vcpus: manifest.vcpus.unwrap_or(1).clamp(1, MOST_VCPUS),
            boot: BOOT,
            hardware: Wishes::default(),
        }
    }
}

impl How {
    /// What a clone is to be, with those sources.
    pub fn wish(&self, sources: Vec<String>) -> Wish {
        Wish {
            host: HostPlan::at(&self.uri),
            memory: self.memory,
            vcpus: self.vcpus,
            boot: self.boot,
            sources,
            hardware: self.hardware.clone(),
        }
    }
}

/// Runs the verb.
pub async fn run(args: &ProbeArgs, store: &Store, lab: Option<&Path>) -> Result<u8, UserError> {
    let sealed = find(store, &args.name)?;
    let how = How {
        hardware: lab::hardware(lab, store, &sealed.manifest.name)?,
        ..args.how.clone()
    };
    let look = looked(&sealed, store, &how).await?;
    let (text, exit) = told(&sealed, &look, args.format)?;
    print::print(&text)?;
    Ok(exit)
}

/// The image that a name means: the newest of those that are called so, or the one of that disk.
pub fn find(store: &Store, name: &str) -> Result<Sealed, UserError> {
    const LEAST: usize = 8;
    let listing = store
        .list()
        .map_err(|error| UserError::usage(format!("the image store cannot be read: {error}")))?;
    let is_disk = |sealed: &Sealed| name.len() >= LEAST && sealed.manifest.sha256.starts_with(name);
    let mut sealed = listing.sealed.into_iter();
    sealed
        .find(|sealed| sealed.manifest.name == name || is_disk(sealed))
        .ok_or_else(|| unknown(name).into())
}

/// Looks at a sealed image.
pub async fn looked(sealed: &Sealed, store: &Store, how: &How) -> Result<Look, UserError> {
    let wish = how.wish(Vec::new());
    let name = &sealed.manifest.name;
    print::note(&format!("image {name}: booting a clone to look at it"));
    let kit = kit(sealed, store, &wish)?;
    let progress = Arc::new(Progress::new(true));
    let ready = Ready::open(kit, State::open()?, progress, Choices::default()).await?;
    Ok(ready.look(abandon).await?)
}

/// What was found of an image, which is kept beside it, in that form, and the exit code.
pub fn told(sealed: &Sealed, look: &Look, format: Format) -> Result<(String, u8), UserError> {
    let manifest = &sealed.manifest;
    let facts = look.facts.as_ref();
    let lines = facts.map(|facts| look::assess(facts, &manifest.os, Families::default().of(&manifest.os)));
    let kept = match facts {
        Some(facts) if manifest.os != UNNAMED => {
            Some(facts::keep(sealed, facts, now()).map_err(|error| {
                UserError::usage(format!(
                    "what was found of image {} cannot be kept in {}: {error}",
                    manifest.name,
                    sealed.dir.display()
                ))
            })?)
        }
        Some(_) | None => None,
    };
    let lines = lines.unwrap_or_default();
    let told = Told {
        image: &manifest.name,
        sha256: &manifest.sha256,
        look,
        lines: &lines,
        kept,
    };
    let shown = match format {
        Format::Text => text(&told),
        Format::Json => print::json("what was found", &told)?,
    };
    Ok((shown, exit_of(&told)))
}

/// What is told of a look.
#[derive(Debug, Serialize)]
struct Told<'a> {
    image: &'a str,
    sha256: &'a str,
    #[serde(flatten)]
    look: &'a Look,
    /// What it means.
    lines: &'a [Line],
    /// The file that it is kept in.
    kept: Option<PathBuf>,
}

fn exit_of(told: &Told<'_>) -> u8 {
    if told.look.facts.is_none() {
        exit_code::UNDECIDED
    } else if told.lines.iter().any(|line| line.weight == Weight::Keeps) {
        exit_code::CLOSED
    } else {
        exit_code::OPEN
    }
}

/// What is told, for a person.
fn text(told: &Told<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, told);
    text
}

fn write(out: &mut String, told: &Told<'_>) -> std::fmt::Result {
    let wide = told.lines.iter().map(|line| line.what.len()).max().unwrap_or(0);
    for line in told.lines {
        let mark = match line.weight {
            Weight::Fine => "   ",
            Weight::Note => " ! ",
            Weight::Keeps => " X ",
        };
        writeln!(out, "{mark}{:wide$}  {}", line.what, safe::line(&line.found))?;
        for (lead, words) in [("", &line.wanting), ("-> ", &line.remedy)] {
            if !words.is_empty() {
                writeln!(out, "   {:wide$}  {lead}{}", "", safe::line(words))?;
            }
        }
    }
    write_look(out, told.look)?;
    if let Some(kept) = &told.kept {
        writeln!(out, "kept in {}", shown(kept))?;
    }
    let count = |weight| told.lines.iter().filter(|line| line.weight == weight).count();
    let (hindrances, notes) = (count(Weight::Keeps), count(Weight::Note));
    let image = safe::line(told.image);
    match (&told.look.facts, hindrances) {
        (None, _) => writeln!(out, "image {image}: could not be asked"),
        (Some(_), 0) => writeln!(out, "image {image}: can be run, {notes} worth knowing"),
        (Some(_), _) => writeln!(
            out,
            "image {image}: cannot be run yet, {hindrances} wanting, {notes} worth knowing"
        ),
    }
}

/// What ended a look before its time, and what is left of it.
pub fn look_text(look: &Look) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_look(&mut text, look);
    text
}

fn write_look(out: &mut String, look: &Look) -> std::fmt::Result {
    for fault in &look.faults {
        writeln!(out, "{}: {}", fault.cause.words(), safe::line(&fault.message))?;
        for line in safe::excerpt(&fault.detail) {
            writeln!(out, "  | {line}")?;
        }
        for hint in fault.hint.as_deref().into_iter().chain(remedy(fault)) {
            writeln!(out, "  -> {}", safe::line(hint))?;
        }
    }
    for screen in &look.screens {
        writeln!(out, "its screen: {}", shown(screen))?;
    }
    if !look.left_behind.is_empty() {
        for left in &look.left_behind {
            writeln!(out, "could not be removed: {}", safe::line(left))?;
        }
        writeln!(out, "try again with: patchgate clean {}", look.run)?;
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    safe::line(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::{AgentFacts, Facts};
    use crate::model::outcome::{Cause, Fault, Stage};

    fn looked(facts: Option<Facts>, faults: Vec<Fault>) -> Look {
        Look {
            run: "20261123-140912-7c1f".parse().expect("an id"),
            facts,
            faults,
            screens: vec![PathBuf::from("/runs/x/screens/0-trial-node-1.png")],
            left_behind: Vec::new(),
        }
    }

    fn told(look: &Look) -> (String, u8) {
        let lines = look.facts.as_ref();
        let lines = lines.map(|facts| look::assess(facts, "debian-12", Families::default().of("debian-12")));
        let lines = lines.unwrap_or_default();
        let told = Told {
            image: "debian-12+web",
            sha256: "ab",
            look,
            lines: &lines,
            kept: None,
        };
        (text(&told), exit_of(&told))
    }

    #[test]
    fn a_blocked_command_is_told_with_the_file_and_the_key() {
        let facts = Facts {
            agent: AgentFacts {
                version: "7.2.22".into(),
                commands: [
                    ("guest-exec".to_owned(), false),
                    ("guest-exec-status".to_owned(), true),
                ]
                .into(),
                trial: None,
            },
            system: None,
        };
        let (text, exit) = told(&looked(Some(facts), Vec::new()));
        assert_eq!(exit, exit_code::CLOSED);
        for said in [
            "blocked: guest-exec",
            "`block-rpcs`",
            "/etc/qemu/qemu-ga.conf",
            "BLACKLIST_RPC",
            "cannot be run yet",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    #[test]
    fn a_guest_without_an_agent_is_told_with_console_screen_and_remedy() {
        let fault = Fault {
            cause: Cause::AgentSilent,
            stage: Stage::Boot,
            role: Some("node".into()),
            message: "waited 5m for a first answer of the guest agent".into(),
            detail: "Debian GNU/Linux 12\u{1b}[2J\nweb login: ".into(),
            screen: None,
            hint: None,
        };
        let (text, exit) = told(&looked(None, vec![fault]));
        assert_eq!(exit, exit_code::UNDECIDED);
        for said in [
            "the guest agent never answered",
            "  | web login:",
            "\\u{1b}",
            "apt-get install qemu-guest-agent",
            "its screen: /runs/x/screens/0-trial-node-1.png",
            "could not be asked",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
