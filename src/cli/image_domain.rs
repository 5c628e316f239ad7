//! `patchgate image import --domain` and `--all-domains`: libvirt domains that are taken over, and who watches over a copy of one
//! that runs.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use clap::Args;
use tokio::net::unix::pipe::Receiver;
use tokio_util::sync::CancellationToken;

use crate::cli::error::UserError;
use crate::cli::import_progress::Progress;
use crate::cli::runtime::block_on;
use crate::cli::{exit_code, image_list, print};
use crate::host::connect;
use crate::image::catalogue::{Store, image_name};
use crate::image::domain::error::DomainError;
use crate::image::domain::fetch::Live;
use crate::image::domain::take::{Wish, take};
use crate::image::domain::watch::{READY, watch as watch_over};
use crate::image::error::BuildError;
use crate::image::manifest::Sealed;
use crate::model::id::RunId;
use crate::model::plan::HostPlan;
use crate::port::Domains;
use crate::session::begin::new_id;

/// The domains to take over.
#[derive(Debug, Args)]
pub struct DomainArgs {
    /// A libvirt domain, instead of a file: its disk with its hardware; it must be off, or see --live
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "all_domains"])]
    pub domain: Option<String>,
    /// Every libvirt domain of such a name, such as 'erp-*', each as a role of its own; with --os none of them is booted
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["file", "role"])]
    pub all_domains: Option<String>,
    /// The domains' host; by default this machine's
    #[arg(long, default_value = "auto", conflicts_with = "file")]
    pub uri: String,
    /// Copy a domain that runs as it is at one moment, with its file systems frozen where its agent does that
    #[arg(long, conflicts_with = "file")]
    pub live: bool,
}

/// What a watcher is told.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The host
    uri: String,
    /// The domain
    domain: String,
    /// The copy's id
    id: RunId,
}

/// What was taken over.
#[derive(Debug, Default)]
pub struct TakenOver {
    /// The images, each with what it was made of.
    pub images: Vec<(Sealed, String)>,
    /// The domains that were not, where several were asked for.
    pub failed: Vec<String>,
}

/// Takes domains over.
pub fn run(
    args: &DomainArgs,
    os: &str,
    role: Option<&str>,
    store: &Store,
    cancel: &CancellationToken,
) -> Result<TakenOver, UserError> {
    connect::available()?;
    block_on(async {
        let host = connect::domains(&HostPlan::at(&args.uri)).await?;
        let importer = Importer {
            host,
            os,
            live: args.live,
            store,
            cancel,
        };
        match (&args.domain, &args.all_domains) {
            (Some(domain), _) => importer.one(domain, role).await,
            (None, Some(glob)) => importer.all(glob).await,
            (None, None) => Err(UserError::usage("there is nothing to import")
                .with_hint("name a file, or a domain with --domain or --all-domains")),
        }
    })
}

struct Importer<'a> {
    host: Arc<dyn Domains>,
    os: &'a str,
    live: bool,
    store: &'a Store,
    cancel: &'a CancellationToken,
}

impl Importer<'_> {
    async fn one(&self, domain: &str, role: Option<&str>) -> Result<TakenOver, UserError> {
        let taken = self.take(domain, role).await;
        let sealed = taken.map_err(|error| UserError::of_domain(&error))?;
        Ok(TakenOver {
            images: vec![(sealed, format!("domain {domain}"))],
            failed: Vec::new(),
        })
    }

    /// Takes one over, and says what came of it.
    async fn take(&self, domain: &str, role: Option<&str>) -> Result<Sealed, DomainError> {
        let name = image_name(self.os, role);
        print::note(&format!("image {name}: copying and sealing domain {domain}"));
        let wish = Wish {
            domain: domain.to_owned(),
            os: self.os.to_owned(),
            role: role.map(str::to_owned),
            live: self.live.then(live),
        };
        let progress = Arc::new(Progress::new());
        let taken = take(
            self.host.as_ref(),
            &wish,
            self.store,
            progress.clone(),
            self.cancel,
        )
        .await;
        progress.clear();
        let taken = taken?;
        for line in &taken.machine.said {
            print::note(&format!("domain {domain}: {line}"));
        }
        print::note(&format!(
            "image {name}: sealed, {}",
            image_list::summary(&taken.sealed.manifest)
        ));
        for line in image_list::contents(&taken.sealed.manifest) {
            print::note(&line);
        }
        Ok(taken.sealed)
    }

    /// Takes over all whose names fit, whatever becomes of one of them.
    async fn all(&self, glob: &str) -> Result<TakenOver, UserError> {
        let pattern = glob::Pattern::new(glob).map_err(|error| {
            UserError::usage(format!("`{glob}` is no pattern of names: {error}"))
                .with_hint("write one such as 'erp-*', in quotes")
        })?;
        let names = self.host.domains().await?;
        let chosen = chosen(&names, &pattern);
        if chosen.is_empty() {
            return Err(UserError::usage(format!("no domain is called like `{glob}`"))
                .with_hint("`virsh list --all` shows those that there are; `--uri` names another host"));
        }
        let mut all = TakenOver::default();
        for (domain, role) in chosen {
            match self.take(domain, Some(&role)).await {
                Ok(sealed) => all.images.push((sealed, format!("domain {domain}"))),
                Err(DomainError::Build(BuildError::Interrupted)) => {
                    return Err(UserError::of_domain(&BuildError::Interrupted.into()));
                }
                Err(error) => {
                    print::note(&format!(
                        "not imported: {}",
                        UserError::of_domain(&error).in_a_line()
                    ));
                    all.failed.push(domain.to_owned());
                }
            }
        }
        Ok(all)
    }
}

/// How a running domain is copied: this program itself watches over it.
fn live() -> Live {
    Live {
        watcher: ["/proc/self/exe", "watch-copy"].map(OsString::from).to_vec(),
        id: new_id(),
    }
}

/// The domains whose names fit, each with a role of its own. The clones of runs are none.
fn chosen<'a>(names: &'a [String], pattern: &glob::Pattern) -> Vec<(&'a str, String)> {
    let is_clone = |name: &str| {
        let id = name.strip_prefix("pg-").and_then(|rest| rest.get(..20));
        id.is_some_and(|id| id.parse::<RunId>().is_ok())
    };
    let mut chosen: Vec<(&str, String)> = Vec::new();
    for name in names
        .iter()
        .filter(|name| pattern.matches(name) && !is_clone(name))
    {
        let plain = role_of(name);
        let taken = |role: &str| chosen.iter().any(|(_, other)| other == role);
        let mut numbered = (2..).map(|nth: u32| format!("{plain}-{nth}"));
        let role = if taken(&plain) {
            numbered.find(|role| !taken(role)).unwrap_or_default()
        } else {
            plain
        };
        chosen.push((name, role));
    }
    chosen
}

/// Whether a text can name a role.
pub fn is_role(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 64
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The role that is called like a domain, as far as a role can be.
fn role_of(domain: &str) -> String {
    let plain = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            c
        } else {
            '-'
        }
    };
    let role: String = domain.chars().map(plain).take(48).collect();
    let role = role.trim_matches('-');
    if is_role(role) {
        role.to_owned()
    } else {
        format!("vm-{role}").trim_end_matches('-').to_owned()
    }
}

/// The pipe that a copy tells its watcher through.
fn told() -> io::Result<Receiver> {
    let pipe = io::stdin().as_fd().try_clone_to_owned()?;
    Receiver::from_file(pipe.into())
}

/// Watches over a copy of a running domain until whoever made it is through with it, or dead.
pub fn watch(args: &WatchArgs) -> Result<u8, UserError> {
    let watched = block_on(async {
        // Who is told to end with all of its group still has its work to do; what ends it is the end of the pipe.
        use tokio::signal::unix::{SignalKind, signal};
        let deaf = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ]
        .map(signal);
        let host = connect::domains(&HostPlan::at(&args.uri)).await?;
        print::say(READY);
        let pipe = told().map_err(|error| {
            UserError::usage(format!(
                "this is started by a copy, which tells it through a pipe: {error}"
            ))
        })?;
        let told = tokio::io::BufReader::new(pipe);
        watch_over(host.as_ref(), &args.domain, &args.id, told).await?;
        drop(deaf);
        Ok(())
    });
    // Whoever reads this has a pipe, and shows what went wrong.
    if let Err(error) = watched {
        print::say(&error.message);
        return Err(error);
    }
    Ok(exit_code::OPEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_domain_has_a_role_of_its_own_and_clones_have_none() {
        let names: Vec<String> = [
            "ERP DB",
            "erp_db",
            "erp-db",
            "2fast",
            "größe",
            "pg-20261123-140912-7c1f-0-control-web",
            "web",
        ]
        .map(str::to_owned)
        .to_vec();
        let roles = |glob: &str| -> Vec<String> {
            let pattern = glob::Pattern::new(glob).expect("a pattern");
            chosen(&names, &pattern)
                .into_iter()
                .map(|(_, role)| role)
                .collect()
        };
        assert_eq!(
            roles("*"),
            ["erp-db", "erp-db-2", "erp-db-3", "vm-2fast", "gr--e", "web"]
        );
        assert_eq!(roles("erp*"), ["erp-db", "erp-db-2"]);
        assert!(roles("*").iter().all(|role| is_role(role)));
        assert!(roles("none").is_empty());
    }
}
