//! An explanation as one page without outside references.

use serde::Serialize;

use super::{Explanation, text};
use crate::markup::html as escaped;
use crate::style::Style;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");
const BODY: &str = include_str!("page/body.html");

/// Nothing may be fetched, whatever gets into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A Service with its explanations in one or both modes.
#[derive(Serialize)]
struct Entry<'e> {
    service: &'e str,
    modes: Vec<&'e Explanation>,
}

/// Prints the page. Explanations of one Service in both modes stand together; `banner` comes first, if it is not empty.
pub fn print(explanations: &[Explanation], banner: &str) -> String {
    let entries = entries(explanations);
    let title = match entries.as_slice() {
        [only] => format!("Service {}", only.service),
        _ => "Services".to_owned(),
    };
    let data = serde_json::to_string(&entries).unwrap_or_else(|_| "[]".to_owned());
    let (comment, note) = match escaped(banner) {
        empty if empty.is_empty() => (String::new(), String::new()),
        text => (format!("<!-- {text} -->\n"), format!("<p class=\"note\">{text}</p>\n")),
    };
    let plain = escaped(&text::print(explanations, Style::default()));
    [
        "<!DOCTYPE html>\n",
        &comment,
        "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        &format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n"),
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n",
        &format!("<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{note}", escaped(&title)),
        &format!("<noscript><pre>{plain}</pre></noscript>\n"),
        BODY,
        "<script type=\"application/json\" id=\"data\">",
        &in_script(&data),
        "</script>\n<script>\n",
        SCRIPT,
        "</script>\n</body>\n</html>\n",
    ]
    .concat()
}

fn entries(explanations: &[Explanation]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for explanation in explanations.iter().filter(|explanation| !explanation.ports.is_empty()) {
        match entries.iter_mut().find(|entry| entry.service == explanation.service) {
            Some(entry) => entry.modes.push(explanation),
            None => entries.push(Entry { service: &explanation.service, modes: vec![explanation] }),
        }
    }
    entries
}

/// JSON that cannot end the script it stands in.
fn in_script(json: &str) -> String {
    crate::markup::inert_json(json.to_owned())
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::tests::{example, explained, hostile};
    use crate::settings::ProxyMode;

    #[test]
    fn the_page_stands_alone() {
        let both = [example(ProxyMode::Iptables), example(ProxyMode::Nftables)].concat();
        let page = print(&both, "");
        for outside in ["http://", "https://", "src=", "@import", "url(", "//cdn"] {
            let known = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!known.contains(outside), "the page refers to {outside}");
        }
        assert_eq!(page.matches("\"mode\":\"nftables\"").count(), 2);
    }

    #[test]
    fn nothing_of_the_input_is_markup() {
        let page = print(&explained(&hostile(), None, "node-1", ProxyMode::Iptables), "<b>");
        assert!(!page.contains("<script>alert") && !page.contains("</script><script>alert"));
        assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\\u003cscript\\u003ealert(1)"));
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}') && page.contains("&lt;b&gt;"));
        let (_, data) = page.split_once("id=\"data\">").unwrap();
        let (json, _) = data.split_once("</script>").unwrap();
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(value[0]["service"], "default/db");
    }
}
