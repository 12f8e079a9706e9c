//! Answers as text for people, JSON and diagrams: one file for each form.

pub mod check;
pub mod diff;
pub mod journey;
pub mod trace;
