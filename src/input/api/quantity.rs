//! Amounts as Kubernetes writes them: `4`, `"3920m"`, `16Gi`.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// An amount in thousandths; 0 if it cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quantity(pub(super) u64);

const SUFFIXES: [(&str, f64); 14] = [
    ("Ki", 1024.0 * 1e3),
    ("Mi", 1_048_576.0 * 1e3),
    ("Gi", 1_073_741_824.0 * 1e3),
    ("Ti", 1_099_511_627_776.0 * 1e3),
    ("n", 1e-6),
    ("u", 1e-3),
    ("m", 1.0),
    ("k", 1e6),
    ("M", 1e9),
    ("G", 1e12),
    ("T", 1e15),
    ("P", 1e18),
    ("E", 1e21),
    ("", 1e3),
];

impl Quantity {
    fn parse(text: &str) -> Option<Quantity> {
        let suffixed = |(suffix, factor): &(&str, f64)| {
            let number: f64 = text.trim().strip_suffix(suffix)?.parse().ok()?;
            Some(number * factor)
        };
        SUFFIXES.iter().find_map(suffixed).map(Quantity::of)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    fn of(milli: f64) -> Quantity {
        Quantity(milli.round().clamp(0.0, 9e15) as u64)
    }
}

/// An amount in thousandths; 0 if it cannot be read.
#[cfg(feature = "k8s-openapi")]
pub(in crate::input) fn milli(text: &str) -> u64 {
    Quantity::parse(text).unwrap_or_default().0
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number or a string")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Quantity, E> {
        Ok(Quantity(u64::try_from(number).unwrap_or_default().saturating_mul(1000)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Quantity, E> {
        Ok(Quantity(number.saturating_mul(1000)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Quantity, E> {
        Ok(Quantity::of(number * 1e3))
    }

    fn visit_str<E>(self, text: &str) -> Result<Quantity, E> {
        Ok(Quantity::parse(text).unwrap_or_default())
    }

    fn visit_unit<E>(self) -> Result<Quantity, E> {
        Ok(Quantity::default())
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        let milli = |text: &str| Quantity::parse(text).map(|quantity| quantity.0);
        assert_eq!(milli("4"), Some(4000));
        assert_eq!(milli("3920m"), Some(3920));
        assert_eq!(milli("1.5"), Some(1500));
        assert_eq!(milli("2k"), Some(2_000_000));
        assert_eq!(milli("1Ki"), Some(1_024_000));
        assert_eq!(milli("many"), None);
    }
}
