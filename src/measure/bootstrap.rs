//! The numbers behind a comparison. Samples are ascending, finite, at least 1, and there is at least one.

/// Drawings anew; Efron and Tibshirani (1993, section 14.5) ask for 1000 or more where bounds of 95 % are wanted.
const RESAMPLES: usize = 2000;

/// Where the drawings begin: any number would do, and it must never change, or journals would be judged otherwise.
const SEED: u64 = 0x7061_7463_6867_6174;

/// SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014): small, fixed for good, and
/// random enough to draw samples by.
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, by the high half of a product; the bias is below 2^-56 for a bound of 200.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * bound as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }
}

/// Where a quantile lies between ranks: the rank below, and how far beyond it (Hyndman and Fan, *Sample quantiles in
/// statistical packages*, 1996, definition 7: linear between the ranks, as R, NumPy and spreadsheets have it).
fn place(count: usize, quantile: f64) -> (usize, f64) {
    #[expect(clippy::cast_precision_loss, reason = "at most 2000 numbers")]
    let at = (count.saturating_sub(1)) as f64 * quantile.clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and below the count"
    )]
    let rank = at.floor() as usize;
    (rank, at - at.floor())
}

/// A quantile of ascending numbers.
pub(super) fn quantile(ascending: &[f64], quantile: f64) -> f64 {
    let (rank, beyond) = place(ascending.len(), quantile);
    let at = |rank: usize| ascending.get(rank).copied();
    let low = at(rank).unwrap_or(1.0);
    low + (at(rank + 1).unwrap_or(low) - low) * beyond
}

/// Draws anew from ascending numbers, with replacement: `times` becomes how often each is drawn.
fn draw(ascending: &[f64], random: &mut SplitMix, times: &mut Vec<usize>) {
    times.clear();
    times.resize(ascending.len(), 0);
    for _ in ascending {
        if let Some(times) = times.get_mut(random.below(ascending.len())) {
            *times += 1;
        }
    }
}

/// A quantile of a drawing, by how often each of the ascending numbers is in it.
fn drawn(ascending: &[f64], times: &[usize], wanted: f64) -> f64 {
    let (rank, beyond) = place(ascending.len(), wanted);
    // The drawing in order is each number as often as it was drawn; `seen` of it have gone by.
    let (mut seen, mut low) = (0, None);
    for (&number, &times) in ascending.iter().zip(times) {
        seen += times;
        if seen > rank && low.is_none() {
            low = Some(number);
        }
        if seen > rank + 1 {
            let low = low.unwrap_or(number);
            return low + (number - low) * beyond;
        }
    }
    low.unwrap_or(1.0)
}

/// Bounds of the ratios of quantiles, treatment to control, with `tail` of the drawings beyond each; the drawings are the same
/// for all of them.
pub(super) fn ratio_bounds<const N: usize>(
    control: &[f64],
    treatment: &[f64],
    wanted: [f64; N],
    tail: f64,
) -> [(f64, f64); N] {
    let mut random = SplitMix(SEED);
    let mut times = Vec::new();
    let mut ratios = wanted.map(|_| Vec::with_capacity(RESAMPLES));
    for _ in 0..RESAMPLES {
        draw(control, &mut random, &mut times);
        let of_control = wanted.map(|wanted| drawn(control, &times, wanted));
        draw(treatment, &mut random, &mut times);
        for ((ratios, wanted), of_control) in ratios.iter_mut().zip(wanted).zip(of_control) {
            ratios.push(drawn(treatment, &times, wanted) / of_control);
        }
    }
    ratios.map(|mut ratios| {
        ratios.sort_unstable_by(f64::total_cmp);
        (quantile(&ratios, tail), quantile(&ratios, 1.0 - tail))
    })
}

/// Cliff's delta of treatment over control.
pub(super) fn cliffs_delta(control: &[f64], treatment: &[f64]) -> f64 {
    let below = |limit: f64| control.partition_point(|&sample| sample < limit);
    let up_to = |limit: f64| control.partition_point(|&sample| sample <= limit);
    let (mut slower, mut faster) = (0_usize, 0_usize);
    for &sample in treatment {
        slower += below(sample);
        faster += control.len() - up_to(sample);
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 200 times 200 pairs")]
    let delta = (slower as f64 - faster as f64) / (control.len() * treatment.len()) as f64;
    delta
}
