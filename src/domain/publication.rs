//! What a new publication does to a list: additions, updates, removals, gates. Pure; the slow obvious model is in its tests.
