//! The methods that calls are counted by, each with a number. Knows nothing of what they do.

/// Service and method, in the order of their paths: a method's number is its place. A test holds
/// them against the descriptors of the services.
pub const METHODS: [(&str, &str); 24] = [
    ("grpc.health.v1.Health", "Check"),
    ("grpc.health.v1.Health", "Watch"),
    ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo"),
    ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo"),
    ("lazaretto.v1.PolicyService", "ComparePolicies"),
    ("lazaretto.v1.PolicyService", "GetPolicy"),
    ("lazaretto.v1.PolicyService", "ReloadPolicy"),
    ("lazaretto.v1.SanctionsListService", "ExportList"),
    ("lazaretto.v1.SanctionsListService", "GetSnapshot"),
    ("lazaretto.v1.SanctionsListService", "ImportList"),
    ("lazaretto.v1.SanctionsListService", "ListListingChanges"),
    ("lazaretto.v1.SanctionsListService", "ListQuarantine"),
    ("lazaretto.v1.SanctionsListService", "ListSanctionsLists"),
    ("lazaretto.v1.SanctionsListService", "LookUpParty"),
    ("lazaretto.v1.SanctionsListService", "RefreshList"),
    ("lazaretto.v1.ScreeningService", "BatchScreenAddresses"),
    ("lazaretto.v1.ScreeningService", "ScreenAddress"),
    ("lazaretto.v1.ScreeningService", "ScreenTransfer"),
    ("lazaretto.v1.ScreeningService", "StreamScreenAddresses"),
    ("lazaretto.v1.ScreeningService", "TraceExposure"),
    ("lazaretto.v1.TransferService", "IngestTransfers"),
    ("lazaretto.v1.TransferService", "ListCounterparties"),
    ("lazaretto.v1.TransferService", "ListTransferHeads"),
    ("lazaretto.v1.TransferService", "RetractTransfers"),
];

/// The number of every method that is not among [`METHODS`].
pub const UNKNOWN_METHOD: usize = METHODS.len();

/// The number of the method that a path (`/SERVICE/METHOD`) names; [`UNKNOWN_METHOD`] where it
/// names none that is known.
pub fn method(path: &str) -> usize {
    let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    named.and_then(|named| METHODS.binary_search(&named).ok()).unwrap_or(UNKNOWN_METHOD)
}
