//! Every method of the services, once: what the limits, the table of permissions and the metrics know it
//! by. Decides nothing.

use crate::config::Permission;

/// How long a call of a method may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A look at the server's health: like a question, and answered however much is under way, since
    /// a server that is busy is not to be taken for dead.
    Probe,
    /// A question: at most as long as the limit of calls says.
    Call,
    /// Work whose length the caller's data decide: as long as the caller waits.
    Work,
    /// A stream in or out: as long as both sides hold it.
    Stream,
}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever reaches the server, without a word of who they are.
    Anybody,
    /// Every identity.
    Anyone,
    /// Identities with this permission.
    With(Permission),
}

const SCREEN: Who = Who::With(Permission::Screen);
const READ: Who = Who::With(Permission::Read);

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// How long a call may take.
    pub span: Span,
    /// Who may call it.
    pub who: Who,
}

/// All methods, in the order of their paths.
pub const METHODS: [Method; 34] = [
    method("/grpc.health.v1.Health/Check", Span::Probe, Who::Anybody),
    // A stream, of which there may be few: who is nobody must not take them all.
    method("/grpc.health.v1.Health/Watch", Span::Stream, Who::Anyone),
    method("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Span::Stream, Who::Anyone),
    method(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Span::Stream,
        Who::Anyone,
    ),
    method(
        "/lazaretto.v1.PolicyService/ComparePolicies",
        Span::Work,
        Who::With(Permission::ComparePolicies),
    ),
    method("/lazaretto.v1.PolicyService/GetPolicy", Span::Call, READ),
    method(
        "/lazaretto.v1.PolicyService/ReloadPolicy",
        Span::Call,
        Who::With(Permission::ReloadPolicy),
    ),
    method(
        "/lazaretto.v1.SanctionsListService/AddTag",
        Span::Work,
        Who::With(Permission::ImportLists),
    ),
    method(
        "/lazaretto.v1.SanctionsListService/BackfillList",
        Span::Stream,
        Who::With(Permission::ImportLists),
    ),
    method(
        "/lazaretto.v1.SanctionsListService/CheckSource",
        Span::Work,
        Who::With(Permission::RefreshLists),
    ),
    method("/lazaretto.v1.SanctionsListService/ExportList", Span::Stream, READ),
    method("/lazaretto.v1.SanctionsListService/GetSnapshot", Span::Call, SCREEN),
    method(
        "/lazaretto.v1.SanctionsListService/ImportList",
        Span::Stream,
        Who::With(Permission::ImportLists),
    ),
    method("/lazaretto.v1.SanctionsListService/ListListingChanges", Span::Call, READ),
    method("/lazaretto.v1.SanctionsListService/ListQuarantine", Span::Call, READ),
    method("/lazaretto.v1.SanctionsListService/ListSanctionsLists", Span::Call, READ),
    method("/lazaretto.v1.SanctionsListService/LookUpParty", Span::Call, READ),
    method(
        "/lazaretto.v1.SanctionsListService/RefreshList",
        Span::Work,
        Who::With(Permission::RefreshLists),
    ),
    method("/lazaretto.v1.ScreeningService/BatchScreenAddresses", Span::Call, SCREEN),
    method("/lazaretto.v1.ScreeningService/ListCluster", Span::Call, READ),
    method("/lazaretto.v1.ScreeningService/ListHubs", Span::Call, READ),
    method("/lazaretto.v1.ScreeningService/ScreenAddress", Span::Call, SCREEN),
    method("/lazaretto.v1.ScreeningService/ScreenPayment", Span::Call, SCREEN),
    method("/lazaretto.v1.ScreeningService/StreamScreenAddresses", Span::Stream, SCREEN),
    method("/lazaretto.v1.ScreeningService/TraceExposure", Span::Call, SCREEN),
    method(
        "/lazaretto.v1.StoreService/BackupStore",
        Span::Stream,
        Who::With(Permission::BackUpStore),
    ),
    method(
        "/lazaretto.v1.TransferService/DeclareCoverage",
        Span::Work,
        Who::With(Permission::DeclareCoverage),
    ),
    method(
        "/lazaretto.v1.TransferService/IngestTransfers",
        Span::Stream,
        Who::With(Permission::SendTransfers),
    ),
    method("/lazaretto.v1.TransferService/ListCounterparties", Span::Call, READ),
    method("/lazaretto.v1.TransferService/ListTransferConflicts", Span::Call, READ),
    method("/lazaretto.v1.TransferService/ListTransferGaps", Span::Call, READ),
    method("/lazaretto.v1.TransferService/ListTransferHeads", Span::Call, READ),
    method(
        "/lazaretto.v1.TransferService/RetractTransfers",
        Span::Work,
        Who::With(Permission::RetractTransfers),
    ),
    method(
        "/lazaretto.v1.TransferService/SettleTransferConflict",
        Span::Work,
        Who::With(Permission::SettleConflicts),
    ),
];

const fn method(path: &'static str, span: Span, who: Who) -> Method {
    Method { path, span, who }
}

/// The place of a path in [`METHODS`].
pub fn place(path: &str) -> Option<usize> {
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
        let told = METHODS.iter().map(|it| (it.path.to_owned(), it.span == Span::Stream));
        assert_eq!(told.collect::<Vec<_>>(), said.into_iter().collect::<Vec<_>>());
        for (at, method) in METHODS.iter().enumerate() {
            assert_eq!(place(method.path), Some(at));
        }
        assert_eq!(place("/lazaretto.v1.ScreeningService/Unknown"), None);
    }
}
