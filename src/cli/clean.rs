//! `patchgate clean`: removes what dead runs left on their hosts, and dead imports in the image store, and never touches a live one.

use clap::Args;

use crate::cli::error::UserError;
use crate::cli::{exit_code, print};
use crate::image::store::Store;
use crate::input::safe;
use crate::input::words::count;
use crate::model::plan::HostPlan;
use crate::record::state::State;
use crate::session::begin::now;
use crate::session::clean::{Swept, Wish, clean};
use crate::units::Period;

/// Arguments of `clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// The run to clean up after, kept VMs too; by default every dead run, but not what was kept with `--keep`.
    pub run: Option<String>,
    /// Every dead run with what it kept, and everything with patchgate's mark on the host whose run is not known here.
    #[arg(long, conflicts_with = "run")]
    pub all: bool,
    /// With --all: of runs that are not known here only those that began so long ago; a younger one may live on another machine
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "all")]
    pub older_than: Period,
    /// Only say what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes what imports and builds left in the image store that died.
fn store(dry_run: bool, swept: &mut Swept) {
    let left = Store::named().and_then(|store| if dry_run { store.swept() } else { store.sweep() });
    let verb = if dry_run { "would remove" } else { "removed" };
    match left {
        Ok(folders) => {
            for folder in &folders {
                let shown = safe::line(&folder.display().to_string());
                print::say(&format!("{verb} {shown} (of an import or a build that died)"));
            }
            swept.removed += folders.len();
        }
        Err(error) => {
            print::say(&format!(
                "not removed: what imports and builds that died left in the image store: {error}"
            ));
            swept.unremoved += 1;
        }
    }
}

/// Runs the verb; `known` are the hosts that are searched beside those of dead runs.
pub async fn run(args: CleanArgs, known: &[HostPlan]) -> Result<u8, UserError> {
    let state = State::open()?;
    let run = args.run.as_deref().map(|text| state.resolve(text, None));
    let wish = Wish {
        run: run.transpose()?,
        all: args.all,
        before: now() - args.older_than.0,
        dry_run: args.dry_run,
    };
    let mut swept = clean(&state, known, &wish, &|news| print::say(&news.to_string())).await?;
    if wish.run.is_none() {
        store(wish.dry_run, &mut swept);
    }
    let verb = if args.dry_run {
        "would be removed"
    } else {
        "removed"
    };
    let mut unknown = String::new();
    for (number, noun, what) in [
        (swept.unread, "list", "not read"),
        (swept.unseen, "host", "not looked at"),
    ] {
        if number > 0 {
            unknown.extend([", ", &count(number, noun), " ", what]);
        }
    }
    print::say(&format!(
        "clean: {} {verb}, {} could not be removed{unknown}",
        swept.removed, swept.unremoved
    ));
    Ok(if swept.is_whole() {
        exit_code::OPEN
    } else {
        exit_code::UNDECIDED
    })
}
