//! Counts as tables with a bar in each row: the numbers are text, the bars are beside them. No
//! script, and nothing that only colour tells.

use super::words::{explained, heading, outside, per_cent, rows};
use crate::cli::batch::row::RowDecision;
use crate::cli::report::gathered::{Gathered, LEVELS, Split};
use crate::domain::digits::grouped;
use crate::screening::DecidedBy;

/// The most parties that are shown.
const MOST_PARTIES: usize = 40;

/// The shortest part of a bar that stands for what is not nothing, in per cent of the longest bar.
const SHORTEST: f64 = 1.5;

/// The pattern of REVIEW, once on a page.
pub const PATTERNS: &str = "\
<svg class=\"patterns\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\"><defs>\n\
<pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
patternTransform=\"rotate(45)\"><path class=\"p-review\" d=\"M0 0v5\"/></pattern>\n</defs></svg>\n";

pub fn charts(page: &mut String, gathered: &Gathered) {
    page.push_str("<p class=\"key\">");
    for (class, name) in [("block", "BLOCK"), ("review", "REVIEW"), ("allow", "ALLOW")] {
        page.push_str(&format!(
            "<span><svg class=\"swatch\" width=\"26\" height=\"12\" aria-hidden=\"true\">\
             <rect class=\"f-{class}\" x=\"1\" y=\"1\" width=\"24\" height=\"10\"/></svg>{name}</span>"
        ));
    }
    page.push_str("</p>\n");
    hops(page, gathered);
    parties(page, gathered);
    levels(page, gathered);
}

/// The four counts in figures.
pub fn totals(page: &mut String, gathered: &Gathered) {
    page.push_str("<dl class=\"totals\">\n");
    let shown = [
        (RowDecision::Block, "do not deal"),
        (RowDecision::Review, "a person has to look"),
        (RowDecision::Error, "not screened"),
        (RowDecision::Allow, "nothing against it"),
    ];
    for (decision, meaning) in shown {
        let count = gathered.of(decision);
        let by_data = match gathered.counts.resting_on(DecidedBy::Data, decision) {
            0 => String::new(),
            rows => format!("; {} only because of the data", grouped(rows)),
        };
        page.push_str(&format!(
            "<div><dt>{decision}</dt><dd>{}<small>{}, {meaning}{by_data}</small></dd></div>\n",
            grouped(count),
            per_cent(count, gathered.counts.rows)
        ));
    }
    page.push_str("</dl>\n");
}

/// One line of a chart: its name as HTML, and how its rows came out.
struct Line {
    name: String,
    split: Split,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bars {
    All,
    /// Rows that are BLOCK or REVIEW: the others would be many times as many.
    Doubtful,
}

impl Bars {
    fn shown(self, split: Split) -> Split {
        match self {
            Self::All => split,
            Self::Doubtful => Split { allow: 0, ..split },
        }
    }
}

/// A chart; bars are drawn to the scale of its longest.
fn chart(page: &mut String, caption: &str, named: &str, lines: &[Line], bars: Bars) {
    page.push_str(&format!(
        "<div class=\"wide\"><table class=\"chart\">\n<caption>{caption}</caption>\n"
    ));
    let columns = [named, "#BLOCK", "#REVIEW", "#ALLOW", "#All"];
    page.push_str(&heading(&columns).replace("</tr>", "<td class=\"bar\"></td></tr>"));
    page.push_str("<tbody>\n");
    let longest = lines.iter().map(|line| bars.shown(line.split).total()).max().unwrap_or(0);
    for Line { name, split } in lines {
        page.push_str(&format!("<tr><th scope=\"row\">{name}</th>"));
        for count in [split.block, split.review, split.allow, split.total()] {
            page.push_str(&format!("<td class=\"num\">{}</td>", grouped(count)));
        }
        let bar = bar(bars.shown(*split), longest);
        page.push_str(&format!("<td class=\"bar\">{bar}</td></tr>\n"));
    }
    page.push_str("</tbody>\n</table></div>\n");
}

/// A bar in up to three parts. What it shows stands in numbers beside it.
fn bar(split: Split, longest: u64) -> String {
    let mut bar = "<svg class=\"bar\" height=\"15\" aria-hidden=\"true\">".to_owned();
    let mut x = 0.0;
    let parts = [("block", split.block), ("review", split.review), ("allow", split.allow)];
    for (class, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
        // Room is left for parts that are widened to be seen.
        let room = 100.0 - 2.0 * SHORTEST;
        let width = (count as f64 / longest.max(1) as f64 * room).max(SHORTEST);
        bar.push_str(&format!(
            "<rect class=\"f-{class}\" x=\"{x:.2}%\" y=\"1\" width=\"{width:.2}%\" height=\"13\"/>"
        ));
        x += width;
    }
    bar.push_str("</svg>");
    bar
}

fn levels(page: &mut String, gathered: &Gathered) {
    let lines = LEVELS.iter().zip(gathered.levels);
    let lines: Vec<_> =
        lines.map(|(level, split)| Line { name: (*level).to_owned(), split }).collect();
    let caption = "Rows by level of the score <small>bars: BLOCK and REVIEW</small>";
    chart(page, caption, "Level", &lines, Bars::Doubtful);
}

fn hops(page: &mut String, gathered: &Gathered) {
    let exposed = gathered.hops.iter().filter_map(|(hops, split)| Some(((*hops)?, *split)));
    let lines: Vec<_> = exposed
        .map(|(hops, split)| {
            let name = match hops {
                0 => "0: listed itself, or joined with one that is by common input".to_owned(),
                1 => "1: direct dealing".to_owned(),
                hops => hops.to_string(),
            };
            Line { name, split }
        })
        .collect();
    let none = gathered.hops.get(&None).copied().unwrap_or_default();
    let note = format!(
        "Exposure by hops <small>fewest transfers between the address and a listed one; {} without \
         any</small>",
        rows(none.total())
    );
    if lines.is_empty() {
        page.push_str("<p>No row has any exposure.</p>\n");
        return;
    }
    chart(page, &note, "Hops", &lines, Bars::All);
}

fn parties(page: &mut String, gathered: &Gathered) {
    let parties = gathered.counts.parties.worst_first();
    let lines: Vec<_> = parties
        .iter()
        .take(MOST_PARTIES)
        .map(|count| {
            let party = match count.party.as_str() {
                "" => "no party named".to_owned(),
                party => outside(party),
            };
            let split = Split { block: count.block, review: count.review, allow: count.allow };
            Line {
                name: format!("{party} <span class=\"dim\">{}</span>", outside(&count.list)),
                split,
            }
        })
        .collect();
    if lines.is_empty() {
        page.push_str("<p>No row names a party.</p>\n");
        return;
    }
    let caption =
        "Exposure by party <small>whom the finding that decided names, worst first</small>";
    chart(page, caption, "Party and list", &lines, Bars::All);
    let more = parties.len().saturating_sub(MOST_PARTIES);
    if more > 0 {
        page.push_str(&format!(
            "<p class=\"dim\">{} more parties are not shown; the summary has them all.</p>\n",
            grouped(more as u64)
        ));
    }
}

/// The rules that decided, statuses, reasons of incompleteness, findings and lists, as tables.
pub fn tables(page: &mut String, gathered: &Gathered) {
    let rules = gathered.rules.iter().map(|(rule, split)| {
        let name = if rule.is_empty() { "none named".to_owned() } else { outside(rule) };
        Line { name, split: *split }
    });
    let mut rules: Vec<_> = rules.collect();
    rules.sort_by_key(|line| std::cmp::Reverse((line.split.block, line.split.review)));
    if !rules.is_empty() {
        let caption = "Rules that decided <small>bars: BLOCK and REVIEW</small>";
        chart(page, caption, "Rule", &rules, Bars::Doubtful);
    }
    page.push_str("<div class=\"pairs\">\n");
    let counts = &gathered.counts;
    let plain = [
        ("Statuses", "Status", &counts.statuses),
        ("Findings that decided", "Finding", &counts.findings),
        ("Why rows are INCOMPLETE", "Reason", &counts.incomplete),
        ("Lists of the findings that decided", "List", &counts.lists),
    ];
    for (caption, named, counted) in plain {
        if counted.is_empty() {
            continue;
        }
        page.push_str(&format!("<div><table>\n<caption>{caption}</caption>\n"));
        page.push_str(&heading(&[named, "#Rows"]));
        page.push_str("<tbody>\n");
        for (name, count) in counted {
            let name = if named == "Reason" { explained(name) } else { outside(name) };
            let count = grouped(*count);
            page.push_str(&format!(
                "<tr><th scope=\"row\">{name}</th><td class=\"num\">{count}</td></tr>\n"
            ));
        }
        page.push_str("</tbody>\n</table></div>\n");
    }
    page.push_str("</div>\n");
}
