//! The traced address itself: its own listings, and notes that paths do not show.

use super::listing_words;
use crate::cli::render::words;
use crate::grpc::v1;

/// The screening of the traced address, and the snapshot of the trace; empty for formats without it.
#[derive(Clone, Debug, Default)]
pub struct TraceSubject {
    pub screening: v1::Screening,
    pub snapshot: Option<v1::Snapshot>,
}

impl TraceSubject {
    /// Returns the listings of the address itself, one line each.
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
                v1::ListingState::Unspecified
                | v1::ListingState::Standing
                | v1::ListingState::RemovalPending => String::new(),
            };
            Some(format!("{what}: {}{removed}", listing_words(&listing)))
        };
        self.screening.findings.iter().filter_map(line).collect()
    }

    /// Returns notes that paths do not show: a hub in between if there is no path, and cut clusters.
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
