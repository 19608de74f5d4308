//! Files of policies: what is refused, where, and with which words.

use super::{edited, with_rules};
use crate::screening::policy::{MAX_FILE, Policy};

/// The problems of a file, as `line: message`.
fn problems(text: &str) -> Vec<String> {
    let error = Policy::parse(text).unwrap_err();
    error.0.iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect()
}

/// The line, from 1, at which `part` begins.
fn line(text: &str, part: &str) -> usize {
    text[..text.find(part).unwrap()].lines().count() + usize::from(!part.starts_with('\n'))
}

#[test]
fn every_value_has_bounds() {
    let check = |from: &str, to: &str, says: &str| {
        let text = edited(&[(from, to)]);
        let found = problems(&text);
        assert!(found.iter().any(|problem| problem.contains(says)), "{to}: {found:#?}");
    };
    check("name = \"built-in-3\"", "name = \"Über\"", "name: must be");
    check("name = \"built-in-3\"", "name = \"\"", "name: must be");
    check("low = 1", "low = 0", "bands.low: must be from 1");
    check("medium = 25", "medium = 1", "bands.medium: must be from 2");
    check("severe = 85", "severe = 101", "bands.severe: must be from 51 to 100");
    check("SANCTIONS = 100", "SANCTIONS = 99", "is the measure");
    check("SANCTIONS = 100\n", "", "SANCTIONS has no weight");
    check("SERVICE = 0", "SERVICE = 101", "weights.list_kind.SERVICE: must be from 0 to 100");
    check("SERVICE = 0", "SERVICE = 0\nSERVICES = 1", "is no list kind");
    check("[weights.category]", "[weights.category]\n\"a,b\" = 3", "is no category");
    check("received_from = [60, 50", "received_from = [60, 61", "must not rise");
    check("received_from = [60", "received_from = [60, 60", "must have 8 to 15 scores");
    check(", 10, 8, 6, 5, 4, 3, 2, 1]", "]", "8 to 15 scores, for 1 hop and on, not 7");
    check("received_from = [60", "received_from = [160", "from 0 to 100");
    check("co_spent = 95", "co_spent = 0", "base.co_spent: must be from 1 to 100");
    check("co_spent = 95", "co_spent = 101", "base.co_spent: must be from 1 to 100");
    check("hub_percent = 50", "hub_percent = 101", "base.hub_percent: must be");
    check("score_percent = 110", "score_percent = 99", "share.score_percent: must be from 100");
    check("at_least_percent = 10", "at_least_percent = 1", "more must come after less");
    check("score_percent = 120", "score_percent = 105", "more must come after less");
    check("at_least_percent = 10", "at_least_percent = 10.123", "two decimals");
    check("at_least_percent = 50", "at_least_percent = 100.01", "from 0 to 100");
    check("decision = \"BLOCK\"", "decision = \"block\"", "must be ALLOW, REVIEW or BLOCK");
    check("id = \"exposure\"", "id = \"other-listing\"", "another rule is called");
    check("id = \"exposure\"", "id = \"sanctions\"", "the program's own");
    check("id = \"exposure\"", "id = \"an exposure\"", "id: must be");
    check("timing = [\"AFTER\"", "timing = [\"LATER\"", "timing: must be one of");
    check("hops_at_most = 1", "hops_at_most = 2", "direct dealings alone");
    check("list_kind = [\"SANCTIONS\"]", "list_kind = []", "list_kind: is empty");
    check("hops_at_most = 1", "hops_at_most = 16", "hops_at_most: must be from 0 to 15");
    check("max_hops = 5", "lists = [\"No List\"]", "requires.lists");
    check("max_hops = 5", "max_hops = 0", "requires.max_hops: must be from 1 to 15");
    check("max_hops = 5", "max_hops = 16", "requires.max_hops: must be from 1 to 15");
    check("[[share]]", "[staleness]\ntransfers = \"soon\"\n[[share]]", "span of time");
    check("[[share]]", "[staleness]\ntransfers = \"-1h\"\n[[share]]", "span of time");
    check("[[share]]", "[staleness.list_kind]\nALL = \"1h\"\n[[share]]", "is no list kind");
}

#[test]
fn common_inputs_must_not_score_less_than_the_dealings_that_they_hide() {
    let text = edited(&[("co_spent = 95", "co_spent = 93")]);
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    let at = line(&text, "co_spent = 93");
    assert!(found[0].starts_with(&format!("{at}: base.co_spent: 93 is less")), "{found:#?}");
    assert!(found[0].contains("give 94 or more, or leave the key out"), "{found:#?}");
    // What the rules do is said beside it.
    let rules = "[[rules]]\nid = \"near\"\ndecision = \"ALLOW\"\nhops_at_most = 3\n\
                 [[rules]]\nid = \"rest\"\ndecision = \"REVIEW\"\n";
    let text = with_rules(rules).replace("co_spent = 95", "co_spent = 93");
    let found = problems(&text);
    assert!(found.iter().any(|problem| problem.contains("base.co_spent")), "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("by rule near")), "{found:#?}");
}

#[test]
fn all_problems_are_named_each_with_its_line() {
    let text = edited(&[("severe = 85", "severe = 200"), ("\"BLOCK\"", "\"STOP\"")]);
    let found = problems(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with(&format!("{}: bands", line(&text, "severe = 200"))), "{found:#?}");
    let at = line(&text, "decision = \"STOP\"");
    assert!(found[1].starts_with(&format!("{at}: decision")), "{found:#?}");
}

#[test]
fn a_file_of_another_shape_is_refused_at_its_place() {
    let check = |text: &str, at: usize, says: &str| {
        let found = problems(text);
        assert!(found[0].starts_with(&format!("{at}: ")), "{found:#?}");
        assert!(found[0].contains(says), "{found:#?}");
    };
    check("name = \"a\"\nnaem = 1\n", 2, "unknown field `naem`");
    check("name = \"a\"\nname = \"b\"\n", 2, "duplicate key");
    check("name = ", 1, "");
    check(&"#".repeat(MAX_FILE + 1), 0, "more than");
    let no_rules = edited(&[]).replace("[[rules]]", "[[rule]]");
    assert!(problems(&no_rules)[0].contains("unknown field `rule`"));
    let deep = format!("a = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(!problems(&deep).is_empty());
}

#[test]
fn a_rule_must_not_let_the_nearest_hide_what_is_behind() {
    let check = |rules: &str, says: &str| {
        let found = problems(&with_rules(rules));
        assert!(found.iter().any(|problem| problem.contains(says)), "{rules}: {found:#?}");
    };
    let rest = "[[rules]]\nid = \"rest\"\ndecision = \"REVIEW\"\n";
    // A list, a category or a state of the nearest says nothing of others.
    for condition in ["list = [\"a\"]", "category = [\"scam\"]", "state = [\"REMOVAL_PENDING\"]"] {
        let rule = format!("[[rules]]\nid = \"one\"\ndecision = \"ALLOW\"\n{condition}\n{rest}");
        check(&rule, "of the address itself alone");
        let rule = format!("{rule}\nfinding = [\"LISTED\", \"SENT_TO\"]\n");
        assert!(Policy::parse(&with_rules(&rule)).is_err());
        // Of several that an address is joined with the first alone is named.
        let rule = format!(
            "[[rules]]\nid = \"one\"\ndecision = \"ALLOW\"\nfinding = [\"LISTED\", \"CO_SPENT\"]\n\
             {condition}\n{rest}"
        );
        check(&rule, "of CO_SPENT only the first");
    }
    // One dollar of one's own would hide what came over two hops.
    let small = "[[rules]]\nid = \"small\"\ndecision = \"ALLOW\"\nvalue_below_floors = 10\n";
    check(&format!("{small}{rest}"), "the nearer would hide the farther");
    let share = "[[rules]]\nid = \"small\"\ndecision = \"ALLOW\"\nshare_below_percent = 0.5\n";
    check(&format!("{share}{rest}"), "can be ALLOW by rule small, while over 2 hops");
    let before = "[[rules]]\nid = \"before\"\ndecision = \"ALLOW\"\ntiming = [\"BEFORE\"]\n\
                  hops_at_most = 1\nfinding = [\"RECEIVED_FROM\", \"SENT_TO\"]\n";
    check(&format!("{before}{rest}"), "the nearer would hide the farther");
    let near = "[[rules]]\nid = \"near\"\ndecision = \"ALLOW\"\nhops_at_most = 3\n";
    check(&format!("{near}{rest}"), "over 3 hops can be ALLOW by rule near");
    // Eight hops are not the last there are.
    let to_eight = "[[rules]]\nid = \"far\"\ndecision = \"ALLOW\"\nhops_at_least = 6\n\
                    hops_at_most = 8\n";
    check(
        &format!("{to_eight}{rest}"),
        "over 8 hops can be ALLOW by rule far, while over 9 hops it is REVIEW by rule rest",
    );
    // A further dealing must not hide those before it, where farther ones are let pass.
    let far = "[[rules]]\nid = \"far\"\ndecision = \"ALLOW\"\nhops_at_least = 2\n";
    let direct = "hops_at_most = 1\nfinding = [\"RECEIVED_FROM\", \"SENT_TO\"]\n";
    for (condition, less) in [
        ("timing = [\"AFTER\"]", "a milder timing it is REVIEW by rule rest"),
        ("timing = [\"UNKNOWN\"]", "a milder timing it is REVIEW by rule rest"),
        ("share_at_least_percent = 50", "a smaller share it is REVIEW by rule rest"),
        ("value_at_least_floors = 50", "less value it is REVIEW by rule rest"),
    ] {
        let more = format!("[[rules]]\nid = \"more\"\ndecision = \"ALLOW\"\n{condition}\n{direct}");
        check(&format!("{far}{more}{rest}"), less);
    }
    // Where what is farther is let pass too, small dealings may be.
    assert!(Policy::parse(&with_rules(&format!("{far}{share}{rest}"))).is_ok());
}

#[test]
fn what_takes_too_long_to_try_out_is_refused() {
    let rules = |count: usize| -> String {
        let rule = |at: usize| {
            format!(
                "[[rules]]\nid = \"r{at}\"\ndecision = \"REVIEW\"\n\
                 share_at_least_percent = {}.{:02}\nvalue_at_least_floors = {}\n",
                at / 100,
                at % 100,
                1_000_000 - at
            )
        };
        (0..count).map(rule).collect()
    };
    assert!(Policy::parse(&with_rules(&rules(20))).is_ok());
    let found = problems(&with_rules(&rules(1_000)));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("than can be tried out"), "{found:#?}");
}

#[test]
fn no_more_problems_are_named_than_somebody_reads() {
    let finding = format!("finding = [{}]\n", "\"x\", ".repeat(1_000));
    let rule = |at: usize| format!("[[rules]]\nid = \"r{at}\"\ndecision = \"ALLOW\"\n{finding}");
    let found = problems(&with_rules(&(0..40).map(rule).collect::<String>()));
    assert_eq!(found.len(), 100);
    assert_eq!(found[0], "0: more is wrong than is named");
    // A value that is not looked at would be one less that the rule fits.
    for (key, value) in [("finding", "LISTED"), ("list", "a"), ("category", "a")] {
        let values = format!("\"{value}\", ").repeat(1_001);
        let rule = "[[rules]]\nid = \"a\"\ndecision = \"BLOCK\"\nfinding = [\"LISTED\"]\n";
        let rule = match key {
            "finding" => rule.replace("\"LISTED\"", &values),
            _ => format!("{rule}{key} = [{values}]\n"),
        };
        let found = problems(&with_rules(&rule));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(&format!("{key}: more than 1000")), "{found:#?}");
    }
}
