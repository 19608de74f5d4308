//! Every method of the services, once: what the limits, the table of roles and the metrics know it
//! by. Decides nothing.

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

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// How long a call may take.
    pub span: Span,
}

/// All methods, in the order of their paths.
pub const METHODS: [Method; 24] = [
    method("/grpc.health.v1.Health/Check", Span::Probe),
    method("/grpc.health.v1.Health/Watch", Span::Stream),
    method("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Span::Stream),
    method("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Span::Stream),
    method("/lazaretto.v1.PolicyService/ComparePolicies", Span::Work),
    method("/lazaretto.v1.PolicyService/GetPolicy", Span::Call),
    method("/lazaretto.v1.PolicyService/ReloadPolicy", Span::Call),
    method("/lazaretto.v1.SanctionsListService/ExportList", Span::Stream),
    method("/lazaretto.v1.SanctionsListService/GetSnapshot", Span::Call),
    method("/lazaretto.v1.SanctionsListService/ImportList", Span::Stream),
    method("/lazaretto.v1.SanctionsListService/ListListingChanges", Span::Call),
    method("/lazaretto.v1.SanctionsListService/ListQuarantine", Span::Call),
    method("/lazaretto.v1.SanctionsListService/ListSanctionsLists", Span::Call),
    method("/lazaretto.v1.SanctionsListService/LookUpParty", Span::Call),
    method("/lazaretto.v1.SanctionsListService/RefreshList", Span::Work),
    method("/lazaretto.v1.ScreeningService/BatchScreenAddresses", Span::Call),
    method("/lazaretto.v1.ScreeningService/ScreenAddress", Span::Call),
    method("/lazaretto.v1.ScreeningService/ScreenTransfer", Span::Call),
    method("/lazaretto.v1.ScreeningService/StreamScreenAddresses", Span::Stream),
    method("/lazaretto.v1.ScreeningService/TraceExposure", Span::Call),
    method("/lazaretto.v1.TransferService/IngestTransfers", Span::Stream),
    method("/lazaretto.v1.TransferService/ListCounterparties", Span::Call),
    method("/lazaretto.v1.TransferService/ListTransferHeads", Span::Call),
    method("/lazaretto.v1.TransferService/RetractTransfers", Span::Work),
];

const fn method(path: &'static str, span: Span) -> Method {
    Method { path, span }
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
