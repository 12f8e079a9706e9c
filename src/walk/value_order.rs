//! Arithmetic and order of nftables values, as far as their bits are known.

use super::packet::SourcePort;
use super::value::{Holds, Value, number_of};
use crate::nftables::ruleset::{Binary, Datum, Element, Operator};

/// Numbers at which elements begin, and after which they end.
pub(super) fn cuts(elements: &[Element]) -> Vec<u64> {
    elements.iter().filter_map(|element| element.key.first()).flat_map(cuts_of).collect()
}

pub(super) fn cuts_of(datum: &Datum) -> Vec<u64> {
    match datum {
        Datum::Numbers(first, last) => vec![*first, last.saturating_add(1)],
        Datum::Marks(first, last) => vec![u64::from(*first), u64::from(*last) + 1],
        other => match number_of(other, None) {
            Some(number) => vec![number, number.saturating_add(1)],
            None => Vec::new(),
        },
    }
}

pub(super) fn value_of(datum: &Datum) -> Value {
    match datum {
        Datum::Address(ip) => Value::Address(*ip),
        other => number_of(other, None).map_or(Value::Open, Value::number),
    }
}

pub(super) fn operated(operator: Binary, left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Address(std::net::IpAddr::V4(ip)), Value::Address(std::net::IpAddr::V4(mask))) => {
            let bits = operator.of(u64::from(u32::from(ip)), u64::from(u32::from(mask)));
            Value::Address(std::net::IpAddr::V4(u32::try_from(bits).unwrap_or(u32::MAX).into()))
        }
        (Value::Address(std::net::IpAddr::V6(ip)), Value::Address(std::net::IpAddr::V6(mask)))
            if operator == Binary::And =>
        {
            Value::Address(std::net::IpAddr::V6((ip.to_bits() & mask.to_bits()).into()))
        }
        (Value::Number { known, open }, Value::Number { known: bits, open: 0 }) => {
            let open = match operator {
                Binary::And => open & bits,
                Binary::Or => open & !bits,
                Binary::Xor => open,
                Binary::ShiftLeft | Binary::ShiftRight => operator.of(open, bits),
            };
            // Marks have 32 bits.
            let known = operator.of(known, bits) & u64::from(u32::MAX);
            Value::Number { known: known & !open, open }
        }
        (Value::Number { .. }, Value::Number { .. }) => Value::Number { known: 0, open: u64::from(u32::MAX) },
        _ => Value::Open,
    }
}

/// Whether a value is less or greater.
pub(super) fn compared<'r>(value: Value, operator: Operator, datum: &Datum) -> Holds<'r> {
    let ordering = match (value, datum) {
        (Value::Address(ip), Datum::Address(other)) => ip.cmp(other),
        (Value::Number { known, open: 0 }, datum) => match number_of(datum, None) {
            Some(number) => known.cmp(&number),
            None => return Holds::Open,
        },
        (Value::SourcePort(of), datum) => return port_compared(of, operator, datum),
        _ => return Holds::Open,
    };
    Holds::Known(match operator {
        Operator::Less => ordering.is_lt(),
        Operator::AtMost => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    })
}

fn port_compared<'r>(of: SourcePort, operator: Operator, datum: &Datum) -> Holds<'r> {
    let Some(port) = number_of(datum, None).and_then(|n| u16::try_from(n).ok()) else { return Holds::Open };
    match operator {
        Operator::Less => Holds::SourcePort(of, 0, port.saturating_sub(1)),
        Operator::AtMost => Holds::SourcePort(of, 0, port),
        Operator::Greater => Holds::SourcePort(of, port.saturating_add(1), u16::MAX),
        _ => Holds::SourcePort(of, port, u16::MAX),
    }
}
