//! What ports of all kinds have in common.

use super::fault::{Class, Faults};
use super::field::Field;
use super::rules;

/// Names of protocols, in the order in which the server lists them.
pub(super) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// The protocol of a port; TCP where none is given.
pub(super) fn protocol_of<'t>(port: &Field<'t>) -> &'t str {
    Some(port.child("protocol").text()).filter(|protocol| !protocol.is_empty()).unwrap_or("TCP")
}

/// The number of a port; one that is not there counts as 0.
pub(super) fn number(field: &Field<'_>, faults: &mut Faults) {
    let number = field.number();
    for broken in rules::port_number(number) {
        faults.invalid_value(Class::Port, field, &number.to_string(), broken);
    }
}

/// A port's number, or the name of a container's port.
pub(super) fn number_or_name(field: &Field<'_>, faults: &mut Faults) {
    match field.integer() {
        Some(_) => number(field, faults),
        None => faults.all_invalid(Class::Port, field, rules::port_name(field.text())),
    }
}
