//! Plans for which the real nft refuses what kube-proxy sends, so that the node gets no rules for the family.

mod reserved;

use crate::diagnostic::{Diagnostic, Diagnostics, Message, ObjectRef, message};
use crate::input::Sources;
use crate::plan::{External, LocalTraffic, Plan, ServicePortPlan};
use crate::settings::release::ClusterIpMasquerade;

/// The longest comment that nft accepts, in bytes (NFTNL_UDATA_COMMENT_MAXLEN in libnftnl).
pub(super) const LONGEST_COMMENT: usize = 128;

/// The longest interface name that nft accepts, including a trailing `*` (IFNAMSIZ in linux/if.h, less one).
const LONGEST_INTERFACE: usize = 15;

/// What nft would refuse.
pub fn check(plan: &Plan<'_>, sources: &Sources) -> Diagnostics {
    let mut found = Diagnostics::default();
    if has_interface_rule(plan) {
        match plan.local_traffic() {
            Some(LocalTraffic::Interface(name)) => check_interface(plan, name, &mut found),
            Some(LocalTraffic::InterfacePrefix(prefix)) => check_prefix(plan, prefix, &mut found),
            Some(LocalTraffic::From(_)) | None => {}
        }
    }
    if !plan.release().nftables.comments_cut {
        for service_port in plan.service_ports().iter().filter(|port| is_commented(plan, port)) {
            found.extend(comment_fault(plan, service_port, sources));
        }
    }
    found
}

/// The consequence of every refusal: nft takes all rules of a family or none.
fn unsynced(plan: &Plan<'_>, fault: Message) -> Diagnostic {
    let family = plan.family();
    let sentence = |fault: &str| {
        format!(
            "{fault}: nft refuses all that kube-proxy sends, and the node gets no {family} rule of any Service"
        )
    };
    Diagnostic::unloadable(fault.within(sentence))
}

/// Whether some element has the name of the Service port as its comment.
fn is_commented(plan: &Plan<'_>, port: &ServicePortPlan<'_>) -> bool {
    let external = |external: &External<'_>| {
        let firewall = plan.release().nftables.firewall_element_comments;
        !external.client_route().balances() || firewall && external.source_ranges().is_some()
    };
    !port.internal().balances() || port.external().is_some_and(external)
}

fn comment_fault(plan: &Plan<'_>, port: &ServicePortPlan<'_>, sources: &Sources) -> Option<Diagnostic> {
    let port = port.service_port();
    let length = port.name.to_string().len();
    if length <= LONGEST_COMMENT {
        return None;
    }
    let path = format!("spec.ports[{}]", port.port_index);
    let fault = message!(
        "{path}: the name {} of a Service port without endpoints becomes a comment of {length} characters, and nft \
         accepts {LONGEST_COMMENT}",
        port.name
    );
    let object = ObjectRef {
        kind: "Service".into(),
        namespace: port.name.namespace().into(),
        name: port.name.service().into(),
    };
    let diagnostic = unsynced(plan, fault)
        .help("shorten the name of the Service or of its port, or give it endpoints that this node may use")
        .at(sources.field_place(port.position, &path))
        .about(object);
    Some(diagnostic)
}

/// Whether some rule tells traffic of local pods from other traffic.
fn has_interface_rule(plan: &Plan<'_>) -> bool {
    let masquerades = match plan.release().nftables.cluster_ip_masquerade {
        ClusterIpMasquerade::BySet => true,
        ClusterIpMasquerade::PerPort | ClusterIpMasquerade::PerAddress => {
            plan.service_ports().iter().any(|port| port.internal().balances())
        }
    };
    (masquerades && !plan.masquerade().all) || plan.service_ports().iter().any(short_circuits_pods)
}

fn short_circuits_pods(port: &ServicePortPlan<'_>) -> bool {
    port.external().is_some_and(External::has_short_circuit)
}

fn check_interface(plan: &Plan<'_>, name: &str, found: &mut Diagnostics) {
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    if (!is_number && !begins_a_name(name)) || reserved::is_reserved(name) {
        let fault = message!(
            "detectLocal.bridgeInterface: kube-proxy writes {name} without quotes, and nft does not accept it as a name"
        );
        found.push(unsynced(plan, fault).help("rename the interface, or choose another detectLocalMode"));
    } else if !plan.release().nftables.interface_by_name {
        let message = message!(
            "detectLocal.bridgeInterface: nft refuses all that kube-proxy {} sends while there is no interface {name}",
            plan.release()
        );
        let help =
            "make sure that the interface is there before kube-proxy starts; later releases do not need it";
        found.push(Diagnostic::warning(message).help(help));
    }
}

fn check_prefix(plan: &Plan<'_>, prefix: &str, found: &mut Diagnostics) {
    const PATH: &str = "detectLocal.interfaceNamePrefix";
    let diagnostic = if !plan.release().nftables.interface_by_name {
        let release = plan.release();
        let fault = message!("{PATH}: kube-proxy {release} looks for one interface that is called {prefix}*");
        unsynced(plan, fault)
            .help("choose another detectLocalMode, or a release that matches by name (1.33.6)")
    } else if prefix.len() >= LONGEST_INTERFACE {
        let fault = message!("{PATH}: {prefix}* is longer than the {LONGEST_INTERFACE} characters of a name");
        unsynced(plan, fault).help("shorten the prefix")
    } else if !begins_a_name(prefix) {
        let fault = message!(
            "{PATH}: kube-proxy writes {prefix}* without quotes, and nft does not accept it as a name"
        );
        unsynced(plan, fault).help("choose another detectLocalMode")
    } else {
        return;
    };
    found.push(diagnostic);
}

/// Whether nft reads unquoted text that begins like this as a name.
fn begins_a_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ServicePort;
    use crate::names::ServicePortName;
    use crate::net::Protocol;
    use crate::plan::samples::{Sample, endpoint, service_port};
    use crate::settings::{DetectLocal, ProxyMode, Release};

    fn sample(minor: u16, service_ports: &[ServicePort]) -> Sample {
        Sample::new(ProxyMode::Nftables, Release::find(minor, None).unwrap(), service_ports)
    }

    fn severe(sample: &Sample) -> Vec<String> {
        check(&sample.plan(), &Sources::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn comments_may_have_128_characters() {
        let mut port = service_port("");
        port.name = ServicePortName::new("n", &"s".repeat(62), &"p".repeat(63), Protocol::Tcp).unwrap();
        assert_eq!(port.name.to_string().len(), 128);
        assert!(severe(&sample(36, std::slice::from_ref(&port))).is_empty());
        port.name = ServicePortName::new("nn", &"s".repeat(62), &"p".repeat(63), Protocol::Tcp).unwrap();
        let found = severe(&sample(36, std::slice::from_ref(&port)));
        assert!(found[0].starts_with("error: Service nn/ssss"), "{found:?}");
        assert!(found[0].contains("129 characters"), "{found:?}");
        assert!(severe(&sample(37, std::slice::from_ref(&port))).is_empty());
        port.endpoints = vec![endpoint("10.244.0.5:8080")];
        assert!(severe(&sample(36, &[port])).is_empty());
    }

    #[test]
    fn old_releases_need_the_interface_itself() {
        let mut port = service_port("");
        port.endpoints = vec![endpoint("10.244.0.5:8080")];
        let ports = [port];
        let with = |minor, detect_local| severe(&sample(minor, &ports).detect_local(detect_local));
        let prefix = |text: &str| DetectLocal::InterfaceNamePrefix(text.into());
        let bridge = |text: &str| DetectLocal::BridgeInterface(text.into());
        assert!(with(32, prefix("cali"))[0].starts_with("error: detectLocal.interfaceNamePrefix"));
        assert!(with(33, prefix("cali")).is_empty());
        assert!(with(32, bridge("br0"))[0].starts_with("warning: "));
        assert!(with(36, bridge("br0")).is_empty());
        assert!(with(36, bridge("bridge"))[0].starts_with("error: detectLocal.bridgeInterface"));
        assert!(with(36, bridge("0eth"))[0].starts_with("error: "));
        assert!(with(36, prefix("0eth"))[0].starts_with("error: "));
        assert!(with(36, prefix("abcdefghijklmno"))[0].starts_with("error: "));
        assert!(with(36, prefix("abcdefghijklmn")).is_empty());
    }

    #[test]
    fn a_prefix_that_no_rule_uses_is_harmless() {
        let prefix = DetectLocal::InterfaceNamePrefix("cali".into());
        assert!(severe(&sample(32, &[]).detect_local(prefix)).is_empty());
    }
}
