//! What to know before a change of kube-proxy's mode or release, in words.

use super::{nodes, plural};
use crate::compare::diff::Diff;
use crate::compare::migration::{Example, KnownDifference};
use crate::compare::pre_flight::{Check, PreFlight, Readiness};
use crate::compare::traffic::Reason;

/// What the report of a migration says, besides what happens to Services.
pub(super) struct Told {
    /// `ready: ...` or `not ready: ...`
    pub(super) verdict: String,
    /// Known differences that affect Services: what, whom, what to do, where to read more.
    pub(super) touching: Vec<Touching>,
    /// Known differences that affect no Service port, in a line.
    pub(super) without_service: Option<String>,
    /// Those that affect nothing, in a line.
    pub(super) nobody: Option<String>,
    /// What was checked, and what must be done first.
    pub(super) pre_flight: Vec<String>,
}

/// A known difference and the Services it affects.
pub(super) struct Touching {
    pub(super) title: &'static str,
    pub(super) code: &'static str,
    pub(super) whom: String,
    pub(super) words: &'static str,
    pub(super) example: String,
    pub(super) remedy: &'static str,
    pub(super) page: String,
}

/// None if neither mode nor release changes.
pub(super) fn tell(diff: &Diff) -> Option<Told> {
    let migration = diff.migration.as_ref()?;
    let known = &migration.known;
    let (touching, others): (Vec<_>, Vec<_>) = known.iter().partition(|one| !one.services.is_empty());
    let met: Vec<Reason> = known.iter().map(|one| one.reason).collect();
    let modes_differ = migration.from.mode != migration.to.mode;
    let not_met = Reason::ALL
        .into_iter()
        .filter(|reason| modes_differ && !reason.is_of_releases() && !met.contains(reason));
    let nobody: Vec<&str> = not_met.map(title).collect();
    Some(Told {
        verdict: verdict(diff, &migration.pre_flight, &touching),
        touching: touching.iter().map(|one| touching_words(one, diff)).collect(),
        without_service: without_service(&others),
        nobody: (!nobody.is_empty()).then(|| format!("These touch nobody here: {}.", nobody.join("; "))),
        pre_flight: pre_flight(&migration.pre_flight),
    })
}

fn verdict(diff: &Diff, pre_flight: &[PreFlight], touching: &[&KnownDifference]) -> String {
    let mut against: Vec<String> = Vec::new();
    let unexpected = unexpected(diff);
    if unexpected > 0 {
        let change = if unexpected == 1 { "changes" } else { "change" };
        against.push(format!("{} {change} without a known reason", kinds(unexpected)));
    }
    against.extend(super::unknown_words(diff.unknown()));
    let stops = pre_flight.iter().filter(|one| one.state == Readiness::Stops);
    against.extend(stops.map(|one| one.found.clone()));
    let mut services: Vec<&String> = touching.iter().flat_map(|one| &one.services).collect();
    services.sort_unstable();
    services.dedup();
    let known = match touching.len() {
        0 => "no known difference touches a Service".to_owned(),
        1 => format!("1 known difference touches {}", plural(services.len(), "Service")),
        many => format!("{many} known differences touch {}", plural(services.len(), "Service")),
    };
    let verdict = match against.as_slice() {
        [] => format!("ready: nothing unexpected; {known}"),
        against => format!("not ready: {}; {known}", against.join(", ")),
    };
    match stops_working(touching) {
        Some(what) => format!("{verdict}; stops working: {what}"),
        None if diff.loses() => verdict,
        None => format!("{verdict}; nothing stops working"),
    }
}

/// At most this many Services are named in the verdict for each known difference.
const NAMED_IN_VERDICT: usize = 2;

/// What stops working because of known differences, and for which Services.
fn stops_working(touching: &[&KnownDifference]) -> Option<String> {
    let losing = touching.iter().filter(|one| !one.stops_working.is_empty());
    let words: Vec<String> = losing
        .map(|one| format!("{} ({})", title(one.reason), listed(&one.stops_working, NAMED_IN_VERDICT)))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn listed(names: &[String], at_most: usize) -> String {
    let listed = names.iter().take(at_most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(at_most) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

fn unexpected(diff: &Diff) -> usize {
    let of_change = |change: &crate::compare::change::NodesChange| {
        let flows = change.families.iter().flat_map(|family| &family.traffic).flat_map(|t| &t.flows);
        flows.filter(|flow| flow.reason.is_none()).map(|flow| flow.classes).sum::<usize>()
            * change.nodes.len()
    };
    diff.changes.iter().map(of_change).sum()
}

fn kinds(count: usize) -> String {
    if count == 1 { "1 kind of connections".to_owned() } else { format!("{count} kinds of connections") }
}

/// At most this many Services are named.
const NAMED: usize = 6;

fn touching_words(known: &KnownDifference, diff: &Diff) -> Touching {
    let named = listed(&known.services, NAMED);
    let mut clients = known.clients.clone();
    clients.dedup();
    let clients = match clients.len() {
        0..=3 => clients.join(", "),
        _ => {
            let kinds = clients.iter().filter(|client| !client.contains("Pod ") && !client.contains('.'));
            let kinds: Vec<&str> = kinds.map(String::as_str).collect();
            if kinds.is_empty() { plural(clients.len(), "client") } else { kinds.join(", ") }
        }
    };
    let Example { to, before, after } = &known.example;
    Touching {
        title: title(known.reason),
        code: known.reason.code(),
        whom: format!(
            "{}: {named}; from {clients}; {}",
            plural(known.services.len(), "Service"),
            nodes::on(&known.nodes, &diff.node_names)
        ),
        words: known.reason.words(),
        example: format!("{to}: {before} → {after}"),
        remedy: remedy(known.reason),
        page: page(known.reason),
    }
}

fn without_service(others: &[&KnownDifference]) -> Option<String> {
    let words: Vec<String> =
        others.iter().map(|one| format!("{} ({})", one.reason.code(), kinds(one.kinds))).collect();
    (!words.is_empty()).then(|| format!("These touch no Service port: {}.", words.join(", ")))
}

/// The page about a known difference in the documentation.
pub(super) fn page(reason: Reason) -> String {
    format!("{}/blob/main/docs/modes/{}.md", env!("CARGO_PKG_REPOSITORY"), reason.code())
}

fn title(reason: Reason) -> &'static str {
    match reason {
        Reason::UndefinedPort => "ports of a cluster IP that no Service has",
        Reason::UnallocatedClusterIp => "cluster IPs that no Service has",
        Reason::LocalhostNodePorts => "node ports on 127.0.0.1",
        Reason::RefusedOnLoopback => "node ports refused on loopback",
        Reason::LocalnetGuard => "the guard of loopback addresses",
        Reason::LoopbackSource => "loopback addresses as sources",
        Reason::NodePortAddresses => "node ports on secondary addresses",
        Reason::NodePortRefusedEverywhere => "node ports without endpoints",
        Reason::HairpinLocalOnly => "a Pod that connects to itself",
        Reason::SourceRangesBeforeReject => "source ranges without endpoints",
        Reason::RefusalFromNode => "refusals to the node itself",
        Reason::CheckedBeforeForwarding => "policy Local from the node itself",
        Reason::SourceRangesFromNode => "source ranges without endpoints, from the node itself",
        Reason::NodePortAddressesRead => "nodePortAddresses read differently",
        Reason::HeadlessLabel => "Services with the label headless",
        Reason::SlicesOfOtherProxies => "EndpointSlices with the label service-proxy-name",
        Reason::DuplicateEndpoints => "one address in several EndpointSlices",
        Reason::ZoneHints => "zone hints without an annotation",
        Reason::NodeHints => "node hints",
        Reason::EmptyZone => "zone hints on a Node without a zone",
    }
}

fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::UndefinedPort => "nothing: clients get a refusal instead of waiting",
        Reason::UnallocatedClusterIp => {
            "nothing, unless something else routes addresses of a ServiceCIDR; then shrink the ServiceCIDR"
        }
        Reason::LocalhostNodePorts => {
            "use the node's IP or the cluster IP instead of localhost:NODEPORT; or set iptables.localhostNodePorts: false first, and see who complains"
        }
        Reason::RefusedOnLoopback => {
            "use the node's IP for UDP and SCTP node ports; TCP can be served on loopback with nodePortAddresses that include 127.0.0.0/8"
        }
        Reason::LocalnetGuard => "nothing: the kernel drops these packets itself without route_localnet",
        Reason::LoopbackSource => {
            "make sure that programs in the node's network do not bind to 127.0.0.1 before they connect; others are not affected"
        }
        Reason::NodePortAddresses => {
            "list the networks in nodePortAddresses (for all of them: 0.0.0.0/0, ::/0), or point clients and health checks at the node's primary IP"
        }
        Reason::NodePortRefusedEverywhere => {
            "nothing, if no client relies on an address that serves no node ports"
        }
        Reason::HairpinLocalOnly => {
            "nothing: an endpoint that reaches itself does so on its own node, where the source is masqueraded as before"
        }
        Reason::SourceRangesBeforeReject => {
            "nothing: clients outside the source ranges wait instead of being refused"
        }
        Reason::RefusalFromNode => {
            "nothing: the node is refused at once, instead of sending packets into the network"
        }
        Reason::CheckedBeforeForwarding => {
            "upgrade to 1.33.6 or newer before the switch, or let the node use the cluster IP"
        }
        Reason::SourceRangesFromNode => {
            "nothing: a node outside the source ranges waits instead of being refused"
        }
        Reason::NodePortAddressesRead => {
            "write down the networks meant in nodePortAddresses, one for each family; for all of them 0.0.0.0/0 and ::/0"
        }
        Reason::HeadlessLabel => {
            "remove the label from Services with a cluster IP that are to be served on both sides; give those that are not clusterIP None, or the label service-proxy-name"
        }
        Reason::SlicesOfOtherProxies => {
            "label the Service, not its slices, where another proxy is to serve it; delete slices that are no longer needed"
        }
        Reason::DuplicateEndpoints => {
            "find out who writes the second slice (kubectl get endpointslices), and remove the entry that is out of date"
        }
        Reason::ZoneHints => {
            "check that the endpoints of each zone can carry its load; remove trafficDistribution from Services that should use all zones"
        }
        Reason::NodeHints => {
            "check that each node's endpoints can carry its load; use trafficDistribution PreferSameZone or none where they cannot"
        }
        Reason::EmptyZone => "give every Node the label topology.kubernetes.io/zone",
    }
}

fn pre_flight(all: &[PreFlight]) -> Vec<String> {
    let line = |one: &PreFlight| {
        let check = match one.check {
            Check::Kernel => "kernel",
            Check::NftVersion => "nft",
            Check::Comments => "comments",
            Check::ForeignRules => "rules of others",
            Check::Leftovers => "leftovers",
            Check::ForwardPolicy => "firewall",
            Check::FirstTransaction => "first transaction",
        };
        let state = match one.state {
            Readiness::Fine => "fine",
            Readiness::NotKnown => "not known",
            Readiness::Look => "look",
            Readiness::Stops => "stops",
        };
        let remedy = if one.remedy.is_empty() { String::new() } else { format!(": {}", one.remedy) };
        format!("{check}: {state}; {}{remedy}", one.found)
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_difference_has_its_page() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/modes");
        let index = std::fs::read_to_string(docs.join("README.md")).unwrap();
        for reason in Reason::ALL {
            let (code, title) = (reason.code(), title(reason));
            let page = std::fs::read_to_string(docs.join(format!("{code}.md"))).unwrap();
            assert!(page.starts_with(&format!("# {code}: {title}\n")), "{code} has another heading");
            for heading in ["\n## Who notices\n", "\n## What to do\n"] {
                assert!(page.contains(heading), "{code} lacks{heading}");
            }
            assert!(index.contains(&format!("| [{code}]({code}.md) | {title} |")), "README.md lacks {code}");
        }
        for entry in std::fs::read_dir(&docs).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name == "README.md" || index.contains(&format!("({name})")), "README.md lacks {name}");
        }
    }
}
