//! What tests of exposure do with a desk: store transfers, and look at what is near.

use jiff::Timestamp;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Placement, Position, Transfer, TxStatus,
};
use lazaretto::engine::{AppendedSummary, ExposureEvidence};
use lazaretto::exposure::{Direction, Timing};
use lazaretto::ingest::CoverageDeclaration;
use lazaretto::screening::policy::Decision;
use lazaretto::screening::{Incomplete, Scope, ScopeFilter};

use super::{Desk, at};

/// How near a listing is, owned.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposed {
    pub direction: Direction,
    pub kind: ListKind,
    pub hops: u8,
    /// The list, and the address as it stands there.
    pub listed: (String, String),
    pub timing: Timing,
    /// In basis points.
    pub share: u16,
    pub hub: bool,
    pub common_input: bool,
}

/// What a screening said of exposure.
#[derive(Debug)]
pub struct Look {
    pub decision: Decision,
    pub score: u8,
    pub covered: bool,
    pub incomplete: Vec<Incomplete>,
    /// In the order of their texts.
    pub near: Vec<(Exposed, Option<ExposureEvidence>)>,
}

impl Look {
    /// The exposures alone.
    pub fn exposed(&self) -> Vec<Exposed> {
        self.near.iter().map(|(exposed, _)| exposed.clone()).collect()
    }

    /// The only exposure in a direction.
    pub fn only(&self, direction: Direction) -> Option<&(Exposed, Option<ExposureEvidence>)> {
        let mut found = self.near.iter().filter(|(exposed, _)| exposed.direction == direction);
        let first = found.next();
        assert!(found.next().is_none(), "more than one: {self:?}");
        first
    }
}

/// Address number `n`.
pub fn wallet(n: u8) -> String {
    format!("0x{n:02x}aa00000000000000000000000000000000bb{n:02x}")
}

/// A transfer in the native coin of an EVM chain, without a position.
pub fn unplaced(chain: u64, time: Timestamp, from: &str, to: &str, amount: u128) -> Transfer {
    let chain = Chain::Evm(chain);
    let holder = |address: &str| Some(Holder::parse(address, &chain).unwrap());
    Transfer {
        time: time.as_second().try_into().unwrap(),
        placement: Placement::Unknown,
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: holder(from),
            to: holder(to),
            asset: Asset::Native,
            amount: Amount::from(amount),
            usd_micros: None,
        }),
        chain,
    }
}

/// A whole Ether at a height, ten seconds a block from `start` on.
pub fn sends(height: u64, from: &str, to: &str, start: Timestamp) -> Transfer {
    let time = start + jiff::SignedDuration::from_secs(10 * i64::try_from(height).unwrap());
    let placement = Position { height, tx_index: 0, index: 0 }.into();
    Transfer { placement, ..unplaced(1, time, from, to, 10_u128.pow(18)) }
}

impl Desk {
    /// Stores transfers, and waits until exposure knows them.
    pub fn store(
        &self,
        transfers: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> AppendedSummary {
        let mut session = self.engine().begin_ingest();
        let done = session.append(transfers, covered).unwrap();
        session.finish().unwrap();
        done
    }

    /// What is near an address, as of now or a past moment, with evidence.
    pub fn look(&self, address: &str, as_of: Option<&str>) -> Look {
        let narrowing = ScopeFilter { as_of: as_of.map(at), ..ScopeFilter::default() };
        self.look_narrowly(address, &narrowing)
    }

    /// The same, narrowed.
    pub fn look_narrowly(&self, address: &str, narrowing: &ScopeFilter) -> Look {
        self.engine().wait_for_exposure(true).unwrap();
        self.look_at_once(address, narrowing)
    }

    /// The same, without waiting for exposure.
    pub fn look_at_once(&self, address: &str, narrowing: &ScopeFilter) -> Look {
        let snapshot = self.engine().snapshot().unwrap();
        let scope = Scope::new(&snapshot, narrowing, self.engine().now()).unwrap();
        let deep = self.engine().screen(&scope, address, None, true).unwrap();
        let screening = deep.screening;
        let mut near: Vec<_> = screening
            .findings
            .iter()
            .zip(deep.evidence)
            .filter_map(|(finding, evidence)| {
                let near = finding.exposure?;
                let exposed = Exposed {
                    direction: near.direction,
                    kind: near.kind,
                    hops: near.hops,
                    listed: (finding.list.id().to_string(), finding.row.key.address.clone()),
                    timing: near.timing,
                    share: near.direct.and_then(|direct| direct.share).unwrap_or(0),
                    hub: near.hub,
                    common_input: near.common_input,
                };
                Some((exposed, evidence))
            })
            .collect();
        near.sort_by_key(|(exposed, _)| format!("{exposed:?}"));
        let incomplete = [screening.scope_incomplete, &screening.address_incomplete].concat();
        let (decision, score, covered) = (screening.decision, screening.score, screening.covered);
        Look { decision, score, covered, incomplete, near }
    }
}
