//! Counts as tables with a bar in each row: the numbers are text, the bars are beside them. No
//! script, and nothing that only colour tells.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::words::{explained, heading, heading_cells, outside, per_cent, rows};
use crate::cli::batch::cells::RowDecision;
use crate::cli::batch::summary::Tally;
use crate::cli::report::gathered::{Gathered, LEVELS};
use crate::domain::digits::grouped;
use crate::screening::DecidedBy;

/// The most parties that are shown.
const MOST_PARTIES: usize = 40;

/// The shortest part of a bar that stands for what is not nothing, in per cent of the longest bar.
const SHORTEST: f64 = 1.5;

/// The pattern of REVIEW, once on a page.
pub fn patterns() -> Markup {
    html! {
        svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse"
                    patternTransform="rotate(45)" { path class="p-review" d="M0 0v5" {} }
            }
        }
    }
}

pub fn charts(gathered: &Gathered) -> Markup {
    html! {
        p class="key" {
            @for (class, name) in [("block", "BLOCK"), ("review", "REVIEW"), ("allow", "ALLOW")] {
                span {
                    svg class="swatch" width="26" height="12" aria-hidden="true" {
                        rect class={ "f-" (class) } x="1" y="1" width="24" height="10" {}
                    }
                    (name)
                }
            }
        }
        (hops(gathered))
        (parties(gathered))
        (levels(gathered))
    }
}

/// The four counts in figures.
pub fn totals(gathered: &Gathered) -> Markup {
    let shown = [
        (RowDecision::Block, "do not deal"),
        (RowDecision::Review, "a person has to look"),
        (RowDecision::Error, "not screened"),
        (RowDecision::Allow, "nothing against it"),
    ];
    html! {
        dl class="totals" {
            @for (decision, meaning) in shown {
                @let count = gathered.of(decision);
                @let by_data = gathered.counts.resting_on(DecidedBy::Data, decision);
                div {
                    dt { (decision) }
                    dd {
                        (grouped(count))
                        small {
                            (per_cent(count, gathered.counts.rows)) ", " (meaning)
                            @if by_data > 0 { "; " (grouped(by_data)) " only because of the data" }
                        }
                    }
                }
            }
        }
    }
}

/// One line of a chart: its name, and how its rows came out.
struct Line {
    name: Markup,
    rows: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bars {
    All,
    /// Rows that are BLOCK or REVIEW: the others would be many times as many.
    Doubtful,
}

impl Bars {
    fn shown(self, rows: Tally) -> Tally {
        match self {
            Self::All => rows,
            Self::Doubtful => Tally { allow: 0, ..rows },
        }
    }
}

/// A chart; bars are drawn to the scale of its longest.
fn chart(caption: &Markup, named: &str, lines: &[Line], bars: Bars) -> Markup {
    let columns = [named, "#BLOCK", "#REVIEW", "#ALLOW", "#All"];
    let longest = lines.iter().map(|line| bars.shown(line.rows).total()).max().unwrap_or(0);
    html! {
        div class="wide" {
            table class="chart" {
                caption { (caption) }
                thead { tr { (heading_cells(&columns)) td class="bar" {} } }
                tbody {
                    @for Line { name, rows } in lines {
                        tr {
                            th scope="row" { (name) }
                            @for count in [rows.block, rows.review, rows.allow, rows.total()] {
                                td class="num" { (grouped(count)) }
                            }
                            td class="bar" { (bar(bars.shown(*rows), longest)) }
                        }
                    }
                }
            }
        }
    }
}

/// A bar in up to three parts. What it shows stands in numbers beside it.
fn bar(rows: Tally, longest: u64) -> Markup {
    let parts = [("block", rows.block), ("review", rows.review), ("allow", rows.allow)];
    let parts = parts.into_iter().filter(|(_, count)| *count > 0);
    let mut next = 0.0;
    let parts = parts.map(|(class, count)| {
        // Room is left for parts that are widened to be seen.
        let room = 100.0 - 2.0 * SHORTEST;
        let width = (count as f64 / longest.max(1) as f64 * room).max(SHORTEST);
        let x = next;
        next += width;
        (class, x, width)
    });
    html! {
        svg class="bar" height="15" aria-hidden="true" {
            @for (class, x, width) in parts {
                rect class={ "f-" (class) } x=(format_args!("{x:.2}%")) y="1"
                    width=(format_args!("{width:.2}%")) height="13" {}
            }
        }
    }
}

fn levels(gathered: &Gathered) -> Markup {
    let lines = LEVELS.iter().zip(gathered.levels);
    let lines: Vec<_> = lines.map(|(level, rows)| Line { name: html! { (level) }, rows }).collect();
    let caption = html! { "Rows by level of the score " small { "bars: BLOCK and REVIEW" } };
    chart(&caption, "Level", &lines, Bars::Doubtful)
}

fn hops(gathered: &Gathered) -> Markup {
    let exposed = gathered.hops.iter().filter_map(|(hops, rows)| Some(((*hops)?, *rows)));
    let lines = exposed.map(|(hops, rows)| Line {
        name: match hops {
            0 => html! { "0: listed itself, or joined with one that is by common input" },
            1 => html! { "1: direct dealing" },
            hops => html! { (hops) },
        },
        rows,
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return html! { p { "No row has any exposure." } };
    }
    let none = gathered.hops.get(&None).copied().unwrap_or_default();
    let caption = html! {
        "Exposure by hops "
        small {
            "fewest transfers between the address and a listed one; " (rows(none.total()))
            " without any"
        }
    };
    chart(&caption, "Hops", &lines, Bars::All)
}

fn parties(gathered: &Gathered) -> Markup {
    let parties = gathered.counts.parties.worst_first();
    let lines = parties.iter().take(MOST_PARTIES).map(|count| Line {
        name: html! {
            @if count.party.is_empty() { "no party named" } @else { (outside(&count.party)) }
            " " span class="dim" { (outside(&count.list)) }
        },
        rows: count.rows,
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return html! { p { "No row names a party." } };
    }
    let caption = html! {
        "Exposure by party " small { "whom the finding that decided names, worst first" }
    };
    let more = parties.len().saturating_sub(MOST_PARTIES);
    html! {
        (chart(&caption, "Party and list", &lines, Bars::All))
        @if more > 0 {
            p class="dim" {
                (grouped(more as u64)) " more parties are not shown; the summary has them all."
            }
        }
    }
}

/// The rules that decided, statuses, reasons of incompleteness, findings and lists, as tables.
pub fn tables(gathered: &Gathered) -> Markup {
    let rules = gathered.rules.iter().map(|(rule, rows)| Line {
        name: if rule.is_empty() {
            html! { "none named" }
        } else {
            outside(rule)
        },
        rows: *rows,
    });
    let mut rules: Vec<_> = rules.collect();
    rules.sort_by_key(|line| std::cmp::Reverse((line.rows.block, line.rows.review)));
    let caption = html! { "Rules that decided " small { "bars: BLOCK and REVIEW" } };
    let counts = &gathered.counts;
    html! {
        @if !rules.is_empty() { (chart(&caption, "Rule", &rules, Bars::Doubtful)) }
        div class="pairs" {
            (table("Statuses", "Status", &counts.statuses, outside))
            (table("Findings that decided", "Finding", &counts.findings, outside))
            (table("Why rows are INCOMPLETE", "Reason", &counts.incomplete, explained))
            (table("Lists of the findings that decided", "List", &counts.lists, outside))
        }
    }
}

/// A table of counts; nothing where there are none.
fn table(
    caption: &str,
    named: &str,
    counts: &BTreeMap<String, u64>,
    shown: fn(&str) -> Markup,
) -> Markup {
    html! {
        @if !counts.is_empty() { div { table { (count_table(caption, named, counts, shown)) } } }
    }
}

/// What stands in a table of counts.
pub fn count_table(
    caption: &str,
    named: &str,
    counts: &BTreeMap<String, u64>,
    shown: fn(&str) -> Markup,
) -> Markup {
    html! {
        caption { (caption) }
        (heading(&[named, "#Rows"]))
        tbody {
            @for (name, count) in counts {
                tr { th scope="row" { (shown(name)) } td class="num" { (grouped(*count)) } }
            }
        }
    }
}
