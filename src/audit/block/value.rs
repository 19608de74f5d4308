//! A value that is about to be written.

use super::super::merkle::Hash;
use super::super::packing::Form;
use super::super::salt::SALT;

/// A value with what hides it.
pub(in crate::audit) enum ValueToWrite<'a> {
    Packed { salt: &'a [u8; SALT], form: Form, bytes: &'a [u8] },
    Redacted(&'a Hash),
}
