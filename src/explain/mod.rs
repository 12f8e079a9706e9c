//! How a Service forwards on a node, for people: its addresses, what each kind of client sees, its endpoints, its rules
//! in the order in which they are evaluated. First as data, then in several forms.
//!
//! Every number and verdict comes from the walk, and every reason from the plan.

mod assumed;
mod build;
mod client_ip;
mod clients;
mod describe;
mod description;
pub mod example;
mod few;
pub mod handout;
pub mod html;
pub mod lecture;
pub mod markdown;
pub mod mermaid;
mod rules;
mod scene;
pub mod stage;
mod tables;
#[cfg(test)]
mod tests;
pub mod text;
mod why;

use serde::Serialize;

pub use scene::Scene;

/// How one Service forwards on one node, in one rule language.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// `namespace/name`
    pub service: String,
    /// Which of several clusters this is for: a page can show what changes.
    #[serde(skip)]
    pub variant: &'static str,
    /// The node's name.
    pub node: String,
    /// The node's zone, if it has one.
    pub zone: Option<String>,
    /// `iptables` or `nftables`
    pub mode: &'static str,
    /// The release of kube-proxy, such as `1.36`.
    pub release: String,
    /// File and line of the Service.
    pub place: Option<String>,
    /// Its ports, in each family.
    pub ports: Vec<Port>,
    /// What was assumed in all this; empty if everything was read.
    pub assumed: Vec<AssumedObject>,
}

/// An object with values that were assumed.
#[derive(Debug, Clone, Serialize)]
pub struct AssumedObject {
    /// Kind, namespace and name.
    pub object: String,
    /// The values, by the rule that gave them.
    pub rules: Vec<AssumedByRule>,
}

/// Values of one object that the same rule gave.
#[derive(Debug, Clone, Serialize)]
pub struct AssumedByRule {
    /// The rule, in words.
    pub words: &'static str,
    /// Each field with its value.
    pub values: Vec<String>,
}

/// One port of the Service in one family.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The port's name; empty if it has none.
    pub name: String,
    /// `IPv4` or `IPv6`
    pub family: &'static str,
    /// `tcp`, `udp` or `sctp`
    pub protocol: &'static str,
    /// The port of the cluster IP.
    pub port: u16,
    /// The addresses at which it can be reached.
    pub addresses: Vec<Address>,
    /// Who may reach it.
    pub clients: Vec<Client>,
    /// The endpoints for its name and protocol; some of each kind if there are very many.
    pub endpoints: Vec<Endpoint>,
    /// The others, by their kinds.
    pub more_endpoints: Vec<MoreEndpoints>,
    /// Why the endpoints are chosen as they are, for the cluster IP and for addresses from outside.
    pub decisions: Vec<Decision>,
    /// For how many seconds a client stays with its endpoint.
    pub affinity_seconds: Option<u32>,
    /// Ways in which connections are shared among endpoints.
    pub shares: Vec<Share>,
    /// What each client sees at each address.
    pub cases: Vec<Case>,
    /// The rules that packets reach.
    pub rules: Vec<Rule>,
    /// Which rules each kind of client meets.
    pub met: Vec<Met>,
}

/// The rules that the packets of some clients meet, whatever address they use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Met {
    /// Indices in [`Port::clients`] of clients that meet the same rules; empty for clients that connected before
    /// (session affinity).
    pub clients: Vec<usize>,
    /// Indices in [`Port::rules`], in the order of evaluation.
    pub rules: Vec<usize>,
}

/// Which kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressKind {
    /// `spec.clusterIP`
    ClusterIp,
    /// `spec.externalIPs`
    ExternalIp,
    /// `status.loadBalancer.ingress`
    LoadBalancerIp,
    /// A node port on an address of the node.
    NodePort,
    /// A node port on 127.0.0.1.
    LoopbackNodePort,
}

impl AddressKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            AddressKind::ClusterIp => "cluster IP",
            AddressKind::ExternalIp => "external IP",
            AddressKind::LoadBalancerIp => "load-balancer IP",
            AddressKind::NodePort => "node port",
            AddressKind::LoopbackNodePort => "node port on loopback",
        }
    }
}

/// An address at which a Service port can be reached.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Which kind it is.
    pub kind: AddressKind,
    /// The kind in words.
    pub words: &'static str,
    /// `ip:port`
    pub text: String,
    /// What else to know about it; may be empty.
    pub note: String,
}

/// Who may reach a Service port.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// In words, such as `a pod on this node`.
    pub words: String,
    /// The address that represents this kind of client.
    pub ip: String,
    /// Who has that address, such as `pod default/web-0`; empty if it is not known.
    pub name: String,
    /// `pod`, `node` or `external`, as in a trace.
    pub origin: &'static str,
}

/// An endpoint and what it gets.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// `ip:port`
    pub text: String,
    /// Name of its Pod; may be empty.
    pub pod: String,
    /// Its node; may be empty.
    pub node: String,
    /// Whether that is this node.
    pub here: bool,
    /// `ready`, `not ready`, `terminating, serving`, `terminating`
    pub state: &'static str,
    /// Its chance in each of the port's shares.
    pub chances: Vec<Option<Chance>>,
    /// Code and words for why it is left out; none if it is used.
    pub left_out: Option<Decision>,
}

/// Endpoints of one kind that are not listed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoreEndpoints {
    /// How many there are.
    pub count: usize,
    /// What they have in common: everything except address, Pod and node.
    pub like: Endpoint,
}

/// A chance, as text and number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chance {
    /// `1/3`, or `1`.
    pub text: String,
    /// The nearest number.
    pub value: f64,
}

/// Something that was decided, with its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What it is about, such as `cluster IP`.
    pub about: &'static str,
    /// The code, in kebab case.
    pub code: &'static str,
    /// In words.
    pub words: &'static str,
}

/// A way in which connections are shared among endpoints.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// A letter, if there are several.
    pub letter: char,
    /// In words, such as `3 endpoints, 1/3 each`.
    pub words: String,
}

/// What a client sees at an address.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Index in [`Port::clients`].
    pub client: usize,
    /// Index in [`Port::addresses`].
    pub address: usize,
    /// What it comes to.
    pub end: End,
    /// The same in a few words.
    pub words: String,
    /// Why, each a sentence.
    pub why: Vec<String>,
    /// How many of its outcomes are masqueraded.
    pub masqueraded: Masqueraded,
    /// What can happen to the connection; some outcomes of each kind if there are very many.
    pub outcomes: Vec<ClientOutcome>,
    /// How many more outcomes there are.
    pub more_outcomes: usize,
}

/// How many outcomes of a case are masqueraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Masqueraded {
    /// None: the client IP is preserved.
    None,
    /// Some.
    Some,
    /// All.
    All,
}

/// What a case comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "share")]
pub enum End {
    /// It is shared among endpoints; index in [`Port::shares`].
    Shared(usize),
    /// It is dropped: the client waits until it times out.
    Dropped,
    /// It is refused.
    Refused,
    /// Another Service also has the address, and gets the traffic.
    Other,
    /// No rule takes it: kube-proxy itself answers, and connects to an endpoint.
    KubeProxy,
    /// No rule takes it: it goes to the node itself.
    Node,
    /// No rule takes it: it goes on to the network.
    Passed,
}

/// One thing that can happen to a connection.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientOutcome {
    /// `accept`, `drop` or `reject`
    pub verdict: &'static str,
    /// How likely it is for a client that comes for the first time.
    pub chance: Chance,
    /// Where it goes.
    pub destination: String,
    /// Name of the Pod there; may be empty.
    pub pod: String,
    /// Whether its source is rewritten.
    pub snat: bool,
}

/// A rule that packets reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// As it is listed.
    pub text: String,
    /// Whether the text names the chain.
    #[serde(skip)]
    pub names_chain: bool,
    /// The element of a map that decided; may be empty.
    pub element: String,
    /// What it does, in one sentence.
    pub sentence: String,
    /// File, line and field that made it; may be empty.
    pub origin: String,
}
