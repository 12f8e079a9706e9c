//! Existing connections that go where no new one would (kubernetes/kubernetes 139628, 48370).

use super::{Finding, Kind};
use crate::capture::Facts;
use crate::compare::connections::{Pinned, PinnedFault, pinned};
use crate::names::ServicePortName;
use crate::net::Protocol;
use crate::node::{Host, ending_command};
use crate::plan::Plan;

/// At most this many commands of a finding are printed.
const MOST: usize = 20;

/// A finding for each Service port and fault, and notes on what is as intended.
pub(super) fn find(plan: &Plan<'_>, host: &Host, facts: &Facts) -> (Vec<Finding>, Vec<String>) {
    let Some(connections) = &facts.connections else { return (Vec::new(), Vec::new()) };
    let (mut findings, mut notes) = (Vec::new(), Vec::new());
    let all = pinned(plan, host, connections);
    // A TCP connection keeps its endpoint while that shuts down, as intended.
    let (meant, faults): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|p| p.protocol == Protocol::Tcp && p.fault == PinnedFault::NotChosen);
    let meant: usize = meant.iter().map(|pinned| pinned.count).sum();
    if meant > 0 {
        notes.push(format!(
            "{} that exist go on with endpoints that new ones are not sent to, as connections of TCP do",
            connections_of(meant, Protocol::Tcp)
        ));
    }
    let key = |pinned: &Pinned| (pinned.service.clone(), pinned.fault, pinned.protocol);
    let mut faults = faults;
    faults.sort_by_key(key);
    for group in faults.chunk_by(|a, b| key(a) == key(b)) {
        findings.extend(group.first().map(|first| finding(first, group)));
    }
    (findings, notes)
}

fn finding(first: &Pinned, group: &[Pinned]) -> Finding {
    let count: usize = group.iter().map(|pinned| pinned.count).sum();
    let connections = connections_of(count, first.protocol);
    let are = if count == 1 { "is" } else { "are" };
    let name = first.service.as_ref().map(ServicePortName::to_string);
    let to = name.clone().unwrap_or_else(|| "addresses that no Service has any more".to_owned());
    let target = match group {
        [only] => only.target.to_string(),
        several => format!("{} addresses", several.len()),
    };
    let message = match first.fault {
        PinnedFault::Gone => {
            format!(
                "{connections} to {to} {are} still sent to {target}, which is no longer an endpoint of it"
            )
        }
        PinnedFault::NotChosen => {
            format!("{connections} to {to} {are} still sent to {target}, where new ones are not sent")
        }
        PinnedFault::Untranslated => format!(
            "{connections} to {to} {are} sent to the address of the Service itself, where nothing is: opened before the \
             Service was served here"
        ),
        PinnedFault::NoService => format!("{connections} to {to} {are} still sent to {target}"),
    };
    let mut commands: Vec<String> = group
        .iter()
        .take(MOST)
        .map(|pinned| ending_command(pinned.protocol, pinned.destination, pinned.target))
        .collect();
    if group.len() > MOST {
        commands.push(format!("# and {} more", group.len() - MOST));
    }
    Finding {
        service: first.service.as_ref().map(|name| name.service_name().to_string()),
        connections: count,
        commands,
        ..Finding::general(Kind::PinnedConnections, message)
    }
}

fn connections_of(count: usize, protocol: Protocol) -> String {
    let protocol = protocol.api_name();
    match count {
        1 => format!("1 {protocol} connection"),
        many => format!("{many} {protocol} connections"),
    }
}
