//! Why a past snapshot cannot be rebuilt.

use crate::domain::list::ListId;
use crate::screening::snapshot::ENGINE_VERSION;

/// Why a past snapshot, or its exposure, cannot be rebuilt exactly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRebuilt {
    #[error(
        "it was made by version {0} of the program, and this is {ENGINE_VERSION}, which may read \
         addresses differently"
    )]
    OtherProgram(String),
    /// No choice of required lists has the digest in the id.
    #[error("publications of required lists could not be stored then, and no record says which")]
    ListsNotStored,
    #[error("its settings of exposure, with the categories of tags, are not kept")]
    Settings,
    #[error("policy {0} is not kept")]
    Policy(String),
    #[error("version {version} of {list} is not in this store")]
    NoSuchVersion { list: ListId, version: u64 },
    #[error(
        "version {version} of {list} was superseded by {later}, which was loaded by a version of the \
         program that did not keep what it superseded"
    )]
    NotRecordedBy { list: ListId, version: u64, later: u64 },
    #[error("version {version} of {list} has another digest")]
    OtherDigest { list: ListId, version: u64 },
    /// Made under store schema 7 or older.
    #[error("the coverage of its transfers is not kept: it is older than the store's record of it")]
    Coverage,
    /// Made under store schema 7 or older.
    #[error("the ages at which its chains were stale are not kept")]
    ChainAges,
    /// The id was copied wrongly, or is of another store.
    #[error("this store never had the transfers that it names")]
    NoSuchTransfers,
    /// The id is of a program that named no basis.
    #[error("its labels were behind, and it does not say what they were made from")]
    UnnamedBasis,
    #[error("its labels were behind, and what they were made from ({0}) is not kept")]
    Basis(String),
    #[error("exposure could not be brought up to date any more, and only the answer says why")]
    ExposureFailed,
    #[error(
        "its graph takes some {estimated} bytes of memory, more than the limit of {limit}: raise the limit"
    )]
    TooLarge { estimated: u64, limit: u64 },
    /// The last guard: what was rebuilt has another id.
    #[error("the stored data do not give the snapshot of this id")]
    Differs,
}
