//! STUB, replaced at merge.
use std::sync::Arc;

use crate::config::Config;

/// The clock.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// The engine.
pub struct Engine;

/// The background refresh.
pub struct RefreshTask;

/// Why the engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Locked.
    #[error("the store is locked")]
    Locked,
}

impl EngineError {
    /// Whether another process holds the store.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked)
    }
}

impl Engine {
    /// Opens the store.
    pub fn open(_config: &Config, _clock: Clock) -> Result<Arc<Engine>, EngineError> {
        Ok(Arc::new(Self))
    }

    /// Starts the background refresh.
    pub fn start_refresh(self: &Arc<Self>) -> RefreshTask {
        RefreshTask
    }
}
