//! What a check of captured rules found.

pub mod github;
pub mod text;

use crate::compare::check::{Finding, Kind, Report};

/// The verdict in one line.
fn verdict(report: &Report) -> String {
    let Report { node, mode, release, findings, .. } = report;
    if is_served_otherwise(report) {
        return format!("Node {node}: Services are not served by kube-proxy's rules");
    }
    let how = if report.detected { "as the rules tell" } else { "as told" };
    let count = match findings.len() {
        0 => "no findings".to_owned(),
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    format!("Node {node}: {count} (mode {mode}, kube-proxy {release}, {how})")
}

/// Whether packets to Services are not served by kube-proxy's rules.
fn is_served_otherwise(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.kind == Kind::OtherDataPath)
}

/// What a finding does to packets of new connections.
fn effect(finding: &Finding) -> String {
    let classes: usize = finding.traffic.iter().map(|flow| flow.classes).sum();
    let at_least = if finding.traffic.iter().any(|flow| flow.not_followed > 0) { "at least " } else { "" };
    match classes {
        0 if finding.kind == Kind::NoRules => "no Service is served; see below for what that does".to_owned(),
        0 if finding.kind == Kind::PinnedConnections => "new connections are not affected".to_owned(),
        0 if finding.kind == Kind::Unknown => "it is not known what happens to them".to_owned(),
        0 if finding.effect_unknown => "whether a new connection has another outcome is not known".to_owned(),
        0 => "no new connection has another outcome".to_owned(),
        1 => format!("{at_least}1 kind of connection has another outcome"),
        many => format!("{at_least}{many} kinds of connections have another outcome"),
    }
}

/// How much traffic was compared.
fn compared(report: &Report) -> String {
    let same = match report.same_rules.as_slice() {
        [] => None,
        _ if report.classes + report.unknown == 0 => {
            Some("kube-proxy's rules are as they should be, line for line".to_owned())
        }
        families => {
            let families: Vec<&str> = families.iter().map(|family| family_name(family)).collect();
            Some(format!("the {} rules are as they should be, line for line", families.join(" and ")))
        }
    };
    let kinds = match (report.classes, report.unknown) {
        (0, 0) if same.is_some() => None,
        (classes, 0) => Some(format!("{classes} kinds of connections compared")),
        (classes, unknown) => {
            Some(format!("{classes} kinds of connections compared, {unknown} could not be compared"))
        }
    };
    kinds.into_iter().chain(same).collect::<Vec<_>>().join("; ")
}

fn family_name(lower: &str) -> &'static str {
    if lower == "ipv6" { "IPv6" } else { "IPv4" }
}

fn family(finding: &Finding) -> &'static str {
    match finding.family {
        Some("ipv6") => "IPv6, ",
        Some(_) => "IPv4, ",
        None => "",
    }
}
