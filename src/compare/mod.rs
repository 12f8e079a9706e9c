//! What differs between two rulesets: rule by rule, and packet by packet.

pub mod check;
pub mod connections;
pub mod consequence;
pub mod diff;
mod links;
pub mod migration;
pub mod node;
pub mod nodes;
mod parts;
pub mod rules;
pub mod service;
pub mod subject;
pub mod traffic;
pub mod unchanged;
