//! What differs between two rulesets: rule by rule, and packet by packet.

pub mod check;
pub mod consequence;
pub mod diff;
pub mod migration;
pub mod node;
pub mod rules;
pub mod service;
pub mod subject;
pub mod traffic;
pub mod unchanged;
