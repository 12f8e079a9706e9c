//! Offline compiler for the rules that Kubernetes' kube-proxy writes on a node.
//!
//! The data flows one way: [`input`] → [`cluster`] → [`plan`] → a ruleset ([`iptables`], [`nftables`]) → text, walk,
//! comparison. Between the first two, [`assume`] fills in what was never applied, if requested. A module knows what it
//! is built on, never what uses it.
//!
//! Manifests in, ruleset out:
//!
//! ```
//! use kuberules::cluster::Cluster;
//! use kuberules::net::Family;
//! use kuberules::plan::Plan;
//! use kuberules::settings::{Configuration, HostFacts, Release, Settings};
//! use kuberules::{input, iptables};
//!
//! let manifests = r#"
//! apiVersion: v1
//! kind: Node
//! metadata: {name: worker-1}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: web, namespace: shop}
//! spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}
//! ---
//! apiVersion: discovery.k8s.io/v1
//! kind: EndpointSlice
//! metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
//! addressType: IPv4
//! endpoints: [{addresses: [10.244.1.7]}]
//! ports: [{port: 8080}]
//! "#;
//! // Every stage gives what it made with its warnings, or else everything that it found wrong.
//! let (snapshot, _warnings) = input::read_text("shop.yaml", manifests).expect("right manifests");
//! let configuration = Configuration::default();
//! let (settings, _warnings) =
//!     Settings::resolve(&configuration, Release::NEWEST, HostFacts::default(), None).expect("right settings");
//! let (cluster, _warnings) = Cluster::build(&snapshot, &settings).expect("right objects");
//! let node = cluster.node("worker-1").expect("it is in the manifests");
//! let (plan, _warnings) = Plan::new(&cluster, &settings, node, Family::Ipv4).expect("a right node");
//! let ruleset = iptables::compile(&plan);
//!
//! let mut text = String::new();
//! iptables::save::print(&ruleset, &mut text);
//! assert!(text.contains("-j DNAT --to-destination 10.244.1.7:8080\n"));
//! ```
//!
//! A program that has its objects as types of the crate `k8s-openapi` passes them to `Snapshot::from_k8s`, with the
//! feature `k8s-openapi`; the program chooses which version of Kubernetes they are of.

#![cfg_attr(not(feature = "cli"), forbid(unsafe_code))]

#[cfg(test)]
#[macro_use]
mod testing;

pub mod annotate;
pub mod api_server;
pub mod assume;
pub mod capture;
pub mod cause;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cluster;
pub mod compare;
pub mod diagnostic;
pub mod expect;
pub mod explain;
pub mod input;
pub mod iptables;
pub mod journey;
pub mod lint;
mod markup;
pub mod migration;
pub mod names;
pub mod net;
pub mod nftables;
pub mod node;
mod parallel;
pub mod plan;
pub mod question;
pub mod report;
pub mod ruleset;
#[cfg(test)]
mod schemas;
pub mod services;
pub mod settings;
pub mod style;
pub mod text;
pub mod walk;
pub mod what_if;
