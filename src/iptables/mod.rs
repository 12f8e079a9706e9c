//! The iptables rule language: a typed ruleset, its compiler, its texts.

pub mod ruleset;
pub mod save;
