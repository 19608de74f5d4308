//! The page of a sample in headless Chromium: what a reader finds on it, and that it can be printed.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::sample::Sample;
use super::{report, written};
use crate::support::needs::chromium;

/// Opens a page, with nothing but this machine to talk to.
fn open(program: &OsString, page: &Path, arguments: &[&str]) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
    ]);
    command.arg("--host-resolver-rules=MAP * ~NOTFOUND");
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.args(arguments).arg(format!("file://{}", page.display()));
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {errors}");
    ended
}

/// What the browser made of a page.
fn dom(program: &OsString, page: &Path) -> String {
    let ended = open(program, page, &["--dump-dom"]);
    let errors = String::from_utf8_lossy(&ended.stderr);
    // The policy lets the page's own style in, and there was nothing else to keep out.
    assert!(!errors.contains("Content Security Policy"), "{errors}");
    String::from_utf8(ended.stdout).unwrap()
}

fn count(rows: &[Value], decision: &str) -> usize {
    rows.iter().filter(|row| row["decision"] == decision).count()
}

#[test]
fn a_browser_shows_what_the_rows_say() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let sample = Sample::new(200);
    let result = written(dir.path(), &sample, Some(&sample.summary()));
    let page = dir.path().join("report.html");
    let said = report(&result, &["--out", page.to_str().unwrap()]);
    assert_eq!(said.status, 0, "{}", said.err);
    let dom = dom(&chromium, &page);

    for decision in ["BLOCK", "REVIEW", "ERROR", "ALLOW"] {
        let shown = format!("<dt>{decision}</dt><dd>{}<small>", count(&sample.rows, decision));
        assert!(dom.contains(&shown), "{shown}");
    }
    // Each row that somebody has to look at, with its path hop by hop.
    let (mut drawings, mut hops) = (0, 0);
    for row in sample.rows.iter().filter(|row| row["decision"] != "ALLOW") {
        let (_, case) = dom.split_once(&format!(" id=\"row-{}\"", row["row"])).unwrap();
        // Without a finding it is a line of a table.
        if row["decision"] == "ERROR" || row["finding"].as_str().unwrap_or_default().is_empty() {
            continue;
        }
        let (case, _) = case.split_once("</article>").unwrap();
        let score = format!("</strong> · score {} · ", row["score"]);
        assert!(case.contains(&score), "{case}");
        assert!(case.contains(row["address"].as_str().unwrap()), "{case}");
        let Some(path) = row["path"].as_str() else { continue };
        let path: Value = serde_json::from_str(path).unwrap();
        let steps = path["hops"].as_array().unwrap();
        assert!(case.contains("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\""), "{case}");
        assert_eq!(
            case.matches("class=\"lz-head\"").count(),
            steps.len(),
            "an arrow a hop: {case}"
        );
        for step in steps {
            assert!(case.contains(step["tx"].as_str().unwrap()), "{case}");
        }
        (drawings, hops) = (drawings + 1, hops + steps.len());
    }
    assert!(drawings > 10 && hops > 20, "{drawings} drawings, {hops} hops");
    assert_eq!(dom.matches("role=\"img\"").count(), drawings);

    // What the answers rest on.
    let summary = sample.summary();
    for list in summary["snapshots"][0]["lists"].as_array().unwrap() {
        for key in ["list_id", "digest", "version", "published_on"] {
            let value = list[key].as_str().unwrap();
            assert!(dom.contains(&format!(">{value}<")), "{key} {value}");
        }
    }
    for known in
        ["8f3a61c09b2e", "default@5d0c5ae5b64bd3d6", "Lazaretto <bdi>0.1.0</bdi>", "91,827,364"]
    {
        assert!(dom.contains(known), "{known}");
    }
    assert!(dom.contains("<h1><bdi>Screening of customers &lt;march&gt;.csv</bdi></h1>"));
    assert!(dom.contains("<code>/srv/&lt;in&gt;/customers &lt;march&gt;.csv</code>"));
    assert!(!dom.contains("written as"), "it has its name still");
    // Hostile names were text.
    assert!(!dom.contains("<script") && !dom.contains("<img"));
    assert!(dom.contains("34&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!dom.contains('\u{202e}'));
}

#[test]
fn a_page_can_be_printed() {
    let Some(chromium) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let sample = Sample::new(60);
    let result = written(dir.path(), &sample, Some(&sample.summary()));
    let page = dir.path().join("report.html");
    let said = report(&result, &["--out", page.to_str().unwrap()]);
    assert_eq!(said.status, 0, "{}", said.err);
    let pdf = dir.path().join("report.pdf");
    open(&chromium, &page, &[&format!("--print-to-pdf={}", pdf.display())]);
    let pdf = std::fs::read(pdf).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    let text = String::from_utf8_lossy(&pdf);
    // The tree of pages has the count of all (PDF 1.7, 7.7.3.2).
    let counts = text.split("/Count ").skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    let cases = count(&sample.rows, "BLOCK") + count(&sample.rows, "REVIEW");
    let pages = counts.max().unwrap_or(0);
    assert!(pages > 1 && pages <= cases + 6, "{pages} pages of {cases} cases");
}
