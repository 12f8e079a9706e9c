//! Answers as text for people, JSON and diagrams: one file per form.

pub mod check;
pub mod diff;
pub mod journey;
pub mod trace;
