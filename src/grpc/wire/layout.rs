//! The layout of request messages for the scanner, from the descriptors that the build makes: fields, and
//! the memory that each message takes once decoded.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use super::limits;
use crate::grpc::v1;

/// The most repeated fields of one message.
pub const MAX_REPEATED: usize = 4;

/// Numbers of fields are below this: the scanner notes in 64 bits which it has seen.
const MAX_NUMBER: usize = 64;

/// The size of a `String`, a `Vec` or a vector of bytes.
const VECTOR: usize = size_of::<Vec<u8>>();

/// The messages that requests can hold.
pub static LAYOUTS: LazyLock<Layouts> =
    LazyLock::new(|| Layouts::read().expect("the build makes the descriptors of this program"));

/// Messages, each known by its place.
pub struct Layouts {
    /// In the order in which they were met.
    pub all: Vec<Layout>,
    places: HashMap<String, usize>,
}

#[derive(Debug, Default)]
pub struct Layout {
    /// The most bytes that it takes itself, without what its strings and vectors hold.
    pub size: usize,
    /// By number.
    fields: Vec<Option<Field>>,
    /// Those that are repeated, in the order of their places.
    repeated: Vec<Repeated>,
    /// Whether it, or a message within, has repeated fields.
    pub has_repeated: bool,
}

impl Layout {
    /// The field with this number.
    pub fn field(&self, number: u32) -> Option<&Field> {
        self.fields.get(number as usize)?.as_ref()
    }

    pub fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }
}

#[derive(Debug)]
pub struct Field {
    /// Its name in the proto.
    pub name: String,
    pub kind: Kind,
    pub repeated: Option<Repeated>,
}

/// What is known of a repeated field.
#[derive(Clone, Copy, Debug)]
pub struct Repeated {
    /// Its place among the repeated fields of its message.
    pub place: usize,
    pub most: u32,
    /// The size of one in memory, without what it holds elsewhere.
    pub element: usize,
    /// Whether the decoder makes exactly the room that is needed.
    pub is_reserved: bool,
}

/// The form of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number of variable length.
    Varint,
    Fixed64,
    Fixed32,
    Bytes,
    /// The message at this place.
    Message(usize),
}

impl Layouts {
    fn read() -> Result<Self, String> {
        let set = FileDescriptorSet::decode(v1::DESCRIPTORS).map_err(|error| error.to_string())?;
        let mut described = HashMap::new();
        let mut inputs = Vec::new();
        for file in &set.file {
            for message in &file.message_type {
                described.insert(format!(".{}.{}", file.package(), message.name()), message);
            }
            let methods = file.service.iter().flat_map(|service| &service.method);
            inputs.extend(methods.map(|method| method.input_type().to_owned()));
        }
        let mut layouts = Self { all: Vec::new(), places: HashMap::new() };
        for input in inputs {
            layouts.add(&input, &described, 0)?;
        }
        Ok(layouts)
    }

    /// The place of a message by its full name, such as `lazaretto.v1.AddressQuery`.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Adds a message after all that it holds.
    fn add(
        &mut self,
        name: &str,
        described: &HashMap<String, &DescriptorProto>,
        depth: usize,
    ) -> Result<usize, String> {
        let bare = name.trim_start_matches('.');
        if let Some(place) = self.place(bare) {
            return Ok(place);
        }
        // One that holds itself would have no size that can be told beforehand.
        if depth > 16 {
            return Err(format!("{name} is nested too deeply"));
        }
        let message = described.get(name).ok_or_else(|| format!("{name} is not described"))?;
        let mut layout = Layout::default();
        let mut choices = vec![0; message.oneof_decl.len()];
        for field in &message.field {
            let kind = if field.r#type() == Type::Message {
                Kind::Message(self.add(field.type_name(), described, depth + 1)?)
            } else {
                kind(field.r#type()).ok_or_else(|| format!("{name}.{}", field.name()))?
            };
            let is_repeated = field.label() == Label::Repeated;
            let limit = limits::of(message.name(), field.name()).filter(|_| is_repeated);
            if is_repeated && (limit.is_none() || layout.repeated.len() == MAX_REPEATED) {
                return Err(format!("{name}.{} has no limit", field.name()));
            }
            layout.has_repeated |= is_repeated || self.is_with_repeated(kind);
            let size = self.size(field, kind);
            match field.oneof_index {
                _ if is_repeated => layout.size += VECTOR,
                Some(choice) if !field.proto3_optional() => {
                    let largest = &mut choices[choice as usize];
                    *largest = size.max(*largest);
                }
                _ => layout.size += size,
            }
            let repeated = limit.map(|limit| Repeated {
                place: layout.repeated.len(),
                most: u32::try_from(limit.most).unwrap_or(u32::MAX),
                element: self.element(field, kind),
                is_reserved: limit.is_reserved,
            });
            layout.repeated.extend(repeated);
            let number = field.number() as usize;
            if number >= MAX_NUMBER {
                return Err(format!("{name}.{} has too large a number", field.name()));
            }
            layout.fields.resize_with(layout.fields.len().max(number + 1), || None);
            layout.fields[number] = Some(Field { name: field.name().to_owned(), kind, repeated });
        }
        layout.size += choices.iter().map(|largest| largest + 8).sum::<usize>();
        layout.size = layout.size.next_multiple_of(8);
        self.all.push(layout);
        self.places.insert(bare.to_owned(), self.all.len() - 1);
        Ok(self.all.len() - 1)
    }

    fn is_with_repeated(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Message(place) if self.all[place].has_repeated)
    }

    /// The size of a value within a vector.
    fn element(&self, field: &FieldDescriptorProto, kind: Kind) -> usize {
        match kind {
            Kind::Bytes => VECTOR,
            Kind::Message(place) => self.all[place].size,
            Kind::Fixed64 => 8,
            Kind::Fixed32 => 4,
            Kind::Varint => {
                let is_wide = matches!(field.r#type(), Type::Int64 | Type::Uint64 | Type::Sint64);
                if is_wide { 8 } else { 4 }
            }
        }
    }

    /// The size of a value as a field, with what says whether it is there.
    fn size(&self, field: &FieldDescriptorProto, kind: Kind) -> usize {
        let size = self.element(field, kind);
        match kind {
            Kind::Message(_) => size + 8,
            _ if field.proto3_optional() => 2 * size.max(8),
            Kind::Varint | Kind::Fixed64 | Kind::Fixed32 | Kind::Bytes => size,
        }
    }
}

/// The form of a field that is no message; `None` for groups, which no file of ours has.
fn kind(of: Type) -> Option<Kind> {
    Some(match of {
        Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64 => Kind::Varint,
        Type::Sint32 | Type::Sint64 | Type::Bool | Type::Enum => Kind::Varint,
        Type::Fixed64 | Type::Sfixed64 | Type::Double => Kind::Fixed64,
        Type::Fixed32 | Type::Sfixed32 | Type::Float => Kind::Fixed32,
        Type::String | Type::Bytes => Kind::Bytes,
        Type::Message | Type::Group => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::wire::limits::LIMITS;

    #[test]
    fn every_limit_is_of_a_repeated_field() {
        for limit in LIMITS {
            let name = format!("lazaretto.v1.{}", limit.message);
            let layout = &LAYOUTS.all[LAYOUTS.place(&name).unwrap()];
            let mut fields = layout.fields.iter().flatten();
            let field = fields.find(|field| {
                field.repeated.is_some() && (limit.field.is_empty() || field.name == limit.field)
            });
            assert!(field.is_some(), "{limit:?}");
        }
    }

    #[test]
    fn sizes_are_bounds_and_not_far_from_the_truth() {
        let check = |name: &str, is: usize| {
            let told = LAYOUTS.all[LAYOUTS.place(&format!("lazaretto.v1.{name}")).unwrap()].size;
            assert!(told >= is && told <= is + is / 3 + 24, "{name}: {told} for {is}");
        };
        check("AddressQuery", size_of::<v1::AddressQuery>());
        check("ScreeningOptions", size_of::<v1::ScreeningOptions>());
        check("Transfer", size_of::<v1::Transfer>());
        check("UtxoMovement", size_of::<v1::UtxoMovement>());
        check("UtxoLeg", size_of::<v1::UtxoLeg>());
        check("AccountMovement", size_of::<v1::AccountMovement>());
        check("CoveredBlocks", size_of::<v1::CoveredBlocks>());
        check("TransferGap", size_of::<v1::TransferGap>());
        check("IngestTransfersRequest", size_of::<v1::IngestTransfersRequest>());
        check("ScreenPaymentRequest", size_of::<v1::ScreenPaymentRequest>());
        check("PolicySource", size_of::<v1::PolicySource>());
        check("ImportListHeader", size_of::<v1::ImportListHeader>());
    }

    #[test]
    fn no_small_message_costs_more_than_the_allowance() {
        // A field takes two bytes at least, and a vector grows to twice what is in it, beside the
        // half as many that it is copied from.
        let fields = LAYOUTS.all.iter().flat_map(|layout| layout.fields.iter().flatten());
        let elements = fields.filter_map(|field| Some(field.repeated?.element));
        let largest = elements.max().unwrap();
        let most = crate::grpc::wire::SMALL / 2;
        assert!(largest * most.next_power_of_two() * 3 / 2 <= super::super::scan::ALLOWANCE);
    }
}
