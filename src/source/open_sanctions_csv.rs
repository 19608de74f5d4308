//! OpenSanctions' `targets.simple.csv`: the rows with schema `CryptoWallet`. Identifiers of persons
//! and companies are not addresses.
//!
//! Form: OpenSanctions' exporter (`zavod/exporters/simplecsv.py`). `identifiers` holds the
//! identifier properties of the FollowTheMoney schema, for a wallet its `publicKey` and
//! `accountId`. `name` is the caption, which is the `publicKey` if the wallet has no name. Several
//! values of a cell are a CSV line with `;`. The form has neither currency nor holder of a wallet:
//! a wallet is its own party.

use std::collections::HashMap;

use super::assembly::{Assembled, Assembly, bounded};
use super::csv_form::{Records, csv_fault};
use super::error::{Fault, SourceError};
use super::excerpt::excerpt;
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::{NoteKind, Party, RowFacts, RowKey};

const WALLET: &str = "CryptoWallet";

/// The columns that identify this form.
const COLUMNS: [&str; 4] = ["id", "schema", "name", "identifiers"];

/// The shortest name of a wallet that counts as its address, in bytes.
const SHORTEST: usize = 20;

/// Returns true if a line is the heading of this form.
pub(super) fn is_heading(line: &str) -> bool {
    let cells: Vec<&str> = line.trim().split(',').map(|cell| cell.trim_matches('"')).collect();
    COLUMNS.iter().all(|column| cells.contains(column))
}

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let records = Records::new(input, bounds.max_record);
    // `first_seen` and the like may be added at the end: the heading alone says what a cell is.
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).buffer_capacity(1 << 16).from_reader(records);
    let mut record = csv::StringRecord::new();
    let mut columns: Option<HashMap<String, usize>> = None;
    let mut list = Assembly::new(bounds);
    loop {
        reader.get_mut().begin();
        let line = reader.position().line();
        let at = |fault: Fault| fault.at_line(Format::OpenSanctionsCsv, line);
        let more = reader.read_record(&mut record);
        if reader.get_ref().is_too_long() {
            return Err(at(Fault::RecordTooLong(bounds.max_record)));
        }
        if !more.map_err(|error| at(csv_fault(&error)))? {
            break;
        }
        match &columns {
            None => columns = Some(heading(&record).map_err(at)?),
            Some(columns) => {
                let cell = |name: &str| {
                    columns.get(name).and_then(|at| record.get(*at)).unwrap_or_default()
                };
                row(&mut list, cell, bounds).map_err(at)?;
            }
        }
    }
    let at = |fault: Fault| fault.at_line(Format::OpenSanctionsCsv, reader.position().line());
    if columns.is_none() {
        return Err(at(Fault::Missing("the header line")));
    }
    if reader.get_ref().ends_in_quotes() {
        return Err(at(Fault::Truncated("a quoted field is not closed")));
    }
    Ok(list.finish(None))
}

fn heading(record: &csv::StringRecord) -> Result<HashMap<String, usize>, Fault> {
    let columns: HashMap<String, usize> =
        record.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at)).collect();
    match COLUMNS.into_iter().find(|column| !columns.contains_key(*column)) {
        Some(missing) => Err(Fault::Missing(missing)),
        None => Ok(columns),
    }
}

/// Adds a row if it is a wallet.
fn row<'r>(
    list: &mut Assembly,
    cell: impl Fn(&str) -> &'r str,
    bounds: &Bounds,
) -> Result<(), Fault> {
    let (uid, schema, name) = (cell("id"), cell("schema"), cell("name"));
    // A missing quote makes one cell of several rows.
    if uid.contains(['\n', '\r']) || schema.contains(['\n', '\r']) {
        return Err(Fault::BadValue("id or schema", excerpt(uid)));
    }
    if schema != WALLET {
        let what = "entities of other schemas than CryptoWallet";
        list.add_note(NoteKind::NotAddresses, what, 1, None);
        return Ok(());
    }
    if uid.is_empty() {
        return Err(Fault::Missing("id"));
    }
    let mut addresses = values(cell("identifiers"));
    // The caption is an address unless the wallet has a name.
    let is_address = name.len() >= SHORTEST && !name.contains(char::is_whitespace);
    if !addresses.iter().any(|known| known == name) && (is_address || addresses.is_empty()) {
        addresses.push(name.to_owned());
    }
    if addresses.iter().all(String::is_empty) {
        list.add_note(NoteKind::NoAddress, "wallets without an address", 1, Some(uid));
        return Ok(());
    }
    for text in addresses.iter().map(String::as_str).chain([uid, name]) {
        bounded(text, bounds)?;
    }
    list.same_party(Party {
        uid: uid.to_owned(),
        name: name.to_owned(),
        aliases: values(cell("aliases")),
        party_type: schema.to_owned(),
        programs: values(cell("sanctions")),
        listed_on: Vec::new(),
    })?;
    for address in addresses {
        let key = RowKey { party_uid: uid.to_owned(), address, ticker: String::new() };
        list.row(key, RowFacts::default())?;
    }
    Ok(())
}

/// The values of a cell.
fn values(cell: &str) -> Vec<String> {
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(b';')
        .from_reader(cell.as_bytes());
    let records = reader.into_records().filter_map(Result::ok);
    let values = records.flat_map(|record| record.iter().map(str::to_owned).collect::<Vec<_>>());
    values.filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{keys, list, refused};
    use super::*;
    use crate::source::{Include, Position, read_reported};

    const FORM: Format = Format::OpenSanctionsCsv;

    const HEADING: &str = "\"id\",\"schema\",\"name\",\"aliases\",\"birth_date\",\"countries\",\
        \"addresses\",\"identifiers\",\"sanctions\",\"phones\",\"emails\",\"dataset\",\"first_seen\",\
        \"last_seen\",\"last_change\"\n";

    fn line(id: &str, schema: &str, name: &str, identifiers: &str) -> String {
        format!(
            "\"{id}\",\"{schema}\",\"{name}\",\"\",\"\",\"ru\",\"\",\"{identifiers}\",\"CYBER2; x\",\
             \"\",\"\",\"US OFAC\",\"2023-04-20\",\"2025-01-01\",\"2024-01-01\"\n"
        )
    }

    #[test]
    fn wallets_are_read_and_the_others_counted() {
        let address = "0xe3d35f68383732649669aa990832e017340dbca5";
        let text = [
            HEADING.to_owned(),
            line("NK-1", "Person", "DOE, Jo", "1234567890123456789012"),
            line("ofac-1", WALLET, address, address),
            line("ofac-2", WALLET, address, ""),
            line("ofac-3", WALLET, "A wallet of somebody", "\"\"a;b\"\";c"),
            line("ofac-4", WALLET, address, "account7"),
            line("ofac-5", WALLET, "", ""),
            line("NK-2", "Vessel", "SHIP", "IMO1"),
        ]
        .concat();
        let file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
        std::fs::write(file.path(), text).unwrap();
        let got = read_reported(file.path(), None, Include::Refused, &Bounds::default()).unwrap();
        let want = [
            ("ofac-1", "", address),
            ("ofac-2", "", address),
            ("ofac-3", "", "a;b"),
            ("ofac-3", "", "c"),
            ("ofac-4", "", address),
            ("ofac-4", "", "account7"),
        ];
        assert_eq!(keys(&got.list), want);
        assert_eq!(got.list.parties[0].programs, [" x", "CYBER2"]);
        assert_eq!(got.report.format, FORM.as_str());
        let notes: Vec<_> = got.report.notes.iter().map(|note| (note.kind, note.count)).collect();
        assert_eq!(notes, [(NoteKind::NoAddress, 1), (NoteKind::NotAddresses, 2)]);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let bounds = Bounds { max_record: 400, ..Bounds::default() };
        let cases = [
            ("id,schema,name\n", 1, Fault::Missing("identifiers")),
            ("", 1, Fault::Empty),
            (
                "id,schema,name,identifiers\n\"a\n\"\"b\",CryptoWallet,a,b\n",
                2,
                Fault::BadValue("id or schema", "a\n\"b".into()),
            ),
            ("id,schema,name,identifiers\n,CryptoWallet,a,b\n", 2, Fault::Missing("id")),
            (
                "id,schema,name,identifiers\na,CryptoWallet,b,\"c\n",
                3,
                Fault::Truncated("a quoted field is not closed"),
            ),
        ];
        for (text, line, want) in cases {
            assert_eq!(refused(FORM, text, &bounds), (Position::Line(line), want), "{text}");
        }
        let long = format!("id,schema,name,identifiers\na,b,\"{}", "x".repeat(100_000));
        assert_eq!(refused(FORM, &long, &bounds).1, Fault::RecordTooLong(400));
        assert!(list(FORM, "id,schema,name,identifiers\na,b\n").is_err());
    }
}
