//! Where in the input a configuration was written.

use std::collections::BTreeMap;

use crate::diagnostic::Place;

/// Where a configuration and its fields are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// The file, with the line if the configuration itself begins there.
    pub place: Option<Place>,
    /// Whether lines of the configuration's text are lines of the file, which is not so within a ConfigMap.
    pub lines_count: bool,
    /// Lines of the fields by their paths, counted from 1 in the configuration's text.
    pub lines: BTreeMap<String, u32>,
}

impl Origin {
    /// The beginning of a file.
    pub fn file(name: &str) -> Origin {
        let place = Place { file: name.into(), line: None };
        Origin { place: Some(place), lines_count: true, ..Origin::default() }
    }

    /// The place of a line of the configuration's text.
    pub fn at_line(&self, line: u32) -> Option<Place> {
        let mut place = self.place.clone()?;
        if self.lines_count {
            place.line = Some(line + place.line.map_or(0, |first| first.saturating_sub(1)));
        }
        Some(place)
    }

    /// The place of a field, or of the whole if the field is absent.
    pub fn of_field(&self, path: &str) -> Option<Place> {
        match self.lines.get(path) {
            Some(line) => self.at_line(*line),
            None => self.place.clone(),
        }
    }
}
