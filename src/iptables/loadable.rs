//! Plans that the real `iptables-restore` refuses, so that a node would get no rules for the family.

use crate::diagnostic::{Diagnostic, Diagnostics, Message, message};
use crate::plan::{External, LocalTraffic, Plan, ServicePortPlan};

/// The longest interface name that iptables accepts, including a trailing `+` (IFNAMSIZ in linux/if.h, less one).
const LONGEST_INTERFACE: usize = 15;

/// What `iptables-restore` would refuse.
pub fn check(plan: &Plan<'_>) -> Diagnostics {
    let mut found = Diagnostics::default();
    match plan.local_traffic() {
        Some(LocalTraffic::From(cidr)) if cidr.is_everything() && masquerades_others(plan) => {
            let message = message!("the cluster network {cidr} makes the rule `! -s {cidr}`");
            found.push(refused(plan, message, "name only the network of the pods"));
        }
        Some(LocalTraffic::InterfacePrefix(prefix))
            if prefix.len() >= LONGEST_INTERFACE && tells_pods_apart(plan) =>
        {
            let message =
                message!("the interface name {prefix}+ is longer than {LONGEST_INTERFACE} characters");
            found.push(refused(plan, message, "shorten detectLocal.interfaceNamePrefix"));
        }
        _ => {}
    }
    found
}

/// Whether some chain begins with the rule for traffic that is not from local pods.
fn masquerades_others(plan: &Plan<'_>) -> bool {
    let balances = |port: &ServicePortPlan<'_>| port.internal().balances();
    !plan.masquerade().all && plan.service_ports().iter().any(balances)
}

/// Whether some rule tells traffic of local pods from other traffic.
fn tells_pods_apart(plan: &Plan<'_>) -> bool {
    let short_circuits_pods =
        |port: &ServicePortPlan<'_>| port.external().is_some_and(External::has_short_circuit);
    masquerades_others(plan) || plan.service_ports().iter().any(short_circuits_pods)
}

fn refused(plan: &Plan<'_>, message: Message, help: &str) -> Diagnostic {
    let family = plan.family();
    let sentence = |message: &str| {
        format!("{message}, which iptables refuses: no {family} rule of any Service would be there")
    };
    Diagnostic::unloadable(message.within(sentence)).help(help)
}
