//! Whether something happens more often in one arm than in the other.

use serde::Serialize;

/// How often something happened, of how many times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How often it did.
    pub had: u32,
    /// Of how many.
    pub of: u32,
}

/// How likely treatment has its share or a larger one where both arms are alike: Fisher's exact test, one-sided (Fisher,
/// *Statistical methods for research workers*, 1934, section 21.02). By multiplication alone, so that every machine says the
/// same.
pub(super) fn chance(control: Share, treatment: Share) -> f64 {
    let (of_control, of_treatment) = (u64::from(control.of), u64::from(treatment.of));
    let had = u64::from(control.had.min(control.of)) + u64::from(treatment.had.min(treatment.of));
    let least = had.saturating_sub(of_control);
    let most = had.min(of_treatment);
    #[expect(clippy::cast_precision_loss, reason = "numbers of samples")]
    let number = |count: u64| count as f64;
    // The weight of one more in treatment, from that of one less.
    let (mut weight, mut all, mut beyond) = (1.0_f64, 0.0_f64, 0.0_f64);
    for count in least..=most {
        all += weight;
        if count >= u64::from(treatment.had) {
            beyond += weight;
        }
        if count < most {
            weight *= number(had - count) * number(of_treatment - count)
                / (number(count + 1) * number(of_control + count + 1 - had));
        }
        // Weights of hundreds of samples stay below 1e120; of more, all are made smaller together.
        if weight > 1e200 {
            (weight, all, beyond) = (weight / 1e200, all / 1e200, beyond / 1e200);
        }
    }
    if all > 0.0 { beyond / all } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(had: u32, of: u32) -> Share {
        Share { had, of }
    }

    #[test]
    fn the_exact_test_says_what_other_tools_say() {
        // scipy.stats.fisher_exact(..., alternative="greater").
        for (control, treatment, is) in [
            (share(0, 5), share(5, 5), 1.0 / 252.0),
            (share(0, 20), share(3, 20), 0.115_385),
            (share(0, 200), share(5, 200), 0.030_470),
            (share(0, 200), share(6, 200), 0.015_042),
            (share(3, 20), share(3, 20), 0.669_290),
            (share(5, 5), share(0, 5), 1.0),
            (share(0, 0), share(0, 0), 1.0),
        ] {
            let found = chance(control, treatment);
            assert!((found - is).abs() < 1e-4, "{control:?} {treatment:?}: {found}");
        }
        assert!(chance(share(0, 200), share(20, 200)) < 1e-6);
        assert!(chance(share(0, 5000), share(5000, 5000)).is_finite());
    }
}
