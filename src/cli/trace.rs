//! `trace`: shows the paths between an address and listed ones, in one of several formats
//! ([`super::render::paths`]).

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};

use super::text::{Style, escape_json};
use super::{Global, connect, dates, output, render, runtime};
use crate::domain::list::ListKind;
use crate::exposure::MAX_HOPS;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;
use render::paths::{self, trace_subject::TraceSubject};

/// The arguments of `trace`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The address
    address: String,
    /// The chain: a CAIP-2 id or a name such as bitcoin; else every chain that the form fits
    #[arg(long)]
    chain: Option<String>,
    /// Which way funds went
    #[arg(long, value_enum, default_value_t)]
    direction: Direction,
    /// Only from (or to) listings of this kind (repeat for more)
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<ListKind>,
    /// At most so many hops, 1 to 15 [default: as configured]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_HOPS.into()))]
    max_hops: Option<u32>,
    /// At most so many paths in each direction, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    max_paths: u32,
    /// Only transfers from this day (YYYY-MM-DD, its start in UTC) or moment (RFC 3339) on
    #[arg(long, value_name = "DATE", value_parser = dates::start)]
    from_time: Option<jiff::Timestamp>,
    /// Only transfers up to this day (YYYY-MM-DD, its end in UTC) or moment (RFC 3339)
    #[arg(long, value_name = "DATE", value_parser = dates::end)]
    to_time: Option<jiff::Timestamp>,
    /// Only transfers of at least this value in US dollars, by what their data say
    #[arg(long, value_name = "USD", value_parser = micros)]
    min_usd: Option<u64>,
    /// In which form to show them
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Which way funds went, seen from the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// From listed addresses and to them.
    #[default]
    Both,
    /// From listed addresses.
    ReceivedFrom,
    /// To listed addresses.
    SentTo,
}

/// In which form to show paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Drawn for a terminal.
    #[default]
    Text,
    /// The message of the proto, in its field names.
    Json,
    /// A Graphviz graph.
    Dot,
    /// A drawing for a browser or a document.
    Svg,
    /// A page to file: the drawing and every hop in full.
    Html,
}

pub fn run(arguments: &Arguments, global: &Global) -> Result<u8> {
    let request = request(arguments);
    runtime()?.block_on(async {
        let mut client = connect::connect_for_paths(global).await?;
        let ask = async || answer(client.screening.trace_exposure(request.clone()).await);
        let response = connect::retry_while_loading(ask).await?;
        let standing = match arguments.output {
            Form::Text | Form::Html => standing(&mut client, arguments, &response).await?,
            Form::Json | Form::Dot | Form::Svg => TraceSubject::default(),
        };
        let shown = shown(arguments, &response, &standing)?;
        match &arguments.out {
            None => output::write(shown.as_bytes())?,
            Some(file) => std::fs::write(file, shown)
                .with_context(|| format!("writing {}", file.display()))?,
        }
        Ok(0)
    })
}

/// Whether the address is listed itself, and the snapshot of the trace in full.
async fn standing(
    client: &mut Client,
    arguments: &Arguments,
    traced: &v1::TraceExposureResponse,
) -> Result<TraceSubject> {
    let query = v1::AddressQuery {
        request_id: String::new(),
        address: arguments.address.clone(),
        chain: arguments.chain.clone().unwrap_or_default(),
    };
    let options = v1::ScreeningOptions { include_snapshot: true, ..Default::default() };
    let request = v1::ScreenAddressRequest {
        query: Some(query),
        options: Some(options),
        idempotency_key: String::new(),
    };
    let screened = answer(client.screening.screen_address(request).await)?;
    // Lists or transfers may have changed in between.
    let snapshot = match screened.snapshot.filter(|snapshot| snapshot.id == traced.snapshot_id) {
        None => {
            let request = v1::GetSnapshotRequest { id: traced.snapshot_id.clone() };
            answer(client.lists.get_snapshot(request).await)?.snapshot
        }
        snapshot => snapshot,
    };
    Ok(TraceSubject { screening: screened.screening.unwrap_or_default(), snapshot })
}

fn request(arguments: &Arguments) -> v1::TraceExposureRequest {
    let direction = match arguments.direction {
        Direction::Both => v1::ExposureDirection::Unspecified,
        Direction::ReceivedFrom => v1::ExposureDirection::ReceivedFrom,
        Direction::SentTo => v1::ExposureDirection::SentTo,
    };
    v1::TraceExposureRequest {
        address: arguments.address.clone(),
        chain: arguments.chain.clone().unwrap_or_default(),
        direction: direction.into(),
        list_kinds: arguments.kinds.iter().map(|kind| v1::ListKind::from(*kind).into()).collect(),
        max_hops: arguments.max_hops.unwrap_or_default(),
        max_paths: arguments.max_paths,
        from_time: arguments.from_time.map(dates::message),
        to_time: arguments.to_time.map(dates::message),
        min_usd_micros: arguments.min_usd.unwrap_or_default(),
    }
}

fn shown(
    arguments: &Arguments,
    response: &v1::TraceExposureResponse,
    standing: &TraceSubject,
) -> Result<String> {
    let style = match arguments.out {
        None => Style::of_stdout(),
        Some(_) => Style::PLAIN,
    };
    Ok(match arguments.output {
        Form::Text => paths::text::text(response, standing, style.width(), style),
        Form::Json => format!("{}\n", escape_json(&serde_json::to_string_pretty(response)?)),
        Form::Dot => paths::dot::dot(response),
        Form::Svg => paths::svg::svg(response),
        Form::Html => paths::html::html(response, standing, &asked(arguments)),
    })
}

/// What was asked, for the page.
fn asked(arguments: &Arguments) -> Vec<(&'static str, String)> {
    let as_configured = || "as configured".to_owned();
    let moment = |moment: Option<jiff::Timestamp>, none: &str| {
        moment.map_or_else(|| none.to_owned(), |moment| moment.to_string())
    };
    let mut kinds: Vec<_> = arguments.kinds.iter().map(ToString::to_string).collect();
    if kinds.is_empty() {
        kinds.push("all that count as sources".to_owned());
    }
    let direction = match arguments.direction {
        Direction::Both => "funds from listed addresses and to them",
        Direction::ReceivedFrom => "funds from listed addresses",
        Direction::SentTo => "funds to listed addresses",
    };
    vec![
        ("address", arguments.address.clone()),
        ("chain", arguments.chain.clone().unwrap_or_else(|| "every one that the form fits".into())),
        ("direction", direction.to_owned()),
        ("kinds of list", kinds.join(", ")),
        ("most hops", arguments.max_hops.map_or_else(as_configured, |hops| hops.to_string())),
        ("most paths in each direction", arguments.max_paths.to_string()),
        ("transfers from", moment(arguments.from_time, "the first")),
        ("transfers up to", moment(arguments.to_time, "the last")),
        (
            "least value",
            match arguments.min_usd {
                None => "any".to_owned(),
                Some(micros) => {
                    format!("{}.{:06} US dollars", micros / 1_000_000, micros % 1_000_000)
                }
            },
        ),
    ]
}

/// US dollars, with at most six decimals, in millionths.
fn micros(text: &str) -> Result<u64> {
    let refused = || anyhow!("invalid amount {text:?}; use US dollars such as 1000 or 0.50");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return Err(refused());
    }
    let micros = format!("{whole}{fraction:0<6}").parse();
    micros.map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars() {
        let check = |text: &str, want: Option<u64>| assert_eq!(micros(text).ok(), want, "{text}");
        check("1000", Some(1_000_000_000));
        check("0.5", Some(500_000));
        check("0.000001", Some(1));
        check("18446744073709.551615", Some(u64::MAX));
        for text in ["", ".", "1.", ".5", "-1", "1e3", "0.0000001", "18446744073709.551616"] {
            check(text, None);
        }
    }
}
