//! A cluster that uses every field, and every way to spoil one of them.

use serde_json::{Value, json};

/// A cluster that uses every field.
pub fn cluster() -> Value {
    let port = |name: &str, number: u16| json!({"name": name, "port": number, "protocol": "TCP", "nodePort": 30000 + number, "targetPort": "web"});
    let slice = |name: &str, type_: &str, address: &str| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": type_,
            "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "web", "service.kubernetes.io/x": ""}},
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "nodeName": "worker", "conditions": {"ready": true}, "zone": "a",
                "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "worker"}]},
                "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-0"}}]})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker", "labels": {"topology.kubernetes.io/zone": "a"}},
            "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:244::/64"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.2"}, {"type": "InternalIP", "address": "fd00::2"}]}},
        {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"},
                "annotations": {"service.kubernetes.io/topology-mode": "Auto"}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10", "fd00:96::10"],
                "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack", "selector": {"app": "web"},
                "externalIPs": ["203.0.113.9", "2001:db8::9"], "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster",
                "loadBalancerSourceRanges": ["10.0.0.0/8", "fd00::/8"], "sessionAffinity": "ClientIP", "healthCheckNodePort": 31000,
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}, "trafficDistribution": "PreferClose",
                "ports": [port("http", 80), port("none", 81)]},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10", "ipMode": "VIP"}, {"ip": "2001:db8::10", "hostname": "x"}]}}},
        slice("web-4", "IPv4", "10.244.0.5"),
        slice("web-6", "IPv6", "fd00:244::5"),
        {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": ["10.96.0.0/16", "fd00:96::/108"]}},
    ]})
}

/// Every way to replace one string or key by a text.
pub fn spoilt(value: &Value, text: &str) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(text)],
        Value::Array(items) => {
            let mut all = Vec::new();
            for (i, item) in items.iter().enumerate() {
                for changed in spoilt(item, text) {
                    let mut copy = items.clone();
                    copy[i] = changed;
                    all.push(Value::Array(copy));
                }
            }
            all
        }
        Value::Object(fields) => {
            let mut all = Vec::new();
            for (key, field) in fields {
                for changed in spoilt(field, text) {
                    let mut copy = fields.clone();
                    copy.insert(key.clone(), changed);
                    all.push(Value::Object(copy));
                }
                // A key that a person chose, rather than the name of a field.
                if key.contains('/') || ["app", "NFTablesProxyMode"].contains(&key.as_str()) {
                    let mut copy = fields.clone();
                    let field = copy.remove(key).unwrap();
                    copy.insert(text.to_owned(), field);
                    all.push(Value::Object(copy));
                }
            }
            all
        }
        _ => Vec::new(),
    }
}
