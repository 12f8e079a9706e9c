//! The mode ipvs, which will be removed.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::diagnostic::message;
use crate::settings::release::IPVS_OFF;

pub(super) static LINT: Lint = Lint {
    code: "KR031",
    name: "ipvs-mode",
    severity: Severity::Warning,
    summary: "mode is ipvs, which is off by default in 1.40",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let settings = subject.settings;
    if settings.configured_mode.as_deref() != Some("ipvs") {
        return;
    }
    let message = message!(
        "mode is ipvs: from {IPVS_OFF} on kube-proxy will not start with it unless the gate KubeProxyIPVS is switched on"
    );
    let remedy =
        "move to nftables, or to iptables; what either would do: kuberules compile --proxy-mode nftables";
    found.add_at(settings.configuration.clone(), "mode", message, remedy);
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{configured, found_by, plain_service};

    #[test]
    fn fires_for_ipvs() {
        assert_eq!(found_by("KR031", &plain_service(), &configured("1.37", "mode: ipvs")).len(), 1);
    }

    #[test]
    fn is_silent_for_other_modes() {
        assert!(found_by("KR031", &plain_service(), &configured("1.37", "mode: nftables")).is_empty());
    }
}
