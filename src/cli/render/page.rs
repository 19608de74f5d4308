//! The frame and style of a self-contained page, and its text.

use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::cli::text::escape;

/// What every page looks like: system fonts, colours by the reader's scheme, tables, drawings that
/// are not wider than the page, and paper. Contrast is at least 4.5 to 1 (WCAG 2.2, AA).
pub const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f26;--dim:#4d5562;--paper:#fff;--line:#d5d9e0;\
--soft:#f4f5f7;--bad:#9c1216;--bad-soft:#fde7e7;--bad-line:#b3161b;--good:#124a8e;--doubt:#6f4e00}\
@media screen and (prefers-color-scheme:dark){:root{--ink:#e8ebf0;--dim:#b4bcc8;--paper:#14171c;\
--line:#39404b;--soft:#1b1f26;--bad:#ffb0b0;--bad-soft:#45171a;--bad-line:#ff7b7b;--good:#b5d5ff;\
--doubt:#f2d98f}}\
body{font:15px/1.5 ui-sans-serif,\"Liberation Sans\",Arial,sans-serif;margin:2rem auto;\
max-width:76rem;padding:0 1.25rem;color:var(--ink);background:var(--paper)}\
h1{font-size:1.45rem;line-height:1.25;margin:0 0 .3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
h3{font-size:1rem;margin:1.4rem 0 .2rem}\
code{font:.86em ui-monospace,\"DejaVu Sans Mono\",\"Liberation Mono\",monospace;\
overflow-wrap:anywhere;unicode-bidi:isolate}\
.dim{color:var(--dim)}\
.warning{border-left:4px solid var(--bad-line);padding:.3rem .8rem;background:var(--bad-soft)}\
table{border-collapse:collapse;width:100%;font-size:.87rem}\
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line)}\
th{font-weight:600}table.facts,table.heads{width:auto}\
table.facts th{white-space:nowrap}table.facts td{overflow-wrap:anywhere}\
@media screen and (max-width:44rem){table.facts th{white-space:normal;width:35%}}\
@media print{body{margin:0;padding:0;max-width:none;font-size:10pt}\
tr,h3{break-inside:avoid}h2,h3{break-after:avoid}}";

/// Elements after whose end a line ends: blocks, and parts of drawings.
const LINES: [&str; 26] = [
    "article", "body", "caption", "dd", "div", "dl", "footer", "g", "h1", "h2", "h3", "head",
    "header", "html", "li", "nav", "ol", "p", "section", "style", "table", "text", "thead",
    "title", "tr", "ul",
];

/// A whole page. Its policy lets nothing in but this style: no script, no picture, no font, no form.
pub fn page(title: &str, style: &str, body: &Markup) -> String {
    let digest = BASE64.encode(&Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    );
    finish(&html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body { (body) }
        }
    })
}

/// The text of HTML or SVG as it is written, in lines. Hostile characters, which stand in texts only, are
/// escapes in it, whichever template they went through; so are those that XML does not have.
pub fn finish(markup: &Markup) -> String {
    let text = escape(&markup.0).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    let mut parts = text.split_inclusive("</");
    let mut lines = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('>') {
            Some((name, rest)) if LINES.contains(&name) => lines.extend([name, ">\n", rest]),
            Some(_) | None => lines.push_str(part),
        }
    }
    lines
}

/// A text that is nothing but text within a quoted string of CSS, also within `<style>`: no template
/// escapes for CSS.
pub fn css(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            ' ' | '.' | '-' | '_' | ':' => safe.push(character),
            plain if plain.is_ascii_alphanumeric() => safe.push(plain),
            other => safe.extend(["\\", &format!("{:x}", u32::from(other)), " "]),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts_in_lines() {
        let evil = "<b>&\"\n\u{202e}\u{ffff}";
        let found = finish(&html! { p { (evil) } p class=(evil) { b { "x" } } });
        let text = "&lt;b&gt;&amp;&quot;\\n\\u{202e}\u{fffd}";
        assert_eq!(found, format!("<p>{text}</p>\n<p class=\"{text}\"><b>x</b></p>\n"));
    }

    #[test]
    fn a_text_stays_in_its_string_of_css() {
        assert_eq!(css("a.csv \u{201c}x"), "a.csv \\201c x");
        assert_eq!(css("\"}</style>\\"), "\\22 \\7d \\3c \\2f style\\3e \\5c ");
        assert_eq!(css("\u{202e}\n"), "\\5c u\\7b 202e\\7d \\5c n");
    }
}
