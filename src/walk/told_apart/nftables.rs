//! Which addresses and ports the rules of nftables tell from others.

use crate::net::Cidr;
use crate::nftables::ruleset::{
    Addresses, Datum, Element, Expression, Field, Header, MapValue, Operator, Rule, Selector, Statement,
    TranslationKind,
};
use crate::walk::told_apart::ToldApart;

/// The elements of a named set of a rule's table.
pub(in crate::walk) type Elements<'e, 'r> = &'e dyn Fn(&str) -> &'r [Element];

impl ToldApart {
    /// Adds what a rule matches on.
    pub(in crate::walk) fn learn_nftables(&mut self, rule: &Rule, elements: Elements<'_, '_>) {
        rule.statements.iter().for_each(|statement| self.learn_statement(statement, elements));
    }

    fn learn_statement(&mut self, statement: &Statement, elements: Elements<'_, '_>) {
        match statement {
            Statement::Address { field, addresses, .. } => self.learn_addresses(*field, addresses, elements),
            Statement::InSet { key, set, .. } | Statement::VerdictMap { key, map: set } => {
                elements(set).iter().for_each(|element| self.learn_element(key, element));
            }
            Statement::DestinationPort(_, port) => self.add_ports(port.get(), port.get()),
            Statement::Spelled(_, meaning) => self.learn_statement(meaning, elements),
            // What makes new addresses out of those of the packet, or compares their order.
            Statement::Compare(comparison)
                if is_order_of_addresses(comparison.operator, &comparison.right) =>
            {
                self.makes_new = true;
            }
            Statement::Assign(assignment) if assignment.0.is_of_packet() => {
                self.makes_new = true;
            }
            Statement::Translate(to) if to.prefix && to.kind == TranslationKind::Snat => {
                self.makes_new = true;
            }
            general => {
                general.expressions().into_iter().for_each(|part| self.learn_expression(part, elements))
            }
        }
    }

    fn learn_addresses(&mut self, field: Field, addresses: &Addresses, elements: Elements<'_, '_>) {
        match addresses {
            Addresses::One(net) => self.learn_field(field, &Datum::Network(*net)),
            Addresses::Anonymous(intervals) => {
                for interval in intervals {
                    self.learn_field(field, &Datum::Range(interval.first, interval.last));
                }
            }
            Addresses::Named(set) => {
                let elements = elements(set);
                for element in elements {
                    match (element.key.as_slice(), &element.value, field) {
                        ([Datum::Address(ip)], None, Field::SourceAddress(_)) => {
                            self.sources.add_member(number_of(elements), Cidr::host(*ip));
                        }
                        ([Datum::Address(ip)], None, Field::DestinationAddress(_)) => {
                            self.destinations.add_member(number_of(elements), Cidr::host(*ip));
                        }
                        (key, ..) => key.iter().for_each(|datum| self.learn_field(field, datum)),
                    }
                }
            }
        }
    }

    /// An element with both ends of a packet tells that pair from others, but neither end by itself.
    fn learn_element(&mut self, key: &[Field], element: &Element) {
        let position = |asked: fn(&Field) -> bool| key.iter().position(asked);
        let source = position(|field| matches!(field, Field::SourceAddress(_)));
        let destination = position(|field| matches!(field, Field::DestinationAddress(_)));
        let address = |at: Option<usize>| match element.key.get(at?)? {
            Datum::Address(ip) => Some(*ip),
            _ => None,
        };
        let pair = address(source).zip(address(destination));
        if let Some(pair) = pair {
            self.pairs.insert(pair);
        }
        for (field, datum) in key.iter().zip(&element.key) {
            let is_end = matches!(field, Field::SourceAddress(_) | Field::DestinationAddress(_));
            if !(is_end && pair.is_some()) {
                self.learn_field(*field, datum);
            }
        }
    }

    fn learn_field(&mut self, field: Field, datum: &Datum) {
        let named = match field {
            Field::SourceAddress(_) => &mut self.sources,
            Field::DestinationAddress(_) => &mut self.destinations,
            Field::DestinationPort => return self.learn_number(datum),
            Field::L4Protocol => return,
        };
        match datum {
            Datum::Address(ip) => named.add(*ip, *ip),
            Datum::Network(net) => named.add_net(*net),
            Datum::Range(first, last) => named.add(*first, *last),
            _ => {}
        }
    }

    fn learn_number(&mut self, datum: &Datum) {
        let port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
        match datum {
            Datum::Port(only) => self.add_ports(only.get(), only.get()),
            Datum::Number(only) => self.add_ports(port(*only), port(*only)),
            Datum::Numbers(first, last) => self.add_ports(port(*first), port(*last)),
            _ => {}
        }
    }

    fn learn_expression(&mut self, of: &Expression, elements: Elements<'_, '_>) {
        of.visit(&mut |part| match part {
            Expression::Datum(datum) => self.learn_datum(datum),
            Expression::Set(listed) => self.learn_elements(listed),
            Expression::Named(name) => self.learn_elements(elements(name)),
            Expression::Binary(_, left, right) if asks_ends(left) || asks_ends(right) => {
                self.makes_new = true
            }
            _ => {}
        });
    }

    fn learn_elements(&mut self, elements: &[Element]) {
        for element in elements {
            element.key.iter().for_each(|datum| self.learn_datum(datum));
            if let Some(MapValue::Data(data)) = &element.value {
                data.iter().for_each(|datum| self.learn_datum(datum));
            }
        }
    }

    /// Adds whatever the packet is compared with.
    fn learn_datum(&mut self, datum: &Datum) {
        for named in [&mut self.sources, &mut self.destinations] {
            match datum {
                Datum::Address(ip) => named.add(*ip, *ip),
                Datum::Network(net) => named.add_net(*net),
                Datum::Range(first, last) => named.add(*first, *last),
                _ => {}
            }
        }
        self.learn_number(datum);
    }
}

/// A number for a set: where its elements are in memory.
fn number_of(elements: &[Element]) -> usize {
    elements.as_ptr() as usize
}

fn is_order_of_addresses(operator: Operator, right: &Expression) -> bool {
    let asks_order =
        matches!(operator, Operator::Less | Operator::Greater | Operator::AtMost | Operator::AtLeast);
    asks_order && !matches!(right, Expression::Datum(Datum::Port(_) | Datum::Number(_) | Datum::Mark(_)))
}

/// Whether an address or a port of the packet is used.
fn asks_ends(of: &Expression) -> bool {
    let mut asks = false;
    of.visit(&mut |part| {
        asks |= match part {
            Expression::Selector(Selector::Payload(header, field)) => {
                let is_transport = matches!(
                    header,
                    Header::Udp
                        | Header::Udplite
                        | Header::Tcp
                        | Header::Dccp
                        | Header::Sctp
                        | Header::Transport
                );
                matches!(field.as_str(), "saddr" | "daddr") || (is_transport && field.ends_with("port"))
            }
            Expression::Selector(Selector::Conntrack(_, key)) => {
                key.ends_with("addr") || key.starts_with("proto-")
            }
            _ => false,
        };
    });
    asks
}
