//! Failures as annotations, which GitHub shows at the lines of a pull request.

use super::report::Report;
use super::text::details;
use crate::lint::github::{data, property};

/// An annotation for each expectation that fails.
pub fn print(report: &Report) -> String {
    let failing = report.results.iter().filter(|result| !result.failures.is_empty());
    let annotations = failing.map(|result| {
        let (file, title) = (property(&result.place.file), property(&result.title));
        let line = result.place.line.unwrap_or(1);
        let message: String = result.failures.iter().map(details).collect();
        format!("::error file={file},line={line},title={title}::{}\n", data(message.trim_end()))
    });
    annotations.collect()
}
