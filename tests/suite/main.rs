//! The program and the library from outside, with a module for each subject. All in one binary, which is linked only
//! once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[macro_use]
#[path = "../../src/testing.rs"]
mod testing;

mod support;

mod action;
mod annotate;
mod api_server;
mod archives;
mod assume;
mod bounds;
mod captured;
mod check;
mod command_line;
mod completions;
mod consequences;
mod controllers;
mod diff;
mod documentation;
mod errors;
mod every_node;
mod expect;
mod expect_groups;
mod explain_journey;
mod explain_page;
mod explain_trace;
mod families;
mod foreign_captures;
mod foreign_captures_iptables;
mod like_kubectl;
mod limits;
mod lint;
mod mutations;
mod questions;
mod recipes;
mod releases;
mod repositories;
mod services;
mod stability;
mod trace;
mod transcript;
mod truth;
mod upkeep;
mod what_if;
mod what_if_traffic;
mod widths;

/// What the real kube-proxy wrote is what we print.
mod conformance {
    mod iptables;
    mod nftables;
    mod traces;
}

/// The same input gives the same bytes.
mod determinism {
    mod environment;
    mod input_order;
}

/// Text from the input stays text.
mod escaping {
    mod pages;
    mod rules;
}

/// What is said about rules, compared with walking connection by connection.
mod judges {
    mod agreement;
    mod diff;
    mod diff_json;
    mod fields;
}

/// The real kernel and its tools as judges, in network namespaces of their own.
mod kernel {
    mod chain_order;
    mod foreign_iptables;
    mod foreign_nftables;
    mod iptables;
    mod journey;
    mod nftables;
    mod random_clusters;
    mod routing;
    mod trace;
}
