//! The configured lists: the built-in ones, what the layers change in them, and whether the
//! outcome makes sense. Reads no source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::given::Given;
use super::layers::Setting;
use super::origin::{Origin, Problem, Sourced};
use crate::domain::duration::span as span_in_words;
use crate::domain::list::{ListId, ListKind};
use crate::domain::publication::MAX_SHRINK_WINDOW;
use crate::refresh::ListSettings;
use crate::source::Format;

/// The keys of a list, in the order of the example file.
pub const KEYS: [&str; 14] = [
    "enabled",
    "name",
    "kind",
    "url",
    "path",
    "format",
    "required",
    "static",
    "refresh_interval",
    "max_age",
    "allow_empty",
    "max_shrink",
    "shrink_window",
    "max_not_understood",
];

/// Where OFAC publishes; each request is redirected to a short-lived signed address.
const OFAC: &str = "https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports";

const HOUR: Duration = Duration::from_secs(3600);
const REFRESH_INTERVAL: Duration = HOUR;
const MAX_AGE: Duration = Duration::from_secs(48 * 3600);
const MAX_SHRINK: f64 = 0.25;
const MAX_NOT_UNDERSTOOD: f64 = 0.05;
const SHRINK_WINDOW: Duration = Duration::from_secs(30 * 86_400);

/// The shortest interval between two looks at a source.
const MIN_INTERVAL: Duration = Duration::from_secs(60);
/// The longest interval and age.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 86_400);

/// A list while its settings come in.
#[derive(Clone, Debug, Default)]
struct Draft {
    first: Option<Origin>,
    enabled: Option<Sourced<bool>>,
    name: Option<Sourced<String>>,
    kind: Option<Sourced<ListKind>>,
    url: Option<Sourced<String>>,
    path: Option<Sourced<PathBuf>>,
    format: Option<Sourced<Format>>,
    required: Option<Sourced<bool>>,
    is_static: Option<Sourced<bool>>,
    refresh_interval: Option<Sourced<Duration>>,
    max_age: Option<Sourced<Duration>>,
    allow_empty: Option<Sourced<bool>>,
    max_shrink: Option<Sourced<f64>>,
    shrink_window: Option<Sourced<Duration>>,
    max_not_understood: Option<Sourced<f64>>,
}

/// All lists while their settings come in.
#[derive(Clone, Debug)]
pub struct Drafts(BTreeMap<ListId, Draft>);

impl Drafts {
    /// The built-in lists.
    pub fn built_in() -> Self {
        let ofac = |name: &str, file: &str| Draft {
            first: Some(Origin::Default),
            name: default(name.to_owned()),
            kind: default(ListKind::Sanctions),
            url: default(format!("{OFAC}/{file}")),
            ..Draft::default()
        };
        let sdn = Draft {
            required: default(true),
            ..ofac("OFAC Specially Designated Nationals", "SDN_ADVANCED.XML")
        };
        // It rarely holds an address at all.
        let consolidated = Draft {
            allow_empty: default(true),
            ..ofac("OFAC Consolidated Non-SDN", "CONS_ADVANCED.XML")
        };
        let advisories = Draft {
            first: Some(Origin::Default),
            name: default("Advisories on the Lazarus Group".to_owned()),
            kind: default(ListKind::Advisory),
            is_static: default(true),
            ..Draft::default()
        };
        let built_in = [
            ("us-ofac-sdn", sdn),
            ("us-ofac-cons", consolidated),
            ("lazarus-advisories", advisories),
        ];
        let named = |(id, draft): (&str, Draft)| {
            (id.parse().expect("the ids above are list ids: a test reads them"), draft)
        };
        Self(built_in.into_iter().map(named).collect())
    }

    /// Takes one setting of the list `id`: `key` is `None` where the list as a whole is named.
    pub fn apply(&mut self, id: &str, key: Option<&str>, setting: &Setting) -> Result<(), String> {
        let id: ListId = id.parse().map_err(|error| format!("{error}"))?;
        if key.is_some_and(|key| !KEYS.contains(&key)) {
            return Err(format!("unknown key \"{}\"", setting.key.join(".")));
        }
        let draft = self.0.entry(id).or_default();
        draft.first.get_or_insert_with(|| setting.origin.clone());
        match (key, &setting.given) {
            (Some(key), given) => draft.apply(key, given, &setting.origin),
            (None, Given::Table) => Ok(()),
            (None, _) => Err("must be a table of the list's keys".to_owned()),
        }
    }

    /// The lists that are enabled, in the order of their ids.
    pub fn finish(self, problems: &mut Vec<Problem>) -> Vec<ListSettings> {
        let mut lists = Vec::new();
        for (id, draft) in self.0 {
            if !draft.enabled.as_ref().is_none_or(|enabled| enabled.value) {
                continue;
            }
            let before = problems.len();
            draft.contradictions(&id, problems);
            match draft.kind.clone() {
                Some(kind) if problems.len() == before => lists.push(draft.settle(id, kind.value)),
                _ => {}
            }
        }
        lists
    }
}

impl Draft {
    fn apply(&mut self, key: &str, given: &Given, origin: &Origin) -> Result<(), String> {
        match key {
            "enabled" => self.enabled = sourced(given.boolean()?, origin),
            "name" => self.name = sourced(given.text()?.to_owned(), origin),
            "kind" => self.kind = sourced(given.parse()?, origin),
            "url" => self.url = sourced(checked_url(given.text()?)?, origin),
            "path" => self.path = sourced(given.text()?.into(), origin),
            "format" => self.format = sourced(given.parse()?, origin),
            "required" => self.required = sourced(given.boolean()?, origin),
            "static" => self.is_static = sourced(given.boolean()?, origin),
            "refresh_interval" => self.refresh_interval = sourced(span(given)?, origin),
            "max_age" => self.max_age = sourced(span(given)?, origin),
            "allow_empty" => self.allow_empty = sourced(given.boolean()?, origin),
            "max_shrink" => self.max_shrink = sourced(given.fraction()?, origin),
            "shrink_window" => self.shrink_window = sourced(shrink_window(given)?, origin),
            "max_not_understood" => {
                self.max_not_understood = sourced(given.fraction()?, origin);
            }
            // Unreachable while KEYS is checked first; an error and no panic if it ever is not.
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    /// Whether there is a source; a source that was given replaces a built-in one.
    fn has_source(&self) -> bool {
        self.url.is_some() || self.path.is_some()
    }

    /// Whether the list is read once and never grows old: as given, else where it has no source
    /// and its kind is said once (an advisory, a seizure, an attribution).
    fn is_static(&self, kind: ListKind) -> bool {
        match &self.is_static {
            Some(given) => given.value,
            None => !self.has_source() && !kind.ages(),
        }
    }

    fn interval(&self) -> Duration {
        self.refresh_interval.as_ref().map_or(REFRESH_INTERVAL, |interval| interval.value)
    }

    fn contradictions(&self, id: &ListId, problems: &mut Vec<Problem>) {
        let mut problem = |origin: &Origin, message: String| {
            let message = format!("lists.{id}: {message}");
            problems.push(Problem { origin: origin.clone(), message });
        };
        if self.kind.is_none() {
            problem(self.first.as_ref().unwrap_or(&Origin::Default), "kind is missing".to_owned());
        }
        if let (Some(url), Some(path)) = (&self.url, &self.path)
            && url.origin != Origin::Default
        {
            problem(&path.origin, format!("path and url ({}) exclude each other", url.origin));
        }
        if let Some(given) = self.is_static.as_ref().filter(|given| given.value) {
            let timed = [("refresh_interval", &self.refresh_interval), ("max_age", &self.max_age)];
            for (key, value) in timed {
                if let Some(value) = value {
                    let why = format!("static ({}) and {key} exclude each other", given.origin);
                    problem(&value.origin, why);
                }
            }
            return;
        }
        if let Some(interval) = &self.refresh_interval
            && interval.value < MIN_INTERVAL
        {
            problem(&interval.origin, "refresh_interval is below one minute".to_owned());
        }
        // Without a source, nothing is refreshed and the age alone counts.
        let max_age = self.max_age.as_ref().map_or(MAX_AGE, |age| age.value);
        if max_age <= self.interval() && (self.has_source() || self.max_age.is_some()) {
            let origin = self.max_age.as_ref().map(|age| &age.origin);
            let origin = origin.or(self.refresh_interval.as_ref().map(|given| &given.origin));
            let why = format!(
                "max_age ({}) must be longer than refresh_interval ({})",
                span_in_words(max_age.as_secs()),
                span_in_words(self.interval().as_secs())
            );
            problem(origin.unwrap_or(&Origin::Default), why);
        }
    }

    fn settle(self, id: ListId, kind: ListKind) -> ListSettings {
        let is_static = self.is_static(kind);
        let ages = !is_static && (self.max_age.is_some() || kind.ages());
        let refresh_interval = self.interval();
        let path = value(self.path);
        ListSettings {
            name: value(self.name).unwrap_or_else(|| id.to_string()),
            id,
            kind,
            url: value(self.url).filter(|_| path.is_none()),
            path,
            format: value(self.format),
            required: value(self.required).unwrap_or(false),
            is_static,
            refresh_interval,
            max_age: ages.then(|| value(self.max_age).unwrap_or(MAX_AGE)),
            allow_empty: value(self.allow_empty).unwrap_or(false),
            max_shrink: value(self.max_shrink).unwrap_or(MAX_SHRINK),
            shrink_window: value(self.shrink_window).unwrap_or(SHRINK_WINDOW),
            max_not_understood: value(self.max_not_understood).unwrap_or(MAX_NOT_UNDERSTOOD),
        }
    }
}

fn default<T>(value: T) -> Option<Sourced<T>> {
    sourced(value, &Origin::Default)
}

fn sourced<T>(value: T, origin: &Origin) -> Option<Sourced<T>> {
    Some(Sourced { value, origin: origin.clone() })
}

fn value<T>(sourced: Option<Sourced<T>>) -> Option<T> {
    sourced.map(|sourced| sourced.value)
}

fn span(given: &Given) -> Result<Duration, String> {
    let duration = given.duration()?;
    if duration > MAX_DURATION {
        return Err("is longer than ten years".to_owned());
    }
    Ok(duration)
}

/// A span that the cumulative gate can look back.
fn shrink_window(given: &Given) -> Result<Duration, String> {
    let duration = given.duration()?;
    if duration < HOUR || duration > MAX_SHRINK_WINDOW.unsigned_abs() {
        return Err("must be from 1h to 366d".to_owned());
    }
    Ok(duration)
}

/// An absolute http or https URL.
fn checked_url(text: &str) -> Result<String, String> {
    let refusal = || format!("{text:?} is no http or https URL");
    let uri: ureq::http::Uri = text.parse().map_err(|_| refusal())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(refusal()),
    }
}
