//! What the engine could not do, as a refusal with its code and reason.

use tonic::Code;

use crate::engine::{EngineError, MAX_UPLOAD};
use crate::grpc::status::{Refusal, invalid_field};
use crate::grpc::v1::ErrorReason;

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let (code, reason) = match &error {
            EngineError::UnknownList(_) => (Code::NotFound, ErrorReason::UnknownList),
            // Only an import asks for a kind.
            EngineError::KindMissing(_) => return invalid_field("header.kind", error),
            EngineError::Offline | EngineError::NoSource(_) => {
                (Code::FailedPrecondition, ErrorReason::NoSource)
            }
            EngineError::Malformed(_) | EngineError::MalformedFile { .. } => {
                (Code::InvalidArgument, ErrorReason::MalformedFile)
            }
            EngineError::Refused(_) => (Code::FailedPrecondition, ErrorReason::GateRefused),
            EngineError::TagRefused { .. } => (Code::FailedPrecondition, ErrorReason::TagRefused),
            EngineError::ListTooLarge(_) => (Code::FailedPrecondition, ErrorReason::ListTooLarge),
            EngineError::Source(_) => (Code::Unavailable, ErrorReason::SourceFailed),
            EngineError::Address(_) => (Code::InvalidArgument, ErrorReason::InvalidAddress),
            EngineError::NothingLoaded => (Code::Unavailable, ErrorReason::NotLoaded),
            EngineError::TransfersLoading => (Code::Unavailable, ErrorReason::TransfersLoading),
            EngineError::Policy(_) => (Code::FailedPrecondition, ErrorReason::InvalidPolicy),
            EngineError::Transfer { .. } => (Code::InvalidArgument, ErrorReason::InvalidTransfer),
            EngineError::UnknownSnapshot(_) => (Code::NotFound, ErrorReason::NotFound),
            EngineError::SnapshotNotKept { .. } | EngineError::NotReplayable(_) => {
                (Code::FailedPrecondition, ErrorReason::SnapshotNotKept)
            }
            EngineError::NoConflict(_) => (Code::NotFound, ErrorReason::NotFound),
            EngineError::SettledConflict(_) => {
                (Code::FailedPrecondition, ErrorReason::ConflictSettled)
            }
            EngineError::Field { field, what } => return invalid_field(field, what),
            EngineError::UploadTooLarge => (Code::InvalidArgument, ErrorReason::TooManyItems),
            EngineError::TooManyUploads => {
                return Refusal::overloaded("uploads", MAX_UPLOAD as usize, &error.to_string());
            }
            EngineError::BackupUnderWay => {
                return Refusal::overloaded("backups", 1, &error.to_string());
            }
            // A running server opens the store anew by itself.
            EngineError::Store(error) if error.is_refusal() => {
                (Code::Unavailable, ErrorReason::StoreFailed)
            }
            EngineError::Store(_)
            | EngineError::Backup(_)
            | EngineError::Exposure(_)
            | EngineError::Io(_)
            | EngineError::Internal(_) => (Code::Internal, ErrorReason::StoreFailed),
        };
        Refusal::new(code, reason, error.to_string())
    }
}
