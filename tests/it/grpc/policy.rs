//! `PolicyService`, and what a policy changes in answers: reloaded whole or not at all, named by
//! snapshots for good, compared, and in the shadow.

use std::path::PathBuf;

use lazaretto::grpc::v1::screening_item::Outcome;
use lazaretto::screening::policy::Policy;
use v1::policy_source::Source;

use super::*;

/// An address that the advisory of these tests names.
const ADVISED: &str = "0x5eed000000000000000000000000000000000001";

/// The built-in policy under another name, with parts of it replaced.
pub fn policy(name: &str, edits: &[(&str, &str)]) -> String {
    let named = format!("name = \"{name}\"");
    let edits =
        [("name = \"built-in-3\"", named.as_str())].into_iter().chain(edits.iter().copied());
    edits.fold(Policy::built_in().text().to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in the file");
        text.replacen(from, to, 1)
    })
}

/// Says BLOCK to what an advisory names.
const BLOCKS: (&str, &str) = (
    "id = \"other-listing\"\ndecision = \"REVIEW\"",
    "id = \"other-listing\"\ndecision = \"BLOCK\"",
);

pub fn requiring(what: &str) -> String {
    policy("requiring", &[("max_hops = 5", what)])
}

pub fn version(text: &str) -> String {
    Policy::parse(text).unwrap().version().to_owned()
}

/// Files of a live and a shadow policy.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new(live: &str, shadow: &str) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("live", live);
        files.write("shadow", shadow);
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("{name}.toml"))
    }

    /// Whole or not at all: it may be read at any moment.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.0.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }
}

/// Runs a test with OFAC's list (one made-up row) and an advisory loaded.
fn run_with_policies(files: &Files, test: impl AsyncFnOnce(&mut Desk)) {
    let edit = |config: &mut Config| {
        config.policy = Some(files.path("live"));
        config.shadow_policy = Some(files.path("shadow"));
        config.lists = vec![ofac(), settings("advice", ListKind::Advisory)];
    };
    run_with(edit, async |desk| {
        desk.load().await;
        test(desk).await;
    });
}

impl Desk {
    async fn load(&self) {
        self.sanction(OFAC, csv("2025-11-20", &made_up(9..10))).await;
        let advice = header("advice", v1::ListKind::Advisory);
        self.import(advice, csv("2025-11-20", &made_up(1..2))).await.unwrap();
    }

    async fn policy(&self, version: &str) -> Result<v1::GetPolicyResponse, Status> {
        let request = v1::GetPolicyRequest { version: version.to_owned() };
        let answer = self.client.policies.clone().get_policy(request).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn reload(&self) -> Result<v1::ReloadPolicyResponse, Status> {
        let request = v1::ReloadPolicyRequest {};
        let answer = self.client.policies.clone().reload_policy(request).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn compare(
        &self,
        request: v1::ComparePoliciesRequest,
    ) -> Result<v1::ComparePoliciesResponse, Status> {
        let answer = self.client.policies.clone().compare_policies(request).await;
        answer.map(tonic::Response::into_inner)
    }
}

/// The versions in force: live and shadow.
fn versions(response: v1::GetPolicyResponse) -> [String; 2] {
    [response.policy, response.shadow].map(|policy| policy.unwrap().version)
}

fn invalid_policy(words: &str) -> (Code, &'static str, &'static str, &str) {
    (Code::FailedPrecondition, "INVALID_POLICY", "", words)
}

fn unknown(words: &str) -> (Code, &'static str, &'static str, &str) {
    (Code::NotFound, "NOT_FOUND", "", words)
}

#[test]
fn policies_are_shown_in_force_and_once_in_force() {
    let (first, second, shadow) = (policy("first", &[]), policy("second", &[]), policy("s", &[]));
    let files = Files::new(&first, &shadow);
    run_with_policies(&files, async |desk| {
        let answer = desk.policy("").await.unwrap();
        let live = answer.policy.clone().unwrap();
        assert_eq!((live.version.as_str(), live.name.as_str()), (&*version(&first), "first"));
        assert_eq!(live.toml, first);
        assert!(live.digest.starts_with(&live.version["first@".len()..]), "{}", live.digest);
        assert_eq!(live.path, files.path("live").to_str().unwrap());
        assert_eq!(live.in_force_since, Some(proto_time(NOW)));
        assert_eq!(answer.shadow.unwrap().toml, shadow);
        assert_eq!((answer.shadow_counts.len(), answer.reload_problems.len()), (0, 0));
        let built_in = Policy::built_in().version().to_owned();
        check_refused(desk.policy(&built_in).await, unknown("was ever in force here"));

        files.write("live", &second);
        desk.clock.fetch_add(60, Ordering::SeqCst);
        assert!(desk.reload().await.unwrap().changed);
        let again = desk.reload().await.unwrap();
        assert_eq!((again.changed, again.policy.unwrap().version), (false, version(&second)));
        let answer = desk.policy("").await.unwrap();
        assert_eq!(answer.policy.unwrap().in_force_since, Some(proto_time("2025-11-20T12:01:00Z")));
        assert_eq!(answer.shadow.unwrap().in_force_since, Some(proto_time(NOW)), "it is the same");

        let earlier = desk.policy(&version(&first)).await.unwrap();
        assert_eq!((earlier.shadow, earlier.reload_problems.len()), (None, 0));
        let earlier = earlier.policy.unwrap();
        assert_eq!(
            (earlier.toml, earlier.path, earlier.in_force_since),
            (first, String::new(), None)
        );
        for nonsense in ["first@0000000000000000", "first", "\u{202e}", &"x".repeat(5_000)] {
            check_refused(desk.policy(nonsense).await, unknown("no policy"));
        }
    });
}

#[test]
fn a_reload_is_all_or_nothing() {
    let (live, shadow) = (policy("live", &[]), policy("shadow", &[]));
    let next = policy("next", &[BLOCKS]);
    let bad = policy("bad", &[("low = 1", "low = 200")]);
    let line = 1 + bad.lines().position(|line| line == "low = 200").unwrap();
    let files = Files::new(&live, &shadow);
    run_with_policies(&files, async |desk| {
        let before = [version(&live), version(&shadow)];
        for (name, other) in [("shadow", "live"), ("live", "shadow")] {
            files.write(name, &bad);
            files.write(other, &next);
            let words = format!("{name}.toml: the policy is not valid:\n  line {line}: bands.low");
            check_refused(desk.reload().await, invalid_policy(&words));
            let answer = desk.policy("").await.unwrap();
            assert_eq!(answer.reload_problems.len(), 1, "{:?}", answer.reload_problems);
            assert!(answer.reload_problems[0].contains(&words), "{:?}", answer.reload_problems);
            assert_eq!(versions(answer), before, "what was in force stays");
            assert_eq!(desk.screen(ADVISED).await.decision(), v1::Decision::Review);
        }
        // Both bad: both are named. A file that is gone is no reason to drop a policy.
        std::fs::remove_file(files.path("shadow")).unwrap();
        check_refused(desk.reload().await, invalid_policy("shadow.toml"));
        let answer = desk.policy("").await.unwrap();
        assert_eq!(answer.reload_problems.len(), 2);
        assert_eq!(versions(answer), before);

        // To read a pipe would be to wait for somebody who writes.
        let pipe = std::process::Command::new("mkfifo").arg(files.path("shadow")).status();
        assert!(pipe.unwrap().success());
        check_refused(desk.reload().await, invalid_policy("shadow.toml: is not a regular file"));

        files.write("live", &next);
        files.write("shadow", &live);
        assert!(desk.reload().await.unwrap().changed);
        let answer = desk.policy("").await.unwrap();
        assert_eq!(answer.reload_problems.len(), 0);
        assert_eq!(versions(answer), [version(&next), version(&live)]);
        assert_eq!(desk.screen(ADVISED).await.decision(), v1::Decision::Block);
    });
}

#[test]
fn a_snapshot_names_its_policy_for_good() {
    let (first, second) = (policy("first", &[]), policy("second", &[]));
    let files = Files::new(&first, &first);
    run_with_policies(&files, async |desk| {
        let before = desk.screen(ADVISED).await.snapshot_id;
        files.write("live", &second);
        desk.reload().await.unwrap();
        let after = desk.screen(ADVISED).await.snapshot_id;
        assert_ne!(before, after);
        for (id, text) in [(before, &first), (after, &second)] {
            let request = v1::GetSnapshotRequest { id };
            let answer = desk.client.lists.clone().get_snapshot(request).await.unwrap();
            let snapshot = answer.into_inner().snapshot.unwrap();
            assert_eq!(snapshot.policy_version, version(text));
        }
    });
}

fn toml(text: &str) -> Option<v1::PolicySource> {
    Some(v1::PolicySource { source: Some(Source::Toml(text.to_owned())) })
}

fn comparing(
    old: &str,
    new: &str,
    addresses: &[&str],
    options: v1::ScreeningOptions,
) -> v1::ComparePoliciesRequest {
    v1::ComparePoliciesRequest {
        baseline: toml(old),
        candidate: toml(new),
        queries: addresses.iter().map(|address| query(address)).collect(),
        options: Some(options),
    }
}

/// `DECISION score rule !REASON...`
fn outcome(outcome: &Option<v1::PolicyOutcome>) -> String {
    let outcome = outcome.as_ref().unwrap();
    let decision = outcome.decision().as_str_name().strip_prefix("DECISION_").unwrap();
    let rule = outcome.rule.as_ref().unwrap();
    let mut said = format!("{decision} {} {}", outcome.score, rule.id);
    for reason in &outcome.incomplete_reasons {
        let code = reason.code().as_str_name();
        said += &format!(" !{}", code.strip_prefix("INCOMPLETE_REASON_CODE_").unwrap());
    }
    let complete = outcome.status() == v1::ScreeningStatus::Complete;
    assert_eq!(complete, outcome.incomplete_reasons.is_empty(), "{outcome:?}");
    said
}

#[test]
fn two_policies_on_the_same_data() {
    let (old, new) = (policy("old", &[]), policy("new", &[BLOCKS]));
    let files = Files::new(&old, &old);
    run_with_policies(&files, async |desk| {
        let everything = v1::ScreeningOptions::default();
        let listed = evm(9);
        let asked = [CLEAN, ADVISED, &listed, "\u{e9}"];
        let answer = desk.compare(comparing(&old, &new, &asked, everything)).await.unwrap();
        assert_eq!(
            (answer.baseline_version, answer.candidate_version),
            (version(&old), version(&new))
        );
        assert_eq!(answer.snapshot_id, desk.screen(CLEAN).await.snapshot_id);
        let both = |item: &v1::ComparedItem| [outcome(&item.baseline), outcome(&item.candidate)];
        assert_eq!(both(&answer.items[0]), ["ALLOW 0 no-finding", "ALLOW 0 no-finding"]);
        assert_eq!(both(&answer.items[1]), ["REVIEW 75 other-listing", "BLOCK 75 other-listing"]);
        let block = "BLOCK 100 sanctions-listing";
        assert_eq!(both(&answer.items[2]), [block, block]);
        let refused = &answer.items[3];
        assert_eq!((&refused.baseline, &refused.candidate), (&None, &None));
        assert_eq!(refused.error.as_ref().unwrap().reason(), v1::ErrorReason::InvalidAddress);
        let finding = answer.items[1].candidate.clone().unwrap().finding.unwrap();
        assert_eq!(finding.listing.unwrap().list_id, "advice");

        // By default against the one in force; and none of it is.
        let request = v1::ComparePoliciesRequest {
            baseline: None,
            ..comparing(&old, &new, &[ADVISED], v1::ScreeningOptions::default())
        };
        let answer = desk.compare(request).await.unwrap();
        assert_eq!(answer.baseline_version, version(&old));
        assert_eq!(desk.screen(ADVISED).await.decision(), v1::Decision::Review);
        check_refused(desk.policy(&version(&new)).await, unknown("was ever in force here"));
    });
}

#[test]
fn what_a_policy_requires_makes_answers_incomplete() {
    let lenient = requiring("max_hops = 2");
    let files = Files::new(&lenient, &lenient);
    let only =
        |list: &str| v1::ScreeningOptions { lists: vec![list.to_owned()], ..Default::default() };
    let hops = |max_hops| v1::ScreeningOptions { max_hops, ..Default::default() };
    let allowed = "ALLOW 0 no-finding";
    let cases = [
        // OFAC's list is required by the configuration, the advisory by the policy alone.
        ("lists = [\"advice\"]", only(OFAC), "REVIEW 0 incomplete !NARROWED"),
        ("lists = [\"advice\"]", v1::ScreeningOptions::default(), allowed),
        ("max_hops = 3", hops(2), "REVIEW 0 incomplete !DEPTH_NARROWED"),
        ("max_hops = 3", hops(3), allowed),
        (
            "lists = [\"house\"]",
            v1::ScreeningOptions::default(),
            "REVIEW 0 incomplete !REQUIRED_LIST_MISSING",
        ),
    ];
    run_with_policies(&files, async |desk| {
        for (required, options, want) in cases {
            let new = requiring(required);
            let answer = desk.compare(comparing(&lenient, &new, &[CLEAN], options)).await.unwrap();
            assert_eq!(outcome(&answer.items[0].candidate), want, "{required}");
            assert_eq!(outcome(&answer.items[0].baseline), allowed, "{required}");
        }
        // In force it is the same.
        files.write("live", &requiring("lists = [\"house\", \"advice\"]"));
        desk.reload().await.unwrap();
        let want = "REVIEW 0 NONE !REQUIRED_LIST_MISSING@house";
        assert_eq!(said(&desk.screen(CLEAN).await), want);
    });
}

#[test]
fn comparisons_that_are_refused() {
    let good = policy("good", &[]);
    let files = Files::new(&good, &good);
    let ask = |old: &str, new: &str| comparing(old, new, &[CLEAN], v1::ScreeningOptions::default());
    let bad = policy("bad", &[("low = 1", "low = 0")]);
    let invalid = |reason, field, words| (Code::InvalidArgument, reason, field, words);
    let many = vec![CLEAN; 10_001];
    let version =
        |version: &str| v1::PolicySource { source: Some(Source::Version(version.to_owned())) };
    let all = v1::ScreeningOptions::default;
    let cases = [
        (ask(&bad, &good), invalid("INVALID_POLICY", "baseline.toml", "bands.low")),
        (ask(&good, &bad), invalid("INVALID_POLICY", "candidate.toml", "bands.low")),
        (
            ask(&good, &"#".repeat(300_000)),
            invalid("INVALID_POLICY", "candidate.toml", "more than"),
        ),
        (
            v1::ComparePoliciesRequest { candidate: None, ..ask(&good, &good) },
            invalid("INVALID_FIELD", "candidate", "missing"),
        ),
        (
            v1::ComparePoliciesRequest { candidate: Some(version("x@0")), ..ask(&good, &good) },
            unknown("was ever in force here"),
        ),
        (comparing(&good, &good, &[], all()), invalid("TOO_MANY_ITEMS", "queries", "0 addresses")),
        (
            comparing(&good, &good, &many, all()),
            invalid("TOO_MANY_ITEMS", "queries", "more than 10000"),
        ),
        (
            comparing(&good, &good, &[CLEAN], v1::ScreeningOptions { max_hops: 16, ..all() }),
            invalid("INVALID_FIELD", "options.max_hops", "16 hops"),
        ),
    ];
    run_with_policies(&files, async |desk| {
        for (request, refusal) in cases {
            check_refused(desk.compare(request).await, refusal);
        }
    });
}

/// Both decisions and statuses of a screening with its shadow.
fn shadowed(screening: &v1::Screening) -> String {
    let shadow = screening.shadow.as_ref().expect("a shadow");
    let name = |decision: v1::Decision| decision.as_str_name().strip_prefix("DECISION_").unwrap();
    let whole = |status| if status == v1::ScreeningStatus::Complete { "" } else { "?" };
    let rule = |rule: &Option<v1::DecidingRule>| rule.as_ref().unwrap().id.clone();
    format!(
        "{}{} by {}, shadow {}{} by {}",
        name(screening.decision()),
        whole(screening.status()),
        rule(&screening.rule),
        name(shadow.decision()),
        whole(shadow.status()),
        rule(&shadow.rule),
    )
}

fn screening(item: Option<v1::ScreeningItem>) -> v1::Screening {
    match item.unwrap().outcome.unwrap() {
        Outcome::Screening(screening) => screening,
        Outcome::Error(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_shadow_is_reported_and_changes_nothing() {
    let live = policy("live", &[]);
    let house = ("max_hops = 5", "lists = [\"house\"]");
    let shadow = policy("shadow", &[BLOCKS, house]);
    let files = Files::new(&live, &shadow);
    run_with_policies(&files, async |desk| {
        let advised = "REVIEW by other-listing, shadow BLOCK? by other-listing";
        let clean = "ALLOW by no-finding, shadow REVIEW? by incomplete";
        let unary = desk.screen(ADVISED).await;
        assert_eq!(shadowed(&unary), advised);
        assert_eq!(unary.incomplete_reasons.len(), 0, "the live one requires no house list");
        let told = unary.shadow.unwrap();
        assert_eq!((told.policy_version, told.score), (version(&shadow), 75));
        assert_eq!(shadowed(&desk.screen(CLEAN).await), clean);

        let queries = [ADVISED, CLEAN].map(query).to_vec();
        let request = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
        let answer = desk.client.screening.clone().batch_screen_addresses(request).await.unwrap();
        let items = answer.into_inner().items.into_iter();
        let said: Vec<_> = items.map(|item| shadowed(&screening(Some(item)))).collect();
        assert_eq!(said, [advised, clean]);

        let asked = [ADVISED, CLEAN].map(|address| v1::StreamScreenAddressesRequest {
            query: Some(query(address)),
            options: None,
        });
        let stream = tokio_stream::iter(asked);
        let mut client = desk.client.screening.clone();
        let mut answers = client.stream_screen_addresses(stream).await.unwrap().into_inner();
        for want in [advised, clean] {
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!(shadowed(&screening(answer.item)), want);
        }

        let counts = async || {
            let answer = desk.policy("").await.unwrap();
            let counts = answer.shadow_counts.iter();
            counts.map(|count| (count.in_force(), count.shadow(), count.count)).collect::<Vec<_>>()
        };
        use v1::Decision::{Allow, Block, Review};
        assert_eq!(counts().await, [(Allow, Review, 3), (Review, Block, 3)]);
        // Another shadow is counted anew; without a change the counts stay.
        desk.reload().await.unwrap();
        assert_eq!(counts().await.len(), 2);
        files.write("shadow", &live);
        desk.reload().await.unwrap();
        assert_eq!(counts().await, []);
        let same = "REVIEW by other-listing, shadow REVIEW by other-listing";
        assert_eq!(shadowed(&desk.screen(ADVISED).await), same);
        assert_eq!(counts().await, [(Review, Review, 1)]);
    });
}

#[test]
fn the_stricter_limit_on_age_holds() {
    let within = |age: &str| {
        let staleness =
            format!("[staleness]\nlist_kind = {{ SANCTIONS = \"{age}\" }}\n\n[[share]]");
        policy("within", &[("[[share]]", &staleness)])
    };
    let (day, month) = (within("24h"), within("720h"));
    let files = Files::new(&day, &month);
    run_with_policies(&files, async |desk| {
        let both = async || shadowed(&desk.screen(CLEAN).await);
        // The configuration says 48 hours; the list is of today.
        let fresh = "ALLOW by no-finding, shadow ALLOW by no-finding";
        assert_eq!(both().await, fresh);
        desk.clock.fetch_add(DAY, Ordering::SeqCst);
        let stale = "REVIEW? by incomplete, shadow ALLOW by no-finding";
        assert_eq!(both().await, stale);
        let want = format!("REVIEW 0 NONE !LIST_STALE@{OFAC}");
        assert_eq!(said(&desk.screen(CLEAN).await), want);
        desk.clock.fetch_add(2 * DAY, Ordering::SeqCst);
        let both_stale = "REVIEW? by incomplete, shadow REVIEW? by incomplete";
        assert_eq!(both().await, both_stale, "a policy does not loosen the configuration");
    });
}
