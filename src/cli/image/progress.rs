//! How builds are shown: one spinner per image on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::image::build::{BuildProgress, Stage};

/// A display of builds, on standard error.
pub struct Progress {
    bars: Option<MultiProgress>,
    builds: Mutex<BTreeMap<String, Build>>,
}

struct Build {
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A display that fits standard error.
    pub fn new() -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
            builds: Mutex::default(),
        }
    }

    /// Takes the spinners away.
    pub fn clear(&self) {
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
            eprintln!("image {image}: {words} ({} s)", build.started.elapsed().as_secs());
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
