//! Random clusters that an API server would accept, however odd, each with the configuration of a kube-proxy. The same
//! seed gives the same cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kuberules::settings::{
    HostFacts, ProxyMode, Release,
    release::{NodePortWords, RELEASES},
};
use serde_json::{Value, json};

use super::random::Random;

/// A cluster, with all that decides the rules of one of its nodes.
pub struct Generated {
    /// A List of objects.
    pub cluster: Value,
    /// A KubeProxyConfiguration.
    pub configuration: Value,
    pub release: Release,
    pub host: HostFacts,
    /// The Node to compile for.
    pub node: String,
}

const ZONES: [&str; 4] = ["a", "b", "eu-west-1c", ""];
const EXTERNAL_4: [&str; 4] = ["203.0.113.9", "198.51.100.255", "1.1.1.1", "192.0.2.0"];
const EXTERNAL_6: [&str; 4] = ["2001:db8::9", "64:ff9b::102:304", "::5:6", "2001:db8:0:0:1::"];
const RANGES: [&str; 16] = [
    "10.0.0.0/9",
    "10.128.0.0/9",
    "10.9.0.5/16",
    "0.0.0.0/0",
    "0.0.0.0/1",
    "255.255.255.255/32",
    "192.168.0.2/32",
    " 198.51.100.0/24 ",
    "203.0.113.0/25",
    "203.0.113.128/25",
    "fd00::/8",
    "fe00::/7",
    "::/0",
    "2001:db8::7/128",
    "::a60:0/112",
    "8000::/1",
];

/// The cluster of a seed.
pub fn cluster(seed: u64) -> Generated {
    let mut maker = Maker {
        random: Random::new(seed),
        items: Vec::new(),
        nodes: Vec::new(),
        serial: 0,
        node_port: 30000,
    };
    maker.make()
}

struct Maker {
    random: Random,
    items: Vec<Value>,
    nodes: Vec<String>,
    /// Counts what must not occur twice.
    serial: u32,
    node_port: u16,
}

#[derive(Clone, Copy, PartialEq)]
enum Family {
    V4,
    V6,
}

impl Maker {
    fn make(&mut self) -> Generated {
        let maker = self;
        let release = maker.random.pick(&RELEASES);
        let mode = maker.random.pick(&[ProxyMode::Iptables, ProxyMode::Nftables]);
        for _ in 0..=maker.random.below(4) {
            maker.node();
        }
        for _ in 0..maker.random.below(9) {
            maker.service();
        }
        maker.service_cidrs();
        let configuration = maker.configuration(release, mode);
        let addresses =
            ["10.0.0.77", "fd00:5::77", "203.0.113.9", "127.0.0.2", "::7:8"].map(|ip| ip.parse().unwrap());
        let host = HostFacts {
            addresses: maker.random.some_of::<IpAddr>(&addresses, 30),
            nfacct: maker.random.chance(70),
            random_fully: maker.random.chance(80),
            conntrack_liberal: maker.random.chance(20),
        };
        maker.shuffle();
        let items = std::mem::take(&mut maker.items);
        Generated {
            cluster: json!({"apiVersion": "v1", "kind": "List", "items": items}),
            configuration,
            release,
            host,
            node: maker.nodes[0].clone(),
        }
    }

    fn shuffle(&mut self) {
        for i in (1..self.items.len()).rev() {
            let j = self.random.below(i + 1);
            self.items.swap(i, j);
        }
    }

    fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// A DNS label that begins with a letter, unlike any other; sometimes as long as allowed.
    fn label(&mut self, longest: usize) -> String {
        let start = format!("{}{}", self.random.pick(&["web", "a", "x-y", "kube", "bridge"]), self.serial());
        let fill = self.random.pick(&["", "", "", "-b", "0", "long"]).repeat(16);
        let mut name = start + &fill;
        name.truncate(longest);
        name.trim_end_matches('-').to_owned()
    }

    fn address(&mut self, family: Family, net: u16) -> String {
        let n = self.serial();
        let [_, b, c, d] = n.to_be_bytes();
        match family {
            Family::V4 => Ipv4Addr::new(10, u8::try_from(net % 200).unwrap() + b, c, d).to_string(),
            // Some of these are printed with a dotted tail.
            Family::V6 if self.random.chance(30) => format!("::{:x}:{n:x}", net + 256),
            Family::V6 => Ipv6Addr::new(0xfd00, net, 0, 0, 0, 0, (n >> 16) as u16, n as u16).to_string(),
        }
    }

    fn node(&mut self) {
        let name =
            if self.random.chance(20) { format!("{}.example.com", self.label(63)) } else { self.label(20) };
        let mut addresses = Vec::new();
        let mut pod_cidrs = Vec::new();
        for family in self.families(85) {
            for _ in 0..=self.random.below(2) {
                let address = self.address(family, 192);
                let kind = self.random.pick(&["InternalIP", "InternalIP", "ExternalIP"]);
                addresses.push(json!({"type": kind, "address": address}));
            }
            let net = self.serial();
            pod_cidrs.push(match family {
                Family::V4 => format!("10.244.{}.0/24", net % 256),
                Family::V6 => format!("fd00:244:0:{net:x}::/64"),
            });
        }
        addresses.push(json!({"type": "Hostname", "address": name}));
        let mut labels = json!({"kubernetes.io/hostname": name});
        if self.random.chance(70) {
            labels["topology.kubernetes.io/zone"] = json!(self.random.pick(&ZONES));
        }
        self.items.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
            "spec": {"podCIDR": pod_cidrs.first(), "podCIDRs": pod_cidrs}, "status": {"addresses": addresses}}));
        self.nodes.push(name);
    }

    /// One family or both, in either order; in this percentage of cases at least one.
    fn families(&mut self, some: usize) -> Vec<Family> {
        use Family::{V4, V6};
        if !self.random.chance(some) {
            return Vec::new();
        }
        self.random.pick(&[vec![V4], vec![V4], vec![V6], vec![V4, V6], vec![V6, V4]])
    }

    fn service(&mut self) {
        let name = self.label(63);
        let namespace =
            self.random.pick(&["default".to_owned(), "shop".to_owned(), "0-9".to_owned(), "n".repeat(63)]);
        let type_ = self.random.pick(&[
            "ClusterIP",
            "ClusterIP",
            "NodePort",
            "LoadBalancer",
            "LoadBalancer",
            "ExternalName",
            "Headless",
        ]);
        let families = self.families(100);
        let ports = self.ports(type_);
        let mut service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "labels": {}, "annotations": {}},
            "spec": {"type": if type_ == "Headless" { "ClusterIP" } else { type_ }, "ports": ports}});
        self.cluster_ips(&mut service, type_, &families);
        self.policies(&mut service, type_);
        self.outside(&mut service, type_);
        for label in ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"] {
            if self.random.chance(4) {
                service["metadata"]["labels"][label] = json!("");
            }
        }
        if self.random.chance(20) {
            service["metadata"]["annotations"]["service.kubernetes.io/topology-mode"] =
                json!(self.random.pick(&["Auto", "disabled", "x"]));
        }
        self.items.push(service);
        for _ in 0..self.random.below(4) {
            let family = self.random.pick(&families);
            self.slice(&name, &namespace, family, &ports);
        }
    }

    fn ports(&mut self, type_: &str) -> Value {
        let count = 1 + self.random.below(4);
        let mut ports = Vec::new();
        for i in 0..count {
            let protocol = self.random.pick(&["TCP", "TCP", "UDP", "SCTP"]);
            let number = self.random.pick(&[1, 80, 256, 8080, 65500]) + i;
            let mut port = json!({"port": number, "protocol": protocol});
            if count > 1 || self.random.chance(70) {
                port["name"] = json!(self.label(63));
            }
            if matches!(type_, "NodePort" | "LoadBalancer") && self.random.chance(90) {
                self.node_port += 1;
                port["nodePort"] = json!(self.node_port);
            }
            if self.random.chance(50) {
                port["targetPort"] = self.random.pick(&[json!(8080), json!("http")]);
            }
            ports.push(port);
        }
        ports.into()
    }

    fn cluster_ips(&mut self, service: &mut Value, type_: &str, families: &[Family]) {
        match type_ {
            "ExternalName" => service["spec"]["externalName"] = json!("example.com"),
            "Headless" => service["spec"]["clusterIP"] = json!("None"),
            _ => {
                let addresses: Vec<String> =
                    families.iter().map(|family| self.address(*family, 96)).collect();
                service["spec"]["clusterIP"] = json!(addresses[0]);
                if families.len() > 1 || self.random.chance(50) {
                    service["spec"]["clusterIPs"] = json!(addresses);
                    let names =
                        families.iter().map(|family| if *family == Family::V4 { "IPv4" } else { "IPv6" });
                    service["spec"]["ipFamilies"] = json!(names.collect::<Vec<_>>());
                }
            }
        }
    }

    fn policies(&mut self, service: &mut Value, type_: &str) {
        let spec = &mut service["spec"];
        if self.random.chance(40) {
            spec["internalTrafficPolicy"] = json!(self.random.pick(&["Cluster", "Local"]));
        }
        if matches!(type_, "NodePort" | "LoadBalancer") && self.random.chance(70) {
            spec["externalTrafficPolicy"] = json!(self.random.pick(&["Cluster", "Local", "Local"]));
        }
        if type_ == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local" && self.random.chance(80) {
            self.node_port += 1;
            spec["healthCheckNodePort"] = json!(self.node_port);
        }
        if self.random.chance(30) {
            spec["sessionAffinity"] = json!("ClientIP");
            if self.random.chance(70) {
                let seconds = self.random.pick(&[1, 59, 60, 3600, 86399, 86400]);
                spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": seconds}});
            }
        }
        if self.random.chance(25) {
            spec["trafficDistribution"] =
                json!(self.random.pick(&["PreferClose", "PreferSameZone", "PreferSameNode"]));
        }
    }

    /// External IPs, load-balancer IPs and who may use them.
    fn outside(&mut self, service: &mut Value, type_: &str) {
        let (four, six) = (self.random.some_of(&EXTERNAL_4, 15), self.random.some_of(&EXTERNAL_6, 15));
        let mut external = [four, six].concat();
        if self.random.chance(10) {
            external.extend(external.first().copied());
        }
        if !external.is_empty() && matches!(type_, "ClusterIP" | "NodePort" | "LoadBalancer") {
            service["spec"]["externalIPs"] = json!(external);
        }
        if type_ != "LoadBalancer" {
            return;
        }
        let mut ingress = Vec::new();
        for _ in 0..self.random.below(4) {
            let family = self.random.pick(&[Family::V4, Family::V6]);
            let ip = self.address(family, 180);
            ingress.push(match self.random.below(5) {
                0 => json!({"ip": ip, "ipMode": "VIP"}),
                1 => json!({"ip": ip, "ipMode": "Proxy"}),
                2 => json!({"hostname": "lb.example.com"}),
                _ => json!({"ip": ip}),
            });
        }
        if self.random.chance(10) {
            ingress.extend(ingress.first().cloned());
        }
        service["status"] = json!({"loadBalancer": {"ingress": ingress}});
        if self.random.chance(50) {
            let percent = self.random.pick(&[5, 15, 40]);
            service["spec"]["loadBalancerSourceRanges"] = json!(self.random.some_of(&RANGES, percent));
        }
    }

    fn slice(&mut self, service: &str, namespace: &str, family: Family, service_ports: &Value) {
        let name = self.label(40);
        let mut ports = Vec::new();
        for port in service_ports.as_array().unwrap() {
            let number = self.random.pick(&[json!(8080), json!(1), json!(65535), port["port"].clone()]);
            let mut made = json!({"name": port["name"].as_str().unwrap_or_default(), "protocol": port["protocol"], "port": number});
            match self.random.below(20) {
                0 => made["name"] = json!(self.label(15)),
                1 => made["protocol"] = json!("UDP"),
                2 => continue,
                3 => made["port"] = Value::Null,
                _ => {}
            }
            ports.push(made);
        }
        let count = if self.random.chance(1) { 1010 } else { self.random.below(6) };
        let mut endpoints: Vec<Value> = (0..count).map(|_| self.endpoint(family)).collect();
        if let Some(first) = endpoints.first().filter(|_| self.random.chance(25)) {
            let mut again = first.clone();
            again["conditions"] = self.conditions();
            again["nodeName"] = json!(self.random.pick(&self.nodes.clone()));
            endpoints.push(again);
        }
        let address_type = if family == Family::V4 { "IPv4" } else { "IPv6" };
        self.items.push(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": address_type,
            "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
            "ports": ports, "endpoints": endpoints}));
    }

    fn endpoint(&mut self, family: Family) -> Value {
        let mut addresses = vec![self.address(family, 50)];
        if self.random.chance(5) {
            addresses.push(self.address(family, 50));
        }
        let mut endpoint = json!({"addresses": addresses});
        if self.random.chance(60) {
            endpoint["conditions"] = self.conditions();
        }
        if self.random.chance(80) {
            let mut nodes = self.nodes.clone();
            nodes.push("elsewhere".to_owned());
            endpoint["nodeName"] = json!(self.random.pick(&nodes));
        }
        if self.random.chance(30) {
            let zones = self.random.some_of(&ZONES, 50);
            let zones: Vec<Value> = zones.into_iter().map(|zone| json!({"name": zone})).collect();
            endpoint["hints"] = json!({"forZones": zones});
            if self.random.chance(40) {
                endpoint["hints"]["forNodes"] = json!([{"name": self.random.pick(&self.nodes.clone())}]);
            }
        }
        endpoint
    }

    fn conditions(&mut self) -> Value {
        let mut conditions = json!({});
        for (condition, likely) in [("ready", 70), ("serving", 70), ("terminating", 30)] {
            if self.random.chance(70) {
                conditions[condition] = json!(self.random.chance(likely));
            }
        }
        conditions
    }

    fn service_cidrs(&mut self) {
        for cidrs in [["10.96.0.0/16", "::160:0/108"], ["10.97.0.0/16", "fd00:96::/108"]] {
            if self.random.chance(40) {
                let name = self.label(20);
                self.items.push(json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
                    "metadata": {"name": name}, "spec": {"cidrs": cidrs}}));
            }
        }
    }

    fn configuration(&mut self, release: Release, mode: ProxyMode) -> Value {
        let mut configuration = json!({"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "mode": mode.name(), "iptables": {}, "nftables": {}, "conntrack": {}, "featureGates": {}});
        for backend in ["iptables", "nftables"] {
            if self.random.chance(60) {
                configuration[backend]["masqueradeBit"] = json!(self.random.below(32));
            }
            configuration[backend]["masqueradeAll"] = json!(self.random.chance(20));
        }
        if self.random.chance(50) {
            configuration["iptables"]["localhostNodePorts"] = json!(self.random.chance(50));
        }
        configuration["conntrack"]["tcpBeLiberal"] = json!(self.random.chance(20));
        self.detect_local(&mut configuration, release, mode);
        self.node_port_addresses(&mut configuration, release);
        // kube-proxy does not start with an address of a family of which its Node has no Pod network.
        let by_node = configuration["detectLocalMode"] == "NodeCIDR";
        if self.random.chance(10) && !by_node {
            configuration["bindAddress"] =
                json!(self.random.pick(&["0.0.0.0", "::", "10.0.0.77", "fd00:5::77"]));
        }
        if release.minor == 30 {
            configuration["featureGates"]["NFTablesProxyMode"] = json!(true);
        }
        if release.minor == 36 && self.random.chance(20) {
            configuration["featureGates"]["AllowServiceExternalIPs"] = json!(false);
        }
        configuration
    }

    fn detect_local(&mut self, configuration: &mut Value, release: Release, mode: ProxyMode) {
        let cidrs = [
            "10.244.0.0/16",
            "fd00:244::/32",
            "10.244.0.0/16,fd00:244::/32",
            "fd00:10::/48,0.0.0.0/1",
            "10.0.0.1/8,fe00::/7",
        ];
        match self.random.below(6) {
            0 => {}
            1 if self.has_pod_networks() => configuration["detectLocalMode"] = json!("NodeCIDR"),
            2 => {
                configuration["detectLocalMode"] = json!("BridgeInterface");
                // Before it matched by name, nft required that the interface exists.
                let by_name = mode == ProxyMode::Iptables || release.nftables.interface_by_name;
                let name = if by_name {
                    self.random.pick(&["cbr0", "lo", "br-0123456789ab", "_x.y-z"])
                } else {
                    "lo"
                };
                configuration["detectLocal"] = json!({"bridgeInterface": name});
            }
            3 if mode == ProxyMode::Iptables || release.nftables.interface_by_name => {
                configuration["detectLocalMode"] = json!("InterfaceNamePrefix");
                let prefix = self.random.pick(&["cali", "veth_", "e", "abcdefghijklmn", "abcdefghijklmno"]);
                configuration["detectLocal"] = json!({"interfaceNamePrefix": prefix});
            }
            _ if self.random.chance(5) => configuration["clusterCIDR"] = json!("0.0.0.0/0,::/0"),
            _ => configuration["clusterCIDR"] = json!(self.random.pick(&cidrs)),
        }
    }

    /// Whether the Node to compile for has what kube-proxy would otherwise wait for.
    fn has_pod_networks(&self) -> bool {
        let first = self.items.iter().find(|item| item["metadata"]["name"] == *self.nodes[0]);
        first.is_some_and(|node| !node["spec"]["podCIDRs"].as_array().unwrap().is_empty())
    }

    fn node_port_addresses(&mut self, configuration: &mut Value, release: Release) {
        let networks = [
            "0.0.0.0/0",
            "::/0",
            "127.0.0.0/8",
            "::1/128",
            "10.0.0.0/8",
            "10.0.0.77/24",
            "fd00::/16",
            "192.0.2.0/24",
        ];
        let networks = self.random.some_of(&networks, 30);
        match self.random.below(3) {
            0 => {}
            1 => match release.model.node_port_words {
                NodePortWords::None => {}
                NodePortWords::PrimaryAlone => configuration["nodePortAddresses"] = json!(["primary"]),
                NodePortWords::Mixed => {
                    let words = ["primary", "localhost", "all", "192.0.2.0/24"];
                    configuration["nodePortAddresses"] = json!(self.random.some_of(&words, 60));
                }
            },
            _ => configuration["nodePortAddresses"] = json!(networks),
        }
    }
}
