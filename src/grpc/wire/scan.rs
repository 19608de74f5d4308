//! Scans the bytes of a request before it is decoded: valid protobuf, no repeated field above its limit,
//! and no more memory to decode than the size allows. Allocates only to refuse.

use super::layout::{Field, Kind, LAYOUTS, Layout, MAX_REPEATED, Repeated};

/// The memory that decoding may take whatever the size of the message, in bytes.
pub const ALLOWANCE: usize = 2 << 20;

/// The memory that decoding may take for each byte of the message. With the message itself it is
/// eight times its size.
const FACTOR: usize = 7;

/// The deepest nesting of groups that no field of ours knows; prost takes as many.
const MAX_DEPTH: usize = 100;

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not protobuf, or not of this message.
    #[error("the message is not valid protobuf: {0}")]
    Malformed(&'static str),
    /// A repeated field has too many elements.
    #[error("more than {most} elements, the most that are decoded")]
    TooMany {
        /// The field, such as `transfers[3].utxo.inputs`.
        field: String,
        /// The most that it may have.
        most: u32,
    },
    /// Decoding it would take too much memory.
    #[error(
        "decoding its {size} bytes would take more than {allowed} bytes of memory: it has too many \
         elements that are nearly empty"
    )]
    TooCostly {
        /// The size of the message, in bytes.
        size: usize,
        /// What decoding may take, in bytes.
        allowed: usize,
    },
}

/// How many elements the repeated fields of a message have, by their place among them.
pub type Counts = [u32; MAX_REPEATED];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The elements of its own repeated fields.
    pub counts: Counts,
    /// The most memory that decoding it takes beside its bytes, in bytes.
    pub cost: usize,
}

/// Looks through a message by its full name, such as `lazaretto.v1.AddressQuery`; `None` where no
/// request holds such a message.
pub fn by_name(name: &str, bytes: &[u8]) -> Option<Result<Scanned, Fault>> {
    LAYOUTS.place(name).map(|place| scan(place, bytes))
}

/// Looks through a message, whose layout is at `place`.
pub fn scan(place: usize, bytes: &[u8]) -> Result<Scanned, Fault> {
    let allowed = bytes.len().saturating_mul(FACTOR).saturating_add(ALLOWANCE);
    let mut scan = Scan { size: bytes.len(), allowed, kept: 0, moved: 0 };
    let counts = scan.message(&LAYOUTS.all[place], bytes)?;
    Ok(Scanned { counts, cost: scan.kept + scan.moved })
}

struct Scan {
    size: usize,
    allowed: usize,
    /// What the decoded message will hold, as far as it was seen.
    kept: usize,
    /// The most that is held twice while a vector grows.
    moved: usize,
}

impl Scan {
    fn message(&mut self, layout: &Layout, bytes: &[u8]) -> Result<Counts, Fault> {
        let mut counts = Counts::default();
        let mut seen = 0_u64;
        let mut input = Input(bytes);
        while !input.0.is_empty() {
            let (number, form) = input.key()?;
            let Some(field) = layout.field(number) else {
                input.skip(number, form, 0)?;
                continue;
            };
            let Some(repeated) = field.repeated else {
                self.single(field, (number, &mut seen), form, &mut input)?;
                continue;
            };
            let count = &mut counts[repeated.place];
            let at = *count;
            let added = self
                .element(field.kind, form, &mut input)
                .map_err(|fault| fault.within(field, Some(at)))?;
            *count = count.saturating_add(added);
            if *count > repeated.most {
                return Err(Fault::TooMany { field: field.name.clone(), most: repeated.most });
            }
            // An element is at least what it takes itself, whatever the vector makes room for.
            if (*count as usize).saturating_mul(repeated.element) > self.allowed {
                return Err(self.too_costly());
            }
        }
        for field in layout.repeated() {
            self.vector(*field, counts[field.place] as usize);
        }
        if self.kept + self.moved > self.allowed {
            return Err(self.too_costly());
        }
        Ok(counts)
    }

    /// A field that stands once. One that holds others and comes again would be merged, element by
    /// element, beyond every count: no encoder writes it so.
    fn single(
        &mut self,
        field: &Field,
        (number, seen): (u32, &mut u64),
        form: Form,
        input: &mut Input<'_>,
    ) -> Result<(), Fault> {
        if let Kind::Message(place) = field.kind
            && LAYOUTS.all[place].has_repeated
        {
            let bit = 1_u64 << number;
            if *seen & bit != 0 {
                return Err(Fault::Malformed("a message stands twice where one may stand"));
            }
            *seen |= bit;
        }
        self.value(field.kind, form, input).map_err(|fault| fault.within(field, None))
    }

    /// One element, or several numbers that are packed; how many.
    fn element(&mut self, kind: Kind, form: Form, input: &mut Input<'_>) -> Result<u32, Fault> {
        let size = match kind {
            Kind::Bytes | Kind::Message(_) => return self.value(kind, form, input).map(|()| 1),
            _ if form != Form::Length => return self.value(kind, form, input).map(|()| 1),
            Kind::Varint => None,
            Kind::Fixed32 => Some(4),
            Kind::Fixed64 => Some(8),
        };
        let packed = input.sized()?;
        let count = match size {
            Some(size) if packed.len() % size != 0 => {
                return Err(Fault::Malformed("packed numbers end early"));
            }
            Some(size) => packed.len() / size,
            None => {
                let mut packed = Input(packed);
                let mut count = 0;
                while !packed.0.is_empty() {
                    packed.varint()?;
                    count += 1;
                }
                count
            }
        };
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn value(&mut self, kind: Kind, form: Form, input: &mut Input<'_>) -> Result<(), Fault> {
        match (kind, form) {
            (Kind::Varint, Form::Varint) => input.varint().map(drop),
            (Kind::Fixed64, Form::Fixed64) => input.take(8).map(drop),
            (Kind::Fixed32, Form::Fixed32) => input.take(4).map(drop),
            (Kind::Bytes, Form::Length) => {
                self.kept += allocated(input.sized()?.len());
                Ok(())
            }
            (Kind::Message(place), Form::Length) => {
                let bytes = input.sized()?;
                self.message(&LAYOUTS.all[place], bytes).map(drop)
            }
            _ => Err(Fault::Malformed("a field has the form of another")),
        }
    }

    /// What a vector takes: it grows by doubling unless room was made before, from four elements on.
    fn vector(&mut self, field: Repeated, count: usize) {
        if count == 0 {
            return;
        }
        let room = if field.is_reserved { count } else { count.next_power_of_two().max(4) };
        self.kept += room * field.element;
        if !field.is_reserved && count > 4 {
            self.moved = self.moved.max(room / 2 * field.element);
        }
    }

    fn too_costly(&self) -> Fault {
        Fault::TooCostly { size: self.size, allowed: self.allowed }
    }
}

impl Fault {
    /// The same, of a message that is in `field`.
    fn within(self, outer: &Field, at: Option<u32>) -> Self {
        match self {
            Self::TooMany { field, most } => {
                let place = at.map(|at| format!("[{at}]")).unwrap_or_default();
                Self::TooMany { field: format!("{}{place}.{field}", outer.name), most }
            }
            other @ (Self::Malformed(_) | Self::TooCostly { .. }) => other,
        }
    }
}

/// What an allocation takes: allocators round up to their classes, which are an eighth apart.
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + bytes / 8).next_multiple_of(16) }
}

/// How a value stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Varint,
    Fixed64,
    Length,
    GroupBegins,
    GroupEnds,
    Fixed32,
}

/// What is left of a message.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The number and form of the next field.
    fn key(&mut self) -> Result<(u32, Form), Fault> {
        let key = u32::try_from(self.varint()?)
            .map_err(|_| Fault::Malformed("a field has too large a number"))?;
        let form = match key & 7 {
            0 => Form::Varint,
            1 => Form::Fixed64,
            2 => Form::Length,
            3 => Form::GroupBegins,
            4 => Form::GroupEnds,
            5 => Form::Fixed32,
            _ => return Err(Fault::Malformed("a field has no known form")),
        };
        match key >> 3 {
            0 => Err(Fault::Malformed("a field has the number 0")),
            number => Ok((number, form)),
        }
    }

    /// Seven bits a byte, the lowest first, in ten bytes at most.
    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            if at == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(Fault::Malformed("a number is too long, or ends early"))
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) =
            self.0.split_at_checked(bytes).ok_or(Fault::Malformed("it ends within a field"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn sized(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(self.varint()?)
            .map_err(|_| Fault::Malformed("it ends within a field"))?;
        self.take(length)
    }

    /// Passes over a field that the message does not know.
    fn skip(&mut self, number: u32, form: Form, depth: usize) -> Result<(), Fault> {
        match form {
            Form::Varint => self.varint().map(drop),
            Form::Fixed64 => self.take(8).map(drop),
            Form::Fixed32 => self.take(4).map(drop),
            Form::Length => self.sized().map(drop),
            Form::GroupEnds => Err(Fault::Malformed("a group ends that did not begin")),
            Form::GroupBegins if depth == MAX_DEPTH => {
                Err(Fault::Malformed("groups are nested too deeply"))
            }
            Form::GroupBegins => loop {
                let (inner, form) = self.key()?;
                match form {
                    Form::GroupEnds if inner == number => return Ok(()),
                    form @ (Form::Varint
                    | Form::Fixed64
                    | Form::Length
                    | Form::GroupBegins
                    | Form::GroupEnds
                    | Form::Fixed32) => self.skip(inner, form, depth + 1)?,
                }
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;
