//! What the API server refuses: a lint for each kind of rule, with findings in the server's words.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::api_server::Class;

pub(super) static UNKNOWN_FIELD: Lint = Lint {
    code: "KR040",
    name: "unknown-field",
    severity: Severity::Error,
    summary: "an object has a field that its kind does not have",
    check: |subject, found| tell(Class::UnknownField, subject, found),
};

pub(super) static WRONG_TYPE: Lint = Lint {
    code: "KR041",
    name: "wrong-type",
    severity: Severity::Error,
    summary: "a value is of another type than its field",
    check: |subject, found| tell(Class::WrongType, subject, found),
};

pub(super) static FIELD_OFF_TYPE: Lint = Lint {
    code: "KR042",
    name: "field-off-type",
    severity: Severity::Error,
    summary: "a field does not go with the type of the Service",
    check: |subject, found| tell(Class::OffType, subject, found),
};

pub(super) static INVALID_PORT: Lint = Lint {
    code: "KR043",
    name: "invalid-port",
    severity: Severity::Error,
    summary: "a port has a number, name or protocol that the API server refuses",
    check: |subject, found| tell(Class::Port, subject, found),
};

pub(super) static INVALID_NAME: Lint = Lint {
    code: "KR044",
    name: "invalid-name",
    severity: Severity::Error,
    summary: "a name, label, selector or annotation breaks the API server's rules",
    check: |subject, found| tell(Class::Name, subject, found),
};

pub(super) static INVALID_VALUE: Lint = Lint {
    code: "KR045",
    name: "invalid-value",
    severity: Severity::Error,
    summary: "a value is not among those that its field allows",
    check: |subject, found| tell(Class::Value, subject, found),
};

pub(super) static INVALID_ADDRESS: Lint = Lint {
    code: "KR046",
    name: "invalid-address",
    severity: Severity::Error,
    summary: "an address or network is in bad form, or of a range that is not allowed",
    check: |subject, found| tell(Class::Address, subject, found),
};

pub(super) static FAMILY_MISMATCH: Lint = Lint {
    code: "KR047",
    name: "family-mismatch",
    severity: Severity::Error,
    summary: "cluster IPs, IP families and their policy do not fit together",
    check: |subject, found| tell(Class::Families, subject, found),
};

pub(super) static MISSING_VALUE: Lint = Lint {
    code: "KR048",
    name: "missing-value",
    severity: Severity::Error,
    summary: "something required is missing, or there is too much of it",
    check: |subject, found| tell(Class::Count, subject, found),
};

pub(super) static INVALID_TEMPLATE: Lint = Lint {
    code: "KR049",
    name: "invalid-template",
    severity: Severity::Error,
    summary: "a workload's selector, its template or a container is refused",
    check: |subject, found| tell(Class::Template, subject, found),
};

pub(super) static VERSION_NOT_SERVED: Lint = Lint {
    code: "KR050",
    name: "version-not-served",
    severity: Severity::Error,
    summary: "no supported API server knows this version of the kind",
    check: |subject, found| tell(Class::Version, subject, found),
};

fn tell(class: Class, subject: &Subject<'_>, found: &mut Findings<'_>) {
    for refusal in &subject.refusals {
        for fault in refusal.faults.iter().filter(|fault| fault.class == class) {
            found.add_fault(refusal, fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{findings, found, service, settings};

    #[test]
    fn each_kind_of_rule_has_its_code() {
        let selected = "selector: {app: web}";
        for (code, spec) in [
            ("KR040", format!("{{{selected}, Type: NodePort, clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}")),
            (
                "KR041",
                format!("{{{selected}, loadBalancerIP: 7, clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}"),
            ),
            (
                "KR042",
                format!("{{{selected}, loadBalancerClass: a, clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}"),
            ),
            (
                "KR043",
                format!("{{{selected}, clusterIP: 10.96.0.1, ports: [{{port: 80, targetPort: '8080'}}]}}"),
            ),
            ("KR044", "{selector: {app: web server}, clusterIP: 10.96.0.1, ports: [{port: 80}]}".to_owned()),
            (
                "KR045",
                format!(
                    "{{{selected}, trafficDistribution: Near, clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}"
                ),
            ),
            (
                "KR046",
                format!(
                    "{{{selected}, externalIPs: [203.0.113.300], clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}"
                ),
            ),
            (
                "KR047",
                format!(
                    "{{{selected}, ipFamilies: [IPv4, IPv6], clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}"
                ),
            ),
            ("KR048", "{type: ExternalName}".to_owned()),
        ] {
            assert_eq!(found(code, &service("web", &spec)).len(), 1, "{code}");
        }
    }

    #[test]
    fn the_line_is_that_of_the_field_and_the_name_the_servers() {
        let text = service("web", "{type: NodePort,\n clusterIP: None,\n ports: [{port: 80}]}");
        let (snapshot, _) = crate::input::read_text("cluster.yaml", text).unwrap();
        let refusal = crate::api_server::judge(&snapshot, settings("1.36").release).remove(0);
        let mut found = crate::lint::finding::Findings {
            lint: &super::FIELD_OFF_TYPE,
            sources: &snapshot.sources,
            earlier: &[],
            found: Vec::new(),
        };
        found.add_fault(&refusal, &refusal.faults[0]);
        let found = crate::lint::finding::placed(&snapshot.sources, found.found);
        assert_eq!(found[0].place.as_ref().unwrap().line, Some(6));
        assert_eq!(found[0].field, "spec.clusterIPs[0]");
    }

    #[test]
    fn is_silent_for_what_the_server_takes() {
        let web = service("web", "{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}");
        assert!(findings(&web, &settings("1.36")).iter().all(|f| f.lint.code < "KR040"));
    }
}
