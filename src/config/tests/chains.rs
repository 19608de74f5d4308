//! Exposure, chains and assets from a file.

use super::*;

#[test]
fn exposure_chains_and_assets_are_read() {
    use crate::domain::asset::AssetTable;
    use crate::domain::chain::Chain;
    use crate::domain::transfer::MovementKind;
    use crate::domain::transfer::{Amount, Asset};

    let text = "[exposure]\nmax_hops = 3\nhub_limit = 50\ncluster_limit = 2\n\
                service_categories = \"b, a,b\"\n\
                [chains.ethereum]\nrequired = true\nmax_age = \"1h\"\n\
                [assets.bitcoin.native]\nfloor = \"0.5\"\n\
                [assets.\"eip155:1\".0x1111111111111111111111111111111111111111]\n\
                symbol = \"X\"\ndecimals = 2\nfloor = \"12.34\"\n";
    let exposure = file(text).unwrap().exposure;
    assert_eq!((exposure.max_hops, exposure.hub_limit, exposure.cluster_limit), (3, 50, 2));
    assert_eq!(exposure.service_categories, ["a", "b"]);
    let terms = ChainRequirements {
        chain: Chain::Evm(1),
        required: vec![MovementKind::Native, MovementKind::Tokens],
        max_age: Some(HOUR),
        common_input: true,
    };
    assert_eq!(exposure.chains, [terms]);
    let floor = |chain: &Chain, asset: &Asset| exposure.assets.rule(chain, asset).unwrap().floor;
    assert_eq!(floor(&Chain::Bitcoin, &Asset::Native), Amount::from(50_000_000u64));
    let token = AssetTable::asset("0x1111111111111111111111111111111111111111", &Chain::Evm(1));
    assert_eq!(floor(&Chain::Evm(1), &token.unwrap()), Amount::from(1234u32));
}

#[test]
fn a_chain_without_common_inputs_is_not_required_by_that() {
    use crate::domain::chain::Chain;

    let text = "[chains.bitcoin]\ncommon_input = false\n[chains.litecoin]\ncommon_input = true\n";
    let exposure = file(text).unwrap().exposure;
    assert_eq!(exposure.no_common_input(), [Chain::Bitcoin].into());
    assert_eq!(exposure.chains.len(), 2);
    for terms in exposure.chains {
        assert_eq!((terms.required, terms.max_age), (Vec::new(), None), "{}", terms.chain);
    }
}

/// Labels that other settings made must be built anew.
#[test]
fn labels_depend_on_common_inputs() {
    let digest = |text: &str| file(text).unwrap().exposure.digest();
    let given = [
        "",
        "[exposure]\ncluster_limit = 9999\n",
        "[chains.bitcoin]\ncommon_input = false\n",
        "[chains.litecoin]\ncommon_input = false\n",
        "[chains.litecoin]\ncommon_input = false\n[chains.bitcoin]\ncommon_input = false\n",
    ];
    let digests: std::collections::BTreeSet<_> = given.map(digest).into();
    assert_eq!(digests.len(), given.len());
    let same = [
        "[exposure]\ncluster_limit = 10000\n",
        "[chains.bitcoin]\ncommon_input = true\nmax_age = \"1h\"\n",
    ];
    for text in same {
        assert_eq!(digest(text), digest(""), "{text}");
    }
    let turned =
        "[chains.bitcoin]\ncommon_input = false\n[chains.litecoin]\ncommon_input = false\n";
    assert_eq!(digest(turned), digest(given[4]));
}

#[test]
fn what_is_wrong_with_exposure_is_said() {
    let check = |text: &str, problem: &str| {
        assert_eq!(file(text).unwrap_err()[0], problem, "{text}");
    };
    check(
        "[exposure]\nmax_hops = 16",
        "F:2: exposure.max_hops: must be an integer from 1 to 15, not 16",
    );
    check(
        "[exposure]\ncluster_limit = 1",
        "F:2: exposure.cluster_limit: must be an integer from 2 to 1000000, not 1",
    );
    check(
        "[exposure]\ncluster_limit = 1000001",
        "F:2: exposure.cluster_limit: must be an integer from 2 to 1000000, not 1000001",
    );
    check(
        "[chains.bitcoin]\ncommon_input = \"no\"",
        "F:2: chains.bitcoin.common_input: must be true or false, not a string",
    );
    check(
        "[chains.ethereum]\ncommon_input = false",
        "F:2: chains.ethereum.common_input: has no effect on eip155:1, whose transactions have \
         no inputs",
    );
    check("[exposure]\nhops = 9", "F:2: unknown key \"exposure.hops\"");
    check("[chains.evm]\n", "F:1: chains.evm: \"evm\" is a family of chains; name one chain");
    check(
        "[assets.bitcoin.native]\nfloor = \"0\"",
        "F:2: assets.bitcoin.native: invalid amount \"0\"; use a \
         number above zero with at most 8 decimals, such as 0.01",
    );
    check(
        "[assets.bitcoin.native]\nfloor = \"0.000000001\"",
        "F:2: assets.bitcoin.native: invalid amount \
         \"0.000000001\"; use a number above zero with at most 8 decimals, such as 0.01",
    );
    check(
        "[assets.tron.TQn9Y2khEsLJW1ChVWFMSMeRDow5KcbLSE]\nsymbol = \"X\"",
        "F:1: assets.tron.TQn9Y2khEsLJW1ChVWFMSMeRDow5KcbLSE: decimals is missing: the \
         asset is not a built-in one",
    );
    check(
        "[assets.ethereum.usdt]\ndecimals = 6",
        "F:1: assets.ethereum.usdt: unknown asset \"usdt\" of eip155:1; use native or a contract",
    );
}
