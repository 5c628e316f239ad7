//! How builds are shown: one spinner per image on a terminal, plain lines elsewhere; then what was sealed.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use tokio_util::sync::CancellationToken;

use crate::cli::error::UserError;
use crate::cli::image_list::summary;
use crate::cli::print;
use crate::image::batch::{build_due, is_due};
use crate::image::build::stage::{BuildProgress, Stage};
use crate::image::catalogue::{ImageDef, Store};
use crate::image::manifest::Sealed;
use crate::session::images;

/// Builds those images that are not sealed, or all of them anew, and says what came of it.
pub fn build(
    images: &[ImageDef],
    store: &Store,
    rebuild: bool,
    cancel: &CancellationToken,
) -> Result<(), UserError> {
    tell_spared(images, rebuild);
    let progress = Progress::new();
    let made = build_due(images, store, rebuild, &progress, cancel);
    progress.clear();
    tell(&made?);
    Ok(())
}

/// Builds the images of a plan that are missing; an interrupt ends it.
pub async fn build_missing(images: Vec<ImageDef>, store: Store) -> Result<(), UserError> {
    tell_spared(&images, false);
    let progress = Arc::new(Progress::new());
    let made = images::build_missing(images, store, progress.clone()).await;
    progress.clear();
    tell(&made?);
    Ok(())
}

fn tell_spared(images: &[ImageDef], rebuild: bool) {
    for image in images.iter().filter(|image| !is_due(image, rebuild)) {
        print::say(&format!("image {}: sealed already", image.name));
    }
}

fn tell(made: &[Sealed]) {
    for sealed in made {
        print::say(&format!(
            "image {}: sealed, {}",
            sealed.manifest.name,
            summary(&sealed.manifest)
        ));
    }
}

/// A display of builds, on standard error.
struct Progress {
    bars: Option<MultiProgress>,
    builds: Mutex<BTreeMap<String, Build>>,
}

struct Build {
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A display that fits standard error.
    fn new() -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
            builds: Mutex::default(),
        }
    }

    /// Takes the spinners away.
    fn clear(&self) {
        if let Some(bars) = &self.bars {
            // A terminal that is gone has nothing to clear.
            let _ = bars.clear();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a terminal shows the time that passes")]
    fn show(&self, image: &str, words: &str, over: bool) {
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        let build = builds.entry(image.to_owned()).or_insert_with(|| Build {
            started: Instant::now(),
            bar: self.bars.as_ref().map(|bars| spinner(bars, image)),
        });
        let Some(bar) = &build.bar else {
            print::note(&format!(
                "image {image}: {words} ({} s)",
                build.started.elapsed().as_secs()
            ));
            return;
        };
        if over {
            bar.finish_with_message(words.to_owned());
        } else {
            bar.set_message(words.to_owned());
        }
    }
}

fn spinner(bars: &MultiProgress, image: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:24} {elapsed:>4}  {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(image.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

impl BuildProgress for Progress {
    fn stage(&self, image: &str, stage: Stage) {
        self.show(image, stage.words(), false);
    }

    fn finished(&self, image: &str, sealed: bool) {
        self.show(image, if sealed { "sealed" } else { "failed" }, true);
    }
}
