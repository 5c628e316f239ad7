use proptest::prelude::*;

use super::*;

fn judged(control: &[u64], treatment: &[u64]) -> Comparison {
    compare(control, treatment, Performance::default()).expect("samples")
}

#[test]
fn quantiles_are_those_of_other_tools() {
    // numpy.quantile([...], q) with its default method.
    let samples = [1.0, 2.0, 3.0, 4.0, 10.0];
    for (q, is) in [(0.0, 1.0), (0.5, 3.0), (0.95, 8.8), (1.0, 10.0), (0.25, 2.0)] {
        assert!((bootstrap::quantile(&samples, q) - is).abs() < 1e-9, "{q}");
    }
    assert!((bootstrap::quantile(&[7.0], 0.95) - 7.0).abs() < 1e-9);
}

#[test]
fn cliffs_delta_counts_pairs() {
    for (control, treatment, is) in [
        (&[1.0, 2.0][..], &[3.0, 4.0][..], 1.0),
        (&[3.0, 4.0], &[1.0, 2.0], -1.0),
        (&[1.0, 2.0], &[1.0, 2.0], 0.0),
        (&[1.0, 3.0], &[2.0, 4.0], 0.5),
    ] {
        let delta = bootstrap::cliffs_delta(control, treatment);
        assert!((delta - is).abs() < 1e-9, "{control:?} {treatment:?}: {delta}");
    }
}

#[test]
fn a_page_that_is_three_times_slower_is_told_with_all_its_numbers() {
    let control: Vec<u64> = (0..20).map(|n| 11_000 + n * 60).collect();
    let treatment: Vec<u64> = control.iter().map(|us| us * 3 + us % 700).collect();
    let comparison = judged(&control, &treatment);
    assert_eq!(comparison.finding, Finding::Regressed);
    insta::assert_snapshot!(
        comparison.words(),
        @"p95 3.0 x slower (95 % confidence 3.0 to 3.1, control 12 ms, treatment 36 ms, Cliff's delta 1.00, 20 samples each)"
    );
}

#[test]
fn what_is_no_regression_is_called_by_its_name() {
    let steady: Vec<u64> = (0..20).map(|n| 10_000 + n * 10).collect();
    let scaled = |percent: u64| steady.iter().map(|us| us * percent / 100).collect::<Vec<_>>();
    // One sample in ten is slow, in treatment alone: it moves the 95th percentile and nothing else.
    let outliers: Vec<u64> = (0..20)
        .map(|n| if n % 10 == 9 { 90_000 } else { 10_000 + n * 10 })
        .collect();
    for (treatment, finding) in [
        (steady.clone(), Finding::Alike),
        (scaled(125), Finding::Alike),
        (scaled(140), Finding::Regressed),
        (scaled(50), Finding::Faster),
        (outliers, Finding::Unsure),
    ] {
        let comparison = judged(&steady, &treatment);
        assert_eq!(comparison.finding, finding, "{}", comparison.words());
    }
}

#[test]
fn a_tail_that_every_third_user_sees_regresses() {
    for (count, slow) in [(20, 6), (30, 9), (200, 60), (200, 20)] {
        let control: Vec<u64> = (0..count).map(|n| 10_000 + n * 10).collect();
        let treatment: Vec<u64> = (0..count)
            .map(|n| (10_000 + n * 10) * if n < slow { 100 } else { 1 })
            .collect();
        let comparison = judged(&control, &treatment);
        assert_eq!(comparison.finding, Finding::Regressed, "{}", comparison.words());
        // What the lab file asks to be judged by the median is.
        let median = Performance {
            statistic: Statistic::Median,
            ..Performance::default()
        };
        let comparison = compare(&control, &treatment, median).expect("samples");
        assert_eq!(comparison.finding, Finding::Alike, "{}", comparison.words());
    }
}

#[test]
fn a_slowdown_hides_behind_no_outlier_of_controls_own() {
    // Samples in each arm; slow ones in control and in treatment; how slow the latter are.
    for (count, control, treatment, us) in [
        (10, 1, 10, 300_000),
        (20, 1, 20, 300_000),
        (20, 2, 20, 300_000),
        (30, 2, 30, 900_000),
        (50, 3, 50, 900_000),
        (200, 12, 60, 1_000_000),
        (200, 14, 100, 1_000_000),
        (200, 12, 110, 1_000_000),
    ] {
        let arm = |slow: u64, us: u64| -> Vec<u64> {
            (0..count)
                .map(|n| if n < slow { us + n * 37 } else { 9_500 + n * 5 })
                .collect()
        };
        let comparison = judged(&arm(control, 1_000_000), &arm(treatment, us));
        assert_eq!(comparison.finding, Finding::Regressed, "{}", comparison.words());
        let of_control = judged(&arm(control, 1_000_000), &arm(control, 1_000_000));
        assert_eq!(of_control.finding, Finding::Alike);
    }
    let control: Vec<u64> = (0..20).map(|n| if n < 2 { 1_000_000 } else { 10_000 }).collect();
    insta::assert_snapshot!(
        judged(&control, &[300_000; 20]).words(),
        @"median 30.0 x slower (95 % confidence 30.0 to 30.0, control 10 ms, treatment 300 ms); p95 3.3 x faster (95 % confidence 0.0 to 3.3, control 1.00 s, treatment 300 ms, Cliff's delta 0.80, 20 samples each)"
    );
}

#[test]
fn two_samples_of_one_kind_seldom_regress() {
    let mut random = bootstrap::SplitMix(14);
    let mut draw = |count: usize, kind: usize| -> Vec<u64> {
        let mut sample = || {
            let share = random.below(1000) as u64;
            match kind {
                // Steady; of two kinds; one in ten slow; a long tail.
                0 => 10_000 + share,
                1 => 10_000 + share + 90_000 * (share % 2),
                2 => 10_000 + share + 900_000 * u64::from(share.is_multiple_of(10)),
                _ => 10_000 * 1000 / (1000 - share),
            }
        };
        (0..count).map(|_| sample()).collect()
    };
    let (mut alarms, mut beside) = (0, 0);
    for count in [5, 20] {
        for kind in 0..4 {
            for _ in 0..50 {
                let comparison = judged(&draw(count, kind), &draw(count, kind));
                alarms += usize::from(comparison.finding == Finding::Regressed);
                beside += usize::from(comparison.beside.is_some());
            }
        }
    }
    // Of 400; half of what the confidence leaves is 10.
    assert!(
        alarms <= 10 && beside <= 4,
        "{alarms}, {beside} by another quantile"
    );
}

#[test]
fn policy_decides_what_counts() {
    let steady: Vec<u64> = (0..20).map(|n| 10_000 + n * 10).collect();
    let slower: Vec<u64> = steady.iter().map(|us| us * 14 / 10).collect();
    for (slower_percent, finding) in [(30, Finding::Regressed), (50, Finding::Alike)] {
        let policy = Performance {
            slower: Percent(slower_percent),
            statistic: Statistic::Median,
            ..Performance::default()
        };
        let comparison = compare(&steady, &slower, policy).expect("samples");
        assert_eq!(comparison.finding, finding, "{slower_percent}");
    }
}

#[test]
fn times_and_confidence_read_well() {
    for (us, text) in [
        (840.0, "840 µs"),
        (1_234.0, "1.2 ms"),
        (37_000.0, "37 ms"),
        (1_500_000.0, "1.50 s"),
    ] {
        assert_eq!(time(us), text);
    }
    assert_eq!(
        (confidence(950), confidence(999)),
        ("95 %".into(), "99.9 %".into())
    );
}

/// Twenty samples of a page on a busy host: most near the base, a few far above it (Pareto, with a tail so heavy that it
/// has no variance).
fn busy(base_us: f64, random: &mut bootstrap::SplitMix) -> Vec<u64> {
    let mut sample = || {
        #[expect(clippy::cast_precision_loss, reason = "a number below a million")]
        let share = random.below(1_000_000) as f64 / 1e6;
        let factor = 0.9 + 0.1 / (1.0 - share * 0.999).sqrt();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some seconds"
        )]
        let us = (base_us * factor) as u64;
        us
    };
    (0..20).map(|_| sample()).collect()
}

#[test]
fn a_busy_host_raises_no_alarm_and_hides_no_slowdown() {
    let mut random = bootstrap::SplitMix(2026);
    let (mut alarms, mut found) = (0, 0);
    for _ in 0..60 {
        let control = busy(10_000.0, &mut random);
        let regressed = |treatment: &[u64]| judged(&control, treatment).finding == Finding::Regressed;
        alarms += usize::from(regressed(&busy(10_000.0, &mut random)));
        found += usize::from(regressed(&busy(30_000.0, &mut random)));
    }
    assert_eq!((alarms, found > 50), (0, true), "{found} of 60 found");
}

fn samples() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(1_u64..10_000_000, 5..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn equal_samples_never_regress(samples in samples()) {
        let comparison = judged(&samples, &samples);
        prop_assert_eq!(comparison.finding, Finding::Alike);
        prop_assert!(comparison.lower <= 1.0 && comparison.upper >= 1.0);
    }

    #[test]
    fn three_times_slower_with_noise_regresses(
        noise in proptest::collection::vec((0_u64..2_000, 0_u64..6_000), 15..100)
    ) {
        let control: Vec<u64> = noise.iter().map(|(noise, _)| 10_000 + noise).collect();
        let treatment: Vec<u64> = noise.iter().map(|(_, noise)| 30_000 + noise).collect();
        let comparison = judged(&control, &treatment);
        prop_assert_eq!(comparison.finding, Finding::Regressed, "{}", comparison.words());
        prop_assert_ne!(judged(&treatment, &control).finding, Finding::Regressed);
    }

    #[test]
    fn what_gets_slower_still_does_not_stop_to_regress(control in samples(), treatment in samples(), more in 1_u64..50) {
        let slower: Vec<u64> = treatment.iter().map(|us| us * more).collect();
        let (before, after) = (judged(&control, &treatment), judged(&control, &slower));
        prop_assert!(after.ratio >= before.ratio && after.lower >= before.lower && after.delta >= before.delta);
        prop_assert!(before.finding != Finding::Regressed || after.finding == Finding::Regressed);
    }

    #[test]
    fn the_order_of_samples_does_not_matter(control in samples(), treatment in samples()) {
        let reversed = |samples: &[u64]| samples.iter().rev().copied().collect::<Vec<_>>();
        prop_assert_eq!(
            judged(&control, &treatment),
            judged(&reversed(&control), &reversed(&treatment))
        );
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_samples_make_it_panic(
        control in proptest::collection::vec(any::<u64>(), 0..400),
        treatment in proptest::collection::vec(any::<u64>(), 0..400),
        slower: u32,
        confidence_permille: u16,
    ) {
        let policy = Performance { slower: Percent(slower), confidence_permille, ..Performance::default() };
        let comparison = compare(&control, &treatment, policy);
        prop_assert_eq!(comparison.is_none(), control.is_empty() || treatment.is_empty());
        if let Some(comparison) = comparison {
            prop_assert!(comparison.lower <= comparison.upper);
            prop_assert!(comparison.ratio.is_finite() && comparison.delta.abs() <= 1.0);
            prop_assert!(!comparison.words().is_empty());
        }
    }
}
