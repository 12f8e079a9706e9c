//! Expressions and the statements made of them, in a listing.

use std::fmt::{self, Display, Formatter, Write};

use super::join;
use super::version::ListingFacts;
use crate::net::{Family, inet_ntop};
use crate::nftables::ruleset::{
    Binary, Chooser, Comparison, Datum, Expression, Limit, Log, Operator, SetChange, SetOperation, Statement,
    TableFamily, Translation,
};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Selector(selector) => selector.fmt(f),
            Expression::Datum(datum) => datum.fmt(f),
            Expression::Set(elements) => {
                f.write_str("{ ")?;
                join(f, elements, ", ")?;
                f.write_str(" }")
            }
            Expression::Named(name) => write!(f, "@{name}"),
            Expression::Concatenation(parts) => join(f, parts, " . "),
            Expression::Binary(operator, left, right) => {
                write!(f, "{} {} {}", Operand(*operator, left), operator.sign(), Operand(*operator, right))
            }
            Expression::Map(key, map) => write!(f, "{key} map {map}"),
            Expression::Chooser(chooser) => chooser.fmt(f),
        }
    }
}

/// The operand of an operation, in parentheses if it binds less tightly.
struct Operand<'a>(Binary, &'a Expression);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.1 {
            Expression::Binary(inner, ..) if inner.rank() < self.0.rank() => write!(f, "({})", self.1),
            Expression::Datum(Datum::Bits(_)) => write!(f, "({})", self.1),
            Expression::Datum(Datum::Number(number)) if is_shift(self.0) => write!(f, "{number}"),
            other => other.fmt(f),
        }
    }
}

fn is_shift(operator: Binary) -> bool {
    matches!(operator, Binary::ShiftLeft | Binary::ShiftRight)
}

impl Display for Chooser {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let offset = match self {
            Chooser::Counter { random, modulus, offset } => {
                write!(f, "numgen {} mod {modulus}", if *random { "random" } else { "inc" })?;
                offset
            }
            Chooser::Hash { of, modulus, seed, offset } => {
                match of {
                    Some(key) => write!(f, "jhash {key} mod {modulus}")?,
                    None => write!(f, "symhash mod {modulus}")?,
                }
                if let Some(seed) = seed {
                    write!(f, " seed {seed:#x}")?;
                }
                offset
            }
        };
        if *offset > 0 { write!(f, " offset {offset}") } else { Ok(()) }
    }
}

/// A match as a version of nft prints it.
pub(super) struct ComparisonBy<'a>(pub(super) &'a Comparison, pub(super) ListingFacts);

impl Display for ComparisonBy<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Comparison { left, operator, right } = self.0;
        if let Some((selector, mask)) = slashed(self.0).filter(|_| self.1.flags_by_slash) {
            let not = if *operator == Operator::Unequal { "!= " } else { "" };
            return write!(f, "{selector} {not}{} / {}", Listed(right), Listed(mask));
        }
        write!(f, "{left} ")?;
        match operator {
            Operator::Implied => Listed(right).fmt(f),
            Operator::Without => write!(f, "! {}", Listed(right)),
            signed => write!(f, "{} {right}", signed.sign()),
        }
    }
}

/// Selector and mask of a match on some bits of a mask.
fn slashed(comparison: &Comparison) -> Option<(&Expression, &Expression)> {
    let Expression::Binary(Binary::And, left, mask) = &comparison.left else { return None };
    let is_bits = |e: &Expression| matches!(e, Expression::Datum(Datum::Bits(_) | Datum::Word(_)));
    if !left.data_type().is_some_and(|kind| kind.is_bits()) {
        return None;
    }
    let equality = matches!(comparison.operator, Operator::Equal | Operator::Unequal);
    (equality && is_bits(mask) && is_bits(&comparison.right)).then_some((left, mask))
}

/// Bits separated by commas rather than bars.
pub(super) struct Listed<'a>(pub(super) &'a Expression);

impl Display for Listed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expression::Datum(Datum::Bits(names)) => f.write_str(&names.join(",")),
            other => other.fmt(f),
        }
    }
}

impl Display for Translation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(family) = self.family {
            write!(f, " {}", TableFamily::from(family).name())?;
        }
        if self.prefix {
            f.write_str(" prefix")?;
        }
        if self.address.is_some() || self.port.is_some() {
            f.write_str(" to ")?;
        }
        if let Some(address) = &self.address {
            self.fmt_address(f, address)?;
        }
        if let Some(port) = &self.port {
            write!(f, ":{port}")?;
        }
        if !self.flags.is_empty() {
            write!(f, " {}", self.flags.join(","))?;
        }
        Ok(())
    }
}

impl Translation {
    fn fmt_address(&self, f: &mut Formatter<'_>, address: &Expression) -> fmt::Result {
        let bracketed = match address {
            Expression::Datum(Datum::Address(ip)) => Family::of(*ip) == Family::Ipv6,
            _ => false,
        };
        match address {
            Expression::Datum(Datum::Address(ip)) if bracketed && self.port.is_some() => {
                write!(f, "[{}]", inet_ntop(*ip))
            }
            Expression::Datum(Datum::Range(first, last))
                if self.port.is_some() && Family::of(*first) == Family::Ipv6 =>
            {
                write!(f, "[{}]-[{}]", inet_ntop(*first), inet_ntop(*last))
            }
            other => other.fmt(f),
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let beyond = |over: &bool| if *over { "over " } else { "" };
        match self {
            Limit::Rate { over, rate, burst } => {
                write!(f, "limit rate {}{rate}", beyond(over))?;
                burst.iter().try_for_each(|burst| write!(f, " burst {burst}"))
            }
            Limit::Quota { over, size, used } => {
                write!(f, "quota {}{size}", beyond(over))?;
                used.iter().try_for_each(|used| write!(f, " used {used}"))
            }
            Limit::Connections { over, count } => write!(f, "ct count {}{count}", beyond(over)),
            Limit::Named(kind, name) => write!(f, "{kind} name \"{name}\""),
        }
    }
}

impl Display for Log {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("log")?;
        self.options.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

impl Display for SetChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = if self.operation == SetOperation::Meter { "" } else { "@" };
        write!(f, "{} {at}{} {{ {}", self.operation.name(), self.set, self.key)?;
        if let Some(timeout) = &self.timeout {
            write!(f, " timeout {timeout}")?;
        }
        for statement in &self.statements {
            f.write_char(' ')?;
            // A counter within an element is printed without its numbers.
            match statement {
                Statement::Counter { .. } => f.write_str("counter")?,
                other => other.fmt(f)?,
            }
        }
        if let Some(value) = &self.value {
            write!(f, " : {value}")?;
        }
        f.write_str(" }")
    }
}
