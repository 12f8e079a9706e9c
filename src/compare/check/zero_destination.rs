//! `DNAT --to-destination :0`: what iptables 1.8.0 to 1.8.6 made of kube-proxy's rule, due to a bug in parsing options
//! (kubernetes/kubernetes 112477, 114537). Every packet that meets it is lost.

use super::Kind;
use super::delta::Draft;
use super::delta::{Delta, by_service};
use crate::iptables::ruleset::Target;
use crate::ruleset::listing::Line;

pub(super) fn find<'d, 'r>(deltas: &'d [Delta<'r>]) -> Vec<Draft<'d, 'r>> {
    let corrupt = deltas.iter().filter(|delta| delta.extra().any(is_corrupt));
    by_service(Kind::ZeroDestination, corrupt, |name, _| {
        format!(
            "{name}: a rule sends packets to ':0', no address at all: a known corruption by an iptables older than the \
             kube-proxy image's (kubernetes/kubernetes 112477, 114537); use one version of iptables on the node"
        )
    })
}

fn is_corrupt(line: &Line<'_>) -> bool {
    match line {
        Line::IptablesRule(_, _, placed) => match &placed.rule.target {
            Some(Target::Foreign(foreign)) => {
                foreign.text().split_once("--to-destination").is_some_and(|(_, to)| {
                    to.split_whitespace().next().is_some_and(|to| to == ":0" || to == "0.0.0.0:0")
                })
            }
            Some(Target::Dnat(to)) => to.address.port() == 0,
            _ => false,
        },
        _ => false,
    }
}
