//! What makes the real kube-proxy fail.

use super::Severity;
use super::subject::Subject;
use super::{Finding, Findings, Lint};
use crate::diagnostic;

pub(super) static LINT: Lint = Lint {
    code: "KR020",
    name: "kube-proxy-fails",
    severity: Severity::Error,
    summary: "kube-proxy could not load rules made of this",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for diagnostic in subject.diagnostics.iter().filter(|d| d.severity == diagnostic::Severity::Unloadable) {
        let finding = from_diagnostic(&LINT, diagnostic);
        found.found.push(finding);
    }
}

/// What an earlier stage found, as a finding.
pub(super) fn from_diagnostic(lint: &'static Lint, diagnostic: &diagnostic::Diagnostic) -> Finding {
    Finding {
        lint,
        severity: lint.severity,
        place: diagnostic.place.clone(),
        object: diagnostic.object.clone(),
        field: String::new(),
        message: diagnostic.message.clone(),
        remedy: diagnostic.help.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice};

    fn with(address: &str) -> Vec<String> {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}");
        found("KR020", &(web + &slice("web", "{port: 80}", &format!("{{addresses: ['{address}']}}"))))
    }

    #[test]
    fn fires_for_an_address_that_breaks_the_load() {
        assert!(with("fd00::1")[0].contains("\"fd00::1\" is no IPv4 address"));
    }

    #[test]
    fn is_silent_for_a_sound_one() {
        assert!(with("10.1.0.1").is_empty());
    }
}
