//! Paths drawn for a terminal: a rail of box characters down each path. What does not fit the width
//! is shortened and stands in full below.

use super::legend::{Part, marks, part};
use super::trace_subject::TraceSubject;
use super::{
    ESTIMATE, Hop, Link, Path, PathDiagram, all_paths, headline, listing_words, shortened,
};
use crate::cli::render::words;
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1;

/// The least width that is drawn for, in characters: below it lines are cut by the terminal.
const MIN_WIDTH: usize = 40;

/// To how many characters what does not fit is shortened.
const SHORT: usize = 17;

/// The answer to a trace, at most `width` characters wide but for names.
pub fn text(
    response: &v1::TraceExposureResponse,
    standing: &TraceSubject,
    width: usize,
    style: Style,
) -> String {
    let paths = all_paths(response);
    let picture = PathDiagram::new(response, &paths);
    let mut text = String::new();
    let found = words::count(response.paths.len(), "path", "paths");
    let asked = escape(picture.vertices[picture.asked].address()).into_owned();
    let within = words::within(response.max_hops);
    text.push_str(&format!("{found} between {asked} and listed addresses{within}\n"));
    for listing in standing.listings() {
        text.push_str(&format!("{}\n", style.paint(Colour::Bad, &escape(&listing))));
    }
    for note in standing.notes(response) {
        text.push_str(&format!("{}\n", style.paint(Colour::Doubtful, &escape(&note))));
    }
    if response.cut_short {
        let warning = "the search was cut short: more may exist";
        text.push_str(&format!("{}\n", style.paint(Colour::Doubtful, warning)));
    }
    let mut drawing = Drawing { picture: &picture, width, style, indent: 2, cut: Vec::new() };
    for (place, path) in picture.paths.iter().enumerate() {
        text.push_str(&format!("\n{}  {}\n", place + 1, headline(path)));
        let listing = path.message.listing.clone().unwrap_or_default();
        text.push_str(&format!("   {}\n\n", escape(&listing_words(&listing))));
        drawing.path(&mut text, path);
    }
    drawing.legend(&mut text);
    if !response.stops_met.is_empty() {
        text.push_str("\nstops met and not passed\n");
        for stop in &response.stops_met {
            text.push_str(&format!("  {}\n", escape(stop)));
        }
    }
    let examined = words::count(response.transfers_examined as usize, "transfer", "transfers");
    let snapshot = words::or_dash(&response.snapshot_id);
    text.push_str(&format!("\n{examined} looked at; rests on snapshot {snapshot}\n"));
    text
}

/// The one path of an evidence, indented to stand below its finding.
pub fn evidence(
    asked: &str,
    path: &v1::ExposurePath,
    width: usize,
    indent: usize,
    style: Style,
) -> String {
    let picture = PathDiagram::of(asked, std::slice::from_ref(path));
    let mut drawing = Drawing { picture: &picture, width, style, indent, cut: Vec::new() };
    let mut text = String::new();
    for path in &picture.paths {
        drawing.path(&mut text, path);
    }
    drawing.legend(&mut text);
    text
}

/// What is needed while drawing, and what was shortened on the way.
struct Drawing<'p> {
    picture: &'p PathDiagram<'p>,
    width: usize,
    style: Style,
    indent: usize,
    cut: Vec<String>,
}

impl Drawing<'_> {
    fn path(&mut self, text: &mut String, path: &Path<'_>) {
        let is_listed_last = path.is_listed_last();
        if !is_listed_last {
            for link in path.links.iter().rev() {
                self.place(text, link.to);
                self.link(text, link);
            }
        }
        let first = path.hops.first().map(|step| step.from);
        let Some(first) = first.or(path.links.first().map(|link| link.from)) else { return };
        self.place(text, first);
        for step in &path.hops {
            self.step(text, step);
            self.place(text, step.to);
        }
        for link in path.links.iter().filter(|_| is_listed_last) {
            self.link(text, link);
            self.place(text, link.to);
        }
    }

    /// The dotted rail between two places that a transaction joins: no funds moved along it.
    fn link(&mut self, text: &mut String, link: &Link<'_>) {
        let mut parts = vec![format!("joined by {ESTIMATE}")];
        if link.join.is_some() {
            let room = self.room(4);
            let tx = match link.tx {
                Some(tx) => self.fit(self.picture.transactions[tx], room - 3),
                None => "not in the data".to_owned(),
            };
            let place = escape(&link.place()).into_owned();
            parts.extend(["both are inputs".to_owned(), link.time(), place, format!("tx {tx}")]);
        } else {
            parts.push(link.place());
        }
        for line in self.filled(parts) {
            self.line(text, &format!("┊   {line}"));
        }
    }

    /// `■ 0x098b...  LISTED  LAZARUS GROUP`
    fn place(&mut self, text: &mut String, place: usize) {
        let (sign, colour) = match part(self.picture, place) {
            Part::Listed => ('■', Some(Colour::Bad)),
            Part::Asked => ('◉', Some(Colour::Good)),
            Part::Joined => ('□', Some(Colour::Bad)),
            Part::Stop => ('◆', Some(Colour::Doubtful)),
            Part::Passed => ('○', None),
        };
        let marks = marks(self.picture, place);
        let room = self.room(2);
        let address = self.fit(self.picture.vertices[place].address(), room);
        let paint = |words: &str| match colour {
            Some(colour) => self.style.paint(colour, words),
            None => words.to_owned(),
        };
        let mut line = format!("{} {address}", paint(&sign.to_string()));
        let length = 2 + address.chars().count();
        let name = self.picture.vertices[place].listed.as_deref().unwrap_or_default();
        let said = [marks.as_str(), &escape(name)].map(str::to_owned);
        let said: Vec<_> = said.into_iter().filter(|words| !words.is_empty()).collect();
        let said = said.join("  ");
        if said.is_empty() {
            self.line(text, &line);
        } else if length + 2 + said.chars().count() <= self.room(0) {
            line.push_str(&format!("  {}", paint(&said)));
            self.line(text, &line);
        } else {
            self.line(text, &line);
            self.line(text, &format!("│ {}", paint(&said)));
        }
    }

    /// The arrow from one place to the next, with what moved beside it.
    fn step(&mut self, text: &mut String, step: &Hop<'_>) {
        let room = self.room(4);
        let amount = match escape(&step.amount()).into_owned() {
            exact if exact.chars().count() <= room => exact,
            _ => escape(&step.short_amount()).into_owned(),
        };
        let tx = match step.tx {
            Some(tx) => self.fit(self.picture.transactions[tx], room - 3),
            None => "not in the data".to_owned(),
        };
        let place = escape(&step.place()).into_owned();
        let lines = self.filled(vec![amount, step.time(), place, format!("tx {tx}")]);
        let last = lines.len() - 1;
        for (number, line) in lines.iter().enumerate() {
            let rail = if number == last { '▼' } else { '│' };
            self.line(text, &format!("{rail}   {line}"));
        }
    }

    /// What stands beside a rail, as many parts in a line as fit; at least one line.
    fn filled(&self, parts: Vec<String>) -> Vec<String> {
        let room = self.room(4);
        let mut lines = vec![String::new()];
        for part in parts {
            let last = lines.last_mut().expect("starts with one line");
            if last.is_empty() {
                *last = part;
            } else if last.chars().count() + 2 + part.chars().count() <= room {
                last.push_str(&format!("  {part}"));
            } else {
                lines.push(part);
            }
        }
        lines
    }

    fn line(&self, text: &mut String, line: &str) {
        let line = format!("{:indent$} {line}", "", indent = self.indent);
        text.push_str(line.trim_end());
        text.push('\n');
    }

    /// How many characters fit behind `used` ones on the rail.
    fn room(&self, used: usize) -> usize {
        self.width.max(MIN_WIDTH + self.indent) - self.indent - 1 - used
    }

    /// The text, or a short form of it that the legend explains.
    fn fit(&mut self, text: &str, room: usize) -> String {
        if text.chars().count() > room && !self.cut.iter().any(|known| known == text) {
            self.cut.push(text.to_owned());
        }
        if text.chars().count() > room {
            escape(&shortened(text, SHORT)).into_owned()
        } else {
            escape(text).into_owned()
        }
    }

    fn legend(&self, text: &mut String) {
        if self.cut.is_empty() {
            return;
        }
        let indent = self.indent;
        text.push_str(&format!("\n{:indent$} in full\n", ""));
        for long in &self.cut {
            let short = shortened(long, SHORT);
            text.push_str(&format!("{:indent$}   {}  {}\n", "", escape(&short), escape(long)));
        }
    }
}
