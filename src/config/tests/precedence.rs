//! Which layer wins, held against a slow model: the last value of each key, alone in a file.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Keys with two values each, as TOML.
const KEYS: [(&str, [&str; 2]); 14] = [
    ("listen", ["\"127.0.0.1:1\"", "\"[::1]:2\""]),
    ("offline", ["true", "false"]),
    ("cache_mib", ["8", "9"]),
    ("log", ["\"warn\"", "\"off\""]),
    ("limits.calls", ["7", "8"]),
    ("limits.stall_timeout", ["\"1s\"", "\"2s\""]),
    ("traces.sample", ["0.5", "1.0"]),
    ("exposure.risk_categories", ["\"a, b\"", "\"c\""]),
    ("lists.us-ofac-sdn.max_age", ["\"3d\"", "\"4d\""]),
    ("lists.us-ofac-sdn.required", ["true", "false"]),
    ("lists.us-ofac-cons.max_shrink", ["0.1", "1"]),
    ("chains.ethereum.required", ["true", "\"internal\""]),
    ("chains.bitcoin.common_input", ["true", "false"]),
    ("assets.bitcoin.native.floor", ["\"0.5\"", "\"2\""]),
];

fn value(key: usize, second: bool) -> &'static str {
    KEYS[key].1[usize::from(second)]
}

/// A value as a variable or a flag has it.
fn text(key: usize, second: bool) -> &'static str {
    value(key, second).trim_matches('"')
}

fn lines(given: &BTreeMap<usize, bool>) -> String {
    let line =
        |(key, second): (&usize, &bool)| format!("{} = {}\n", KEYS[*key].0, value(*key, *second));
    given.iter().map(line).collect()
}

/// For some keys, one of their values.
fn layer() -> impl Strategy<Value = BTreeMap<usize, bool>> {
    proptest::collection::btree_map(0..KEYS.len(), any::<bool>(), 0..8)
}

proptest! {
    #[test]
    fn the_last_layer_that_gives_a_key_wins(
        in_file in layer(),
        in_environment in layer(),
        set in proptest::collection::vec((0..KEYS.len(), any::<bool>()), 0..8),
    ) {
        let variables: Vec<_> = in_environment
            .iter()
            .map(|(key, second)| (layers::variable(KEYS[*key].0), text(*key, *second)))
            .map(|(name, value)| (name.replace('-', "_"), value))
            .collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, *value)).collect();
        let flags: Vec<_> = set
            .iter()
            .map(|(key, second)| format!("{}={}", KEYS[*key].0, text(*key, *second)))
            .collect();
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let layered = Input {
            file: Some(&lines(&in_file)),
            environment: &variables,
            set: &flags,
            ..Input::default()
        };
        let mut last = in_file;
        last.extend(in_environment);
        last.extend(set);
        prop_assert_eq!(layered.load(), file(&lines(&last)));
    }
}
