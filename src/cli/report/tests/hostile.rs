//! Names that try to leave their place, or to fill the page.

use std::collections::BTreeSet;

use super::{line, page_of, small, small_rows};
use crate::cli::batch::columns::{COLUMNS, Kind};

/// Every element that a page may have.
const ELEMENTS: [&str; 47] = [
    "a", "article", "bdi", "body", "br", "caption", "code", "dd", "defs", "details", "div", "dl",
    "dt", "footer", "g", "h1", "h2", "h3", "head", "header", "html", "li", "main", "meta", "nav",
    "ol", "p", "path", "pattern", "rect", "section", "small", "span", "strong", "style", "summary",
    "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "tspan", "ul",
];

/// The page of the small result, every text of which is `evil`, paths included.
fn page(evil: &str) -> String {
    let mut rows = small_rows();
    for row in &mut rows {
        let path = std::mem::take(&mut row.path);
        let number = row.row;
        let checked = ["decision", "level", "status", "finding", "reason", "evaluated_at"];
        let texts = COLUMNS.iter().filter(|column| column.kind == Kind::Text);
        for column in texts.filter(|column| !checked.contains(&column.name)) {
            (column.read)(row, evil).unwrap();
        }
        // Many of them, so that some are folded.
        row.aliases = [evil; 9].join("|");
        match row.reason.strip_prefix("INCOMPLETE ") {
            Some(_) => row.reason = format!("INCOMPLETE {evil} {evil}, LIST_STALE {evil}; {evil}"),
            None => evil.clone_into(&mut row.reason),
        }
        if !path.is_empty() {
            let mut path: serde_json::Value = serde_json::from_str(&path).unwrap();
            path["listing"]["party"]["name"] = evil.into();
            // Shorter, since these are bounded; different in each row.
            let short: String = evil.chars().take(200).collect();
            for name in ["list_id", "listed_on"] {
                path["listing"][name] = short.clone().into();
            }
            for name in ["chain", "tx", "asset", "symbol", "amount"] {
                path["hops"][0][name] = short.clone().into();
            }
            path["hops"][0]["sender"]["address"] = format!("{short}{number}").into();
            row.path = path.to_string();
            row.address = short;
        }
    }
    let lines: String = rows.iter().map(line).collect();
    page_of(&lines, None, 20).unwrap()
}

/// The names of the elements of a page, and every attribute's name.
fn markup(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut elements, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    for (at, _) in page.match_indices('<') {
        let rest = &page[at + 1..];
        let inner = &rest[..rest.find('>').unwrap()];
        let inner = inner.trim_start_matches(['/', '!']);
        let name: String = inner.chars().take_while(char::is_ascii_alphanumeric).collect();
        for (place, part) in inner[name.len()..].split('"').enumerate() {
            if place % 2 == 0 {
                attributes.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        elements.insert(name);
    }
    (elements, attributes)
}

#[test]
fn names_stay_text() {
    let evil = "\"]' onload=alert(1) <script>alert(1)</script></style></svg><img src=//e \
                onerror=1>&amp;\u{202e}gpj\u{1b}[2J\u{200b}\u{feff}\n--><!--";
    stays_text(&page(evil));
}

/// The names of lists come from the summary.
#[test]
fn names_of_lists_stay_text() {
    let evil =
        "\"]' onload=alert(1) <script>alert(1)</script></style><img src=//e onerror=1>\u{202e}";
    let summary = small("customers.jsonl.summary.json");
    let mut summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    for list in summary["snapshots"][0]["lists"].as_array_mut().unwrap() {
        list["name"] = evil.into();
    }
    let page = page_of(&small("customers.jsonl"), Some(&summary.to_string()), 20).unwrap();
    let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;/style&gt;&lt;img src=//e onerror=1&gt;";
    // In each case that names a list, and in the table of lists.
    assert!(page.matches(shown).count() > 10, "{page}");
    stays_text(&page);
}

/// Nothing of a page is markup or a style that this program does not write, and nothing is fetched.
fn stays_text(page: &str) {
    let (elements, attributes) = markup(page);
    let known = |name: &String| name == "DOCTYPE" || ELEMENTS.contains(&name.as_str());
    assert!(elements.iter().all(known), "{elements:?}");
    let harmless = |name: &String| {
        !name.starts_with("on") && !["src=", "style=", "srcset=", "xlink:href="].contains(&&**name)
    };
    assert!(attributes.iter().all(harmless), "{attributes:?}");
    assert!(attributes.contains("class="), "the names are seen: {attributes:?}");
    let harmful = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{200b}\u{feff}".contains(c);
    assert!(!page.contains(harmful));
    // Nothing is fetched from anywhere: the only addresses are places on the page.
    assert!(page.split("href=\"").skip(1).all(|rest| rest.starts_with('#')));
    let urls = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    assert!(!urls.contains("url(h") && !urls.contains("http:") && !urls.contains("@import"));
    assert_eq!(page.matches("<style>").count(), 1);
}

#[test]
fn long_names_do_not_fill_the_page() {
    let long = page(&"é".repeat(32_768));
    assert!(long.contains("(32,768 characters; whole in the result file)"));
    assert!(long.len() < 1_000_000, "{} bytes", long.len());
}
