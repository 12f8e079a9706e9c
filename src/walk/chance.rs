//! Exact chances.

use std::cmp::Ordering;
use std::fmt;

/// A chance between 0 and 1: an exact fraction in lowest terms, as long as it fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chance(Value);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Exact { numerator: u128, denominator: u128 },
    Approximate(f64),
}

impl Chance {
    /// 1
    pub const CERTAIN: Chance = Chance(Value::Exact { numerator: 1, denominator: 1 });

    /// `numerator` in `denominator`, at most 1; certain where the denominator is 0.
    pub fn of(numerator: u64, denominator: u64) -> Chance {
        if denominator == 0 || numerator >= denominator {
            return Chance::CERTAIN;
        }
        Chance::exact(u128::from(numerator), u128::from(denominator))
    }

    fn exact(numerator: u128, denominator: u128) -> Chance {
        let divisor = greatest_common_divisor(numerator, denominator).max(1);
        Chance(Value::Exact { numerator: numerator / divisor, denominator: denominator / divisor })
    }

    /// The chance that both of two independent events happen.
    #[must_use]
    pub fn times(self, other: Chance) -> Chance {
        if let (
            Value::Exact { numerator: a, denominator: b },
            Value::Exact { numerator: c, denominator: d },
        ) = (self.0, other.0)
        {
            // Crosswise first, so that the chain 2/3 * 1/2 never grows.
            let (left, right) = (Chance::parts(a, d), Chance::parts(c, b));
            let product = left.0.checked_mul(right.0).zip(right.1.checked_mul(left.1));
            if let Some((numerator, denominator)) = product {
                return Chance::exact(numerator, denominator);
            }
        }
        Chance(Value::Approximate(self.as_f64() * other.as_f64()))
    }

    fn parts(numerator: u128, denominator: u128) -> (u128, u128) {
        let divisor = greatest_common_divisor(numerator, denominator).max(1);
        (numerator / divisor, denominator / divisor)
    }

    /// The chance that either of two exclusive events happens.
    #[must_use]
    pub fn plus(self, other: Chance) -> Chance {
        if let (
            Value::Exact { numerator: a, denominator: b },
            Value::Exact { numerator: c, denominator: d },
        ) = (self.0, other.0)
        {
            let divisor = greatest_common_divisor(b, d).max(1);
            let sum = a
                .checked_mul(d / divisor)
                .zip(c.checked_mul(b / divisor))
                .and_then(|(x, y)| x.checked_add(y))
                .zip(b.checked_mul(d / divisor));
            if let Some((numerator, denominator)) = sum {
                return Chance::exact(numerator, denominator);
            }
        }
        Chance(Value::Approximate(self.as_f64() + other.as_f64()))
    }

    /// The chance that the event does not happen.
    #[must_use]
    pub fn otherwise(self) -> Chance {
        match self.0 {
            Value::Exact { numerator, denominator } => {
                Chance::exact(denominator.saturating_sub(numerator), denominator)
            }
            Value::Approximate(value) => Chance(Value::Approximate(1.0 - value)),
        }
    }

    /// The nearest floating-point number.
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Value::Exact { numerator, denominator } => numerator as f64 / denominator as f64,
            Value::Approximate(value) => value,
        }
    }

    /// Numerator and denominator, where the chance is exact.
    pub fn fraction(self) -> Option<(u128, u128)> {
        match self.0 {
            Value::Exact { numerator, denominator } => Some((numerator, denominator)),
            Value::Approximate(_) => None,
        }
    }

    /// The same for equal chances, and no others.
    pub fn key(self) -> (u128, u128) {
        match self.0 {
            Value::Exact { numerator, denominator } => (numerator, denominator),
            Value::Approximate(value) => (u128::from(value.to_bits()), 0),
        }
    }

    /// Whether it is 1.
    pub fn is_certain(self) -> bool {
        self == Chance::CERTAIN
    }

    /// Whether it is 0.
    pub fn is_impossible(self) -> bool {
        self.as_f64() <= 0.0
    }

    /// A total order by value.
    pub fn compare(self, other: Chance) -> Ordering {
        self.as_f64().total_cmp(&other.as_f64())
    }
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        // Most numbers are short, and those are divided many times as fast.
        if let (Ok(a), Ok(b)) = (u64::try_from(a), u64::try_from(b)) {
            return u128::from(short_greatest_common_divisor(a, b));
        }
        (a, b) = (b, a % b);
    }
    a
}

fn short_greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// In per cent with at most two decimals, and the fraction where it says more: `33.33 % (1/3)`.
impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.2}", self.as_f64() * 100.0);
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{percent} %")?;
        match self.fraction() {
            Some((n, d)) if 100 % d != 0 && d < 100_000 => write!(f, " ({n}/{d})"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cascade_gives_equal_exact_shares() {
        let mut left = Chance::CERTAIN;
        for n in (1..=5000u64).rev() {
            let take = Chance::of(1, n);
            assert_eq!(left.times(take).fraction(), Some((1, 5000)));
            left = left.times(take.otherwise());
        }
        assert!(left.is_impossible());
    }

    #[test]
    fn odd_probabilities_stay_exact_while_they_fit() {
        let odd = Chance::of(715_827_883, 1 << 31);
        assert_eq!(odd.plus(odd.otherwise()), Chance::CERTAIN);
        let mut small = odd;
        for _ in 0..10 {
            small = small.times(odd);
        }
        assert_eq!(small.fraction(), None);
        assert!((small.as_f64() - (1.0f64 / 3.0).powi(11)).abs() < 1e-9);
    }

    #[test]
    fn shown_in_per_cent() {
        assert_eq!(Chance::of(1, 3).to_string(), "33.33 % (1/3)");
        assert_eq!(Chance::of(1, 4).to_string(), "25 %");
        assert_eq!(Chance::CERTAIN.to_string(), "100 %");
        assert_eq!(Chance::of(3, 0), Chance::CERTAIN);
    }
}
