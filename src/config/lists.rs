//! The configured lists: built-in lists, and checks of what is given of each.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::Origin;
use super::settings::{Entry, Name, Named, Reading, table};
use super::values::{boolean, duration, fraction, parsed, path, string, string_of};
use crate::domain::duration::span as format_duration;
use crate::domain::list::{ListId, ListKind};
use crate::domain::publication::MAX_SHRINK_WINDOW;
use crate::refresh::{
    Headers, ListSettings, ProbeSettings, Remote, are_of_one_origin, parse_headers,
    parse_user_agent,
};
use crate::source::Format;

/// OFAC's service. Its files redirect to short-lived signed URLs.
const OFAC: &str = "https://sanctionslistservice.ofac.treas.gov";

/// Its folders of files: the documented one, and the former one.
const OFAC_FOLDERS: [&str; 2] = ["api/download", "api/PublicationPreview/exports"];

/// The value of `probe_url` that turns a built-in probe off.
const NO_PROBE: &str = "none";

const PROBE_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest `probe_interval`.
const MIN_PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The most URLs of a list.
const MAX_URLS: usize = 8;

const HOUR: Duration = Duration::from_secs(3600);
const REFRESH_INTERVAL: Duration = HOUR;
const MAX_AGE: Duration = Duration::from_secs(48 * 3600);

/// The shortest `refresh_interval`.
const MIN_INTERVAL: Duration = Duration::from_secs(60);
/// The longest interval and age.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 86_400);

table! {
    /// Lists, one table each. The id has 1 to 64 of `a-z`, `0-9` and `-`. A key of a built-in list
    /// changes that key alone. Without a default a key is not set.
    pub struct ListTable {
        /// False ignores the configuration of a built-in list and its starter list, and does not require
        /// it. A version that the store has still counts.
        enabled: bool = boolean().or(true);
        /// The name for people.
        name: Option<String> = string().without("the id").example("Our own list");
        /// What being on the list means: SANCTIONS, ADVISORY, SEIZURE, ISSUER_FREEZE, ATTRIBUTION or
        /// SERVICE. Must be given.
        kind: Option<ListKind> = string_of::<ListKind>("list kind").example("SANCTIONS");
        /// Where it is published. Several URLs, separated by spaces, are tried in order. Redirects are
        /// followed, and their targets never kept.
        url: Option<Vec<String>> = parsed("http or https URLs", parse_urls)
            .example("https://example.org/list.csv");
        /// URLs that are tried after those of `url`. With them a built-in `url` can stay.
        mirrors: Option<Vec<String>> = parsed("http or https URLs", parse_urls)
            .example("https://mirror.example/list.csv");
        /// The user agent of requests. Some servers refuse agents that do not begin with `Mozilla/5.0` or
        /// have fewer than 40 characters.
        user_agent: Option<String> = parsed("string", parse_user_agent)
            .without("`Mozilla/5.0 (compatible; Lazaretto/<version>; +<project URL>)`")
            .example("Mozilla/5.0 (compatible; Example Bank compliance; +https://example.org)");
        /// Further headers, one `Name: value` a line. They go to one origin (scheme, host and port) only:
        /// that of the first URL outside OFAC's service. They are never shown.
        headers: Option<Vec<(HeaderName, HeaderValue)>> = parsed("lines of headers", parse_headers)
            .example("Authorization: Bearer of the mirror");
        /// A file of such lines, read for each request.
        headers_file: Option<PathBuf> = path().example("/run/secrets/mirror-headers");
        /// A URL whose answer changes with each publication. A changed answer has the list read at once.
        /// `none` turns a built-in probe off.
        probe_url: Option<String> = parsed("URL or `none`", parse_probe)
            .example("https://example.org/latest");
        /// How often the probe is asked, at least `1s`. If unchanged answers are long it is asked less
        /// often, so that a day costs at most 1 MB.
        probe_interval: Option<Duration> = duration(bounded).without("`1m`").example("5m");
        /// A local file instead of a URL, relative to the working directory.
        path: Option<PathBuf> = path().example("/var/lib/lists/list.csv");
        /// The format: ofac-advanced, ofac-sdn, tagpack, opensanctions, opensanctions-csv, csv, jsonl,
        /// json or plain.
        format: Option<Format> = string_of::<Format>("format").without("by content").example("csv");
        /// Without this list a screening is INCOMPLETE and never ALLOW.
        required: bool = boolean().or(false);
        /// The list is published once. It is never refreshed and never stale.
        r#static: Option<bool> = boolean()
            .without("`true` for ADVISORY, SEIZURE and ATTRIBUTION without a source, else `false`")
            .example("false");
        /// How often the source is read, at least `1m`.
        refresh_interval: Option<Duration> = duration(bounded).without("`1h`").example("6h");
        /// The age since the last successful check from which the list is stale. Must be longer than
        /// `refresh_interval`.
        max_age: Option<Duration> = duration(bounded)
            .without("`48h` for SANCTIONS and ISSUER_FREEZE, else never")
            .example("3d");
        /// Accept a publication without any address that is understood.
        allow_empty: bool = boolean().or(false);
        /// The fraction of the list that may be gone, of any moment within `shrink_window`. Removals
        /// beyond it wait until they are forced; their rows still count.
        max_shrink: f64 = fraction().or(0.25);
        /// How long `max_shrink` looks back, from `1h` to `366d`.
        shrink_window: Duration = duration(shrink_window).or("30d");
        /// The fraction of the list that may be not understood as addresses. Beyond it, and beyond ten
        /// rows, removals wait, and a required list makes answers INCOMPLETE. Forcing the gate
        /// `quarantine` accepts these rows.
        max_not_understood: f64 = fraction().or(0.05);
    }
}

impl Name for ListId {
    fn parse(path: &[String]) -> Result<Self, String> {
        path.last().map_or("", String::as_str).parse().map_err(|error| format!("{error}"))
    }
}

impl Named<ListId, ListTable> {
    pub(super) fn built_in() -> Self {
        let ofac = |name: &str, file: &str| ListTable {
            name: Some(name.to_owned()),
            kind: Some(ListKind::Sanctions),
            url: Some(OFAC_FOLDERS.map(|folder| format!("{OFAC}/{folder}/{file}")).into()),
            ..ListTable::default()
        };
        let sdn = ListTable {
            required: true,
            probe_url: Some(format!("{OFAC}/changes/latest")),
            ..ofac("OFAC Specially Designated Nationals", "SDN_ADVANCED.XML")
        };
        // It rarely has any address.
        let consolidated = ListTable {
            allow_empty: true,
            ..ofac("OFAC Consolidated Non-SDN", "CONS_ADVANCED.XML")
        };
        let advisories = ListTable {
            name: Some("Advisories on the Lazarus Group".to_owned()),
            kind: Some(ListKind::Advisory),
            r#static: Some(true),
            ..ListTable::default()
        };
        let built_in = [
            ("us-ofac-sdn", sdn),
            ("us-ofac-cons", consolidated),
            ("lazarus-advisories", advisories),
        ];
        let named = |(id, table): (&str, ListTable)| {
            let entry = Entry::new(format!("lists.{id}"), Origin::Default, table);
            (id.parse().expect("the ids above are list ids: a test reads them"), entry)
        };
        Self(built_in.into_iter().map(named).collect())
    }

    /// Checks the lists and returns the enabled ones by id.
    pub(super) fn finish(self, reading: &mut Reading<'_>) -> Vec<ListSettings> {
        let mut lists = Vec::new();
        for (id, entry) in self.0 {
            if !entry.table.enabled || entry.is_refused {
                continue;
            }
            let given = |key: &str| reading.given(&entry.path, key);
            let found = entry.table.contradictions(&given);
            let is_probe_given = given("probe_url").is_some();
            for (key, message) in &found {
                reading.problem_in(&entry, key, message);
            }
            if let Some(kind) = entry.table.kind.filter(|_| found.is_empty()) {
                lists.push(entry.table.into_settings(id, kind, is_probe_given));
            }
        }
        lists
    }
}

/// Returns the origin of a key of the list if it was given: `None` for a built-in value.
type IsGiven<'a> = dyn Fn(&str) -> Option<&'a Origin> + 'a;

impl ListTable {
    fn has_source(&self) -> bool {
        self.url.is_some() || self.path.is_some()
    }

    /// Returns whether the list is published once and never refreshed: as given, else if it has no source
    /// and is of a kind that does not age (an advisory, a seizure, an attribution).
    fn is_static(&self, kind: ListKind) -> bool {
        self.r#static.unwrap_or(!self.has_source() && !kind.ages())
    }

    fn interval(&self) -> Duration {
        self.refresh_interval.unwrap_or(REFRESH_INTERVAL)
    }

    /// Returns what contradicts what, and the key where it shows.
    fn contradictions(&self, given: &IsGiven<'_>) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.kind.is_none() {
            found.push(("kind", "kind is missing".to_owned()));
        }
        if let Some(url) = given("url").filter(|_| self.path.is_some()) {
            found.push(("path", format!("path and url ({url}) exclude each other")));
        }
        self.remote_contradictions(given, &mut found);
        if self.r#static == Some(true) {
            let origin = given("static").unwrap_or(&Origin::Default);
            let timed = [("refresh_interval", self.refresh_interval), ("max_age", self.max_age)];
            for (key, _) in timed.into_iter().filter(|(_, time)| time.is_some()) {
                found.push((key, format!("static ({origin}) and {key} exclude each other")));
            }
            return found;
        }
        if self.interval() < MIN_INTERVAL {
            found.push(("refresh_interval", "refresh_interval is below one minute".to_owned()));
        }
        // Without a source nothing is refreshed, and only the age counts.
        let max_age = self.max_age.unwrap_or(MAX_AGE);
        if max_age <= self.interval() && (self.has_source() || self.max_age.is_some()) {
            let key = if self.max_age.is_some() { "max_age" } else { "refresh_interval" };
            let [age, interval] =
                [max_age, self.interval()].map(|time| format_duration(time.as_secs()));
            let message =
                format!("max_age ({age}) must be longer than refresh_interval ({interval})");
            found.push((key, message));
        }
        found
    }

    /// Adds contradictions among the settings of a remote source.
    fn remote_contradictions(&self, given: &IsGiven<'_>, found: &mut Vec<(&'static str, String)>) {
        let mut add = |key, message: &str| found.push((key, message.to_owned()));
        if self.url.is_none() || self.path.is_some() {
            let keys = ["mirrors", "user_agent", "headers", "headers_file", "probe_url"];
            for key in keys.into_iter().filter(|key| given(key).is_some()) {
                add(key, "needs a url, and the list has none");
            }
        }
        if self.url.iter().chain(&self.mirrors).flatten().count() > MAX_URLS {
            let key = if self.mirrors.is_some() { "mirrors" } else { "url" };
            add(key, "url and mirrors have more than 8 URLs together");
        }
        let is_probe_given = given("probe_url").is_some();
        if let Some(interval) = self.probe_interval {
            if self.probe(is_probe_given).is_none() {
                add("probe_interval", "probe_interval needs a probe_url");
            }
            if interval < MIN_PROBE_INTERVAL {
                add("probe_interval", "probe_interval is below one second");
            }
        }
        let has_probe = self.probe_url.as_deref().is_some_and(|url| url != NO_PROBE);
        if self.r#static == Some(true) && is_probe_given && has_probe {
            add("probe_url", "static and probe_url exclude each other");
        }
    }

    /// Returns the probe for new publications. The built-in one applies only to the built-in source.
    fn probe(&self, is_given: bool) -> Option<ProbeSettings> {
        let is_ofac = self.url.iter().flatten().any(|url| is_of_ofac(url));
        let fits = (is_given || is_ofac) && self.path.is_none();
        let url = self.probe_url.clone().filter(|url| fits && url != NO_PROBE)?;
        let interval = self.probe_interval.unwrap_or(PROBE_INTERVAL);
        Some(ProbeSettings { url, interval })
    }

    /// Returns the first URL, and the settings of all requests to the source.
    fn remote(&self, is_probe_given: bool) -> (Option<String>, Remote) {
        let Some(urls) = self.url.as_ref().filter(|_| self.path.is_none()) else {
            return (None, Remote::default());
        };
        let mut all = urls.iter().chain(self.mirrors.iter().flatten()).cloned();
        let headers_to = all.clone().find(|url| !is_of_ofac(url));
        let (first, more_urls) = (all.next(), all.collect());
        let remote = Remote {
            more_urls,
            same_folders: OFAC_FOLDERS.map(|folder| format!("{OFAC}/{folder}/")).into(),
            user_agent: self.user_agent.clone(),
            headers: Headers::new(
                self.headers.clone().unwrap_or_default(),
                self.headers_file.clone(),
            ),
            headers_to,
            probe: self.probe(is_probe_given),
        };
        (first, remote)
    }

    fn into_settings(self, id: ListId, kind: ListKind, is_probe_given: bool) -> ListSettings {
        let is_static = self.is_static(kind);
        let ages = !is_static && (self.max_age.is_some() || kind.ages());
        let refresh_interval = self.interval();
        let (url, remote) = self.remote(is_probe_given);
        ListSettings {
            name: self.name.unwrap_or_else(|| id.to_string()),
            id,
            kind,
            url,
            remote,
            path: self.path,
            format: self.format,
            required: self.required,
            is_static,
            refresh_interval,
            max_age: ages.then(|| self.max_age.unwrap_or(MAX_AGE)),
            allow_empty: self.allow_empty,
            max_shrink: self.max_shrink,
            shrink_window: self.shrink_window,
            max_not_understood: self.max_not_understood,
        }
    }
}

fn bounded(duration: Duration) -> Result<Duration, String> {
    if duration > MAX_DURATION { Err("is longer than ten years".to_owned()) } else { Ok(duration) }
}

/// The period of the cumulative shrink gate.
fn shrink_window(duration: Duration) -> Result<Duration, String> {
    if duration < HOUR || duration > MAX_SHRINK_WINDOW.unsigned_abs() {
        return Err("must be from 1h to 366d".to_owned());
    }
    Ok(duration)
}

/// Returns whether a URL is of OFAC's service.
fn is_of_ofac(url: &str) -> bool {
    are_of_one_origin(url, OFAC)
}

/// Parses URLs separated by spaces, in the order of the attempts.
fn parse_urls(text: &str) -> Result<Vec<String>, String> {
    let urls: Vec<_> = text.split_ascii_whitespace().map(parse_url).collect::<Result<_, _>>()?;
    match urls.len() {
        0 => Err("has no URL".to_owned()),
        1..=MAX_URLS => Ok(urls),
        more => Err(format!("{more} URLs, at most {MAX_URLS}")),
    }
}

/// An absolute http or https URL.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    // It may hold a password or a signature.
    let refusal = || "invalid URL; use an absolute http or https URL".to_owned();
    let uri: http::Uri = text.parse().map_err(|_| refusal())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(refusal()),
    }
}

/// A URL, or the word that turns a built-in probe off.
fn parse_probe(text: &str) -> Result<String, String> {
    if text == NO_PROBE { Ok(text.to_owned()) } else { parse_url(text) }
}
