//! What differs between two rulesets: rule by rule, and packet by packet.

pub mod change;
pub mod check;
pub mod connections;
pub mod consequence;
pub mod diff;
mod links;
pub mod migration;
pub mod node;
pub mod nodes;
mod part_comparison;
mod parts;
pub mod pre_flight;
mod purpose;
pub mod rules;
pub mod rules_change;
pub mod service;
pub mod subject;
pub mod traffic;
pub mod unchanged;
