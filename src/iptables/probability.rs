//! Probabilities of the `statistic` match.

/// A probability as the kernel stores it: a multiple of 2^-31 (linux/netfilter/xt_statistic.h). Two are equal if the
/// kernel's values are.
#[derive(Debug, Clone, Copy)]
pub struct Probability {
    units: u32,
    one_in: Option<u32>,
}

impl PartialEq for Probability {
    fn eq(&self, other: &Self) -> bool {
        self.units == other.units
    }
}

impl Eq for Probability {}

impl Probability {
    const ONE: u64 = 1 << 31;

    /// One in `n`, as kube-proxy writes it: ten decimals.
    pub fn one_in(n: u32) -> Probability {
        Probability { units: Self::units_of_one_in(n), one_in: Some(n) }
    }

    /// Reads the decimals that `iptables-save` prints or kube-proxy writes.
    pub fn parse(text: &str) -> Option<Probability> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if whole.len() > 1 || decimals.len() > 18 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let scale = 10u128.pow(u32::try_from(decimals.len()).ok()?);
        let digits: u128 = if decimals.is_empty() { 0 } else { decimals.parse().ok()? };
        let value = whole.parse::<u128>().ok()?.checked_mul(scale)? + digits;
        let units = u32::try_from((value * u128::from(Self::ONE) + scale / 2) / scale).ok()?;
        if u64::from(units) > Self::ONE {
            return None;
        }
        let n = if units == 0 {
            0
        } else {
            u32::try_from((Self::ONE + u64::from(units) / 2) / u64::from(units)).ok()?
        };
        let one_in = (n > 0 && Self::units_of_one_in(n) == units).then_some(n);
        Some(Probability { units, one_in })
    }

    fn units_of_one_in(n: u32) -> u32 {
        let ten_decimals = Self::ten_decimals(n);
        let units = (u128::from(ten_decimals) * u128::from(Self::ONE) + 5_000_000_000) / 10_000_000_000;
        u32::try_from(units).unwrap_or(1 << 31)
    }

    /// 1/n in units of 10^-10: the digits that Go's `%0.10f` gives the double 1/n (proxier.go, computeProbability).
    fn ten_decimals(n: u32) -> u64 {
        let n = u64::from(n.max(1));
        let (value, rest) = (10_000_000_000 / n, 10_000_000_000 % n);
        // In all other cases 1/n is further from the middle between two decimals than from its double.
        if rest * 2 == n { Self::ten_decimals_of_the_double(n) } else { value + u64::from(rest * 2 > n) }
    }

    fn ten_decimals_of_the_double(n: u64) -> u64 {
        let text = format!("{:.10}", 1.0 / n as f64);
        text.bytes().filter(u8::is_ascii_digit).fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
    }

    /// The kernel's value, in units of 2^-31.
    pub fn units(self) -> u32 {
        self.units
    }

    /// The n for which this is "one in n", if there is one.
    pub fn share(self) -> Option<u32> {
        self.one_in
    }

    /// As kube-proxy writes it: ten decimals.
    pub fn restore_text(self) -> String {
        let value = match self.one_in {
            Some(n) => u128::from(Self::ten_decimals(n)),
            None => {
                (u128::from(self.units) * 10_000_000_000 + u128::from(Self::ONE / 2)) / u128::from(Self::ONE)
            }
        };
        format!("{}.{:010}", value / 10_000_000_000, value % 10_000_000_000)
    }

    /// As `iptables-save` prints it: eleven decimals of the kernel's value, with halves rounded to even like printf.
    pub fn save_text(self) -> String {
        let product = u128::from(self.units) * 100_000_000_000;
        let (mut value, rest) = (product / u128::from(Self::ONE), product % u128::from(Self::ONE));
        let half = u128::from(Self::ONE) / 2;
        if rest > half || (rest == half && value % 2 == 1) {
            value += 1;
        }
        format!("{}.{:011}", value / 100_000_000_000, value % 100_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_print_as_kube_proxy_and_iptables_save_do() {
        let cases = [
            (2, "0.5000000000", "0.50000000000"),
            (3, "0.3333333333", "0.33333333349"),
            (6, "0.1666666667", "0.16666666651"),
            (7, "0.1428571429", "0.14285714272"),
            (10, "0.1000000000", "0.10000000009"),
            (13, "0.0769230769", "0.07692307699"),
        ];
        for (n, restore, save) in cases {
            let p = Probability::one_in(n);
            assert_eq!((p.restore_text().as_str(), p.save_text().as_str()), (restore, save));
            assert_eq!(Probability::parse(save).and_then(Probability::share), Some(n));
        }
        assert_eq!(Probability::one_in(2048).restore_text(), "0.0004882812");
        assert_eq!(Probability::one_in(100_000).save_text(), "0.00001000008");
        assert_eq!(Probability::parse("1.00000000000").map(Probability::units), Some(1 << 31));
        assert_eq!(Probability::parse("0.9").map(Probability::restore_text).as_deref(), Some("0.8999999999"));
        assert_eq!(Probability::parse("1.5"), None);
    }

    #[test]
    fn integers_give_the_digits_of_the_double() {
        let powers = (0..32).map(|shift| 1 << shift);
        let halves = (0..10).map(|exponent| 2048 * 5u64.pow(exponent)).filter(|n| u32::try_from(*n).is_ok());
        for n in (1..=20_000).chain(powers).chain(halves) {
            let decimals = Probability::ten_decimals(u32::try_from(n).unwrap());
            assert_eq!(decimals, Probability::ten_decimals_of_the_double(n), "{n}");
        }
    }
}
