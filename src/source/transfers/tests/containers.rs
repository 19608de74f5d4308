//! What contains the rows: CSV, JSON lines, Parquet; packed or not; told by content; bounded.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::*;

fn csv() -> String {
    format!("chain,time,from,to,asset,amount\neth,1,{A},{B},native,10\neth,2,{B},{A},native,11\n")
}

fn json() -> String {
    let row = |time: u64, from: &str, to: &str, amount: u64| {
        format!(
            "{{\"chain\":\"eth\",\"time\":{time},\"from\":\"{from}\",\"to\":\"{to}\",\"asset\":\
             \"native\",\"amount\":{amount}}}\n"
        )
    };
    row(1, A, B, 10) + "\n" + &row(2, B, A, 11)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn texts_are_read_packed_or_not() {
    let expected = read_text(csv()).transfers;
    assert_eq!(expected.len(), 2);
    for text in [csv(), json(), csv().replace('\n', "\r\n"), format!("\u{feff}{}", csv())] {
        assert_eq!(read_text(&text).transfers, expected, "{text}");
        for packed in [gzip(text.as_bytes()), bzip2(text.as_bytes()), zstd(text.as_bytes())] {
            assert_eq!(read_text(&packed).transfers, expected);
        }
        // Several members, one after the other.
        let (head, tail) = text.as_bytes().split_at(70);
        for pack in [gzip, bzip2, zstd] {
            assert_eq!(read_text([pack(head), pack(tail)].concat()).transfers, expected);
        }
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(text.as_bytes())];
        assert_eq!(read_text(skipped.concat()).transfers, expected);
    }
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(bytes).collect()
}

/// A zip of these files.
fn zip(files: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn other_encodings_separators_and_line_ends_are_read() {
    let expected = read_text(csv()).transfers;
    for text in [csv(), json()] {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(read_text(utf16(&text, order)).transfers, expected);
            assert_eq!(read_text(gzip(&utf16(&text, order))).transfers, expected);
        }
        assert_eq!(read_text(text.replace('\n', "\r")).transfers, expected);
    }
    for separator in [";", "\t", "|"] {
        let text = csv().replace(',', separator);
        assert_eq!(read_text(&text).transfers, expected, "{text}");
        let told = format!("sep={separator}\r\n{text}");
        let outcome = read_text(&told);
        assert_eq!(outcome.transfers, expected, "{told}");
        assert_eq!(outcome.report.lines.unwrap().heading_lines, 2);
    }
    // A record of its own, whatever separates.
    assert_eq!(read_text(format!("sep=;\n{}", csv().replace(',', ";"))).transfers, expected);
    assert!(refusal(&utf16(&csv(), u16::to_le_bytes)[..101]).contains("ends within a character"));
}

#[test]
fn the_file_of_a_zip_is_read() {
    use zip::CompressionMethod::{Deflated, Stored};

    let expected = read_text(csv()).transfers;
    let (text, packed) = (csv(), gzip(csv().as_bytes()));
    for method in [Deflated, Stored] {
        for file in [text.as_bytes(), &packed, &utf16(&csv(), u16::to_le_bytes)] {
            let of_a_mac: (&str, &[u8]) = ("__MACOSX/._a.csv", b"\0\x05");
            let zipped = zip(&[("a.csv", file), of_a_mac, (".DS_Store", b"x")], method);
            assert_eq!(read_text(&zipped).transfers, expected);
        }
    }
    let two = zip(&[("a.csv", text.as_bytes()), ("b/c.csv", b"x")], Deflated);
    let said = refusal(two);
    assert!(said.starts_with("a zip of several files: \"a.csv\", \"b/c.csv\": unpack"), "{said}");
    assert_eq!(refusal(zip(&[], Deflated)), "a zip without files");
    let workbook = zip(&[("[Content_Types].xml", b"x"), ("xl/workbook.xml", b"x")], Deflated);
    assert!(refusal(workbook).contains("an Excel workbook (.xlsx)"));
    let mut wrong = zip(&[("a.csv", text.as_bytes())], Stored);
    let at = wrong.windows(4).position(|bytes| bytes == b"eth,").unwrap();
    wrong[at + 4] = b'7';
    let said = refusal(wrong);
    assert!(said.starts_with("the zip cannot be read: the checksum is wrong"), "{said}");
    // One that says it is smaller than it is.
    let mut small = zip(&[("a.csv", text.as_bytes())], Stored);
    let size = u32::try_from(text.len()).unwrap().to_le_bytes();
    let last = small.windows(4).rposition(|bytes| bytes == size).unwrap();
    small[last] -= 1;
    assert!(refusal(small).contains("another size than the zip states"));
    let parquet = zip(&[("a.parquet", &own(Compression::SNAPPY))], Deflated);
    assert!(refusal(parquet).contains("a Parquet file that is packed as a whole"));
}

#[test]
fn packed_data_that_end_early_are_an_error() {
    for (packed, what) in [
        (gzip(csv().as_bytes()), "the gzip data"),
        (bzip2(csv().as_bytes()), "the bzip2 data"),
        (zstd(csv().as_bytes()), "the zstd data"),
    ] {
        for length in [packed.len() / 2, packed.len() - 1] {
            let said = refusal(&packed[..length]);
            assert!(said.starts_with(what), "{what}, {length} bytes: {said}");
        }
    }
    let mut wrong = zstd(csv().as_bytes());
    *wrong.last_mut().unwrap() ^= 1;
    assert!(refusal(wrong).contains("the checksum is wrong"));
}

#[test]
fn what_is_told_by_content_is_told() {
    let check = |text: &str, expected: &str| {
        let said = refusal(text);
        assert!(said.contains(expected), "{text:?}: {said}");
    };
    check("", "it is empty: 0 bytes");
    check(" \n", "it is empty: nothing but white space");
    check("<!DOCTYPE html>", "markup");
    check("[{\"a\":1}]", "a JSON array");
    check("a;b;c\n1;2;3\n", "of no known format (docs/transfer-formats.md): a, b, c");
    check("a,b,c\n1,2,3\n", "of no known format (docs/transfer-formats.md): a, b, c");
    check("a\0b,c\n", "no text: it has NUL bytes");
    check("\u{1},b\n", "its first line is neither JSON nor the headings of a CSV");
    check("{\"a\":1}\n", "of no known format");
    check("{\"a\":\n1}\n", "line 1: ");
    assert!(refusal([0xff, 0xfe, 0, 0, 1]).contains("NUL bytes"));
    let workbook = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    assert!(refusal(workbook).contains("an old Excel workbook"));
    assert!(refusal(b"time\xe9,asset\n").contains("neither JSON nor the headings"));
    check(
        "hash,block_number,from_address,value,time,asset,amount\n",
        "fit several formats: ethereum-transactions, own: name one",
    );
}

#[test]
fn a_file_without_rows_says_so() {
    for text in [
        "hash,block_number,transaction_index,from_address,to_address,value",
        "token_address,from_address,to_address,value,transaction_hash,log_index,block_number\n",
        "time,from,to,asset,amount\n\n",
        "block_number,transaction_hash,from_address,to_address,value,trace_type,call_type\r\n",
    ] {
        let report = read_text(text).report;
        assert_eq!((report.rows_read, report.kept, report.rejected), (0, 0, 0), "{text}");
    }
    for nothing in [vec![], gzip(b""), bzip2(b""), b"\xef\xbb\xbf".to_vec()] {
        let said = refusal(nothing);
        assert!(said.starts_with("it is empty"), "{said}");
    }
    let written = write("");
    let error = read_path(&written.path, &ReadSettings::default(), true).map(|it| it.report);
    let said = error.unwrap_err().to_string();
    assert_eq!(said, format!("{}: it is empty: 0 bytes", written.path.display()));
}

#[test]
fn a_format_is_named_as_it_is_printed() {
    for format in TransferFormat::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("csv".parse::<TransferFormat>().is_err());
}

#[test]
fn texts_are_bounded() {
    let bounded = |bounds: TransferBounds| ReadSettings { bounds, ..ReadSettings::default() };
    let size = csv().len() as u64;
    let check = |max_unpacked: u64, fits: bool| {
        let settings = bounded(TransferBounds { max_unpacked, ..TransferBounds::default() });
        for packed in [csv().into_bytes(), gzip(csv().as_bytes()), zstd(csv().as_bytes())] {
            match read_with(packed, &settings) {
                Ok(_) => assert!(fits),
                Err(error) => {
                    assert!(
                        !fits
                            && matches!(
                                error,
                                ReadTransfersError::Rows(rows::RowsError::TooLarge { .. })
                            ),
                        "{error}"
                    );
                }
            }
        }
    };
    check(size, true);
    check(size - 1, false);
    let long =
        format!("chain,time,from,to,asset,amount,x_long\neth,1,{A},{B},,1,{}\n", "y".repeat(5000));
    let short = bounded(TransferBounds { max_csv_record: 5000, ..TransferBounds::default() });
    assert!(refusal_with(&long, &short).contains("line 2 is longer than 5000 bytes"));
    let line = json().replace("\"eth\"", &format!("\"eth\",\"x_long\":\"{}\"", "y".repeat(5000)));
    let short = bounded(TransferBounds { max_json_line: 5000, ..TransferBounds::default() });
    assert!(refusal_with(&line, &short).contains("line 1 is longer than 5000 bytes"));
    let deep = json().replace("\"eth\"", &format!("\"eth\",\"x_deep\":{}", "[".repeat(100_000)));
    assert!(refusal(deep).starts_with("line 1: "), "no depth is a danger");
}

/// Writes a Parquet file of one row group.
pub(super) fn parquet(
    schema: &str,
    compression: Compression,
    columns: impl FnOnce(&mut SerializedRowGroupWriter<'_, Vec<u8>>),
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    columns(&mut group);
    group.close().unwrap();
    writer.into_inner().unwrap()
}

pub(super) fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, definitions, repetitions).unwrap();
    column.close().unwrap();
}

pub(super) fn texts(values: &[&str]) -> Vec<ByteArray> {
    values.iter().map(|value| ByteArray::from(*value)).collect()
}

const OWN: &str = "message m {
    required binary chain (utf8);
    required int64 time (timestamp(millis, true));
    optional binary from (utf8);
    required binary to;
    required int64 x_other;
    required binary asset (utf8);
    required fixed_len_byte_array(16) amount (decimal(38, 0));
}";

fn own(compression: Compression) -> Vec<u8> {
    parquet(OWN, compression, |group| {
        column::<ByteArrayType>(group, &texts(&["eth", "eth"]), None, None);
        column::<Int64Type>(group, &[1_999, 2_000], None, None);
        column::<ByteArrayType>(group, &texts(&[A]), Some(&[1, 0]), None);
        let raw = ByteArray::from([vec![0; 19], vec![0xbb]].concat());
        column::<ByteArrayType>(group, &[raw, ByteArray::from(A)], None, None);
        column::<Int64Type>(group, &[7, 7], None, None);
        column::<ByteArrayType>(group, &texts(&["native", "native"]), None, None);
        let amount = |value: u128| ByteArray::from(value.to_be_bytes().to_vec()).into();
        column::<FixedLenByteArrayType>(group, &[amount(10), amount(u128::MAX >> 1)], None, None);
    })
}

#[test]
fn parquet_is_read_with_its_types() {
    for compression in
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(GzipLevel::default())]
    {
        let outcome = read_text(own(compression));
        assert_eq!((outcome.transfers[0].time, outcome.transfers[1].time), (1, 2));
        let (first, second) = (outcome.account(0), outcome.account(1));
        assert_eq!((&first.from, &first.to, first.amount), (&evm(A), &evm(B), Amount::new(10)));
        assert_eq!((&second.from, &second.to), (&None, &evm(A)));
        assert_eq!(second.amount, Amount::new(u128::MAX >> 1));
    }
    let said = refusal(gzip(&own(Compression::SNAPPY)));
    assert!(said.contains("a Parquet file that is packed as a whole"), "{said}");
}

#[test]
fn timestamps_of_parquet_are_of_any_unit() {
    for (unit, moment) in [
        ("MILLIS,true", 1_700_000_000_999),
        ("MILLIS,false", 1_700_000_000_999),
        ("MICROS,false", 1_700_000_000_999_999),
        ("NANOS,true", 1_700_000_000_999_999_999),
        ("NANOS,false", 1_700_000_000_999_999_999),
    ] {
        let schema = format!(
            "message m {{ required binary chain; required int64 time (TIMESTAMP({unit})); \
             required binary from; required binary to; required binary asset; \
             required int64 amount; }}"
        );
        let file = parquet(&schema, Compression::UNCOMPRESSED, |group| {
            column::<ByteArrayType>(group, &texts(&["eth"]), None, None);
            column::<Int64Type>(group, &[moment], None, None);
            column::<ByteArrayType>(group, &texts(&[A]), None, None);
            column::<ByteArrayType>(group, &texts(&[B]), None, None);
            column::<ByteArrayType>(group, &texts(&["native"]), None, None);
            column::<Int64Type>(group, &[1], None, None);
        });
        assert_eq!(read_text(file).transfers[0].time, 1_700_000_000, "{unit}");
    }
}

#[test]
fn nested_parquet_is_read() {
    let schema = "message m {
        required binary hash (utf8);
        required int64 block_number;
        required int64 block_timestamp;
        required boolean is_coinbase;
        optional group inputs (list) { repeated group list { optional group element {
            optional int64 value; } } }
        required group outputs (list) { repeated group list { required group element {
            required group addresses (list) { repeated group list { required binary element (utf8); } }
            optional int64 value; } } }
    }";
    let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
    let file = parquet(schema, Compression::SNAPPY, |group| {
        column::<ByteArrayType>(group, &texts(&[&"01".repeat(32)]), None, None);
        column::<Int64Type>(group, &[7], None, None);
        column::<Int64Type>(group, &[700], None, None);
        column::<BoolType>(group, &[true], None, None);
        column::<Int64Type>(group, &[], Some(&[0]), Some(&[0]));
        // Two outputs: one with two holders, one with none and no value.
        let (definitions, repetitions) = ([2, 2, 1], [0, 2, 1]);
        let addresses = texts(&[address, address]);
        column::<ByteArrayType>(group, &addresses, Some(&definitions), Some(&repetitions));
        column::<Int64Type>(group, &[50], Some(&[2, 1]), Some(&[0, 1]));
    });
    let outcome = read_text(file);
    let movement = outcome.utxo(0);
    assert!(movement.coinbase && movement.inputs.is_empty());
    let found: Vec<_> =
        movement.outputs.iter().map(|leg| (leg.holders.len(), leg.amount)).collect();
    assert_eq!(found, [(2, Some(50)), (0, None)]);
}

#[test]
fn parquet_is_bounded_and_checked() {
    let file = own(Compression::SNAPPY);
    let bounds = TransferBounds { max_row_group: 100, ..TransferBounds::default() };
    let said = refusal_with(&file, &ReadSettings { bounds, ..ReadSettings::default() });
    assert!(said.starts_with("row group 0 holds "), "{said}");
    assert!(refusal(b"PAR1").starts_with("damaged: "));
    assert!(refusal(&file[..file.len() - 1]).starts_with("damaged: "));
    let schema = "message m { required int64 time; required int64 asset; required int64 amount;
        required int64 from; required int64 to; required int64 memo; }";
    let unknown = parquet(schema, Compression::UNCOMPRESSED, |group| {
        (0..6).for_each(|_| column::<Int64Type>(group, &[1], None, None));
    });
    assert!(refusal(unknown).contains("\"memo\" is no column of it"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A damaged file is an error or other rows, never a crash.
    #[test]
    fn damaged_parquet_is_no_crash(at in 0.0..1.0f64, byte: u8) {
        let mut file = own(Compression::SNAPPY);
        let at = (at * file.len() as f64) as usize;
        file[at] = byte;
        let written = write(file);
        drop(read_path(&written.path, &ReadSettings::default(), true));
    }

    #[test]
    fn damaged_packed_data_are_no_crash(at in 0.0..1.0f64, byte: u8) {
        for pack in [gzip, bzip2, zstd] {
            let mut file = pack(csv().as_bytes());
            let at = (at * file.len() as f64) as usize;
            file[at] = byte;
            let written = write(file);
            drop(read_path(&written.path, &ReadSettings::default(), true));
        }
    }
}
