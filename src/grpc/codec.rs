//! Reads and writes messages with prost, except requests that were decoded beside the serving thread,
//! which are handed over as they are.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use super::status::Refusal;
use super::v1;

thread_local! {
    /// The message whose ticket was handed out last. Between a request's body and this decoder lies
    /// tonic, which carries bytes alone; but it decodes what it took from the body before it does
    /// anything else, in one and the same poll.
    static DECODED: RefCell<Option<(u64, Box<dyn Any + Send>)>> = const { RefCell::new(None) };
    /// The number of the last ticket.
    static TICKET: Cell<u64> = const { Cell::new(0) };
}

/// Hands a decoded message over to the decoder; the bytes, a message by themselves, are its ticket.
/// To be called from within the poll of the body that yields them.
pub fn hand_over(message: Box<dyn Any + Send>) -> Bytes {
    // The highest byte stays 0, which begins no message of protobuf: a ticket never decodes.
    let ticket = TICKET.get().wrapping_add(1) & (u64::MAX >> 8);
    TICKET.set(ticket);
    DECODED.set(Some((ticket, message)));
    let mut frame = BytesMut::with_capacity(13);
    frame.put_u8(0);
    frame.put_u32(8);
    frame.put_u64(ticket);
    frame.freeze()
}

/// The message of the ticket that `buffer` holds, if it is one.
fn handed_over<T: 'static>(buffer: &mut impl Buf) -> Option<T> {
    let (ticket, message) = DECODED.take()?;
    let chunk = buffer.chunk();
    if buffer.remaining() != 8 || chunk != ticket.to_be_bytes() {
        return None;
    }
    let message = message.downcast::<T>().ok()?;
    buffer.advance(8);
    Some(*message)
}

/// The room for an answer before it is encoded, in bytes: that of most. h2 keeps the whole room of an
/// answer for as long as its reader does not take it.
const ANSWER_ROOM: usize = 1 << 10;

/// After so many bytes of answers that are ready a stream hands them on: tonic's own.
const YIELD_THRESHOLD: usize = 32 << 10;

/// The codec of the services and clients of `lazaretto.v1`.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        // A stream's answers share their room, and its call lasts.
        if TypeId::of::<T>() == TypeId::of::<v1::StreamScreenAddressesResponse>() {
            return ProstEncoder::new(BufferSettings::default());
        }
        ProstEncoder::new(BufferSettings::new(ANSWER_ROOM, YIELD_THRESHOLD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder(PhantomData)
    }
}

/// Decodes one kind of message.
#[derive(Debug)]
pub struct MessageDecoder<U>(PhantomData<U>);

impl<U: Message + Default + 'static> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        if let Some(message) = handed_over(buffer) {
            return Ok(Some(message));
        }
        let decoded = U::decode(buffer);
        decoded.map(Some).map_err(|error| Refusal::from(error).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_handed_over_once_and_to_its_ticket_alone() {
        let message = || v1::GetPolicyRequest { version: "it".to_owned() };
        let mut ticket = hand_over(Box::new(message())).slice(5..);
        assert_eq!(handed_over(&mut ticket.clone()), Some(message()));
        assert_eq!(handed_over::<v1::GetPolicyRequest>(&mut ticket), None);
        // Nothing that a client sends is taken for it, nor is a message of another kind.
        hand_over(Box::new(message()));
        assert_eq!(handed_over::<v1::GetPolicyRequest>(&mut &b"12345678"[..]), None);
        let mut ticket = hand_over(Box::new(message())).slice(5..);
        assert_eq!(handed_over::<v1::GetSnapshotRequest>(&mut ticket), None);
        v1::GetSnapshotRequest::decode(ticket).unwrap_err();
    }
}
