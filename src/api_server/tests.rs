//! Objects, and what the server says of them.

use super::judge;

/// `field: message` of each fault of a text's objects, in a release.
fn faults_in(release: &str, text: &str) -> Vec<String> {
    let (snapshot, _) = crate::input::read_text("a.yaml", text).unwrap();
    let refusals = judge(&snapshot, release.parse().unwrap());
    let faults = refusals.into_iter().flat_map(|refusal| refusal.faults);
    faults.map(|fault| format!("{}: {}", fault.field, fault.message)).collect()
}

fn of_service(spec: &str) -> Vec<String> {
    faults_in("1.36", &service("web", spec))
}

fn service(name: &str, spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {spec}}}")
}

#[test]
fn sound_services_are_taken() {
    for spec in [
        "{ports: [{port: 80}]}",
        "{clusterIP: None}",
        "{type: ExternalName, externalName: a.example.com.}",
        "{type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080, targetPort: http-1}]}",
        "{type: LoadBalancer, loadBalancerClass: a.io/b, allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [' 10.0.0.0/8 '], ports: [{port: 80}]}",
        "{externalIPs: [203.0.113.1], externalTrafficPolicy: Local, ports: [{port: 80, appProtocol: kubernetes.io/h2c}]}",
        "{ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 53}]}",
        "{clusterIP: None, ipFamilies: [IPv6, IPv4], ports: [{port: 80}]}",
        "{ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}",
        "{ports: [{port: 80, targetPort: 0}]}",
        "{selector: null, ports: [{port: 80, nodePort: null}]}",
    ] {
        assert_eq!(of_service(spec), [""; 0], "{spec}");
    }
}

#[test]
fn fields_that_do_not_go_with_the_type() {
    for (spec, fault) in [
        (
            "{ports: [{port: 80, nodePort: 30080}]}",
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (
            "{externalTrafficPolicy: Local, ports: [{port: 80}]}",
            "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services",
        ),
        (
            "{type: NodePort, loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]}",
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            "{type: LoadBalancer, healthCheckNodePort: 30000, ports: [{port: 80}]}",
            "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
        (
            "{type: NodePort, clusterIP: None, ports: [{port: 80}]}",
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
        ),
        (
            "{type: ExternalName, externalName: a.example, ipFamilies: [IPv4]}",
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
        ),
    ] {
        assert_eq!(of_service(spec), [fault], "{spec}");
    }
}

#[test]
fn unknown_fields_are_told_with_what_is_meant() {
    let (snapshot, _) = crate::input::read_text(
        "a.yaml",
        service("web", "{Type: NodePort, ports: [{port: 80, targetport: 1}]}"),
    )
    .unwrap();
    let refusal = judge(&snapshot, crate::settings::Release::NEWEST).remove(0);
    assert!(!refusal.is_certain());
    let told: Vec<_> = refusal.faults.iter().map(|f| (f.message.as_str(), f.remedy.as_str())).collect();
    assert_eq!(
        told,
        [
            ("unknown field \"spec.Type\"", "did you mean type?"),
            ("unknown field \"spec.ports[0].targetport\"", "did you mean targetPort?")
        ]
    );
}

#[test]
fn what_a_server_has_stored_is_not_judged() {
    let bad = service("web", "{ports: [{port: 80, nodePort: 30080}]}");
    assert_eq!(faults_in("1.36", &bad).len(), 1);
    assert!(faults_in("1.36", &bad.replace("name: web", "name: web, resourceVersion: '7'")).is_empty());
}

#[test]
fn releases_differ() {
    let zeros = service("web", "{externalIPs: [203.0.113.01], ports: [{port: 80}]}");
    assert_eq!(
        faults_in("1.36", &zeros),
        ["spec.externalIPs[0]: Invalid value: \"203.0.113.01\": must not have leading 0s"]
    );
    assert!(faults_in("1.35", &zeros).is_empty());
    let digit = service("1web", "{ports: [{port: 80}]}");
    assert!(faults_in("1.36", &digit).is_empty());
    assert_eq!(faults_in("1.35", &digit).len(), 1);
}

#[test]
fn selectors_with_expressions_select() {
    let deployment = |selector: &str| {
        faults_in(
            "1.36",
            &format!(
                "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a}}, spec: {{selector: {selector}, template: {{metadata: {{labels: {{app: a, tier: b}}}}, spec: {{containers: [{{name: a, image: a}}]}}}}}}}}"
            ),
        )
    };
    for good in [
        "{matchLabels: {app: a}}",
        "{matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: x, operator: DoesNotExist}]}",
        "{matchExpressions: [{key: tier, operator: NotIn, values: [a]}, {key: app, operator: Exists}]}",
    ] {
        assert_eq!(deployment(good), [""; 0]);
    }
    assert_eq!(
        deployment("{matchLabels: {app: b}}"),
        [
            "spec.template.metadata.labels: Invalid value: {\"app\":\"a\",\"tier\":\"b\"}: `selector` does not match template `labels`"
        ]
    );
    assert_eq!(
        deployment("{}")[0],
        "spec.selector: Invalid value: {}: empty selector is invalid for deployment"
    );
    assert_eq!(
        deployment("{matchExpressions: [{key: app, operator: In}]}")[0],
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
    );
}
