//! Settings from every layer, and every mistake in them with where it was made.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::list::ListKind;
use crate::refresh::ListSettings;
use crate::source::Format;
use crate::telemetry::LogFormat;

mod access;
mod chains;
mod precedence;
mod sources;

const HOUR: Duration = Duration::from_secs(3600);

/// Where a configuration is given.
#[derive(Default)]
struct Input<'a> {
    file: Option<&'a str>,
    environment: &'a [(&'a str, &'a str)],
    set: &'a [&'a str],
    flags: Flags,
}

impl Input<'_> {
    /// The configuration, or its problems with the file's path as `F`.
    fn load(&self) -> Result<Config, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lazaretto.toml");
        let mut flags = self.flags.clone();
        if let Some(text) = self.file {
            std::fs::write(&path, text).unwrap();
            flags.config = Some(path.clone());
        }
        flags.set.extend(self.set.iter().map(|set| (*set).to_owned()));
        let environment = self.environment.iter().map(|(name, value)| (name.into(), value.into()));
        let shorten = |problem: &Problem| problem.to_string().replace(path.to_str().unwrap(), "F");
        Config::load(&flags, environment)
            .map_err(|error| error.problems.iter().map(shorten).collect())
    }
}

fn file(text: &str) -> Result<Config, Vec<String>> {
    Input { file: Some(text), ..Input::default() }.load()
}

fn list<'a>(config: &'a Config, id: &str) -> &'a ListSettings {
    config.lists.iter().find(|list| list.id.as_str() == id).unwrap()
}

#[test]
fn defaults() {
    let config = Input::default().load().unwrap();
    assert_eq!(config.data_dir, Path::new("lazaretto-data"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:50551");
    assert!(config.starter_lists && !config.offline && !config.allow_stale);
    assert_eq!((config.log.to_string().as_str(), config.log_format), ("info", LogFormat::Text));
    assert_eq!(config.cache_mib, 64);
    let ids: Vec<_> = config.lists.iter().map(|list| list.id.as_str()).collect();
    assert_eq!(ids, ["lazarus-advisories", "us-ofac-cons", "us-ofac-sdn"]);

    let sdn = list(&config, "us-ofac-sdn");
    assert_eq!((sdn.kind, sdn.required, sdn.is_static), (ListKind::Sanctions, true, false));
    let service = "https://sanctionslistservice.ofac.treas.gov";
    let folders = ["api/download", "api/PublicationPreview/exports"];
    let want = folders.map(|folder| format!("{service}/{folder}/SDN_ADVANCED.XML"));
    assert_eq!(sdn.urls().collect::<Vec<_>>(), want);
    let probe = sdn.remote.probe.as_ref().unwrap();
    let want = (format!("{service}/changes/latest"), Duration::from_secs(60));
    assert_eq!((probe.url.clone(), probe.interval), want);
    assert_eq!((sdn.refresh_interval, sdn.max_age), (HOUR, Some(48 * HOUR)));
    assert_eq!((sdn.allow_empty, sdn.max_shrink, sdn.format), (false, 0.25, None));

    let consolidated = list(&config, "us-ofac-cons");
    assert!(consolidated.urls().all(|url| url.ends_with("/CONS_ADVANCED.XML")));
    assert_eq!((consolidated.urls().count(), &consolidated.remote.probe), (2, &None));
    assert!(!consolidated.required && consolidated.allow_empty);

    let advisories = list(&config, "lazarus-advisories");
    assert_eq!((advisories.kind, advisories.is_static), (ListKind::Advisory, true));
    assert_eq!((&advisories.url, &advisories.path, advisories.max_age), (&None, &None, None));
    assert!(!advisories.required);
}

#[test]
fn the_example_shows_every_default() {
    let unchanged = file(&example()).unwrap();
    // `#key = value` and `#[table]` are defaults; prose and examples have a space after their `#`.
    let uncommented: String = example()
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let defaults = Input::default().load().unwrap();
    assert_eq!(unchanged, defaults);
    assert_eq!(file(&uncommented).unwrap(), defaults);
    assert!(uncommented.lines().filter(|line| line.contains(" = ")).count() > 30);
}

/// Every example in the tables of names is accepted, and every key of such a table has one.
#[test]
fn every_example_is_a_value_of_its_key() {
    for line in example().lines().filter_map(|line| line.strip_prefix("# ")) {
        let word = |b: u8| b.is_ascii_lowercase() || b == b'_';
        let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| key.bytes().all(word)) else {
            continue;
        };
        let tables = ["", "lists.x", "chains.bitcoin", "assets.ethereum.native", "tls", "traces"];
        let tables = tables.into_iter().chain(["limits", "identities.x", "decision_log"]);
        let accepts = |table: &str| {
            let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
            let problems = file(&format!("{header}{line}")).err().unwrap_or_default();
            let refuses = |problem: &String| {
                let is_about = problem.contains(&format!(".{key}: "));
                problem.contains("unknown key") || is_about && !problem.contains(": needs ")
            };
            !problems.iter().any(refuses)
        };
        assert!(tables.into_iter().any(accepts), "{line}");
    }
}

#[test]
fn later_layers_win() {
    let text = "listen = \"127.0.0.1:1\"\nlog = \"warn\"\ncache_mib = 8\ndata_dir = \"/f\"\n\
                offline = true\n[lists.us-ofac-sdn]\nmax_age = \"3d\"\nname = \"file\"\n";
    let environment = [
        ("LAZARETTO_LISTEN", "127.0.0.1:2"),
        ("LAZARETTO_LOG", "error"),
        ("LAZARETTO_DATA_DIR", "/e"),
        ("LAZARETTO_LISTS__US_OFAC_SDN__NAME", "environment"),
        ("PATH", "/bin"),
        ("LAZARETTO_TEST_DATA", "/x"),
    ];
    let flags = Flags { listen: Some("127.0.0.1:4".to_owned()), ..Flags::default() };
    let set = ["listen=127.0.0.1:3", "offline=false", "lists.us-ofac-sdn.required = false"];
    let input = Input { file: Some(text), environment: &environment, set: &set, flags };
    let config = input.load().unwrap();
    assert_eq!(config.listen.port(), 4);
    assert_eq!((config.log.to_string().as_str(), config.cache_mib), ("error", 8));
    assert_eq!((config.data_dir.to_str().unwrap(), config.offline), ("/e", false));
    let sdn = list(&config, "us-ofac-sdn");
    assert_eq!(
        (sdn.name.as_str(), sdn.max_age, sdn.required),
        ("environment", Some(72 * HOUR), false)
    );
    assert!(sdn.url.is_some(), "the other keys stay");

    let flags = Flags {
        data_dir: Some("/flag".into()),
        offline: true,
        allow_stale: true,
        ..Flags::default()
    };
    let config = Input { environment: &environment, flags, ..Input::default() }.load().unwrap();
    assert_eq!(config.data_dir, Path::new("/flag"));
    assert!(config.offline && config.allow_stale);
}

#[test]
fn the_file_may_be_named_by_a_variable_and_the_flag_wins() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("1.toml"), dir.path().join("2.toml"));
    std::fs::write(&first, "cache_mib = 1").unwrap();
    std::fs::write(&second, "cache_mib = 2").unwrap();
    let variable = [("LAZARETTO_CONFIG", first.to_str().unwrap())];
    let mut input = Input { environment: &variable, ..Input::default() };
    assert_eq!(input.load().unwrap().cache_mib, 1);
    input.flags.config = Some(second);
    assert_eq!(input.load().unwrap().cache_mib, 2);
}

#[test]
fn the_default_folder() {
    let check = |environment: &[(&str, &str)], want: &str| {
        let config = Input { environment, ..Input::default() }.load().unwrap();
        assert_eq!(config.data_dir, Path::new(want), "{environment:?}");
    };
    check(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")], "/x/lazaretto");
    check(&[("XDG_DATA_HOME", "relative"), ("HOME", "/h")], "/h/.local/share/lazaretto");
    check(&[("XDG_DATA_HOME", ""), ("HOME", "/h")], "/h/.local/share/lazaretto");
    check(&[("HOME", "")], "lazaretto-data");
}

#[test]
fn lists_of_ones_own() {
    let text = "[lists.il-nbctf]\nkind = \"seizure\"\npath = \"/lists/nbctf.csv\"\nformat = \"csv\"\n\
                refresh_interval = \"90m\"\nmax_age = \"1w\"\nmax_shrink = 1\n\
                [lists.by-hand]\nkind = \"SANCTIONS\"\n\
                [lists.tags]\nkind = \"ATTRIBUTION\"\n\
                [lists.us-ofac-cons]\nenabled = false\n\
                [lists.us-ofac-sdn]\npath = \"/mirror/sdn.xml\"\nstatic = true\n";
    let config = file(text).unwrap();
    let nbctf = list(&config, "il-nbctf");
    assert_eq!((nbctf.kind, nbctf.format), (ListKind::Seizure, Some(Format::Csv)));
    assert_eq!(nbctf.path.as_deref(), Some(Path::new("/lists/nbctf.csv")));
    assert_eq!((nbctf.name.as_str(), nbctf.max_shrink), ("il-nbctf", 1.0));
    assert_eq!((nbctf.refresh_interval, nbctf.max_age), (90 * HOUR / 60, Some(168 * HOUR)));
    assert!(!nbctf.is_static && !nbctf.required);

    let by_hand = list(&config, "by-hand");
    assert_eq!((by_hand.is_static, by_hand.max_age), (false, Some(48 * HOUR)));
    let tags = list(&config, "tags");
    assert_eq!((tags.is_static, tags.max_age), (true, None));
    assert!(!config.lists.iter().any(|list| list.id.as_str() == "us-ofac-cons"));

    let sdn = list(&config, "us-ofac-sdn");
    assert_eq!(sdn.path.as_deref(), Some(Path::new("/mirror/sdn.xml")));
    assert_eq!((&sdn.url, sdn.is_static, sdn.max_age), (&None, true, None));
}

#[test]
fn what_a_file_may_not_say() {
    let check = |text: &str, want: &[&str]| {
        assert_eq!(
            file(text).map(|_| ()),
            Err(want.iter().map(|s| (*s).to_owned()).collect()),
            "{text}"
        );
    };
    check("listne = 1", &["F:1: unknown key \"listne\""]);
    check("\n[list.x]\nurl = 1", &["F:2: unknown key \"list\""]);
    check("[lists.us-ofac-sdn]\nurll = \"x\"", &["F:2: unknown key \"lists.us-ofac-sdn.urll\""]);
    check("lists = 3", &["F:1: lists: invalid type: integer, expected a table"]);
    for (value, what) in [
        ("18446744073709551615", "integer"),
        ("340282366920938463463374607431768211455", "integer"),
        ("1e10", "float"),
        ("true", "boolean `true`"),
        ("[\"a\"]", "sequence"),
    ] {
        let want = format!("F:1: lists: invalid type: {what}, expected a table");
        check(&format!("lists = {value}"), &[&want]);
    }
    check("[lists]\nx = 3", &["F:2: lists.x: invalid type: integer, expected a table"]);
    check(
        "[lists.US]\nkind = \"SANCTIONS\"",
        &[
            "F:1: lists.US: invalid list id \"US\": use 1 to 64 of a-z, 0-9 and '-', beginning with a letter or digit",
        ],
    );
    check(
        "# a\nlisten = \"localhost:1\"",
        &["F:2: listen: invalid address \"localhost:1\"; use IP:PORT, such as 127.0.0.1:50551"],
    );
    check("listen = 50551", &["F:1: listen: must be a string, not an integer"]);
    check("data_dir = \"\"", &["F:1: data_dir: must not be empty"]);
    check("data_dir = 2020-01-01", &["F:1: data_dir: must be a string, not a date"]);
    check("starter_lists = \"yes\"", &["F:1: starter_lists: must be true or false, not a string"]);
    check("offline = 1", &["F:1: offline: must be true or false, not an integer"]);
    check("allow_stale = [true]", &["F:1: allow_stale: must be true or false, not an array"]);
    check(
        "log = \"inof\"",
        &[
            "F:1: log: invalid log filter \"inof\"; use off, error, warn, info, debug, trace or TARGET=LEVEL",
        ],
    );
    check(
        "log_format = \"xml\"",
        &["F:1: log_format: unknown log format \"xml\"; use text or json"],
    );
    check("cache_mib = 0", &["F:1: cache_mib: must be an integer from 1 to 65536, not 0"]);
    check("cache_mib = -1", &["F:1: cache_mib: must be an integer from 1 to 65536, not -1"]);
    check("cache_mib = 1.5", &["F:1: cache_mib: must be an integer from 1 to 65536, not a float"]);
    check("cache_mib = {}", &["F:1: cache_mib: must be an integer from 1 to 65536, not a table"]);
    check(
        "cache_mib = 1\nlisten = \"x\"\nlog = 3",
        &[
            "F:2: listen: invalid address \"x\"; use IP:PORT, such as 127.0.0.1:50551",
            "F:3: log: must be a string, not an integer",
        ],
    );
}

#[test]
fn limits_and_the_drain_are_read_and_bounded() {
    let config = file(
        "[limits]\ncalls = 7\nstall_timeout = \"2s\"\n[drain]\ndelay = \"0s\"\ntimeout = \"1m\"",
    )
    .unwrap();
    let limits = Limits { calls: 7, stall_timeout: Duration::from_secs(2), ..Limits::default() };
    assert_eq!(config.limits, limits);
    assert_eq!(config.drain, Drain { delay: Duration::ZERO, timeout: Duration::from_secs(60) });
    let check = |text: &str, words: &str| {
        let problems = file(text).unwrap_err().join("\n");
        assert!(problems.contains(words), "{words:?} in {problems}");
    };
    check("[limits]\ncalls = 0", "limits.calls: must be an integer from 1 to 1000000, not 0");
    check("[limits]\ncall = 1", "unknown key \"limits.call\"");
    check("[limits]\nkeepalive = \"0s\"", "limits.keepalive: must not be zero");
    check("[limits]\ncall_timeout = \"25h\"", "limits.call_timeout: must be at most 1d");
    check("[drain]\ntimeout = \"2d\"", "drain.timeout: must be at most 1d");
    check("limits = 3", "limits: invalid type: integer, expected a table");
}

#[test]
fn what_is_no_toml() {
    let check = |text: &str, line: usize| {
        let problems = file(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("F:{line}: ")), "{problems:?}");
    };
    check("listen = ", 1);
    check("offline = true\n\nlisten 3", 3);
    check("offline = true\noffline = true", 2);
    check("[lists.a]\n[lists.a]", 2);
    let missing = Flags { config: Some("/nonexistent.toml".into()), ..Flags::default() };
    let problems = Input { flags: missing, ..Input::default() }.load().unwrap_err();
    assert!(problems[0].starts_with("/nonexistent.toml: "), "{problems:?}");
    let problems = file(&"#".repeat((1 << 20) + 1)).unwrap_err();
    assert_eq!(problems, ["F: has 1048577 bytes, more than 1048576"]);
}

#[test]
fn what_a_variable_may_not_say() {
    let check = |name: &str, value: &str, want: &str| {
        let found = Input { environment: &[(name, value)], ..Input::default() }.load();
        assert_eq!(found.map(|_| ()), Err(vec![format!("variable {name}: {want}")]));
    };
    check("LAZARETTO_LISTNE", "x", "unknown key \"listne\"");
    check("LAZARETTO_", "x", "unknown key \"\"");
    check("LAZARETTO_listen", "127.0.0.1:1", "unknown variable");
    check("LAZARETTO_LISTS", "x", "lists: invalid type: string, expected a table");
    check("LAZARETTO_LISTS__US_OFAC_SDN__URLS", "x", "unknown key \"lists.us-ofac-sdn.urls\"");
    check(
        "LAZARETTO_LISTS__US_OFAC_SDN",
        "x",
        "lists.us-ofac-sdn: invalid type: string, expected a table",
    );
    check("LAZARETTO_LISTS__X__Y__Z", "x", "unknown key \"lists.x.y\"");
    check("LAZARETTO_OFFLINE", "yes", "offline: must be true or false, not \"yes\"");
    check("LAZARETTO_OFFLINE", "", "offline: must be true or false, not \"\"");
    check("LAZARETTO_CACHE_MIB", "x", "cache_mib: must be an integer from 1 to 65536, not \"x\"");
    check("LAZARETTO_LISTEN", "", "listen: must not be empty");
    check(
        "LAZARETTO_LISTS__US_OFAC_SDN__MAX_SHRINK",
        "x",
        "lists.us-ofac-sdn.max_shrink: must be a fraction from 0.0 to 1.0",
    );
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_no_text() {
    use std::os::unix::ffi::OsStringExt;
    let value = OsString::from_vec(vec![0xff]);
    let error = Config::load(&Flags::default(), [("LAZARETTO_LOG".into(), value)]).unwrap_err();
    assert_eq!(error.to_string(), "invalid configuration:\n  variable LAZARETTO_LOG: is not UTF-8");
}

#[test]
fn what_a_flag_may_not_say() {
    let check = |set: &str, want: &str| {
        let found = Input { set: &[set], ..Input::default() }.load();
        assert_eq!(found.map(|_| ()), Err(vec![want.to_owned()]));
    };
    check("offline", "flag --set: not KEY=VALUE");
    check("x=1", "flag --set x: unknown key \"x\"");
    check("=1", "flag --set : unknown key \"\"");
    check("offline=no", "flag --set offline: offline: must be true or false, not \"no\"");
    check("offline='true'", "flag --set offline: offline: must be true or false, not a string");
    check("lists.x.name=1", "flag --set lists.x.name: lists.x: kind is missing");
    let unclosed = Input { set: &["log='info"], ..Input::default() }.load().unwrap_err();
    assert!(unclosed[0].starts_with("flag --set log: "), "{unclosed:?}");

    let flags = Flags { listen: Some("x".to_owned()), ..Flags::default() };
    let found = Input { flags, ..Input::default() }.load().unwrap_err();
    let want = "flag --listen: listen: invalid address \"x\"; use IP:PORT, such as 127.0.0.1:50551";
    assert_eq!(found, [want]);
}

#[test]
fn quoted_and_plain_values_of_set() {
    let set = ["lists.us-ofac-sdn.name=\"a = b\"", "log = warn", "cache_mib=7"];
    let config = Input { set: &set, ..Input::default() }.load().unwrap();
    assert_eq!(list(&config, "us-ofac-sdn").name, "a = b");
    assert_eq!((config.log.to_string().as_str(), config.cache_mib), ("warn", 7));
}

#[test]
fn every_layer_reports_its_problems_at_once() {
    let found = Input {
        file: Some("log = 1"),
        environment: &[("LAZARETTO_OFFLINE", "x")],
        set: &["cache_mib=x"],
        flags: Flags { listen: Some("x".to_owned()), ..Flags::default() },
    };
    let problems = found.load().unwrap_err();
    let origins: Vec<_> = problems.iter().map(|problem| problem.split(": ").next()).collect();
    let want = ["F:1", "variable LAZARETTO_OFFLINE", "flag --set cache_mib", "flag --listen"];
    assert_eq!(origins, want.map(Some));
}
