//! One row for every method: its path, how long a call may take, and the permission that it requires.

use crate::config::Permission;

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallClass {
    /// A health check. It counts against no limit, so that a busy server does not look dead.
    Probe,
    /// At most the configured timeout of calls.
    Call,
    /// Its length depends on the caller's data: as long as the caller waits.
    Work,
    /// A stream in either direction: as long as both sides hold it.
    Stream,
}

/// What a caller must have to call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// None: the call needs no identity.
    Nothing,
    Identity,
    Permission(Permission),
}

const SCREEN: Requirement = Requirement::Permission(Permission::Screen);
const READ: Requirement = Requirement::Permission(Permission::Read);
const LOG: Requirement = Requirement::Permission(Permission::ReadLog);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// How long a call may take.
    pub class: CallClass,
    pub requirement: Requirement,
}

/// All methods, in the order of their paths.
pub const METHODS: [Method; 44] = [
    method("/grpc.health.v1.Health/Check", CallClass::Probe, Requirement::Nothing),
    // Streams are few: callers without an identity must not take them all.
    method("/grpc.health.v1.Health/Watch", CallClass::Stream, Requirement::Identity),
    method(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        CallClass::Stream,
        Requirement::Identity,
    ),
    method(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        CallClass::Stream,
        Requirement::Identity,
    ),
    method("/lazaretto.v1.DecisionLogService/BatchReplayScreenings", CallClass::Stream, LOG),
    method("/lazaretto.v1.DecisionLogService/GetConsistencyProof", CallClass::Call, LOG),
    method("/lazaretto.v1.DecisionLogService/GetInclusionProof", CallClass::Call, LOG),
    method("/lazaretto.v1.DecisionLogService/GetLogKey", CallClass::Call, LOG),
    method("/lazaretto.v1.DecisionLogService/GetScreening", CallClass::Call, LOG),
    method(
        "/lazaretto.v1.DecisionLogService/HoldScreening",
        CallClass::Work,
        Requirement::Permission(Permission::AdministerLog),
    ),
    method("/lazaretto.v1.DecisionLogService/QueryScreenings", CallClass::Call, LOG),
    method(
        "/lazaretto.v1.DecisionLogService/RedactScreening",
        CallClass::Work,
        Requirement::Permission(Permission::AdministerLog),
    ),
    method("/lazaretto.v1.DecisionLogService/ReplayScreening", CallClass::Work, LOG),
    method(
        "/lazaretto.v1.DecisionLogService/RotateLogKey",
        CallClass::Work,
        Requirement::Permission(Permission::AdministerLog),
    ),
    method(
        "/lazaretto.v1.PolicyService/ComparePolicies",
        CallClass::Work,
        Requirement::Permission(Permission::ComparePolicies),
    ),
    method("/lazaretto.v1.PolicyService/GetPolicy", CallClass::Call, READ),
    method(
        "/lazaretto.v1.PolicyService/ReloadPolicy",
        CallClass::Call,
        Requirement::Permission(Permission::ReloadPolicy),
    ),
    method(
        "/lazaretto.v1.SanctionsListService/AddTag",
        CallClass::Work,
        Requirement::Permission(Permission::ImportLists),
    ),
    method(
        "/lazaretto.v1.SanctionsListService/BackfillList",
        CallClass::Stream,
        Requirement::Permission(Permission::ImportLists),
    ),
    method(
        "/lazaretto.v1.SanctionsListService/CheckSource",
        CallClass::Work,
        Requirement::Permission(Permission::RefreshLists),
    ),
    method("/lazaretto.v1.SanctionsListService/ExportList", CallClass::Stream, READ),
    method("/lazaretto.v1.SanctionsListService/GetSnapshot", CallClass::Call, SCREEN),
    method(
        "/lazaretto.v1.SanctionsListService/ImportList",
        CallClass::Stream,
        Requirement::Permission(Permission::ImportLists),
    ),
    method("/lazaretto.v1.SanctionsListService/ListListingChanges", CallClass::Call, READ),
    method("/lazaretto.v1.SanctionsListService/ListQuarantine", CallClass::Call, READ),
    method("/lazaretto.v1.SanctionsListService/ListSanctionsLists", CallClass::Call, READ),
    method("/lazaretto.v1.SanctionsListService/LookUpParty", CallClass::Call, READ),
    method(
        "/lazaretto.v1.SanctionsListService/RefreshList",
        CallClass::Work,
        Requirement::Permission(Permission::RefreshLists),
    ),
    method("/lazaretto.v1.ScreeningService/BatchScreenAddresses", CallClass::Call, SCREEN),
    method("/lazaretto.v1.ScreeningService/ListCluster", CallClass::Call, READ),
    method("/lazaretto.v1.ScreeningService/ListHubs", CallClass::Call, READ),
    method("/lazaretto.v1.ScreeningService/ScreenAddress", CallClass::Call, SCREEN),
    method("/lazaretto.v1.ScreeningService/ScreenPayment", CallClass::Call, SCREEN),
    method("/lazaretto.v1.ScreeningService/StreamScreenAddresses", CallClass::Stream, SCREEN),
    method("/lazaretto.v1.ScreeningService/TraceExposure", CallClass::Call, SCREEN),
    method(
        "/lazaretto.v1.StoreService/BackupStore",
        CallClass::Stream,
        Requirement::Permission(Permission::BackUpStore),
    ),
    method(
        "/lazaretto.v1.TransferService/DeclareCoverage",
        CallClass::Work,
        Requirement::Permission(Permission::DeclareCoverage),
    ),
    method(
        "/lazaretto.v1.TransferService/IngestTransfers",
        CallClass::Stream,
        Requirement::Permission(Permission::SendTransfers),
    ),
    method("/lazaretto.v1.TransferService/ListCounterparties", CallClass::Call, READ),
    method("/lazaretto.v1.TransferService/ListTransferConflicts", CallClass::Call, READ),
    method("/lazaretto.v1.TransferService/ListTransferGaps", CallClass::Call, READ),
    method("/lazaretto.v1.TransferService/ListTransferHeads", CallClass::Call, READ),
    method(
        "/lazaretto.v1.TransferService/RetractTransfers",
        CallClass::Work,
        Requirement::Permission(Permission::RetractTransfers),
    ),
    method(
        "/lazaretto.v1.TransferService/SettleTransferConflict",
        CallClass::Work,
        Requirement::Permission(Permission::SettleConflicts),
    ),
];

const fn method(path: &'static str, class: CallClass, requirement: Requirement) -> Method {
    Method { path, class, requirement }
}

/// The index of a path in [`METHODS`].
pub fn index(path: &str) -> Option<usize> {
    METHODS.binary_search_by(|method| method.path.cmp(path)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::grpc::v1;

    #[test]
    fn the_table_is_what_the_descriptors_say() {
        let reflection = tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET;
        let alpha = tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET;
        let mut said = BTreeMap::new();
        for set in [v1::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET, reflection, alpha] {
            for file in FileDescriptorSet::decode(set).unwrap().file {
                for service in &file.service {
                    for method in &service.method {
                        let path =
                            format!("/{}.{}/{}", file.package(), service.name(), method.name());
                        said.insert(path, method.client_streaming() || method.server_streaming());
                    }
                }
            }
        }
        let told = METHODS.iter().map(|it| (it.path.to_owned(), it.class == CallClass::Stream));
        assert_eq!(told.collect::<Vec<_>>(), said.into_iter().collect::<Vec<_>>());
        for (at, method) in METHODS.iter().enumerate() {
            assert_eq!(index(method.path), Some(at));
        }
        assert_eq!(index("/lazaretto.v1.ScreeningService/Unknown"), None);
    }
}
