//! Text from the input in places where some characters mean something: there it must stay text.

use crate::diagnostic::Inert;

/// In GitHub-flavoured Markdown, outside code.
pub(crate) fn markdown(text: &str) -> String {
    escaped(text, |c, out| match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        // A backslash does not keep GitHub from taking it for the beginning of a formula.
        '$' => out.push_str("&#36;"),
        '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '!' | '~' | '@' => {
            out.push('\\');
            out.push(c);
        }
        _ => out.push(c),
    })
}

/// In a Mermaid diagram, in quotes or without.
pub(crate) fn mermaid(text: &str) -> String {
    escaped(text, |c, out| match c {
        '#' => out.push_str("#35;"),
        ';' => out.push_str("#59;"),
        '<' => out.push_str("#lt;"),
        '>' => out.push_str("#gt;"),
        '&' => out.push_str("#amp;"),
        '"' => out.push_str("#quot;"),
        '`' => out.push_str("#96;"),
        // `%%{` begins a directive wherever it stands.
        '{' => out.push_str("#123;"),
        '}' => out.push_str("#125;"),
        _ => out.push(c),
    })
}

/// In HTML, between tags or in a quoted attribute; line breaks stay.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// Inert text, each character as it is to be written.
fn escaped(text: &str, write: impl Fn(char, &mut String)) -> String {
    let inert = Inert(text).to_string();
    let mut out = String::with_capacity(inert.len());
    inert.chars().for_each(|c| write(c, &mut out));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_written_otherwise() {
        assert_eq!(markdown("<b>$x$|`\u{1b}@me"), "&lt;b&gt;&#36;x&#36;\\|\\`\\\\u\\{1b\\}\\@me");
        assert_eq!(mermaid("a\"]; #`%%{}"), "a#quot;]#59; #35;#96;%%#123;#125;");
        assert_eq!(html("<a href=\"'\">&"), "&lt;a href=&quot;&#39;&quot;&gt;&amp;");
    }
}
