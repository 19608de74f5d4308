//! The characters of a TagPack, decoded one at a time and bounded, because the parser holds a token
//! in full.

use std::cell::{Cell, RefCell};
use std::io::BufRead;
use std::rc::Rc;

use super::super::error::Fault;
use super::super::unpack::Input;

/// State shared by the characters and the parser.
#[derive(Default)]
pub(super) struct State {
    /// Bytes read since the last event.
    pub(super) taken: Cell<usize>,
    pub(super) ends: Cell<u64>,
    /// Why the characters ended early.
    pub(super) fault: RefCell<Option<Fault>>,
}

/// The characters of the input.
pub(super) struct Chars<'a, 'b> {
    pub(super) input: &'a mut Input<'b>,
    pub(super) state: Rc<State>,
    pub(super) max: usize,
}

impl Chars<'_, '_> {
    fn byte(&mut self) -> Option<u8> {
        // Read errors are kept by the input itself.
        let byte = *self.input.fill_buf().ok()?.first()?;
        self.input.consume(1);
        Some(byte)
    }

    fn wide(&mut self, first: u8) -> Option<char> {
        let width = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        let mut bytes = [first, 0, 0, 0];
        for byte in &mut bytes[1..width] {
            *byte = self.byte()?;
        }
        std::str::from_utf8(&bytes[..width]).ok()?.chars().next()
    }
}

impl Iterator for Chars<'_, '_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if self.state.fault.borrow().is_some() {
            return None;
        }
        let taken = self.state.taken.get() + 1;
        self.state.taken.set(taken);
        let first = self.byte()?;
        let fault = match first {
            // The parser takes a NUL for the end of the input.
            0 => Fault::BadValue("a character", "\0".to_owned()),
            _ if taken > self.max => Fault::RecordTooLong(self.max),
            1..=0x7f => {
                self.state.ends.set(self.state.ends.get() + u64::from(first == b'\n'));
                return Some(char::from(first));
            }
            _ => match self.wide(first) {
                Some(character) => return Some(character),
                None => Fault::NotUtf8,
            },
        };
        *self.state.fault.borrow_mut() = Some(fault);
        None
    }
}
