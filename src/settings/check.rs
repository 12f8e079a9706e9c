//! What the checks of a configuration share: the words of a refusal, and the place in it.

use super::configuration::Configuration;
use super::release::Release;
use super::section::shown;
use crate::diagnostic::{Diagnostic, Diagnostics};

/// The checks of one configuration.
pub(super) struct Check<'w> {
    pub(super) written: &'w Configuration,
    pub(super) release: Release,
    pub(super) found: Diagnostics,
}

impl Check<'_> {
    /// Refuses the value of `field` in kube-proxy's words: kube-proxy's `path` for it, the value as kube-proxy prints
    /// it, the rule.
    pub(super) fn refuse(&mut self, field: &'static str, path: &str, fault: &str) {
        let diagnostic = Diagnostic::error(format!("KubeProxyConfiguration.{path}: {fault}"));
        self.tell(field, diagnostic.help(self.where_to_change(field)));
    }

    /// Refuses a value in kube-proxy's words `Invalid value`.
    pub(super) fn invalid(&mut self, field: &'static str, path: &str, value: &str, rule: &str) {
        self.refuse(field, path, &format!("Invalid value: {value}: {rule}"));
    }

    /// Adds a diagnostic about `field`, with the place in the configuration unless a flag gave the field.
    pub(super) fn tell(&mut self, field: &'static str, diagnostic: Diagnostic) {
        let by_flag = self.written.given_by_flag.contains(field);
        let place = if by_flag { None } else { self.written.origin.of_field(field) };
        self.found.push(diagnostic.at(place));
    }

    pub(super) fn where_to_change(&self, field: &str) -> String {
        match flag_of(field) {
            Some(flag) if self.written.given_by_flag.contains(field) => format!("change the flag {flag}"),
            Some(flag) => format!("change the field {field}, or override it by {flag}"),
            None => format!("change the field {field}"),
        }
    }
}

/// The text as kube-proxy repeats it in its messages, shortened.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shown(text))
}

fn flag_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "mode" => "--proxy-mode",
        "clusterCIDR" => "--cluster-cidr",
        "detectLocalMode" => "--detect-local-mode",
        "detectLocal.bridgeInterface" => "--pod-bridge-interface",
        "detectLocal.interfaceNamePrefix" => "--pod-interface-name-prefix",
        "nodePortAddresses" => "--nodeport-addresses",
        "iptables.masqueradeBit" => "--iptables-masquerade-bit",
        "bindAddress" => "--bind-address",
        "hostnameOverride" => "--node",
        _ => return None,
    })
}
