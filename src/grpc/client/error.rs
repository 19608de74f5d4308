//! Errors of calls in words for the person who typed a command: addresses and flags instead of field
//! paths, and what to do. Codes stay fields, for programs.

use std::fmt;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A call that the server refused or that failed on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CallError {
    pub code: i32,
    /// The reason in `google.rpc.ErrorInfo`, such as `GATE_REFUSED`; empty where none came.
    pub reason: String,
    /// As the server says it, with the paths of fields.
    pub message: String,
    /// The fields of `google.rpc.BadRequest`, each with what is wrong with it.
    pub fields: Vec<(String, String)>,
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let fields = details.bad_request().map_or_else(Vec::new, |bad| {
            let each = bad.field_violations.iter();
            each.map(|field| (field.field.clone(), field.description.clone())).collect()
        });
        let error = Self {
            code: status.code() as i32,
            reason: details.error_info().map_or_else(String::new, |info| info.reason.clone()),
            message: match status.message() {
                "" => without_message(status.code()).to_owned(),
                // As tonic says it.
                "transport error" => {
                    let broken = "the connection to the server broke off: try again";
                    format!("{broken}{}", said_in_farewell(&status))
                }
                message => format!("{message}{}", said_in_farewell(&status)),
            },
            fields,
        };
        let (code, reason) = (code_name(error.code), error.reason.as_str());
        tracing::debug!(code, reason, message = error.message, "client call failed");
        error
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_of_fields = self.fields.first().is_some_and(|(field, _)| {
            self.message.strip_prefix(field).is_some_and(|rest| rest.starts_with(": "))
        });
        // Where the message is made of the fields it says nothing beside them.
        let message = (!is_of_fields).then(|| self.message.clone());
        let fields = self.fields.iter().map(|(field, wrong)| about(field, wrong));
        let parts: Vec<_> = message.into_iter().chain(fields).collect();
        f.write_str(&parts.join("; "))?;
        match what_to_do(&self.reason) {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Returns what the server says of one address, without the path of the field before it.
pub fn plain(message: &str) -> String {
    match message.split_once(": ") {
        Some((field, wrong)) if is_field_path(field) => about(field, wrong),
        Some(_) | None => message.to_owned(),
    }
}

/// Whether a text is a path such as `queries[3].address`: it begins with a field that a person knows by
/// another name.
fn is_field_path(text: &str) -> bool {
    let is_of_path = |byte: u8| byte.is_ascii_lowercase() || b"_.[]0123456789".contains(&byte);
    let first = text.split(['.', '[']).next().unwrap_or_default();
    text.bytes().all(is_of_path) && name_of(first).is_some_and(|name| name != first)
}

/// What is wrong with a field, by the name that a person knows.
fn about(field: &str, wrong: &str) -> String {
    let name = name_of_path(field);
    if name.is_empty() || wrong.starts_with(&name) {
        return wrong.to_owned();
    }
    format!("{name}: {wrong}")
}

/// `queries[3].address`: `address 4`; `options.as_of`: `--as-of`.
fn name_of_path(path: &str) -> String {
    let parts = path.split('.').map(|part| {
        let (name, place) = match part.split_once('[') {
            Some((name, place)) => (name, place.trim_end_matches(']').parse::<u64>().ok()),
            None => (part, None),
        };
        let known = name_of(name).map_or_else(|| name.replace('_', " "), str::to_owned);
        match place {
            // The list is named by what is wrong with it.
            Some(_) if name == "lists" => known,
            Some(place) => format!("{known} {}", place.saturating_add(1)),
            None => known,
        }
    });
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    match &parts[..] {
        // What holds the address is named by it already.
        [holder, last] if last == "the address" => holder.clone(),
        parts => parts.join(", "),
    }
}

/// What a person calls a field of a request: an address, a flag; `None` where it has no other name,
/// empty where it only holds others.
fn name_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "query" | "options" | "account" | "header" | "file" | "checked_at" => "",
        "queries" => "address",
        "address" => "the address",
        "sources" => "--from address",
        "destinations" => "--to address",
        "chain" => "the chain",
        "sender" => "from",
        "receiver" => "to",
        "baseline" => "old",
        "candidate" => "new",
        "asset" => "the asset",
        "amount" => "the amount",
        "lists" => "--list",
        "list_id" => "the list",
        "as_of" => "--as-of",
        "max_hops" => "--max-hops",
        "max_paths" => "--max-paths",
        "customer_reference" => "--customer-reference",
        "transfers" => "transfer",
        "covered" => "--covers",
        "page_size" => "--limit",
        "first_height" => "--from-height",
        "block_hash" => "--block-hash",
        "force_reason" => "--force",
        "force_gates" => "--force-gate",
        "since_number_on_list" | "since_version" => "--since",
        "published_on" => "--published",
        "kind" => "--kind",
        "format" => "--format",
        "declared_check" => "--checked",
        "evaluated_at" => "--evaluated-at",
        "snapshot_id" => "--snapshot",
        _ => return None,
    })
}

/// What to do about an error of that reason, where the message does not say it.
fn what_to_do(reason: &str) -> Option<&'static str> {
    match reason {
        "UNAUTHENTICATED" => Some(
            "give the server's token by --token-file or LAZARETTO_TOKEN, or a certificate by \
             --client-certificate",
        ),
        "PERMISSION_DENIED" => {
            Some("ask the server's operator for an identity with a role that allows it")
        }
        "NOT_LOADED" => Some("load one by `lazaretto lists refresh` or `lazaretto lists import`"),
        "UNKNOWN_LIST" => Some("`lazaretto lists ls` shows the lists"),
        _ => None,
    }
}

/// What the server said when it closed the connection, such as that it takes TLS.
fn said_in_farewell(status: &Status) -> String {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let words = error.to_string();
        if words.contains("use https://") {
            return format!(": {words}");
        }
        cause = error.source();
    }
    String::new()
}

/// What a status without a message says.
fn without_message(code: Code) -> &'static str {
    match code {
        Code::Ok => "the server ended the call without an answer",
        Code::Cancelled => "the call was cancelled",
        Code::DeadlineExceeded => "the answer did not come in time: try again",
        Code::NotFound => "the server knows no such thing",
        Code::AlreadyExists => "it is there already",
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => {
            "the server refuses the request and does not say why"
        }
        Code::PermissionDenied => "the server does not allow it",
        Code::Unauthenticated => "the server does not know who asks",
        Code::ResourceExhausted => "the server has too much to do: try again later",
        Code::Unimplemented => "the server does not know this request: is it an older version?",
        Code::Unavailable => "the server cannot be reached: try again",
        Code::Unknown | Code::Aborted | Code::Internal | Code::DataLoss => {
            "the call failed in the server, whose log says why"
        }
    }
}

/// The name of a `google.rpc.Code`, such as `NOT_FOUND`.
pub fn code_name(code: i32) -> &'static str {
    match Code::from_i32(code) {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn check(status: Status, want: &str) {
        assert_eq!(CallError::from(status).to_string(), want);
    }

    fn refused(reason: &str, message: &str, fields: &[(&str, &str)]) -> Status {
        let mut details = ErrorDetails::new();
        let metadata = [("k".to_owned(), "v".to_owned())];
        details.set_error_info(reason, "lazaretto.v1", metadata);
        for (field, wrong) in fields {
            details.add_bad_request_violation(*field, *wrong);
        }
        Status::with_error_details(Code::InvalidArgument, message, details)
    }

    #[test]
    fn errors_hold_no_code() {
        check(Status::not_found("no snapshot \"x\""), "no snapshot \"x\"");
        check(Status::unavailable(""), "the server cannot be reached: try again");
        check(
            Status::unknown("transport error"),
            "the connection to the server broke off: try again",
        );
        let error = CallError::from(Status::not_found("x"));
        assert_eq!(code_name(error.code), "NOT_FOUND");
    }

    #[test]
    fn fields_have_the_names_that_a_person_knows() {
        let check_field = |field: &str, wrong: &str, want: &str| {
            let message = format!("{field}: {wrong}");
            check(refused("INVALID_FIELD", &message, &[(field, wrong)]), want);
        };
        check_field("query.address", "the address is empty", "the address is empty");
        check_field("queries[0].address", "1025 bytes", "address 1: 1025 bytes");
        check_field("sources[1].chain", "tron", "--from address 2, the chain: tron");
        check_field("options.as_of", "in the future", "--as-of: in the future");
        check_field("options.lists[2]", "no such list", "--list: no such list");
        check_field("chain", "\"x\" names no chain", "the chain: \"x\" names no chain");
        check_field("page_size", "too large", "--limit: too large");
        check_field("some_field[1].other_one", "odd", "some field 2, other one: odd");
        check_field("transfers[1].account.amount", "odd", "transfer 2, the amount: odd");
        check_field("header.published_on", "another day", "--published: another day");
        check_field("file.published_on", "a.csv: another day", "--published: a.csv: another day");
        check_field(
            "header.declared_check.checked_at",
            "in the future",
            "--checked: in the future",
        );
        check_field("options.snapshot_id", "300 bytes", "--snapshot: 300 bytes");
        assert_eq!(plain("queries[0].address: 1025 bytes"), "address 1: 1025 bytes");
        assert_eq!(plain("query.address: empty"), "the address: empty");
    }

    #[test]
    fn several_fields_are_each_told() {
        let fields = [("chain", "missing"), ("amount", "no number")];
        let status = refused("INVALID_FIELD", "chain: missing; amount: no number", &fields);
        check(status, "the chain: missing; the amount: no number");
        let status = refused("INVALID_FIELD", "refused", &[("page_size", "larger than 10000")]);
        check(status, "refused; --limit: larger than 10000");
    }

    #[test]
    fn words_before_a_colon_are_no_field() {
        for message in
            ["us-ofac-sdn: no gate", "3 calls: try again", "k2.txt: another", "address_list.csv: x"]
        {
            assert_eq!(plain(message), message);
            check(refused("GATE_REFUSED", message, &[]), message);
        }
    }

    #[test]
    fn what_to_do_is_said() {
        let said = CallError::from(refused("UNAUTHENTICATED", "no token", &[])).to_string();
        assert!(said.starts_with("no token; give the server's token by --token-file"), "{said}");
        assert!(!said.contains("UNAUTHENTICATED"), "{said}");
    }
}
