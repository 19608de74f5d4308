//! The frame and style of a self-contained page, and escaping of text in it.

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

/// A page up to and with the opening of its body. The policy lets nothing in but this style: no
/// script, no picture, no font, no form.
pub fn head(title: &str, style: &str) -> String {
    let digest = base64(&Sha256::digest(style));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>{style}</style>\n</head>\n<body>\n",
        xml(title)
    )
}

/// The end of a page.
pub const FOOT: &str = "</body>\n</html>\n";

/// A text that is nothing but text in XML and HTML.
pub fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // No characters of XML 1.0.
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            character => safe.push(character),
        }
    }
    safe
}

/// A text that is nothing but text within a quoted string of CSS, also within `<style>`.
pub fn css(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            ' ' | '.' | '-' | '_' | ':' => safe.push(character),
            plain if plain.is_ascii_alphanumeric() => safe.push(plain),
            other => safe.push_str(&format!("\\{:x} ", u32::from(other))),
        }
    }
    safe
}

/// Bytes in Base64 (RFC 4648, section 4), as a policy names a digest.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_as_in_the_rfc() {
        let check = |bytes: &str, want: &str| assert_eq!(base64(bytes.as_bytes()), want);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foob", "Zm9vYg==");
        check("fooba", "Zm9vYmE=");
        check("foobar", "Zm9vYmFy");
    }

    #[test]
    fn a_text_stays_in_its_string_of_css() {
        assert_eq!(css("a.csv \u{201c}x"), "a.csv \\201c x");
        assert_eq!(css("\"}</style>\\"), "\\22 \\7d \\3c \\2f style\\3e \\5c ");
        assert_eq!(css("\u{202e}\n"), "\\5c u\\7b 202e\\7d \\5c n");
    }
}
