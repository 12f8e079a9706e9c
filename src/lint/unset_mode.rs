//! A configuration that leaves the mode to a default that will change.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::diagnostic::message;
use crate::settings::release::NFTABLES_BY_DEFAULT;

pub(super) static LINT: Lint = Lint {
    code: "KR030",
    name: "mode-unset",
    severity: Severity::Note,
    summary: "mode is not set, and the default moves from iptables to nftables in 1.40",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let settings = subject.settings;
    if settings.configuration.is_none()
        || settings.configured_mode.is_some()
        || !settings.release.deprecated.unset_mode
    {
        return;
    }
    let message = message!(
        "mode is not set: kube-proxy {} uses iptables and warns, {NFTABLES_BY_DEFAULT} will use nftables",
        settings.release
    );
    let remedy = "set mode: iptables, as kubeadm 1.37 does, or try what mode: nftables changes: kuberules diff \
                  --old-proxy-mode iptables --new-proxy-mode nftables";
    found.add_at(settings.configuration.clone(), "mode", message, remedy);
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{configured, found_by, plain_service};

    #[test]
    fn fires_for_a_configuration_without_mode() {
        let messages = found_by("KR030", &plain_service(), &configured("1.37", "clusterCIDR: 10.0.0.0/8"));
        assert_eq!(
            messages,
            ["mode is not set: kube-proxy 1.37 uses iptables and warns, 1.40 will use nftables"]
        );
    }

    #[test]
    fn is_silent_where_the_mode_is_set_or_nothing_is_known_of_it() {
        assert!(found_by("KR030", &plain_service(), &configured("1.37", "mode: iptables")).is_empty());
        assert!(
            found_by("KR030", &plain_service(), &configured("1.36", "clusterCIDR: 10.0.0.0/8")).is_empty()
        );
        assert!(found_by("KR030", &plain_service(), &crate::lint::tests::settings("1.37")).is_empty());
    }
}
