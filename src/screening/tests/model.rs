//! The obvious model of matching, and the addresses that it is tried with.

use super::*;
use crate::exposure::CommonInput;

/// Addresses and strings that rows and questions are drawn from: few, so that they meet.
pub const POOL: [(&str, &str); 14] = [
    (RONIN, "ETH"),
    ("0x098b716b8aaf21512996dc57eb0615e2383e2f96", "USDT"),
    ("0xE950DC316b836e4EeFb8308bf32Bf7C72a1358FF", "ETH"),
    ("TXEsK1sESyd6F3CGH1DFS2Jr2CkshfPxrH", "USDT"),
    ("12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h", "XBT"),
    ("12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h", "BCH"),
    ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "XBT"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "XBT"),
    ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "LTC"),
    ("LaizKtS5DUhPuP1nTQcc83MS7HwK6vk85z", "LTC"),
    ("5be5543ff73456ab9f2d207887e2af87322c651ea1a873c5b25b7ffae456c320", "XMR"),
    ("0x0000000000000000000000000000000000000000", "ETH"),
    ("rnXyVQzgxZe7TR1EPzTkGj2jxH4LMJYh66", "XRP"),
    ("42RLPACwZPx3vYYmxSueqsogfynBDqXK298EDsNoyoHi", "SOL"),
];

/// Everything that could be asked: the pool and all other forms of it.
pub fn questions() -> Vec<String> {
    let mut all: Vec<String> = POOL.iter().map(|(address, _)| (*address).to_owned()).collect();
    for (address, _) in POOL {
        if let Ok(address) = Address::parse(address, None) {
            all.extend(address.other_forms().into_iter().map(|(_, _, text)| text));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// A finding in short: list, row, kind and score.
pub type Told = (String, RowKey, FindingKind, u8);

/// The obvious model: walks every row of every list and compares.
pub fn model(lists: &[Arc<ListState>], question: &str) -> Vec<Told> {
    let asked = Address::parse(question, None);
    let mut found = Vec::new();
    for list in lists {
        for row in list.rows.iter() {
            let kind = match (
                Reading::from_list_cell(&row.key.address, &row.key.ticker).into_single(),
                &asked,
            ) {
                (Err(_), _) if row.key.address == question => FindingKind::ListedVerbatim,
                (Err(_), Ok(asked)) if row.key.address == asked.canonical() => {
                    FindingKind::ListedVerbatim
                }
                (Ok(listed), Ok(asked)) => {
                    let keys = listed.listing_key_ids();
                    let mut asked_keys = asked.key_ids().iter().cloned();
                    if !asked_keys.any(|key| keys.contains(&key))
                        && !asked.nested_key_ids().iter().any(|key| keys.contains(key))
                    {
                        continue;
                    }
                    let same_text = listed.canonical() == asked.canonical();
                    let same_chain = listed.chains().iter().any(|chain| asked.fits(chain));
                    if same_text && same_chain { FindingKind::Listed } else { FindingKind::SameKey }
                }
                _ => continue,
            };
            let score = score(kind, row.is_listed(), list.version.kind);
            found.push((list.version.id.to_string(), row.key.clone(), kind, score));
        }
    }
    found.sort();
    found
}

/// What the built-in policy gives to a listing of the address itself, or one that it is joined with.
fn score(kind: FindingKind, stands: bool, list_kind: ListKind) -> u8 {
    let is_sanctions = list_kind == ListKind::Sanctions;
    match kind {
        _ if !stands => 0,
        FindingKind::CoSpent if is_sanctions => 95,
        // 75 % of 95, rounded up.
        FindingKind::CoSpent => 72,
        FindingKind::ListedVerbatim if is_sanctions => 75,
        // 75 % of 75, rounded up.
        FindingKind::ListedVerbatim => 57,
        _ if is_sanctions => 100,
        FindingKind::Listed
        | FindingKind::SameKey
        | FindingKind::ReceivedFrom
        | FindingKind::SentTo
        | FindingKind::HubExposure => 75,
    }
}

/// What joined listings add to the findings: of each kind of list that a key of the address is no source
/// of, the first that is not cut. `own` are the kinds of which it is a source.
pub fn joined_model(
    joined: &[(CommonInput, Source)],
    own: &[ListKind],
) -> (Vec<Told>, Vec<ListKind>) {
    let (mut found, mut cut) = (Vec::new(), Vec::new());
    for kind in ListKind::ALL {
        if own.contains(&kind) {
            continue;
        }
        let of_kind = || joined.iter().filter(|(common, _)| common.kind == kind);
        let first = of_kind().filter(|(common, _)| !common.is_cut).min_by_key(|of| of.1.clone());
        if let Some((_, source)) = first {
            let score = score(FindingKind::CoSpent, true, kind);
            let list = source.list.to_string();
            found.push((list, source.listing.clone(), FindingKind::CoSpent, score));
        } else if of_kind().next().is_some() {
            cut.push(kind);
        }
    }
    (found, cut)
}
