//! Whether one arm is slower than the other: samples, their statistic, and what may be said of the difference. Pure and
//! deterministic: the same samples always say the same.
//!
//! Of both arms' samples a statistic is taken, the median or the 95th percentile, and their ratio, treatment to control.
//! How far the ratio can be trusted is told by a percentile bootstrap (Efron and Tibshirani, *An Introduction to the
//! Bootstrap*, 1993, chapter 13): both arms' samples are drawn anew with replacement, 2000 times, and the bounds are
//! quantiles of the 2000 ratios. How far the arms' samples lie apart at all is told by Cliff's delta (Cliff, *Dominance
//! statistics*, Psychological Bulletin 114, 1993): the share of pairs in which treatment is slower, less the share in
//! which it is faster. A slowdown counts where the ratio's lower bound is above the limit and the samples show it too: the
//! median by the delta; the 95th percentile by its own bound, as three in ten requests that are a hundred times slower hardly
//! move the delta: how many samples are beyond control's percentile by more than is allowed is compared by Fisher's exact
//! test, which a few outliers do not pass. A shift of a hundredth that no user notices moves the delta and not the ratio.
//!
//! Where control has some slow samples of its own, its 95th percentile is one of these, and nothing that becomes of all others
//! moves it. So with the 95th percentile the median, the third quartile and the ninth decile are judged too, each by its own
//! bound and by Fisher's test of the samples beyond control's own.
//!
//! Samples that failed have no time. They are compared as proportions, by the same test.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Percent;

mod bootstrap;
mod proportion;

pub use proportion::Share;

/// Samples of one step that are taken, at least and at most, in each arm.
pub const REPEAT: (u32, u32) = (5, 200);

/// Rounds before them whose times do not count, at most.
pub const WARMUP: u32 = 50;

/// From here on Cliff's delta is called large (Romano and others, *Exploring methods for evaluating group differences on
/// the NSSE and other surveys*, 2006: 0.147 small, 0.33 medium, 0.474 large).
pub const LARGE: f64 = 0.474;

/// What stands for all samples of an arm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The sample that half of the others are below.
    Median,
    /// What 95 of 100 are below: what the slowest users see.
    #[default]
    P95,
}

impl Statistic {
    /// Its name in files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::P95 => "p95",
        }
    }

    fn quantile(self) -> f64 {
        match self {
            Self::Median => 0.5,
            Self::P95 => 0.95,
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// When a slowdown counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Performance {
    /// What is compared.
    pub statistic: Statistic,
    /// How much slower is too slow.
    pub slower: Percent,
    /// How sure that must be, in thousandths: 950 is 95 %.
    pub confidence_permille: u16,
}

impl Performance {
    /// The share of chance that is left beyond each bound: half of what the confidence leaves.
    pub(crate) fn tail(self) -> f64 {
        (1.0 - f64::from(self.confidence_permille.min(999)) / 1000.0) / 2.0
    }
}

impl Default for Performance {
    fn default() -> Self {
        Self {
            statistic: Statistic::P95,
            slower: Percent(30),
            confidence_permille: 950,
        }
    }
}

/// What both arms' samples of one step say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// By what it was judged.
    pub policy: Performance,
    /// The statistic in control, in microseconds.
    pub control_us: f64,
    /// The statistic in treatment, in microseconds.
    pub treatment_us: f64,
    /// The median in control, in microseconds.
    pub control_median_us: f64,
    /// The median in treatment, in microseconds.
    pub treatment_median_us: f64,
    /// The statistic in treatment by that in control.
    pub ratio: f64,
    /// The ratio's lower confidence bound.
    pub lower: f64,
    /// The ratio's upper confidence bound.
    pub upper: f64,
    /// Cliff's delta, from -1 (treatment is always faster) to 1 (always slower).
    pub delta: f64,
    /// Samples in control.
    pub control_samples: usize,
    /// Samples in treatment.
    pub treatment_samples: usize,
    /// What is slower surely though the statistic does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// What follows from all that.
    pub finding: Finding,
}

/// Another quantile than the one that is compared by the policy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Beside {
    /// Which, in hundredths: 50 is the median.
    pub percentile: u8,
    /// In control, in microseconds.
    pub control_us: f64,
    /// In treatment, in microseconds.
    pub treatment_us: f64,
    /// That in treatment by that in control.
    pub ratio: f64,
    /// The ratio's lower confidence bound.
    pub lower: f64,
    /// The ratio's upper confidence bound.
    pub upper: f64,
}

/// What is judged beside the 95th percentile, in hundredths.
const BESIDE: [u8; 3] = [50, 75, 90];

/// The failed samples of one step in both arms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FailedSamples {
    /// In control.
    pub control: Share,
    /// In treatment.
    pub treatment: Share,
    /// How likely so many in treatment are where the updates change nothing.
    pub chance: f64,
    /// What follows from that: regressed, unsure or alike.
    pub finding: Finding,
}

impl FailedSamples {
    /// Compares failed samples as proportions. More of them in treatment regress where that is as sure as a slowdown has to
    /// be; fewer than that are told.
    pub fn compare(control: Share, treatment: Share, policy: Performance) -> Self {
        let chance = proportion::chance(control, treatment);
        let more = u64::from(treatment.had) * u64::from(control.of.max(1))
            > u64::from(control.had) * u64::from(treatment.of.max(1));
        let finding = match (more, chance < policy.tail()) {
            (true, true) => Finding::Regressed,
            (true, false) => Finding::Unsure,
            (false, _) => Finding::Alike,
        };
        Self {
            control,
            treatment,
            chance,
            finding,
        }
    }

    /// In words: `20 of 200 samples failed, in control 0 of 200 (by chance in 0.0 % of such runs)`.
    pub fn words(&self) -> String {
        format!(
            "{} of {} samples failed, in control {} of {} (by chance in {:.1} % of such runs)",
            self.treatment.had,
            self.treatment.of,
            self.control.had,
            self.control.of,
            self.chance * 100.0
        )
    }
}

/// What may be said of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Slower than the policy allows, surely: a regression.
    Regressed,
    /// The ratio is above what the policy allows, and that is not sure.
    Unsure,
    /// No slowdown that counts.
    Alike,
    /// Faster, surely and in nearly every sample.
    Faster,
}

impl Finding {
    /// The finding in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Regressed => "slower",
            Self::Unsure => "slower, not surely",
            Self::Alike => "alike",
            Self::Faster => "faster",
        }
    }
}

/// Compares samples in microseconds; `None` where an arm has none. Of more than [`REPEAT`] allows, the first are taken.
pub fn compare(control: &[u64], treatment: &[u64], policy: Performance) -> Option<Comparison> {
    let (control, treatment) = (sorted(control), sorted(treatment));
    if control.is_empty() || treatment.is_empty() {
        return None;
    }
    let quantile = policy.statistic.quantile();
    let of = |samples: &[f64]| bootstrap::quantile(samples, quantile);
    let (control_us, treatment_us) = (of(&control), of(&treatment));
    let ratio = treatment_us / control_us;
    let tail = policy.tail();
    let [first, second, third] = BESIDE.map(|percentile| f64::from(percentile) / 100.0);
    let [(lower, upper), bounds @ ..] =
        bootstrap::ratio_bounds(&control, &treatment, [quantile, first, second, third], tail);
    let delta = bootstrap::cliffs_delta(&control, &treatment);
    let limit = 1.0 + f64::from(policy.slower.0) / 100.0;
    // Whether so many more samples are beyond a time of control's, by more than is allowed, that it is no chance.
    let is_crossed = |control_us: f64| {
        let slow = |samples: &[f64]| beyond(samples, control_us * limit);
        proportion::chance(slow(&control), slow(&treatment)) < tail
    };
    let beside = match policy.statistic {
        Statistic::Median => None,
        Statistic::P95 => BESIDE
            .into_iter()
            .zip(bounds)
            .map(|(percentile, (lower, upper))| {
                let of = |samples: &[f64]| bootstrap::quantile(samples, f64::from(percentile) / 100.0);
                let (control_us, treatment_us) = (of(&control), of(&treatment));
                Beside {
                    percentile,
                    control_us,
                    treatment_us,
                    ratio: treatment_us / control_us,
                    lower,
                    upper,
                }
            })
            .find(|beside| beside.lower > limit && is_crossed(beside.control_us)),
    };
    let is_shown = delta >= LARGE
        || match policy.statistic {
            Statistic::Median => false,
            Statistic::P95 => is_crossed(control_us),
        };
    let (control_median_us, treatment_median_us) = (
        bootstrap::quantile(&control, 0.5),
        bootstrap::quantile(&treatment, 0.5),
    );
    let is_by_statistic = lower > limit && is_shown;
    let half_is_slower = delta >= LARGE && treatment_median_us / control_median_us > limit;
    let finding = if is_by_statistic || beside.is_some() {
        Finding::Regressed
    } else if ratio > limit || half_is_slower {
        Finding::Unsure
    } else if upper < 1.0 && delta <= -LARGE {
        Finding::Faster
    } else {
        Finding::Alike
    };
    Some(Comparison {
        policy,
        control_us,
        treatment_us,
        control_median_us,
        treatment_median_us,
        ratio,
        lower,
        upper,
        delta,
        control_samples: control.len(),
        treatment_samples: treatment.len(),
        beside: beside.filter(|_| !is_by_statistic),
        finding,
    })
}

/// How many of ascending samples are above a time.
fn beyond(samples: &[f64], limit: f64) -> Share {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let below = samples.partition_point(|&sample| sample <= limit);
    Share {
        had: count(samples.len() - below),
        of: count(samples.len()),
    }
}

/// At most so many samples as are ever taken, ascending; none is shorter than the clock's tick, 1 µs.
fn sorted(samples: &[u64]) -> Vec<f64> {
    let mut sorted: Vec<u64> = samples
        .iter()
        .take(REPEAT.1 as usize)
        .map(|&sample| sample.max(1))
        .collect();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a day in microseconds is far below 2^52; beyond it a rounding error does not matter"
    )]
    sorted.into_iter().map(|sample| sample as f64).collect()
}

impl Comparison {
    /// The whole comparison in a sentence: `p95 3.1 x slower (95 % confidence 2.8 to 3.4, control 12 ms, ...)`. What is slower
    /// though the statistic does not show it comes first.
    pub fn words(&self) -> String {
        let samples = if self.control_samples == self.treatment_samples {
            format!("{} samples each", self.control_samples)
        } else {
            format!("{} and {} samples", self.control_samples, self.treatment_samples)
        };
        let statistic = format!(
            "{} {}, control {}, treatment {}, Cliff's delta {:.2}, {samples})",
            self.policy.statistic,
            self.factor(self.ratio, self.lower, self.upper),
            time(self.control_us),
            time(self.treatment_us),
            self.delta,
        );
        match &self.beside {
            None => statistic,
            Some(beside) => format!(
                "{} {}, control {}, treatment {}); {statistic}",
                beside.name(),
                self.factor(beside.ratio, beside.lower, beside.upper),
                time(beside.control_us),
                time(beside.treatment_us),
            ),
        }
    }

    /// `3.1 x slower (95 % confidence 2.8 to 3.4`.
    fn factor(&self, ratio: f64, lower: f64, upper: f64) -> String {
        let (factor, bounds, than) = if ratio < 1.0 {
            (1.0 / ratio, (1.0 / upper, 1.0 / lower), "faster")
        } else {
            (ratio, (lower, upper), "slower")
        };
        format!(
            "{factor:.1} x {than} ({} confidence {:.1} to {:.1}",
            confidence(self.policy.confidence_permille),
            bounds.0,
            bounds.1
        )
    }
}

impl Beside {
    fn name(&self) -> String {
        match self.percentile {
            50 => "median".to_owned(),
            percentile => format!("p{percentile}"),
        }
    }
}

/// `95 %`, `99.9 %`.
pub fn confidence(permille: u16) -> String {
    match permille % 10 {
        0 => format!("{} %", permille / 10),
        tenths => format!("{}.{tenths} %", permille / 10),
    }
}

/// Microseconds as a reader wants them: `840 µs`, `1.2 ms`, `37 ms`, `1.50 s`.
pub fn time(us: f64) -> String {
    if us < 1_000.0 {
        format!("{us:.0} µs")
    } else if us < 10_000.0 {
        format!("{:.1} ms", us / 1_000.0)
    } else if us < 1_000_000.0 {
        format!("{:.0} ms", us / 1_000.0)
    } else {
        format!("{:.2} s", us / 1_000_000.0)
    }
}

#[cfg(test)]
mod tests;
