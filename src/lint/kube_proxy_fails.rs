//! Errors on which the real kube-proxy fails.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::diagnostic;

pub(super) static LINT: Lint = Lint {
    code: "KR020",
    name: "kube-proxy-fails",
    severity: Severity::Error,
    summary: "kube-proxy could not load rules made of this",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let unloadable = |d: &&diagnostic::Diagnostic| d.severity == diagnostic::Severity::Unloadable;
    found.add_diagnostics(subject.diagnostics.iter().filter(unloadable));
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice, stored};

    fn with(address: &str) -> Vec<String> {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}");
        found(
            "KR020",
            &stored(&(web + &slice("web", "{port: 80}", &format!("{{addresses: ['{address}']}}")))),
        )
    }

    #[test]
    fn fires_for_an_address_that_breaks_the_load() {
        assert!(with("fd00::1")[0].contains("\"fd00::1\" is not an IPv4 address"));
    }

    #[test]
    fn is_silent_for_a_sound_one() {
        assert!(with("10.1.0.1").is_empty());
    }
}
