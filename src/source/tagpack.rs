//! GraphSense TagPacks (YAML): one row per tag. Anchors are not expanded, and the file is streamed.
//!
//! Form: <https://github.com/graphsense/graphsense-tagpack-tool/blob/master/docs/tagpack.md>.
//! Values of the header apply to every tag without its own, wherever in the header they are, so
//! tags are held compactly until the end. The keys of a mapping under `header` are keys of the
//! header and take precedence, as in GraphSense's own tool.
//!
//! The party is the tag's `actor`, else its `label`. Its name is the first label; further labels
//! are its other names. `category`, `abuse` and `concepts` are its programs. The row's category is
//! `category`, else `abuse`, followed by further `concepts` (the newer form of both: one taxonomy
//! of entities and behaviours). A tag without an address is skipped and counted. `lastmod` is the
//! day of a tag's last change, not of its listing or publication (the newest tag may be removed
//! again), so it is ignored, and a pack has no publication day.

// Matches over events of the YAML reader.
#![allow(clippy::wildcard_enum_match_arm)]

mod chars;

use std::collections::HashSet;
use std::rc::Rc;

use saphyr_parser::{BufferedInput, Event, Parser, ScalarStyle};

use self::chars::{Chars, State};
use super::assembly::{Assembled, Assembly, bounded};
use super::error::{Fault, SourceError};
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::{NoteKind, RowFacts, RowKey, UNATTRIBUTED};

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let state = Rc::new(State::default());
    let chars = Chars { input, state: Rc::clone(&state), max: bounds.max_record };
    let parser = Parser::new(BufferedInput::new(chars));
    let mut pack = Pack {
        parser,
        state,
        bounds,
        depth: 0,
        line: 1,
        strings: HashSet::new(),
        header: Fields::default(),
        nested: Fields::default(),
        tags: Vec::new(),
        no_address: (0, Vec::new()),
        held: 0,
    };
    pack.document().map_err(|fault| fault.at_line(Format::TagPack, pack.line))?;
    pack.assemble().map_err(|(line, fault)| fault.at_line(Format::TagPack, line))
}

/// The values of a tag, or inherited from the header.
#[derive(Default)]
struct Fields {
    currency: Option<Rc<str>>,
    network: Option<Rc<str>>,
    label: Option<Rc<str>>,
    source: Option<Rc<str>>,
    actor: Option<Rc<str>>,
    category: Vec<Rc<str>>,
    abuse: Vec<Rc<str>>,
    concepts: Vec<Rc<str>>,
}

struct Tag {
    line: u64,
    address: String,
    fields: Fields,
}

struct Pack<'a, 'b, 'c> {
    parser: Parser<'static, BufferedInput<Chars<'a, 'b>>>,
    state: Rc<State>,
    bounds: &'c Bounds,
    depth: usize,
    /// The line of the last event.
    line: u64,
    /// Every value once.
    strings: HashSet<Rc<str>>,
    header: Fields,
    /// The values of the mapping under `header`.
    nested: Fields,
    tags: Vec<Tag>,
    /// Tags without an address: their number, and the first labels.
    no_address: (u64, Vec<Option<Rc<str>>>),
    /// Bytes in `strings`, `header` and `tags`.
    held: usize,
}

/// The maximum bytes of the values of one `category` or `abuse`, including separators.
const MAX_SEVERAL: usize = 1 << 10;

/// The maximum number of named tags without an address.
const MAX_LABELS: usize = 5;

/// The subject of the note on tags without an address.
const NO_ADDRESS: &str = "tags without an address";

const NO_PACK: Fault = Fault::Missing("a mapping with `tags`");

impl Pack<'_, '_, '_> {
    /// Returns the next event; rejects anchors, aliases and excessive depth.
    fn next(&mut self) -> Result<Event<'static>, Fault> {
        self.state.taken.set(0);
        let next = self.parser.next_event();
        if let Some(fault) = self.state.fault.take() {
            self.line = self.state.ends.get() + 1;
            return Err(fault);
        }
        let (event, span) = match next {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                self.line = error.marker().line() as u64;
                return Err(Fault::syntax(error.info()));
            }
            None => return Err(Fault::Truncated("the document is not closed")),
        };
        self.line = span.start.line() as u64;
        if is_include(&event) {
            return Err(Fault::Include);
        }
        match event {
            Event::Alias(_)
            | Event::Scalar(_, _, 1.., _)
            | Event::SequenceStart(1.., _)
            | Event::MappingStart(1.., _) => return Err(Fault::Anchor),
            Event::SequenceStart(..) | Event::MappingStart(..) => self.depth += 1,
            Event::SequenceEnd | Event::MappingEnd => self.depth -= 1,
            _ => {}
        }
        if self.depth > self.bounds.max_depth {
            return Err(Fault::TooDeep(self.bounds.max_depth));
        }
        Ok(event)
    }

    fn document(&mut self) -> Result<(), Fault> {
        self.next()?;
        let Event::DocumentStart(_) = self.next()? else {
            return Err(NO_PACK);
        };
        let Event::MappingStart(..) = self.next()? else {
            return Err(NO_PACK);
        };
        let mut keys = HashSet::new();
        while let Some(key) = self.key(&mut keys)? {
            match &*key {
                "tags" => self.read_tags()?,
                "actors" => return Err(Fault::ActorPack),
                "header" => self.read_header()?,
                key => {
                    let mut header = std::mem::take(&mut self.header);
                    self.field(key, &mut header)?;
                    self.header = header;
                }
            }
        }
        if !keys.contains("tags") {
            return Err(NO_PACK);
        }
        let Event::DocumentEnd = self.next()? else {
            return Err(NO_PACK);
        };
        match self.next()? {
            Event::StreamEnd => Ok(()),
            _ => Err(Fault::Misplaced("a second document")),
        }
    }

    /// Returns the next key of a mapping, or `None` at its end.
    fn key(&mut self, met: &mut HashSet<String>) -> Result<Option<String>, Fault> {
        match self.next()? {
            Event::MappingEnd => Ok(None),
            Event::Scalar(key, ..) => {
                bounded(&key, self.bounds)?;
                if !met.insert(key.to_string()) {
                    return Err(Fault::Misplaced("a key of a mapping"));
                }
                Ok(Some(key.into_owned()))
            }
            _ => Err(Fault::Misplaced("a key that is no text")),
        }
    }

    /// Reads the mapping under `header`.
    fn read_header(&mut self) -> Result<(), Fault> {
        match self.next()? {
            Event::MappingStart(..) => {}
            Event::Scalar(text, style, ..) if is_null(&text, style) => return Ok(()),
            _ => return Err(Fault::BadValue("header", "a text or list".to_owned())),
        }
        let mut keys = HashSet::new();
        let mut nested = Fields::default();
        while let Some(key) = self.key(&mut keys)? {
            if key == "tags" {
                return Err(Fault::Misplaced("`tags`"));
            }
            self.field(&key, &mut nested)?;
        }
        self.nested = nested;
        Ok(())
    }

    fn read_tags(&mut self) -> Result<(), Fault> {
        let Event::SequenceStart(..) = self.next()? else {
            return Err(Fault::Missing("the list of `tags`"));
        };
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(()),
                Event::MappingStart(..) => self.read_tag()?,
                _ => return Err(Fault::Misplaced("a tag that is no mapping")),
            }
        }
    }

    fn read_tag(&mut self) -> Result<(), Fault> {
        let line = self.line;
        let mut address: Option<String> = None;
        let mut fields = Fields::default();
        let mut keys = HashSet::new();
        while let Some(key) = self.key(&mut keys)? {
            if key == "address" {
                address = self.one("address")?;
            } else {
                self.field(&key, &mut fields)?;
            }
        }
        let Some(address) = address.filter(|address| !address.trim().is_empty()) else {
            self.no_address.0 += 1;
            if self.no_address.1.len() < MAX_LABELS {
                self.no_address.1.push(fields.label);
            }
            return Ok(());
        };
        if self.tags.len() >= self.bounds.max_rows {
            return Err(Fault::TooManyRows(self.bounds.max_rows));
        }
        self.hold(address.len())?;
        self.tags.push(Tag { line, address, fields });
        Ok(())
    }

    /// Reads one value into `fields`; unsupported fields are skipped.
    fn field(&mut self, key: &str, fields: &mut Fields) -> Result<(), Fault> {
        match key {
            "currency" => fields.currency = self.shared("currency")?,
            "network" => fields.network = self.shared("network")?,
            "label" => fields.label = self.shared("label")?,
            "source" => fields.source = self.shared("source")?,
            "actor" => fields.actor = self.shared("actor")?,
            "category" => fields.category = self.several("category")?,
            "abuse" => fields.abuse = self.several("abuse")?,
            "concepts" => fields.concepts = self.concepts()?,
            _ => self.pass_by()?,
        }
        Ok(())
    }

    /// Reads a value that must be one text; `None` if it is null.
    fn one(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        let Event::Scalar(text, style, ..) = self.next()? else {
            return Err(Fault::BadValue(name, "a list or mapping".to_owned()));
        };
        bounded(&text, self.bounds)?;
        Ok((!is_null(&text, style)).then(|| text.into_owned()))
    }

    fn shared(&mut self, name: &'static str) -> Result<Option<Rc<str>>, Fault> {
        let text = self.one(name)?.filter(|text| !text.is_empty());
        text.map(|text| self.intern(text)).transpose()
    }

    /// Reads a value that may be one text or a list of texts.
    fn several(&mut self, name: &'static str) -> Result<Vec<Rc<str>>, Fault> {
        let mut values = Vec::new();
        let mut length = 0;
        let mut in_list = false;
        loop {
            match self.next()? {
                Event::Scalar(text, style, ..) => {
                    bounded(&text, self.bounds)?;
                    if !is_null(&text, style) && !text.is_empty() {
                        length += text.len() + 1;
                        if length > MAX_SEVERAL {
                            return Err(Fault::FieldTooLong(MAX_SEVERAL));
                        }
                        self.hold(size_of::<Rc<str>>())?;
                        values.push(self.intern(text.into_owned())?);
                    }
                }
                Event::SequenceStart(..) if !in_list => in_list = true,
                Event::SequenceEnd => return Ok(values),
                _ => return Err(Fault::BadValue(name, "a mapping or nested list".to_owned())),
            }
            if !in_list {
                return Ok(values);
            }
        }
    }

    /// Reads the texts of `concepts`, one or a list. Deeper nesting is skipped.
    fn concepts(&mut self) -> Result<Vec<Rc<str>>, Fault> {
        let outside = self.depth;
        let mut values = Vec::new();
        let mut length = 0;
        loop {
            if let Event::Scalar(text, style, ..) = self.next()?
                && self.depth <= outside + 1
                && !is_null(&text, style)
                && !text.is_empty()
            {
                bounded(&text, self.bounds)?;
                length += text.len() + 1;
                if length > MAX_SEVERAL {
                    return Err(Fault::FieldTooLong(MAX_SEVERAL));
                }
                self.hold(size_of::<Rc<str>>())?;
                values.push(self.intern(text.into_owned())?);
            }
            if self.depth == outside {
                return Ok(values);
            }
        }
    }

    /// Counts bytes held until the end of the document; fails beyond the bound.
    fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.held = self.held.saturating_add(bytes);
        if self.held > self.bounds.max_kept {
            return Err(Fault::TooMuchKept(self.bounds.max_kept));
        }
        Ok(())
    }

    fn intern(&mut self, text: String) -> Result<Rc<str>, Fault> {
        if let Some(known) = self.strings.get(text.as_str()) {
            return Ok(Rc::clone(known));
        }
        self.hold(text.len())?;
        let shared: Rc<str> = text.into();
        self.strings.insert(Rc::clone(&shared));
        Ok(shared)
    }

    fn pass_by(&mut self) -> Result<(), Fault> {
        let outside = self.depth;
        loop {
            self.next()?;
            if self.depth == outside {
                return Ok(());
            }
        }
    }

    /// Builds the rows of every tag with its own and inherited values.
    fn assemble(&mut self) -> Result<Assembled, (u64, Fault)> {
        let header = std::mem::take(&mut self.nested).over(&self.header);
        let mut list = Assembly::new(self.bounds);
        let unattributed: Rc<str> = UNATTRIBUTED.into();
        let (mut labels, mut programs) = (HashSet::new(), HashSet::new());
        for Tag { line, address, fields } in self.tags.drain(..) {
            let Fields { currency, network, label, source, actor, category, abuse, concepts } =
                fields.over(&header);

            let at = |fault: Fault| (line, fault);
            let uid = actor.or(label.clone()).unwrap_or_else(|| Rc::clone(&unattributed));
            list.party(&uid).map_err(at)?;
            if let Some(label) = label
                && labels.insert((Rc::clone(&uid), Rc::clone(&label)))
            {
                list.keep(label.len() + size_of::<String>()).map_err(at)?;
                let party = list.party(&uid).map_err(at)?;
                if party.name.is_empty() {
                    (*label).clone_into(&mut party.name);
                } else {
                    party.aliases.push((*label).to_owned());
                }
            }
            for program in category.iter().chain(&abuse).chain(&concepts) {
                if programs.insert((Rc::clone(&uid), Rc::clone(program))) {
                    list.keep(program.len() + size_of::<String>()).map_err(at)?;
                    list.party(&uid).map_err(at)?.programs.push((**program).to_owned());
                }
            }
            let ticker = text(currency.or(network));
            let key = RowKey { party_uid: (*uid).to_owned(), address, ticker };
            let mut category = if category.is_empty() { abuse } else { category };
            let fresh: Vec<_> =
                concepts.into_iter().filter(|concept| !category.contains(concept)).collect();
            category.extend(fresh);
            let facts =
                RowFacts { listed_on: None, category: category.join(","), reference: text(source) };
            list.row(key, facts).map_err(at)?;
        }
        let (count, labels) = std::mem::take(&mut self.no_address);
        let mut labels = labels.into_iter();
        for _ in 0..count.min(MAX_LABELS as u64) {
            let label = labels.next().flatten();
            list.add_note(NoteKind::NoAddress, NO_ADDRESS, 1, label.as_deref());
        }
        list.add_note(
            NoteKind::NoAddress,
            NO_ADDRESS,
            count.saturating_sub(MAX_LABELS as u64),
            None,
        );
        Ok(list.finish(None))
    }
}

impl Fields {
    /// Returns these values, completed by those of `header`. `currency` and `network` are one field
    /// with two names.
    fn over(self, header: &Self) -> Self {
        let or = |own: Vec<Rc<str>>, from: &Vec<Rc<str>>| {
            if own.is_empty() { from.clone() } else { own }
        };
        let has_chain = self.currency.is_some() || self.network.is_some();
        let chain = |from: &Option<Rc<str>>| from.clone().filter(|_| !has_chain);
        Self {
            currency: self.currency.or_else(|| chain(&header.currency)),
            network: self.network.or_else(|| chain(&header.network)),
            label: self.label.or_else(|| header.label.clone()),
            source: self.source.or_else(|| header.source.clone()),
            actor: self.actor.or_else(|| header.actor.clone()),
            category: or(self.category, &header.category),
            abuse: or(self.abuse, &header.abuse),
            concepts: or(self.concepts, &header.concepts),
        }
    }
}

/// Returns true if the event has the tag `!include`.
fn is_include(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(.., tag) | Event::SequenceStart(_, tag) | Event::MappingStart(_, tag) => {
            tag.as_ref().is_some_and(|tag| tag.suffix.trim_start_matches('!') == "include")
        }
        _ => false,
    }
}

fn text(shared: Option<Rc<str>>) -> String {
    shared.as_deref().unwrap_or_default().to_owned()
}

fn is_null(text: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests;
