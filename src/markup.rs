//! Text from the input in places where some characters have a meaning: there it must remain text.

use serde::Serialize;

use crate::diagnostic::{Inert, is_invisible};

/// In GitHub-flavoured Markdown, outside code. What GitHub recognizes in finished text (mentions, issues, bare
/// addresses, emoji) it also recognizes after a backslash; a zero-width space prevents that.
pub(crate) fn markdown(text: &str) -> String {
    let text = apart(text);
    let mut parts = text.split(APART).map(escaped_markdown);
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |text, part| text + "&#8203;" + &part)
}

/// Marks where something that GitHub would recognize is split; for private use, so it is in no name.
const APART: char = '\u{f8ff}';

fn apart(text: &str) -> String {
    let chars: Vec<char> = text.chars().filter(|c| *c != APART).collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut out = String::with_capacity(text.len());
    for (i, c) in chars.iter().copied().enumerate() {
        out.push(c);
        let before = |n: usize| i.checked_sub(n).map_or(' ', at).to_ascii_lowercase();
        let cuts = match c {
            '@' => is_word(at(i + 1)),
            '#' => at(i + 1).is_ascii_digit(),
            '-' => before(1) == 'h' && before(2) == 'g' && at(i + 1).is_ascii_digit(),
            'w' | 'W' => before(1) == 'w' && before(2) == 'w' && at(i + 1) == '.',
            ':' => at(i + 1) == '/' || is_emoji(chars.get(i + 1..).unwrap_or_default()) || is_scheme(&out),
            _ => false,
        };
        if cuts {
            out.push(APART);
        }
    }
    out
}

/// Whether what follows a colon ends with another, with the name of an emoji between.
fn is_emoji(rest: &[char]) -> bool {
    let length = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || "_+-".contains(**c)).count();
    length > 0 && rest.get(length) == Some(&':')
}

/// Schemes that need no slashes.
fn is_scheme(before: &str) -> bool {
    let before = before.to_ascii_lowercase();
    before.ends_with("mailto:") || before.ends_with("xmpp:")
}

fn escaped_markdown(text: &str) -> String {
    escaped(text, |c, out| match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        // A backslash does not keep GitHub from reading it as the beginning of a formula.
        '$' => out.push_str("&#36;"),
        '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '!' | '~' | '@' => {
            out.push('\\');
            out.push(c);
        }
        _ => out.push(c),
    })
}

/// As JSON, indented, with a line feed at the end. Characters that are invisible or change the direction of text are
/// escaped, although JSON would allow them.
pub(crate) fn json(value: &impl Serialize) -> String {
    inert_json(serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}

/// A text in JSON with all invisible characters escaped; line feeds between values stay.
pub(crate) fn inert_json(text: String) -> String {
    let is_hidden = |c: char| c != '\n' && is_invisible(c);
    if !text.contains(is_hidden) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// A line of a text for people that a log may show: GitHub's runner treats `::name ...::` at its beginning as a
/// command.
pub(crate) fn log_line(line: &str) -> String {
    let start = line.len() - line.trim_start().len();
    let is_command =
        line.get(start..).and_then(|text| text.strip_prefix("::")).is_some_and(|rest| rest.contains("::"));
    if is_command { line.replacen("::", "\\u{3a}:", 1) } else { line.to_owned() }
}

/// In a Mermaid diagram, quoted or not.
pub(crate) fn mermaid(text: &str) -> String {
    escaped(text, |c, out| match c {
        '#' => out.push_str("#35;"),
        ';' => out.push_str("#59;"),
        '<' => out.push_str("#lt;"),
        '>' => out.push_str("#gt;"),
        '&' => out.push_str("#amp;"),
        '"' => out.push_str("#quot;"),
        '`' => out.push_str("#96;"),
        // `%%{` begins a directive anywhere.
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

/// Harmless text, with each character written by a function.
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
    fn nothing_mentions_or_links_in_markdown() {
        for (text, expected) in [
            ("@name", "\\@&#8203;name"),
            ("fixes #1", "fixes \\#&#8203;1"),
            ("GH-2", "GH-&#8203;2"),
            ("www.example.com", "www&#8203;.example.com"),
            ("https://a.example", "https:&#8203;//a.example"),
            (":tada:", ":&#8203;tada:"),
            ("shop/web:http, a::b", "shop/web:http, a::b"),
            ("a\u{f8ff}b", "ab"),
        ] {
            assert_eq!(markdown(text), expected);
        }
    }

    #[test]
    fn json_shows_what_is_invisible() {
        let text = json(&serde_json::json!({ "a\u{202e}": "\u{7f}\u{1b}\u{e0041}ä\n" }));
        assert_eq!(text, "{\n  \"a\\u202e\": \"\\u007f\\u001b\\udb40\\udc41ä\\n\"\n}\n");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["a\u{202e}"], "\u{7f}\u{1b}\u{e0041}ä\n");
    }

    #[test]
    fn no_line_is_a_command_of_a_runner() {
        assert_eq!(log_line("    ::error::x"), "    \\u{3a}:error::x");
        assert_eq!(log_line("  ::1 and a::b"), "  \\u{3a}:1 and a::b");
        assert_eq!(log_line("  ::1"), "  ::1");
        assert_eq!(Inert("a ##[group]").to_string(), "a ##\\u{5b}group]");
    }

    #[test]
    fn what_means_something_is_written_otherwise() {
        assert_eq!(markdown("<b>$x$|`\u{1b}@me"), "&lt;b&gt;&#36;x&#36;\\|\\`\\\\u\\{1b\\}\\@&#8203;me");
        assert_eq!(mermaid("a\"]; #`%%{}"), "a#quot;]#59; #35;#96;%%#123;#125;");
        assert_eq!(html("<a href=\"'\">&"), "&lt;a href=&quot;&#39;&quot;&gt;&amp;");
    }
}
