//! Walks an XML document and passes on elements and requested texts. Rejects document types,
//! entities and incomplete documents.
//!
//! Names are local names: OFAC has changed its namespaces before. Skipped parts are only checked
//! for matching tags.

// Matches over events and errors of the XML reader.
#![allow(clippy::wildcard_enum_match_arm)]

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::errors::SyntaxError;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::error::{Fault, SourceError};
use super::excerpt::excerpt;
use super::unpack::Input;
use super::{Bounds, Format};

/// A node of the walk.
pub(super) enum Node<'a> {
    Start(Tag<'a>),
    /// An element ends: its local name, and its text if requested.
    End(&'a str, Option<&'a str>),
}

/// What to do with a starting element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Visit its content.
    Into,
    /// Collect its text, passed on at its end; nested elements are rejected.
    Text,
    /// Skip it; its end is not passed on.
    Skip,
}

/// The start tag of an element.
pub(super) struct Tag<'a> {
    start: &'a BytesStart<'a>,
}

impl Tag<'_> {
    /// The name without its prefix.
    pub(super) fn name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// Returns the value of an attribute; fails if it is missing.
    pub(super) fn attribute(&self, name: &'static str) -> Result<Cow<'_, str>, Fault> {
        for attribute in self.start.attributes().with_checks(false) {
            let attribute = attribute.map_err(Fault::syntax)?;
            if attribute.key.as_ref() == name {
                return attribute
                    .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                    .map_err(Fault::syntax);
            }
        }
        Err(Fault::Missing(name))
    }
}

/// Bounds a token, so that an endless one cannot fill the memory.
struct Tokens<'a, 'b> {
    input: &'a mut Input<'b>,
    taken: usize,
    max: usize,
}

impl Read for Tokens<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf)
    }
}

impl BufRead for Tokens<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken > self.max {
            return Err(io::Error::other("token too long"));
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.taken += count;
        self.input.consume(count);
    }
}

/// Walks the document, whose root must be `root`. `on` receives the depth of each element (the
/// root's is 1) and decides what to do with it.
pub(super) fn walk(
    input: &mut Input<'_>,
    format: Format,
    root: &'static str,
    bounds: &Bounds,
    on: impl FnMut(usize, Node<'_>) -> Result<Step, Fault>,
) -> Result<(), SourceError> {
    let tokens = Tokens { input, taken: 0, max: bounds.max_field };
    let mut reader = Reader::from_reader(tokens);
    let mut walk = Walk {
        root,
        bounds,
        on,
        depth: 0,
        skip: usize::MAX,
        text_at: usize::MAX,
        text: String::new(),
        done: false,
    };
    let mut buf = Vec::with_capacity(1024);
    loop {
        buf.clear();
        let offset = reader.buffer_position();
        reader.get_mut().taken = 0;
        let event = match reader.read_event_into(&mut buf) {
            Ok(event) => event,
            Err(error) => {
                if reader.get_mut().taken > bounds.max_field {
                    return Err(Fault::FieldTooLong(bounds.max_field).at_byte(format, offset));
                }
                let offset = reader.error_position();
                return Err(parser_fault(&error).at_byte(format, offset));
            }
        };
        let length = reader.buffer_position() - offset;
        let result = if length > bounds.max_field as u64 {
            Err(Fault::FieldTooLong(bounds.max_field))
        } else {
            walk.event(&event)
        };
        match result {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(fault) => return Err(fault.at_byte(format, offset)),
        }
    }
}

/// Converts the library's error.
fn parser_fault(error: &quick_xml::Error) -> Fault {
    match error {
        quick_xml::Error::Syntax(SyntaxError::InvalidBangMarkup) => Fault::syntax(error),
        quick_xml::Error::Syntax(_) => Fault::Truncated("markup is not closed"),
        quick_xml::Error::Encoding(_) => Fault::NotUtf8,
        other => Fault::syntax(other),
    }
}

/// The state of a walk.
struct Walk<'a, F> {
    root: &'static str,
    bounds: &'a Bounds,
    on: F,
    depth: usize,
    /// The depth of the element that is being skipped.
    skip: usize,
    /// The depth of the element whose text is being collected.
    text_at: usize,
    text: String,
    /// Whether the root has ended.
    done: bool,
}

impl<F: FnMut(usize, Node<'_>) -> Result<Step, Fault>> Walk<'_, F> {
    /// Takes one event; false at the end of the document.
    #[inline]
    fn event(&mut self, event: &Event<'_>) -> Result<bool, Fault> {
        match event {
            Event::Text(text) => {
                if self.depth == self.text_at {
                    self.collect(&text.xml10_content())?;
                } else if self.depth == 0 && !text.trim_ascii().is_empty() {
                    return Err(Fault::Misplaced("text outside of the root element"));
                }
            }
            Event::Start(start) => self.start(start)?,
            Event::End(end) => self.end(end.local_name().into_inner())?,
            Event::Empty(start) => {
                self.start(start)?;
                self.end(start.local_name().into_inner())?;
            }
            other => return self.rare_event(other),
        }
        Ok(true)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > self.bounds.max_depth {
            return Err(Fault::TooDeep(self.bounds.max_depth));
        }
        if self.depth > self.skip {
            return Ok(());
        }
        if self.text_at != usize::MAX {
            return Err(Fault::Misplaced("an element inside of a text"));
        }
        let tag = Tag { start };
        if self.depth == 1 {
            self.check_root(tag.name())?;
        }
        match (self.on)(self.depth, Node::Start(tag))? {
            Step::Into => {}
            Step::Skip => self.skip = self.depth,
            Step::Text => {
                self.text_at = self.depth;
                self.text.clear();
            }
        }
        Ok(())
    }

    fn check_root(&self, name: &str) -> Result<(), Fault> {
        if self.done {
            return Err(Fault::Misplaced("a second root element"));
        }
        if name == self.root {
            return Ok(());
        }
        if name.eq_ignore_ascii_case("html") {
            return Err(Fault::Markup);
        }
        Err(Fault::WrongRoot { expected: self.root, found: excerpt(name) })
    }

    fn end(&mut self, name: &str) -> Result<(), Fault> {
        let depth = self.depth;
        self.depth -= 1;
        self.done = self.depth == 0;
        if depth >= self.skip {
            if depth == self.skip {
                self.skip = usize::MAX;
            }
            return Ok(());
        }
        let text = (depth == self.text_at).then_some(self.text.as_str());
        (self.on)(depth, Node::End(name, text))?;
        self.text_at = usize::MAX;
        Ok(())
    }

    fn rare_event(&mut self, event: &Event<'_>) -> Result<bool, Fault> {
        match event {
            Event::CData(data) if self.depth == self.text_at => {
                self.collect(&data.xml10_content())?;
            }
            Event::GeneralRef(name) => {
                let found = match name.resolve_char_ref().map_err(Fault::syntax)? {
                    Some(character) => Cow::from(character.to_string()),
                    None => quick_xml::escape::resolve_xml_entity(name)
                        .ok_or_else(|| Fault::BadValue("an entity", excerpt(name)))?
                        .into(),
                };
                if self.depth == 0 {
                    return Err(Fault::Misplaced("text outside of the root element"));
                }
                if self.depth == self.text_at {
                    self.collect(&found)?;
                }
            }
            Event::CData(_) if self.depth == 0 => {
                return Err(Fault::Misplaced("text outside of the root element"));
            }
            Event::DocType(name) => {
                let html = name.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("html"));
                return Err(if html { Fault::Markup } else { Fault::Doctype });
            }
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(name))
                    if !["utf-8", "us-ascii"]
                        .iter()
                        .any(|known| name.eq_ignore_ascii_case(known)) =>
                {
                    return Err(Fault::BadValue("the encoding", excerpt(&name)));
                }
                Some(Err(error)) => return Err(Fault::syntax(error)),
                _ => {}
            },
            Event::Eof if self.done => return Ok(false),
            Event::Eof if self.depth > 0 => return Err(Fault::Truncated("elements are open")),
            Event::Eof => return Err(Fault::Missing("the root element")),
            _ => {}
        }
        Ok(true)
    }

    fn collect(&mut self, text: &str) -> Result<(), Fault> {
        if self.text.len() + text.len() > self.bounds.max_field {
            return Err(Fault::FieldTooLong(self.bounds.max_field));
        }
        self.text.push_str(text);
        Ok(())
    }
}
