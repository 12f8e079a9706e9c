//! Which release of kube-proxy the rules are of: what `--kube-version` says, else what the Node reports
//! (`status.nodeInfo.kubeletVersion`; kube-proxy is installed with the kubelet), else the newest.

use std::collections::BTreeMap;

use super::session::Session;
use crate::diagnostic::Inert;
use crate::input::Snapshot;
use crate::settings::Release;
use crate::settings::release::Reported;

/// Longest version that a message repeats, in characters.
const SHOWN: usize = 40;

/// What a Node reports.
#[derive(Debug, Clone)]
struct Report {
    node: String,
    text: String,
    reported: Reported,
}

/// The release to take. Says on standard error where it comes from, unless a flag that agrees gave it.
pub(super) fn choose(
    flag: Option<Release>,
    hostname_override: Option<&str>,
    snapshot: &Snapshot,
    session: &mut Session,
) -> Release {
    let node = session.node().map(str::to_owned).or_else(|| hostname_override.map(str::to_owned));
    let reports = reports(snapshot, node.as_deref());
    match (flag, reports.as_slice()) {
        (Some(release), _) => {
            note_difference(release, &reports, session);
            release
        }
        (None, []) => Release::NEWEST,
        (None, [first, ..]) if agree(&reports) => {
            tell_reported(first, reports.len() > 1, session);
            first.reported.release
        }
        (None, several) => most_reported(several, session),
    }
}

/// The releases that the Nodes report, oldest first, each with the names of its Nodes; those that report none are with
/// the newest release.
pub(super) fn of_nodes(snapshot: &Snapshot) -> Vec<(Release, Vec<String>)> {
    let mut groups: Vec<(Release, Vec<String>)> = Vec::new();
    for node in &snapshot.nodes {
        let reported = Release::reported(&node.object.kubelet_version);
        let release = reported.map_or(Release::NEWEST, |reported| reported.release);
        let name = node.object.metadata.name.to_string();
        match groups.iter_mut().find(|(known, _)| *known == release) {
            Some((_, names)) => names.push(name),
            None => groups.push((release, vec![name])),
        }
    }
    groups.sort_by_key(|(release, _)| (release.minor, release.since_patch));
    groups
}

/// The release that the Node reports, or that all of them do.
pub(super) fn reported(snapshot: &Snapshot, node: Option<&str>) -> Option<Release> {
    agreed(&reports(snapshot, node))
}

/// The release that each Node reports, by its name: as [`reported`] tells it of one, for who asks of thousands.
pub(super) fn by_node(snapshot: &Snapshot) -> BTreeMap<String, Release> {
    let mut by_name: BTreeMap<String, Vec<Report>> = BTreeMap::new();
    for report in reports(snapshot, None) {
        by_name.entry(report.node.clone()).or_default().push(report);
    }
    by_name.into_iter().filter_map(|(name, reports)| Some((name, agreed(&reports)?))).collect()
}

fn agreed(reports: &[Report]) -> Option<Release> {
    reports.first().filter(|_| agree(reports)).map(|report| report.reported.release)
}

/// What the Node reports, or all Nodes where none is named.
fn reports(snapshot: &Snapshot, node: Option<&str>) -> Vec<Report> {
    let wanted = node.map(|name| name.trim().to_lowercase());
    let mut reports: Vec<Report> = (snapshot.nodes.iter().map(|located| &located.object))
        .filter(|node| wanted.as_deref().is_none_or(|wanted| node.metadata.name == wanted))
        .filter_map(|node| {
            let reported = Release::reported(&node.kubelet_version)?;
            let text = node.kubelet_version.chars().take(SHOWN).collect();
            Some(Report { node: node.metadata.name.to_string(), text, reported })
        })
        .collect();
    reports.sort_by(|a, b| a.node.cmp(&b.node));
    reports
}

fn agree(reports: &[Report]) -> bool {
    reports.windows(2).all(|pair| match pair {
        [a, b] => a.reported == b.reported,
        _ => true,
    })
}

fn tell_reported(report: &Report, several: bool, session: &mut Session) {
    let Report { node, text, reported } = report;
    let (node, text) = (Inert(node), Inert(text));
    let release = reported.release;
    if !reported.known {
        session.warn(format!(
            "node {node} reports {text}, a release that kuberules does not know: the rules are those of {release}, the \
             nearest one"
        ));
    } else if several {
        session.note(format!("kube-proxy {release}, as the nodes report ({text} on {node})"));
    } else {
        session.note(format!("kube-proxy {release}, as node {node} reports ({text})"));
    }
}

fn note_difference(release: Release, reports: &[Report], session: &mut Session) {
    let Some(report) = reports.iter().find(|report| report.reported.release != release) else { return };
    let (node, text) = (Inert(&report.node), Inert(&report.text));
    session.note(format!("--kube-version {release} is not what node {node} reports ({text})"));
}

/// The release that most nodes report, of several the newest.
fn most_reported(reports: &[Report], session: &mut Session) -> Release {
    let mut counts: Vec<(usize, Release)> = Vec::new();
    for report in reports {
        match counts.iter_mut().find(|(_, release)| *release == report.reported.release) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, report.reported.release)),
        }
    }
    counts.sort_by_key(|(_, release)| (release.minor, release.since_patch));
    let most = counts.iter().max_by_key(|(count, _)| *count).map_or(Release::NEWEST, |(_, release)| *release);
    if !session.each_node_by_its_release() {
        let listed: Vec<String> =
            counts.iter().map(|(count, release)| format!("{release} on {count}")).collect();
        session.warn(format!(
            "the nodes report several releases of kube-proxy ({}): all are assumed to have {most}; name one with --node, or a \
             release with --kube-version",
            listed.join(", ")
        ));
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_node_reports_is_what_one_is_asked_for() {
        let node = |name: &str, version: &str| {
            format!(
                "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nstatus: {{nodeInfo: {{kubeletVersion: {version}}}}}\n"
            )
        };
        let nodes = [node("a", "v1.37.0"), node("b", "v1.31.2"), node("c", "v9.9.9"), node("d", "unknown")];
        let (snapshot, _) = crate::input::read_text("nodes.yaml", nodes.join("---\n")).unwrap();
        let all = by_node(&snapshot);
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(all.get(name).copied(), reported(&snapshot, Some(name)), "{name}");
        }
        assert!(all.len() >= 2);
    }
}
