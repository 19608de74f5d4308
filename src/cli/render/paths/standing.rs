//! What stands beside a trace: whether the address is listed itself, and what the answer rests on. In
//! words that every form uses; no layout, and asks nobody.

use super::listing_words;
use crate::cli::render::words;
use crate::grpc::v1;

/// A screening of the traced address, and the snapshot of its trace; empty where nobody asked.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub screening: v1::Screening,
    /// What the trace rests on.
    pub snapshot: Option<v1::Snapshot>,
}

impl Standing {
    /// The listings of the address itself, each in a line.
    pub(super) fn listings(&self) -> Vec<String> {
        let line = |finding: &v1::Finding| {
            let what = match finding.kind() {
                v1::FindingKind::Listed => "LISTED ITSELF",
                v1::FindingKind::SameKey => "AN ADDRESS OF THE SAME KEY IS LISTED",
                v1::FindingKind::ListedVerbatim => "LISTED ITSELF, letter for letter",
                // Drawn.
                v1::FindingKind::CoSpent
                | v1::FindingKind::ReceivedFrom
                | v1::FindingKind::SentTo
                | v1::FindingKind::HubExposure
                | v1::FindingKind::Unspecified => return None,
            };
            let listing = finding.listing.clone().unwrap_or_default();
            let removed = match listing.state() {
                v1::ListingState::Removed => {
                    format!(", removed on {}", words::day(&listing.removed_on))
                }
                _ => String::new(),
            };
            Some(format!("{what}: {}{removed}", listing_words(&listing)))
        };
        self.screening.findings.iter().filter_map(line).collect()
    }

    /// What a trace does not tell by its paths: where it has none, that a hub stands between; and that
    /// clusters are cut.
    pub(super) fn notes(&self, response: &v1::TraceExposureResponse) -> Vec<String> {
        let is_hub = |finding: &v1::Finding| finding.kind() == v1::FindingKind::HubExposure;
        let has_hub = response.paths.is_empty() && self.screening.findings.iter().any(is_hub);
        let hub = "HUB_EXPOSURE: paths end at a hub; see `screen --evidence`".to_owned();
        let mut notes: Vec<String> = has_hub.then_some(hub).into_iter().collect();
        for cut in response.cluster_cuts.iter().chain(&self.screening.cluster_cuts) {
            if !notes.contains(&cut.reason) {
                notes.push(cut.reason.clone());
            }
        }
        notes
    }
}
