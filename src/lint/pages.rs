//! The pages about the codes, for the terminal.

use std::fmt::Write;

use crate::style::Style;

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../../docs/lint/", $code, ".md")))),*]
    };
}

/// By code.
const PAGES: &[(&str, &str)] = pages![
    "KR001", "KR002", "KR003", "KR004", "KR005", "KR006", "KR007", "KR008", "KR009", "KR010", "KR011",
    "KR012", "KR013", "KR014", "KR015", "KR016", "KR017", "KR018", "KR019", "KR020", "KR021", "KR022",
    "KR030", "KR031", "KR032", "KR033", "KR040", "KR041", "KR042", "KR043", "KR044", "KR045", "KR046",
    "KR047", "KR048", "KR049", "KR050", "KR051", "KR052", "KR053", "KR054", "KR055",
];

/// The page about a code; empty if there is none.
pub fn print(code: &str, style: Style) -> String {
    let page = PAGES.iter().find(|(known, _)| *known == code).map_or("", |(_, page)| page);
    let mut text = String::new();
    let mut in_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
            continue;
        }
        // Writing to a string cannot fail.
        let _ = match line.strip_prefix('#').map(|heading| heading.trim_start_matches(['#', ' '])) {
            _ if in_code => writeln!(text, "    {line}"),
            Some(heading) => writeln!(text, "{}", style.bold(heading)),
            None if line.is_empty() => writeln!(text),
            None => write!(text, "{}", style.wrap("", "", line)),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::lint::LINTS;
    use crate::style::Style;

    #[test]
    fn every_code_has_its_page() {
        for lint in LINTS {
            let text = super::print(lint.code, Style::default());
            assert!(text.starts_with(&format!("{}: {}\n", lint.code, lint.name)), "{}", lint.code);
            assert!(text.lines().all(|line| line.len() <= 100), "{}", lint.code);
        }
        assert!(super::print("KR004", Style { colored: true, width: 80 }).starts_with("\u{1b}[1mKR004"));
    }
}
