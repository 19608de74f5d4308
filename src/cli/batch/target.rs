//! The target of a batch: its format by its name, and protection against overwriting files by mistake.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::compression::Compression;
use super::earlier;
use super::form::Lines;
use super::input::STDIN;
use super::summary::Summary;

/// The name of standard output.
pub const STDOUT: &str = "-";

/// A result's place and form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The file; `None` for standard output.
    pub path: Option<PathBuf>,
    /// How its rows are written; of Parquet those of its work file.
    pub lines: Lines,
    pub compression: Compression,
    /// Whether the file is made of a work file at the end: Parquet says at its end where its rows
    /// stand, and one that has no end cannot be gone on with.
    pub is_parquet: bool,
}

/// What may happen to a result that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    Overwrite,
    /// It is gone on with.
    Resume,
}

impl Target {
    /// The target that `--out` names.
    pub fn named(out: Option<&Path>) -> Result<Self> {
        let plain = |path| Self {
            path,
            lines: Lines::Csv,
            compression: Compression::None,
            is_parquet: false,
        };
        let Some(path) = out.filter(|out| *out != Path::new(STDOUT)) else {
            return Ok(plain(None));
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let (bare, compression) = match name.rsplit_once('.') {
            Some((bare, "gz")) => (bare, Compression::Gzip),
            Some((bare, "zst")) => (bare, Compression::Zstd),
            _ => (name.as_str(), Compression::None),
        };
        let target = Self { compression, ..plain(Some(path.to_owned())) };
        match (bare.rsplit_once('.').map(|(_, end)| end), compression) {
            (Some("csv"), _) => Ok(target),
            (Some("jsonl" | "ndjson"), _) => Ok(Self { lines: Lines::Json, ..target }),
            (Some("parquet"), Compression::None) => Ok(Self { is_parquet: true, ..target }),
            (Some("parquet"), _) => {
                bail!("{name}: Parquet is packed within: leave .gz or .zst out")
            }
            _ => bail!(
                "{name}: the form of a result is told by its name: .csv, .jsonl, .ndjson (each also \
                 with .gz or .zst) or .parquet"
            ),
        }
    }

    /// The file that rows are written to; `None` for standard output.
    pub fn work_file(&self) -> Option<PathBuf> {
        let path = self.path.as_deref()?;
        Some(if self.is_parquet { with_end(path, ".partial") } else { path.to_owned() })
    }

    /// Where the summary goes: to the file named, else beside the result.
    pub fn summary(&self, named: Option<&Path>) -> Option<PathBuf> {
        let beside = || self.path.as_deref().map(|path| with_end(path, ".summary.json"));
        named.map(Path::to_owned).or_else(beside)
    }

    /// Refuses a target that is the input, or is there already and may not be touched.
    pub fn check(&self, input: &Path, summary: Option<&Path>, existing: Existing) -> Result<()> {
        if let Some(path) = summary.filter(|path| existing == Existing::Refuse && path.exists()) {
            bail!("{} exists; use --overwrite to replace it", path.display());
        }
        let Some(work_file) = self.work_file() else {
            ensure!(existing != Existing::Resume, "standard output cannot be gone on with");
            return self.check_other(input, summary);
        };
        self.check_other(input, summary)?;
        for path in [Some(work_file.as_path()), self.path.as_deref()].into_iter().flatten() {
            let is_done = self.is_parquet && Some(path) == self.path.as_deref();
            if !path.exists() || existing == Existing::Overwrite {
                continue;
            }
            let shown = path.display();
            match existing {
                Existing::Resume if is_done => {
                    bail!("{shown} is complete: a Parquet file is there at the end only")
                }
                Existing::Resume => ensure!(path.is_file(), "{shown} is not a regular file"),
                Existing::Refuse | Existing::Overwrite => bail!(
                    "{shown} exists; use --resume to continue it, or --overwrite to replace it"
                ),
            }
        }
        Ok(())
    }

    fn check_other(&self, input: &Path, summary: Option<&Path>) -> Result<()> {
        let work_file = self.work_file();
        // A shell may have opened an output as standard input.
        let stdin = Path::new("/dev/stdin");
        let input = if input == Path::new(STDIN) { stdin } else { input };
        let outputs = [self.path.as_deref(), work_file.as_deref(), summary];
        for output in outputs.into_iter().flatten() {
            ensure!(!same(input, output), "{}: the input and an output are one", output.display());
        }
        if let (Some(path), Some(summary)) = (&self.path, summary) {
            ensure!(!same(path, summary), "{}: both result and summary", path.display());
        }
        Ok(())
    }
}

/// The path with more behind it.
pub fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// Whether both are one file, under whatever names.
fn same(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    #[cfg(unix)]
    if let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) {
        use std::os::unix::fs::MetadataExt;
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// Writes the summary; one that stands there is replaced at once or not at all.
pub fn write_summary(path: &Path, summary: &Summary) -> Result<()> {
    let context = || format!("writing {}", path.display());
    let json = serde_json::to_string_pretty(summary)?;
    // By a name of its own beside it, and with the permissions that any new file has.
    let new = with_end(path, ".new");
    fs::write(&new, format!("{json}\n")).with_context(context)?;
    fs::rename(&new, path).with_context(context)
}

/// The summary of a batch that was begun before; `None` where there is none.
pub fn read_summary(path: &Path) -> Result<Option<Summary>> {
    match fs::read_to_string(path) {
        Ok(json) => {
            let summary = earlier::read(&json);
            summary.map(Some).with_context(|| format!("{}: no summary of ours", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_form() {
        let check = |name: &str, want: Option<(Lines, Compression, bool)>| {
            let found = Target::named(Some(Path::new(name))).ok();
            assert_eq!(found.map(|it| (it.lines, it.compression, it.is_parquet)), want, "{name}");
        };
        check("a/b.csv", Some((Lines::Csv, Compression::None, false)));
        check("b.CSV.gz", Some((Lines::Csv, Compression::Gzip, false)));
        check("b.jsonl", Some((Lines::Json, Compression::None, false)));
        check("b.x.ndjson.zst", Some((Lines::Json, Compression::Zstd, false)));
        check("b.parquet", Some((Lines::Csv, Compression::None, true)));
        check("-", Some((Lines::Csv, Compression::None, false)));
        for name in ["b.parquet.gz", "b.txt", "csv", "b.gz", "b.csv.bz2", "b"] {
            check(name, None);
        }
    }

    #[test]
    fn what_is_there_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("in.csv"), "address\n").unwrap();
        fs::write(at("out.csv"), "").unwrap();
        fs::write(at("done.parquet"), "").unwrap();
        fs::hard_link(at("in.csv"), at("linked.csv")).unwrap();
        let check = |out: &str, existing: Existing, want: &str| {
            let target = Target::named(Some(&at(out))).unwrap();
            let summary = target.summary(None);
            let said = match target.check(&at("in.csv"), summary.as_deref(), existing) {
                Ok(()) => "fine".to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(said.contains(want), "{out}: {said}");
        };
        check("new.csv", Existing::Refuse, "fine");
        fs::write(at("old.csv.summary.json"), "").unwrap();
        check("old.csv", Existing::Refuse, "old.csv.summary.json exists");
        check("old.csv", Existing::Overwrite, "fine");
        check("new.csv", Existing::Resume, "fine");
        check("out.csv", Existing::Refuse, "exists");
        check("out.csv", Existing::Resume, "fine");
        check("out.csv", Existing::Overwrite, "fine");
        check("done.parquet", Existing::Refuse, "exists");
        check("done.parquet", Existing::Resume, "is complete");
        check("in.csv", Existing::Overwrite, "are one");
        check("linked.csv", Existing::Overwrite, "are one");
        let stdout = Target::named(None).unwrap();
        assert!(stdout.check(&at("in.csv"), None, Existing::Resume).is_err());
        assert!(stdout.check(&at("in.csv"), Some(&at("in.csv")), Existing::Refuse).is_err());
    }

    #[test]
    fn a_summary_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.json");
        assert_eq!(read_summary(&path).unwrap(), None);
        for input in ["a", "b"] {
            let summary = Summary { input: input.to_owned(), ..Summary::default() };
            write_summary(&path, &summary).unwrap();
            assert_eq!(read_summary(&path).unwrap(), Some(summary));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::write(&path, "{").unwrap();
        assert!(read_summary(&path).is_err());
    }
}
