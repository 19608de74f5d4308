//! Questions about the graph of transfers: who dealt with an address, and by which paths it is tied
//! to listed ones. Searches are in `exposure`; this fetches what they found.

use super::transfers::{CounterpartyPage, CounterpartyQuery, Trace, TraceQuery};
use super::{Engine, EngineError};

impl Engine {
    /// The transfers that an address took part in. Blocks.
    pub fn counterparties(&self, _: &CounterpartyQuery) -> Result<CounterpartyPage, EngineError> {
        Err(EngineError::TransfersLoading)
    }

    /// The paths between an address and listed ones. Blocks.
    pub fn trace(&self, _: &TraceQuery) -> Result<Trace, EngineError> {
        Err(EngineError::TransfersLoading)
    }
}
