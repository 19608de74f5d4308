//! Known files that are mistaken for readable lists: what they are, and what to use instead.

use std::path::Path;

/// A known file that cannot be read as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub what: &'static str,
    pub instead: &'static str,
}

/// The readable form of OFAC's complete list.
macro_rules! sdn_advanced {
    ($before:literal) => {
        concat!(
            $before,
            "SDN_ADVANCED.XML from \
             https://sanctionslistservice.ofac.treas.gov/api/download/SDN_ADVANCED.XML"
        )
    };
}

/// The first bytes of a compound file, which Excel's old workbooks are.
pub(super) const COMPOUND: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

const CUT: &str = sdn_advanced!(
    "it cuts remarks in the middle of addresses and continues them in another file: use "
);

const NO_ADDRESSES: &str = sdn_advanced!("it holds no digital currency addresses: use ");

const CONSOLIDATED: &str = "it cuts remarks in the middle of addresses and continues them in another \
     file: use CONS_ADVANCED.XML from \
     https://sanctionslistservice.ofac.treas.gov/api/download/CONS_ADVANCED.XML";

const WORKBOOK: &str = "save the sheet as CSV (UTF-8) with a column named address";

const ENHANCED: Foreign =
    Foreign { what: "OFAC's SDN_ENHANCED.XML", instead: sdn_advanced!("use ") };

const DELTA: Foreign = Foreign {
    what: "an OFAC delta file",
    instead: sdn_advanced!("it holds changes alone, and would remove all else: use "),
};

const HTML: Foreign = Foreign {
    what: "an HTML page",
    instead: "it is an error or login page, or one that links to the list: open it in a browser, and \
              give the address of the file itself",
};

const PDF: Foreign = Foreign {
    what: "a PDF document",
    instead: "copy the addresses into a text file, one a line, or into a CSV with a column named \
              address",
};

const OLD_WORKBOOK: Foreign =
    Foreign { what: "a workbook (.xls) or another old Office document", instead: WORKBOOK };

/// Recognises the beginning of a file; the name decides only between similar files.
pub(super) fn recognise(head: &[u8], name: Option<&Path>) -> Option<Foreign> {
    let head = without_bom(head);
    if head.starts_with(b"%PDF-") {
        return Some(PDF);
    }
    if head.starts_with(COMPOUND) {
        return Some(OLD_WORKBOOK);
    }
    let text = head.trim_ascii_start();
    if text.starts_with(b"<") {
        return markup(text);
    }
    let line = text.split(|byte| *byte == b'\n').next()?;
    ofac_csv(std::str::from_utf8(line).ok()?.trim_end(), name)
}

/// Recognises HTML, and OFAC's XML files without a complete list.
fn markup(text: &[u8]) -> Option<Foreign> {
    let begins = |tag: &[u8]| {
        let start = text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
        start && text.get(tag.len()).is_none_or(|next| !next.is_ascii_alphanumeric())
    };
    if begins(b"<!doctype html") || begins(b"<html") {
        return Some(HTML);
    }
    let text = String::from_utf8_lossy(&text[..text.len().min(4096)]);
    let (_, root) = text.split_once("<sanctionsData")?;
    let tag = root.split('>').next()?;
    Some(if tag.contains("DeltaFile") { DELTA } else { ENHANCED })
}

/// Recognises OFAC's files of comma-separated fields by the number of fields per line. They have no
/// headings: a number, a quoted text, and `-0-` for empty.
fn ofac_csv(line: &str, name: Option<&Path>) -> Option<Foreign> {
    let (number, rest) = line.split_once(',')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let name = name.and_then(Path::file_name).map(|name| name.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    let is_named = |part: &str| name.contains(part);
    let fields = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line.as_bytes())
        .into_records()
        .next()?
        .ok()?
        .len();
    let is_empty_marked = rest.contains("-0-");
    let is_consolidated = is_named("cons_");
    Some(match fields {
        12 if is_empty_marked && is_consolidated => {
            Foreign { what: "OFAC's CONS_PRIM.CSV", instead: CONSOLIDATED }
        }
        12 if is_empty_marked => Foreign { what: "OFAC's SDN.CSV", instead: CUT },
        6 if is_empty_marked || is_named("add.csv") => {
            Foreign { what: "OFAC's ADD.CSV (postal addresses)", instead: NO_ADDRESSES }
        }
        5 if is_empty_marked || is_named("alt.csv") => {
            Foreign { what: "OFAC's ALT.CSV (other names)", instead: NO_ADDRESSES }
        }
        2 if is_named("comments") => {
            Foreign { what: "OFAC's SDN_COMMENTS.CSV (ends of remarks)", instead: CUT }
        }
        _ => return None,
    })
}

/// Recognises an archive of several files by their names.
pub(super) fn of_archive(names: impl Iterator<Item = impl AsRef<str>>) -> Option<Foreign> {
    let mut found = None;
    for name in names {
        let what = match name.as_ref() {
            name if name.starts_with("xl/") => "a workbook (.xlsx)",
            name if name.starts_with("word/") => "a Word document (.docx)",
            "content.xml" => "an OpenDocument workbook or text (.ods, .odt)",
            _ => continue,
        };
        found = Some(Foreign { what, instead: WORKBOOK });
    }
    found
}

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// `head` without a byte order mark.
pub(super) fn without_bom(head: &[u8]) -> &[u8] {
    head.strip_prefix(BOM).unwrap_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_files_are_named() {
        let check = |head: &str, name: &str, want: Option<&str>| {
            let found = recognise(head.as_bytes(), Some(Path::new(name)));
            assert_eq!(found.map(|found| found.what), want, "{head:?} named {name:?}");
        };
        let sdn = "36,\"AEROCARIBBEAN AIRLINES\",-0- ,\"CUBA\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n";
        check(sdn, "", Some("OFAC's SDN.CSV"));
        check(sdn, "x-CONS_PRIM.CSV", Some("OFAC's CONS_PRIM.CSV"));
        let alt = "36,12,\"aka\",\"AERO-CARIBBEAN\",-0- \r\n";
        check(alt, "", Some("OFAC's ALT.CSV (other names)"));
        let add = "36,25,-0- ,\"Havana\",\"Cuba\",-0- \n";
        check(add, "", Some("OFAC's ADD.CSV (postal addresses)"));
        check(
            "7,\"a, b\",\"c\",\"d\",\"e\",\"f\"\n",
            "ADD.CSV",
            Some("OFAC's ADD.CSV (postal addresses)"),
        );
        check(
            "39796,\"alt. Digital\"\n",
            "sdn_comments.csv",
            Some("OFAC's SDN_COMMENTS.CSV (ends of remarks)"),
        );
        check("39796,\"alt. Digital\"\n", "mine.csv", None);
        check("36,\"A\",\"B\",\"C\",\"D\"\n", "mine.csv", None);
        check("address,ticker\n", "sdn.csv", None);
        let enhanced = "<sanctionsData xmlns=\"https://x/ENHANCED_XML\">";
        check(
            &format!("\u{feff}<?xml version='1.0'?>\n{enhanced}"),
            "",
            Some("OFAC's SDN_ENHANCED.XML"),
        );
        check("<sanctionsData xmlns='https://x/DeltaFile/1.0'>", "", Some("an OFAC delta file"));
        check("<Sanctions xmlns='urn:x'>", "", None);
        check("<rss/>", "", None);
        check(" <!DOCTYPE html>\n<html>", "", Some("an HTML page"));
        check("<HTML lang='en'>", "sdn.xml", Some("an HTML page"));
        check("<htmlx>", "", None);
        check("%PDF-1.7\n", "", Some("a PDF document"));
        check("", "", None);
        let xls = recognise(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", None);
        assert!(xls.is_some_and(|found| found.instead == WORKBOOK));
        assert_eq!(of_archive(["a.csv", "b.csv"].into_iter()), None);
        let odt = of_archive(["mimetype", "content.xml"].into_iter()).unwrap();
        assert!(odt.what.contains(".ods"));
    }
}
