//! Sets and maps in a listing.

use std::fmt::{self, Display, Formatter};

use super::join;
use crate::net::inet_ntop;
use crate::nftables::ruleset::{DataType, Datum, Duration, Element, MapValue, Set};

const NEXT_LINE: &str = ",\n\t\t\t     ";

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = if self.maps_to.is_some() { "map" } else { "set" };
        writeln!(f, "\t{kind} {} {{", self.name)?;
        self.fmt_properties(f)?;
        if !self.elements.is_empty() {
            f.write_str("\t\telements = { ")?;
            self.fmt_elements(f)?;
            f.write_str(" }\n")?;
        }
        f.write_str("\t}\n")
    }
}

impl Set {
    fn fmt_properties(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            writeln!(f, "\t\ttype {}", Type(self))?;
        }
        self.fmt_opaque(f, Ahead::Size)?;
        if let Some(size) = self.size {
            writeln!(f, "\t\tsize {size}")?;
        }
        if !self.flags.is_empty() {
            writeln!(f, "\t\tflags {}", self.flags.join(","))?;
        }
        self.fmt_opaque(f, Ahead::Timeout)?;
        if let Some(seconds) = self.timeout_seconds {
            writeln!(f, "\t\ttimeout {}", Duration::of_seconds(seconds))?;
        }
        self.fmt_opaque(f, Ahead::Comment)?;
        match &self.comment {
            Some(comment) => writeln!(f, "\t\tcomment \"{comment}\""),
            None => Ok(()),
        }
    }

    fn fmt_opaque(&self, f: &mut Formatter<'_>, place: Ahead) -> fmt::Result {
        self.opaque
            .iter()
            .filter(|text| Ahead::of(text) == place)
            .try_for_each(|text| writeln!(f, "\t\t{text}"))
    }

    fn fmt_elements(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let per_line = self.elements_per_line();
        self.elements.iter().enumerate().try_for_each(|(i, element)| {
            f.write_str(match i {
                0 => "",
                i if i % per_line == 0 => NEXT_LINE,
                _ => ", ",
            })?;
            element.fmt(f)
        })
    }

    /// As many as nft 1.0.6 prints on a line for keys with one part (nft's src/expression.c).
    fn elements_per_line(&self) -> usize {
        match self.key.as_slice() {
            [DataType::Ipv4Addr] => 2,
            [
                DataType::InetProto
                | DataType::InetService
                | DataType::Mark
                | DataType::TcpFlag
                | DataType::ConntrackState
                | DataType::ConntrackStatus
                | DataType::ConntrackDirection,
            ] => 5,
            [DataType::Other(name)] if name == "integer" => 5,
            _ => 1,
        }
    }
}

/// The property that nft lists after one that the types do not cover.
#[derive(PartialEq)]
enum Ahead {
    Size,
    Timeout,
    Comment,
}

impl Ahead {
    fn of(text: &str) -> Ahead {
        match text.split_whitespace().next() {
            Some("typeof" | "policy") => Ahead::Size,
            Some("gc-interval") => Ahead::Comment,
            _ => Ahead::Timeout,
        }
    }
}

struct Type<'a>(&'a Set);

impl Display for Type<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        join(f, &self.0.key, " . ")?;
        match &self.0.maps_to {
            Some(value) => write!(f, " : {value}"),
            None => Ok(()),
        }
    }
}

impl Display for DataType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        join(f, &self.key, " . ")?;
        if let Some(opaque) = &self.opaque {
            write!(f, " {opaque}")?;
        }
        if let Some(comment) = &self.comment {
            write!(f, " comment \"{comment}\"")?;
        }
        match &self.value {
            Some(MapValue::Verdict(verdict)) => write!(f, " : {verdict}"),
            Some(MapValue::Data(parts)) => {
                f.write_str(" : ")?;
                join(f, parts, " . ")
            }
            Some(MapValue::Opaque(text)) => write!(f, " : {text}"),
            None => Ok(()),
        }
    }
}

impl Display for Datum {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Address(ip) => f.write_str(&inet_ntop(*ip)),
            Datum::Network(cidr) => write!(f, "{}/{}", inet_ntop(cidr.network()), cidr.length()),
            Datum::Range(first, last) => write!(f, "{}-{}", inet_ntop(*first), inet_ntop(*last)),
            Datum::Protocol(protocol) => protocol.fmt(f),
            Datum::Port(port) => port.fmt(f),
            Datum::Mark(mark) => write!(f, "{mark:#010x}"),
            Datum::Marks(first, last) => write!(f, "{first:#010x}-{last:#010x}"),
            Datum::MarkPrefix(mark, length) => write!(f, "{mark:#010x}/{length}"),
            Datum::Number(number) => number.fmt(f),
            Datum::Numbers(first, last) => write!(f, "{first}-{last}"),
            Datum::Name(name) => write!(f, "\"{name}\""),
            Datum::Bits(names) => f.write_str(&names.join(" | ")),
            Datum::Any => f.write_str("*"),
            Datum::Word(text) | Datum::Other(text) => f.write_str(text),
        }
    }
}
