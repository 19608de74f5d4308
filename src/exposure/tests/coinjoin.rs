//! Which inputs are joined: the rule, tried on the shapes of real transactions.
//!
//! A shape says how many inputs of how many distinct addresses a transaction has, and how many outputs
//! of which amount. The addresses are made up. Sources of the shapes:
//!
//! - the Bitcoin blocks of 2014 (`...8e22283ecc`), 2016 (`...fd854513f2`) and 2021 (`...2c726dafae`);
//! - `7e875be6`: the data of `OndrejMan/coinjoin-mappings`;
//! - the others: the test data of `Copexit/am-i-exposed`, with addresses unless a test says otherwise.
//!
//! Literature:
//!
//! - Inputs of one transaction have one owner: Ron and Shamir 2013 (Financial Cryptography),
//!   Androulaki et al. 2013 (Financial Cryptography), Meiklejohn et al. 2013 (IMC, heuristic 1, doi
//!   10.1145/2504730.2504747).
//! - A CoinJoin breaks that: Maxwell 2013, "CoinJoin: Bitcoin privacy for the real world".
//! - Equal outputs tell a CoinJoin: Goldfeder et al. 2018 (PoPETs 2018(4), doi
//!   10.1515/popets-2018-0038), Kalodner et al. 2020 (BlockSci, USENIX Security).
//! - Forms of Wasabi, Whirlpool and JoinMarket: Stütz et al. 2022 (AFT, arXiv 2109.10229),
//!   Schnoering and Vazirgiannis 2023 (arXiv 2311.12491).
//! - Not recognised: PayJoin (BIP 78), trades by partially signed transactions (BIP 174).

use std::collections::BTreeSet;

use super::given::{self, settings};
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Holder, Leg, Movement, Transfer, UtxoMovement};
use crate::exposure::{ClusterQuery, CommonInput, Source, StopReason, World};

const BITCOIN: Chain = Chain::Bitcoin;
/// Addresses of outputs are numbered from here on.
const OUTPUTS: usize = 10_000;

/// What of a transaction the rule looks at.
struct Shape {
    /// The transaction id, or what it is.
    name: &'static str,
    inputs: usize,
    /// Distinct addresses of inputs.
    keys: usize,
    /// How many outputs of which amount, in satoshi; each to an address of its own.
    outputs: &'static [(usize, u64)],
}

fn holder(number: usize) -> Holder {
    Holder::Other(format!("an unknown form {number}").into())
}

fn key(number: usize) -> PackedKey {
    PackedKey::from(&holder(number).key_ids(&BITCOIN)[0])
}

fn leg(number: usize, amount: u64) -> Leg {
    Leg { holders: vec![holder(number)], unattributable: false, amount: Some(amount) }
}

fn transaction(inputs: Vec<Leg>, outputs: Vec<Leg>) -> Transfer {
    let mut transfer = given::send(&BITCOIN, 1, 2, 1, 1);
    let movement = UtxoMovement { coinbase: false, inputs, outputs };
    transfer.movement = Movement::Utxo(Box::new(movement));
    transfer
}

fn outputs(runs: &[(usize, u64)]) -> Vec<Leg> {
    let amounts = runs.iter().flat_map(|&(outputs, amount)| std::iter::repeat_n(amount, outputs));
    (OUTPUTS..).zip(amounts).map(|(number, amount)| leg(number, amount)).collect()
}

impl Shape {
    fn transaction(&self) -> Transfer {
        let total: u64 =
            self.outputs.iter().map(|&(outputs, amount)| outputs as u64 * amount).sum();
        let each = total / self.inputs as u64 + 1_000;
        let inputs = (0..self.inputs).map(|number| leg(number % self.keys, each));
        transaction(inputs.collect(), outputs(self.outputs))
    }
}

fn world(rows: &[Transfer], sources: Vec<Source>, stops: Vec<(PackedKey, StopReason)>) -> World {
    let mut world = World::new(settings(5, u32::MAX));
    world.append(0, rows);
    world.set_parties(sources, stops);
    world.relabel();
    world
}

fn cluster_of(world: &World, number: usize) -> u64 {
    let query = ClusterQuery { after: None, limit: 1, budget: 1_000_000 };
    world.cluster(&[key(number)], &query).unwrap().keys
}

/// Sizes of the clusters of the first `keys`.
fn joined(rows: &[Transfer], keys: usize) -> BTreeSet<u64> {
    let world = world(rows, Vec::new(), Vec::new());
    (0..keys).map(|number| cluster_of(&world, number)).collect()
}

fn check(shapes: &[Shape], is_joined: bool) {
    for shape in shapes {
        let world = world(&[shape.transaction()], Vec::new(), Vec::new());
        let query = ClusterQuery { after: None, limit: shape.keys + 1, budget: 10_000_000 };
        let cluster = world.cluster(&[key(0)], &query).unwrap();
        let members: BTreeSet<_> = cluster.members.iter().map(|member| member.key).collect();
        let joined = if is_joined { shape.keys } else { 1 };
        assert_eq!(members, (0..joined).map(key).collect(), "{}", shape.name);
        let others = joined..shape.keys;
        let paid: usize = shape.outputs.iter().map(|(outputs, _)| outputs).sum();
        for number in others.chain(OUTPUTS..OUTPUTS + paid) {
            assert_eq!(cluster_of(&world, number), 1, "{number} of {}", shape.name);
        }
    }
}

/// Wasabi 1.x (ZeroLink): one base amount near 0.1 BTC, its doubles, and change.
#[test]
fn wasabi_1_inputs_are_not_joined() {
    check(
        &[Shape {
            name: "5c2f55fc17854a18f447d74e32356c9ff6faf43bf937ed13611857b2bb3fef3a",
            inputs: 100,
            keys: 94,
            outputs: &[
                (60, 10_944_832),
                (7, 21_887_656),
                (5, 43_775_312),
                (3, 87_550_624),
                (2, 175_101_248),
                (2, 10_923_964),
                (2, 35_474),
                (1, 42_777),
                (1, 205_760),
                (1, 500_530),
                (1, 549_810),
                (1, 773_612),
                (1, 799_169),
                (1, 1_036_484),
                (1, 1_092_916),
                (1, 2_658_458),
                (1, 2_724_854),
                (1, 3_280_122),
                (1, 3_433_168),
                (1, 5_157_353),
                (1, 6_478_584),
                (1, 8_305_998),
                (1, 9_178_154),
                (1, 9_300_297),
                (1, 10_393_024),
                (1, 10_541_121),
                (1, 10_838_314),
                (1, 10_846_729),
                (1, 10_882_270),
                (1, 10_885_943),
                (1, 10_891_521),
                (1, 10_921_940),
                (1, 10_923_140),
                (1, 10_923_556),
                (1, 10_937_374),
                (1, 10_956_470),
                (1, 12_388_551),
                (1, 17_122_311),
                (1, 21_076_164),
                (1, 21_238_257),
                (1, 21_310_527),
                (1, 21_316_851),
                (1, 21_837_400),
                (1, 21_843_398),
                (1, 21_878_638),
                (1, 58_490_087),
                (1, 135_800_081),
                (1, 707_432_698),
            ],
        }],
        false,
    );
}

/// Wasabi 2.0 (WabiSabi): many standard amounts, and each of them a few times. The first is one of
/// the smallest known; of the second only amounts are known, and each input counts as a key.
#[test]
fn wasabi_2_inputs_are_not_joined() {
    check(
        &[
            Shape {
                name: "7e875be692881180ed3f322831615c280daf077bfd14bc120fb3c03dc6d381f6",
                inputs: 11,
                keys: 11,
                outputs: &[(7, 200_000), (2, 59_049), (1, 8_594), (3, 8_192)],
            },
            Shape {
                name: "bdbe5a5f97fcb975ed0868641b665ac848c57d38732edce12fd983ccad002d5f",
                inputs: 76,
                keys: 76,
                outputs: &[
                    (3, 33_554_432),
                    (16, 16_777_216),
                    (5, 9_565_938),
                    (2, 4_782_969),
                    (4, 3_188_646),
                    (14, 2_097_152),
                    (1, 2_088_817),
                    (3, 1_062_882),
                    (1, 599_969),
                    (1, 354_294),
                    (4, 262_144),
                    (5, 200_000),
                    (2, 100_000),
                    (4, 65_536),
                    (3, 50_000),
                    (5, 39_366),
                    (2, 32_768),
                    (1, 21_632),
                    (3, 20_000),
                    (2, 16_384),
                    (2, 13_122),
                    (2, 10_000),
                ],
            },
        ],
        false,
    );
}

/// Whirlpool: as many outputs of the pool's amount as inputs, and nothing else.
#[test]
fn whirlpool_inputs_are_not_joined() {
    let shape = |name, inputs, outputs| Shape { name, inputs, keys: inputs, outputs };
    check(
        &[
            shape(
                "c57e3e496a6bb496498b54632b2637472c59feb7a3b0485121140425f115cb51",
                5,
                &[(5, 100_000)],
            ),
            shape(
                "118970792f15cdb90645be0d265ba6c04ab3f3d36a16efe2c4b97801a730b3fa",
                5,
                &[(5, 1_000_000)],
            ),
            shape(
                "323df21f0b0756f98336437aa3d2fb87e02b59f1946b714a7b09df04d429dec2",
                5,
                &[(5, 5_000_000)],
            ),
            // Of the larger rounds only amounts are known.
            shape(
                "f82fa771e355ef46e9744da2407f677ea4372d85b61b4a4d735d88a85798dfc4",
                8,
                &[(8, 100_000)],
            ),
            shape(
                "f540e8d8636bd706cb9c2f5733d26ccfdb151b76d663b2d346785e62c352b282",
                9,
                &[(9, 100_000)],
            ),
        ],
        false,
    );
}

/// JoinMarket: makers and a taker have an output of the taker's amount each, and change. The last has
/// 23 inputs of as many addresses and ten participants.
#[test]
fn joinmarket_inputs_are_not_joined() {
    check(
        &[
            Shape {
                name: "49f3a31560df5284268721d36e8811f9cee4bb528a75cf31296b5ac3f5856f4d",
                inputs: 7,
                keys: 7,
                outputs: &[
                    (5, 7_000_000),
                    (1, 20_904_871),
                    (1, 156_685),
                    (1, 6_655_321),
                    (1, 5_498_860),
                    (1, 88_591),
                ],
            },
            Shape {
                name: "87acca657c1c13be3c396bd0c7a235ca69407d9c1653afe7daf08431eeb24c25",
                inputs: 4,
                keys: 4,
                outputs: &[
                    (4, 3_595_967),
                    (1, 154_480_040),
                    (1, 35_491_076),
                    (1, 311_189),
                    (1, 3_480_845),
                ],
            },
            Shape {
                name: "6cb2433f28177a3b07073a0eb34a527ba6d7dd7483cccb394f88321373c0ed20",
                inputs: 23,
                keys: 23,
                outputs: &[
                    (10, 198_732_961),
                    (1, 680_555),
                    (1, 1_306_587),
                    (1, 80_489_759),
                    (1, 9_819_186),
                    (1, 1_278_915),
                    (1, 29_453_272),
                    (1, 22_583_724),
                    (1, 1_276_615),
                    (1, 985_300),
                ],
            },
        ],
        false,
    );
}

/// Payments of one owner: from 1,012 deposit addresses; a consolidation of 386 inputs; batches with
/// two outputs, and from two inputs with five, of one amount; change in three equal parts.
#[test]
fn inputs_of_one_owner_are_joined() {
    check(
        &[
            Shape {
                name: "2a570190f8c8bda77f44e7baf5e48e301c2e89a0efe7a1f25d9a8a8a3a0ed756",
                inputs: 1_012,
                keys: 1_012,
                outputs: &[(1, 1_000_000_000), (1, 960)],
            },
            Shape {
                name: "cbf820e4508038797d8844ee7affc901450682a0caba871e3a87844a69228fde",
                inputs: 386,
                keys: 346,
                outputs: &[(1, 37_835_584)],
            },
            Shape {
                name: "5186b6b840443d3a0918565086005626df5e0b13ad72103419686f5148f37f53",
                inputs: 9,
                keys: 8,
                outputs: &[
                    (1, 1_000_000),
                    (1, 1_295_134),
                    (1, 1_523_514),
                    (1, 4_000_000),
                    (2, 5_540_000),
                    (1, 35_317_855),
                    (1, 35_593_241),
                    (1, 49_990_000),
                    (1, 99_716_543),
                    (1, 587_945_180),
                    (1, 1_280_535_419),
                ],
            },
            Shape {
                name: "1725836b279798434def27092cb6554b152471b91ddb481e2c309ab9b376044b",
                inputs: 2,
                keys: 2,
                outputs: &[
                    (5, 720_000),
                    (1, 142_358_753),
                    (1, 37_560_000),
                    (1, 102_870_000),
                    (1, 430_000),
                    (1, 4_529_557),
                    (1, 755_459),
                    (1, 290_000),
                    (1, 340_000),
                    (1, 58_100_000),
                    (1, 3_707_831),
                    (1, 395_000),
                ],
            },
            Shape {
                name: "101da59c13cbf47400611fae6dfc2388b910c4bd1d91ba426fbf1d6e2e99ef4b",
                inputs: 2,
                keys: 2,
                outputs: &[(1, 31_000_000), (3, 4_906_836)],
            },
        ],
        true,
    );
}

/// Equal parts to one address are no CoinJoin. `df812c6c45ecfd07...` pays one address 50,000 satoshi
/// in each of many outputs, and is on crocs-muni's list of false CoinJoins.
#[test]
fn equal_outputs_to_one_address_are_no_coinjoin() {
    let inputs = (0..3).map(|number| leg(number, 200_000)).collect();
    let outputs = vec![leg(OUTPUTS, 100_000); 5];
    assert_eq!(joined(&[transaction(inputs, outputs)], 3), BTreeSet::from([3]));
}

/// The keys of one multi-signature are not joined. As a script hash they are one address
/// (`bcd770ff94fec6d2...`, a 2-of-3 of two traders and an arbiter); bare they are one input that names
/// several addresses.
#[test]
fn a_multisig_joins_no_keys() {
    let to = || outputs(&[(1, 409_825), (1, 2_494)]);
    let of_a_script = transaction(vec![leg(0, 415_747)], to());
    assert_eq!(joined(&[of_a_script], 1), BTreeSet::from([1]));
    let bare = Leg { holders: vec![holder(0), holder(1), holder(2)], ..leg(0, 400_000) };
    let beside = transaction(vec![bare.clone(), leg(3, 15_747)], to());
    assert_eq!(joined(&[beside], 4), BTreeSet::from([1]));
    // Two others beside it are joined with each other.
    let beside = transaction(vec![bare, leg(3, 15_747), leg(4, 1_000)], to());
    let world = world(&[beside], Vec::new(), Vec::new());
    assert_eq!([0, 1, 2, 3, 4].map(|number| cluster_of(&world, number)), [1, 1, 1, 2, 2]);
}

/// JoinedKey, although the inputs have several owners. docs/limits-of-tracing.md names each.
#[test]
fn known_false_joins() {
    check(
        &[
            // A published PayJoin: two addresses of the payer, three of the payee
            // (https://en.bitcoin.it/wiki/PayJoin). The amounts are made up.
            Shape {
                name: "7104bae698587b3e75563b7ea7a9aada41d9c787788bc2bf26dd201fd7eca8a2",
                inputs: 5,
                keys: 5,
                outputs: &[(1, 30_000_000), (1, 70_000_000)],
            },
            // JoinMarket with a single maker.
            Shape {
                name: "4f112abd2eefe3484a7bbf7c1731f784cba19de677468835145e9c448fb18b7d",
                inputs: 2,
                keys: 2,
                outputs: &[(1, 46_981), (2, 100_420), (1, 1_347_800)],
            },
            // Probably SharedCoin (2013 to 2016), which makes no equal outputs: two more
            // transactions of the block go on with its outputs in the same manner.
            Shape {
                name: "8249964abf7ad7c47b994d5b48af0602e7f5252a1f804d20b63b0fafb321f2f9",
                inputs: 10,
                keys: 10,
                outputs: &[
                    (1, 29_131_173),
                    (1, 30_674_833),
                    (1, 28_702_372),
                    (1, 31_160_979),
                    (1, 14_897_232),
                    (1, 28_841_442),
                    (1, 28_583_130),
                    (1, 30_186_664),
                    (1, 29_689_768),
                    (1, 32_348_546),
                    (1, 29_967_111),
                    (1, 30_498_828),
                    (1, 30_664_927),
                    (1, 31_889_899),
                    (1, 28_425_474),
                    (1, 30_230_448),
                    (1, 29_852_901),
                    (1, 27_384_390),
                ],
            },
            // One input goes through unchanged, and another pays the fee: 3,495,000 and
            // 4,942,227,893 satoshi in. It may have a sponsor, or be a service's own.
            Shape {
                name: "22b22adb6095a1b8f125f16f080f01d2b53e66d0cc1664c6a97c69ecb7f24dbd",
                inputs: 2,
                keys: 2,
                outputs: &[(1, 3_495_000), (1, 4_942_217_893)],
            },
            // The sale of an inscription. The seller signs one input and the output that pays the
            // seller, with SINGLE|ANYONECANPAY; the buyer adds two inputs and the other outputs.
            // Layout: the draft "Trust minimized swaps using PSBTs" (bitcoin-dev, 2023-03-02). The
            // amounts are made up.
            Shape {
                name: "a sale by a partially signed transaction",
                inputs: 3,
                keys: 2,
                outputs: &[(1, 1_146), (1, 2_000_000), (1, 600), (1, 731_200)],
            },
        ],
        true,
    );
}

/// Not joined, although the inputs have one owner most likely: 120 BTC in 21 equal parts, more than
/// there are inputs.
#[test]
fn known_misses() {
    check(
        &[Shape {
            name: "c32d43aaa650baca6f11e116449bf33609d2e105cf33680746013dbe22df2e73",
            inputs: 15,
            keys: 14,
            outputs: &[(21, 571_428_571), (1, 2_102_764_917)],
        }],
        false,
    );
}

/// A CoinJoin has three distinct input addresses, and three distinct addresses that receive one amount
/// above zero.
#[test]
fn edges_of_the_rule() {
    let of = |keys: usize, outputs: Vec<Leg>| {
        joined(&[transaction((0..keys).map(|number| leg(number, 100)).collect(), outputs)], keys)
    };
    assert_eq!(of(3, outputs(&[(3, 50)])), BTreeSet::from([1]));
    assert_eq!(of(2, outputs(&[(3, 50)])), BTreeSet::from([2]));
    assert_eq!(of(3, outputs(&[(2, 50), (2, 40)])), BTreeSet::from([3]));
    assert_eq!(of(3, outputs(&[(3, 0), (1, 250)])), BTreeSet::from([3]));
    // Of the three outputs two are to one address.
    let twice = vec![leg(OUTPUTS, 50), leg(OUTPUTS, 50), leg(OUTPUTS + 1, 50)];
    assert_eq!(of(3, twice), BTreeSet::from([3]));
    // Amounts that are not known are not equal.
    let unknown = Leg { amount: None, ..leg(OUTPUTS, 0) };
    let unknown = (OUTPUTS..OUTPUTS + 3)
        .map(|number| Leg { holders: vec![holder(number)], ..unknown.clone() })
        .collect();
    assert_eq!(of(3, unknown), BTreeSet::from([3]));
    // Three inputs of two addresses.
    let inputs = vec![leg(0, 100), leg(1, 100), leg(1, 100)];
    let twice = transaction(inputs, outputs(&[(3, 50)]));
    assert_eq!(joined(&[twice], 2), BTreeSet::from([2]));
}

/// A stop is joined with no key, and counts as an input key of a CoinJoin.
#[test]
fn a_stop_is_not_joined_and_counts_for_a_coinjoin() {
    let stop = || vec![(key(0), StopReason::Service)];
    let of = |runs| {
        let row = transaction((0..3).map(|number| leg(number, 100)).collect(), outputs(runs));
        let world = world(&[row], Vec::new(), stop());
        [0, 1, 2].map(|number| cluster_of(&world, number))
    };
    assert_eq!(of(&[(2, 50)]), [1, 2, 2]);
    assert_eq!(of(&[(3, 50)]), [1, 1, 1]);
    let two = transaction(vec![leg(0, 100), leg(1, 100)], outputs(&[(1, 150)]));
    let world = world(&[two], Vec::new(), stop());
    assert_eq!([0, 1].map(|number| cluster_of(&world, number)), [1, 1]);
}

#[test]
fn a_chain_that_is_switched_off_joins_no_keys() {
    let mut settings = settings(5, u32::MAX);
    settings.no_common_input = BTreeSet::from([BITCOIN]);
    let mut world = World::new(settings);
    world.append(0, &[transaction(vec![leg(0, 100), leg(1, 100)], outputs(&[(1, 150)]))]);
    world.relabel();
    assert_eq!([0, 1].map(|number| cluster_of(&world, number)), [1, 1]);
}

/// The same in labels: beside a listed input of a consolidation every input is joined with it, in a
/// Whirlpool none.
#[test]
fn labels_join_with_a_listed_input() {
    let listed = Source {
        list: "list".parse().unwrap(),
        listing: RowKey::default(),
        key: key(0),
        kind: ListKind::Sanctions,
        listed_from: None,
        unlisted_until: None,
    };
    let of = |runs, number| {
        let row = transaction((0..5).map(|number| leg(number, 120)).collect(), outputs(runs));
        let mut world = world(&[row], vec![listed.clone()], Vec::new());
        let labels = world.relabel().labels;
        labels.find(&key(number)).common_inputs().map(|(of, _)| of).collect::<Vec<_>>()
    };
    let beside = CommonInput { kind: ListKind::Sanctions, is_beside: true, is_cut: false };
    for number in 1..5 {
        assert_eq!(of(&[(1, 590)], number), [beside]);
        assert_eq!(of(&[(5, 110)], number), []);
    }
    assert_eq!(of(&[(1, 590)], 0), [], "a listed key is listed");
}
