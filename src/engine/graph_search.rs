//! The search of a graph behind a screening that labels cannot answer.

use std::cell::{Ref, RefCell};
use std::collections::HashMap;

use super::{BUDGET, Engine};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::exposure::{Direction, Path, World};
use crate::screening::{Scope, Searched};

/// A path by the first key of the address, its direction and the kind of its source.
pub(super) type PathSlot = (Option<PackedKey>, Direction, ListKind);

/// Searches a graph for one screening. Repeated searches are cached: a shadow policy repeats each.
#[derive(Debug)]
pub(super) struct GraphSearch<'w, 's> {
    world: Option<&'w World>,
    scope: &'w Scope<'s>,
    searched: RefCell<HashMap<Vec<PackedKey>, Searched>>,
    paths: RefCell<HashMap<PathSlot, Path>>,
}

impl<'w, 's> GraphSearch<'w, 's> {
    /// Searches `world`; without one every search is unavailable.
    pub fn new(world: Option<&'w World>, scope: &'w Scope<'s>) -> Self {
        Self { world, scope, searched: RefCell::default(), paths: RefCell::default() }
    }

    /// Returns what transfers say of the keys of an address.
    pub fn search(&self, keys: &[PackedKey]) -> Searched {
        let Some(world) = self.world else { return Searched::unavailable() };
        if let Some(known) = self.searched.borrow().get(keys) {
            return known.clone();
        }
        let scope = self.scope;
        let sources = scope.sources();
        let (mut found, paths, _) = Engine::search(world, scope, keys, &sources, BUDGET);
        let joined = Engine::search_joined(world, scope, keys, &sources, BUDGET);
        if joined.cut_short {
            found.cut_short.get_or_insert("too many common inputs");
        }
        found.joined = joined.found;
        found.unvalued = Engine::search_unvalued(world, scope, keys, &sources, BUDGET);
        let of = keys.first().copied();
        let slot = |path: Path| ((of, path.direction, path.source.kind), path);
        self.paths.borrow_mut().extend(paths.into_iter().map(slot));
        self.searched.borrow_mut().insert(keys.to_vec(), found.clone());
        found
    }

    /// Returns the path that a search found.
    pub fn path(&self, slot: &PathSlot) -> Option<Ref<'_, Path>> {
        Ref::filter_map(self.paths.borrow(), |paths| paths.get(slot)).ok()
    }
}
