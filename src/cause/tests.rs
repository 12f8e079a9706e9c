//! Causes of small changes.
