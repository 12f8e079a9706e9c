//! Existing connections. Rules decide once per connection: connection tracking sends later packets the same way,
//! whatever the rules say now.

use crate::net::Protocol;
use crate::report::trace::Trace;
use crate::report::trace::observed::is_translated;
use crate::walk::{ClientKind, Verdict};

/// Part of every trace in JSON.
pub const SCOPE: &str = "This is about new connections. A connection that exists keeps going where it went first, \
                         whatever the rules say now: conntrack -L shows where, conntrack -D ends it \
                         (UDP clients that keep their port are the usual case).";

/// The command that deletes connections which go where earlier rules sent them; none if there are unlikely to be any:
/// TCP clients of an endpoint that is gone reconnect, UDP clients that keep their port never do (kubernetes/kubernetes
/// 139628, 48370).
pub(super) fn command(trace: &Trace<'_, '_>) -> Option<String> {
    let concerns_a_service = trace
        .outcomes
        .iter()
        .any(|outcome| outcome.verdict != Verdict::Accept || is_translated(outcome, trace));
    if !concerns_a_service || !(trace.packet.protocol == Protocol::Udp || leaves_endpoints(trace)) {
        return None;
    }
    let (packet, to) = (&trace.packet, trace.packet.destination);
    // The address of a client outside is made up, and so is that of a Pod of which only the kind is known.
    let is_made_up = packet.client == ClientKind::Outside || trace.names.of(packet.source).is_none();
    let source = if is_made_up { String::new() } else { format!(" --orig-src {}", packet.source) };
    Some(format!(
        "conntrack -D -p {}{source} --orig-dst {} --orig-port-dst {}",
        packet.protocol.lower_name(),
        to.ip(),
        to.port()
    ))
}

/// Whether the Service has endpoints that new connections do not use: older ones may still do so.
fn leaves_endpoints(trace: &Trace<'_, '_>) -> bool {
    let Some(plan) = trace.plan else { return false };
    let to = trace.packet.destination;
    let mut ports = plan.service_ports().iter().map(|port| port.service_port()).filter(|port| {
        port.name.protocol() == trace.packet.protocol
            && (port.cluster_ip == to.ip() && port.port.get() == to.port()
                || port.node_port.is_some_and(|number| number.get() == to.port())
                || port.load_balancer_ips.iter().chain(&port.external_ips).any(|ip| ip.value == to.ip()))
    });
    ports.any(|port| port.endpoints.iter().any(|endpoint| endpoint.terminating))
}
