//! The key ids of an address, and what is hashed of them at most once.

use std::sync::OnceLock;

use super::super::key_id::KeyId;
use super::super::packed_key::PackedKey;

/// The key ids of an address: nearly always one, which then needs no heap.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    None,
    One(KeyId, Nested),
    Many(Vec<KeyId>),
}

/// The script hash of [`KeyId::nested`]: look-ups in lists and in transfers, and the decision log ask
/// for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Nested(OnceLock<Option<[u8; 20]>>);

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.ids() == other.ids()
    }
}

impl Eq for Keys {}

impl Keys {
    pub(super) fn one(key: KeyId) -> Self {
        if key.is_null() { Self::None } else { Self::One(key, Nested::default()) }
    }

    pub(super) fn several(keys: Vec<KeyId>) -> Self {
        let mut keys: Vec<KeyId> = keys.into_iter().filter(|key| !key.is_null()).collect();
        match (keys.pop(), keys.is_empty()) {
            (None, _) => Self::None,
            (Some(key), true) => Self::one(key),
            (Some(key), false) => {
                keys.push(key);
                Self::Many(keys)
            }
        }
    }

    pub(super) fn ids(&self) -> &[KeyId] {
        match self {
            Self::None => &[],
            Self::One(key, _) => std::slice::from_ref(key),
            Self::Many(keys) => keys,
        }
    }

    pub(super) fn nested(&self) -> Vec<KeyId> {
        match self {
            Self::None => Vec::new(),
            Self::One(key, nested) => nested.of(key).into_iter().collect(),
            Self::Many(keys) => keys.iter().filter_map(KeyId::nested).collect(),
        }
    }

    pub(super) fn packed(&self) -> impl Iterator<Item = PackedKey> {
        let (only, many) = match self {
            Self::None => (None, &[][..]),
            Self::One(key, nested) => {
                let nested = nested.of(key);
                (Some(PackedKey::from(nested.as_ref().unwrap_or(key))), &[][..])
            }
            Self::Many(keys) => (None, &keys[..]),
        };
        only.into_iter().chain(many.iter().map(PackedKey::from))
    }
}

impl Nested {
    #[inline]
    fn of(&self, key: &KeyId) -> Option<KeyId> {
        self.0.get_or_init(|| key.nested_hash()).map(KeyId::ScriptHash)
    }
}
