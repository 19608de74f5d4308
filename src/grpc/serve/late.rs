//! Why a connection is cut off.

/// What the other side did not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Late {
    #[error("the client does not begin")]
    Opening,
    #[error("the client takes no bytes")]
    Reading,
    /// Its calls hold memory that others need.
    #[error("the client sent more frames than its calls read, and others need the memory")]
    Calls,
}
