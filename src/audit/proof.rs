//! What proves one record offline, together with a signed checkpoint. docs/audit/verify.py is the
//! verifier.

use super::leaf::Field;
use super::merkle::Hash;

/// A record with its way up to the root of the log.
///
/// Its size does not depend on the other records of the leaf: `entry_head` has 76 bytes, and
/// `record_hashes` at most six hashes. A message may leave out context and answer, since the entry
/// has their hashes; in place of the answer it then needs `answer_hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    /// The entry of the leaf up to the root of its records, which follows from `record_hashes`.
    pub entry_head: Vec<u8>,
    /// From the record up to the root of the records, lowest first, each level from the left.
    pub record_hashes: Vec<Hash>,
    /// From the leaf up to the root of the log.
    pub hashes: Vec<Hash>,
    pub context: Vec<u8>,
    pub answer: Vec<u8>,
    pub class: u8,
    /// SHA-256 over class and answer.
    pub answer_hash: Hash,
    pub address: Field,
    pub reference: Option<Field>,
}
