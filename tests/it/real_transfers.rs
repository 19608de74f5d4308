//! Real transfers through the store: what they tie to real listings, what of them is loaded and
//! loads again, and that their sums are those of another implementation.

pub mod graphsense;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use lazaretto::domain::asset::AssetTable;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::packed_key::PackedKey;
use lazaretto::domain::transfer::{Amount, Asset, Holder, Movement, Transfer};
use lazaretto::engine::{CounterpartyQuery, CounterpartyRow};
use lazaretto::exposure::Direction;
use lazaretto::source::rows::Progress;
use lazaretto::source::transfers::{ReadReport, ReadSettings, read};

use crate::support::desk::Desk;
use crate::support::needs::data;
use crate::support::transfer_files::{Made, btc_blocks, eth_blocks, lazarus, real, records};

const NOW: &str = "2025-11-20T12:00:00Z";

/// What loading a file did.
#[derive(Debug)]
struct Loaded {
    report: ReadReport,
    stored: u64,
    duplicates: u64,
}

/// Loads a file as an import does, in bulk.
fn load(desk: &Desk, path: &Path, settings: &ReadSettings) -> Loaded {
    let assets = AssetTable::built_in();
    let decimals = |chain: &Chain, asset: &Asset| assets.rule(chain, asset).map(|it| it.decimals);
    let mut session = desk.engine().begin_ingest();
    let (mut stored, mut duplicates) = (0, 0);
    let mut sink = |batch: Vec<Transfer>, _: Progress| {
        let done = session.append_many(batch, &[])?.unwrap_or_default();
        stored += done.stored;
        duplicates += done.duplicates;
        Ok::<_, lazaretto::engine::EngineError>(())
    };
    let report = read(path, settings, &decimals, None, &mut sink).unwrap();
    let rest = session.flush().unwrap().unwrap_or_default();
    session.finish().unwrap();
    Loaded { report, stored: stored + rest.stored, duplicates: duplicates + rest.duplicates }
}

/// Every transfer of an address, from pages of some.
fn dealings(desk: &Desk, address: &str, direction: Option<Direction>) -> Vec<CounterpartyRow> {
    desk.engine().wait_for_exposure(true).unwrap();
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let query = CounterpartyQuery {
            address: address.to_owned(),
            chain: None,
            direction,
            after,
            limit: 100,
        };
        let page = desk.engine().counterparties(&query).unwrap();
        all.extend(page.rows);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn native_floor() -> Amount {
    AssetTable::built_in().rule(&Chain::Evm(1), &Asset::Native).unwrap().floor
}

/// What an account transfer moves: sender, receiver, amount.
fn ends(transfer: &Transfer) -> (String, String, Amount) {
    let Movement::Account(movement) = &transfer.movement else { panic!("{transfer:?}") };
    let name = |holder: &Option<Holder>| holder.as_ref().map_or(String::new(), ToString::to_string);
    (name(&movement.from), name(&movement.to), movement.amount)
}

/// Decimal Ether, perhaps with an exponent, in wei: by moving the digits.
fn wei(text: &str) -> u128 {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = 18 + exponent.parse::<i32>().unwrap() - i32::try_from(fraction.len()).unwrap();
    let digits: u128 = format!("{whole}{fraction}").parse().unwrap();
    match u32::try_from(zeros) {
        Ok(zeros) => digits * 10_u128.pow(zeros),
        Err(_) => {
            let cut = 10_u128.pow(zeros.unsigned_abs());
            assert_eq!(digits % cut, 0, "{text} is finer than a wei");
            digits / cut
        }
    }
}

/// With which of the eight somebody dealt, and in how much: received, then sent.
type Sides = [Vec<(String, u128)>; 2];

/// Who dealt with the eight, by the lines of the file.
fn parties_of(text: &str, eight: &BTreeSet<String>) -> BTreeMap<String, Sides> {
    let mut parties = BTreeMap::<String, Sides>::new();
    for line in text.lines().skip(1) {
        let fields: Vec<String> = line.split(',').map(|field| field.replace('\\', "0")).collect();
        let [_, from, to, amount] = &fields[..] else { panic!("{line}") };
        let amount = wei(amount);
        assert!(eight.contains(from) || eight.contains(to), "{line}");
        for (party, other, side) in [(to, from, 0), (from, to, 1)] {
            if eight.contains(other) && !eight.contains(party) {
                let entry = parties.entry(party.clone()).or_default();
                entry[side].push((other.clone(), amount));
            }
        }
    }
    parties
}

/// Zero and dust that does not add up do not count, and are said not to.
fn check_reason(row: &CounterpartyRow, floor: u128) {
    let why = match ends(&row.transfer).2.as_u128() {
        0 => Some("ZERO"),
        amount if amount < floor && !row.adds_up => Some("DUST"),
        amount => {
            assert!(amount >= floor || row.adds_up, "{row:?}");
            None
        }
    };
    assert_eq!(row.not_counted, why, "{row:?}");
}

/// The transfers around the eight addresses that OFAC listed for Lazarus in 2022, counted from the
/// file by itself: who dealt with one of them in more than dust is at one hop, by that transfer;
/// who did not is at none, for a reason that is said.
#[test]
fn lazarus_counterparties_are_at_one_hop() {
    let Some(path) = real("lazarus-eth-2022/LazarusTabularTxs1322519.csv") else { return };
    let text = std::fs::read_to_string(&path).unwrap();
    let eight: BTreeSet<String> = std::fs::read_to_string(path.with_file_name("LazarusGroup.txt"))
        .unwrap()
        .split('\'')
        .filter_map(|part| part.strip_prefix("\\x"))
        .map(|hex| format!("0x{}", hex.to_lowercase()))
        .collect();
    assert_eq!(eight.len(), 8);
    let floor = native_floor().as_u128();

    let parties = parties_of(&text, &eight);
    let desk = Desk::new(NOW, &["starter_lists=true"]);
    let made = Made::new(&lazarus(&text));
    let loaded = load(
        &desk,
        made.path(),
        &ReadSettings { chain: Some(Chain::Evm(1)), ..ReadSettings::default() },
    );
    assert_eq!((loaded.report.kept, loaded.stored, loaded.duplicates), (436, 436, 0));
    for address in &eight {
        let screened = desk.screen(address, None);
        assert_eq!(screened.decision, lazaretto::screening::policy::Decision::Block, "{address}");
    }

    let directions = [Direction::ReceivedFrom, Direction::SentTo];
    let mut at_one_hop = [0; 2];
    let (mut near, mut zero_only, mut dust, mut adding_up) = (0, 0, 0, 0);
    for (party, sides) in &parties {
        let look = desk.look(party, None);
        // The eight are of one party: dust from any of them adds up, in units of 8 decimals.
        let units = |amount: &u128| amount.div_ceil(10_000_000_000) * 10_000_000_000;
        let valued = sides
            .each_ref()
            .map(|side| side.iter().map(|(_, amount)| units(amount)).sum::<u128>() >= floor);
        for (side, direction) in directions.into_iter().enumerate() {
            let sanctioned = |e: &&(crate::support::desk::Exposed, _)| {
                e.0.direction == direction && e.0.listed.0 == "us-ofac-sdn"
            };
            let found = look.near.iter().find(sanctioned);
            let found = found.filter(|(exposed, _)| exposed.hops == 1);
            assert_eq!(found.is_some(), valued[side], "{party} {direction:?}: {look:?}");
            let Some((exposed, evidence)) = found else { continue };
            at_one_hop[side] += 1;
            let path = evidence.as_ref().unwrap().path.as_ref().unwrap();
            let [hop] = &path.hops[..] else { panic!("{path:?}") };
            let (from, to, amount) = ends(&hop.transfer);
            let (us, other) = if side == 0 { (to, from) } else { (from, to) };
            assert_eq!((&us, &other), (party, &exposed.listed.1.to_lowercase()));
            assert!(sides[side].contains(&(other, amount.as_u128())), "{path:?}");
            let has_large = sides[side].iter().any(|(_, amount)| *amount >= floor);
            adding_up += usize::from(!has_large);
        }
        let rows = dealings(&desk, party, None);
        assert_eq!(rows.len(), sides.iter().map(Vec::len).sum::<usize>(), "{party}");
        rows.iter().for_each(|row| check_reason(row, floor));
        if valued == [false, false] {
            assert!(look.near.is_empty(), "{party}: {look:?}");
            let is_zero = rows.iter().all(|row| row.not_counted == Some("ZERO"));
            zero_only += usize::from(is_zero);
            dust += usize::from(!is_zero);
        } else {
            near += 1;
        }
    }
    eprintln!(
        "{} counterparties: {near} at one hop ({} received, {} sent), {zero_only} with zero only, \
         {dust} with dust, {adding_up} directions by dust that adds up",
        parties.len(),
        at_one_hop[0],
        at_one_hop[1]
    );
    assert_eq!(near + zero_only + dust, parties.len());
    assert!(near > 0 && zero_only > 0 && dust > 0);
    let again = load(
        &desk,
        made.path(),
        &ReadSettings { chain: Some(Chain::Evm(1)), ..ReadSettings::default() },
    );
    assert_eq!((again.stored, again.duplicates), (0, 436));
}

/// Loads a file twice, screens who is in it, and says the counts.
fn load_twice(desk: &Desk, name: &str, path: &Path, settings: &ReadSettings) -> Loaded {
    let before = desk.engine().transfer_heads().rows;
    let loaded = load(desk, path, settings);
    let Loaded { report, stored, duplicates } = &loaded;
    eprintln!(
        "{name}: {} rows read as {}, {} kept, left out {:?}; {stored} stored, {duplicates} there \
         already",
        report.rows_read, report.format, report.kept, report.left_out
    );
    assert_eq!(report.rows_read, report.kept + report.left_out.values().sum::<u64>(), "{name}");
    assert_eq!(stored + duplicates, report.kept, "{name}");
    assert_eq!(desk.engine().transfer_heads().rows, before + stored, "{name}");
    let again = load(desk, path, settings);
    assert_eq!((again.stored, again.duplicates), (0, report.kept), "{name}");
    let heads = desk.engine().transfer_heads();
    assert_eq!((heads.rows, heads.labelled_rows), (before + stored, before + stored), "{name}");
    loaded
}

/// Screens everybody in a file of transfers; gives how many those are.
fn screen_all(desk: &Desk, path: &Path, settings: &ReadSettings) -> usize {
    let assets = AssetTable::built_in();
    let decimals = |chain: &Chain, asset: &Asset| assets.rule(chain, asset).map(|it| it.decimals);
    let mut holders = BTreeSet::new();
    let mut sink = |batch: Vec<Transfer>, _: Progress| {
        for transfer in batch {
            match transfer.movement {
                Movement::Account(movement) => {
                    holders.extend(movement.from.into_iter().chain(movement.to));
                }
                Movement::Utxo(movement) => {
                    let legs = movement.inputs.into_iter().chain(movement.outputs);
                    holders.extend(legs.flat_map(|leg| leg.holders));
                }
            }
        }
        Ok::<_, std::io::Error>(())
    };
    read(path, settings, &decimals, None, &mut sink).unwrap();
    for holder in &holders {
        let answer = desk.screen(&holder.to_string(), None);
        assert!(answer.is_complete(), "{holder}: {answer:?}");
    }
    holders.len()
}

fn both_ends(row: &HashMap<String, String>) -> [String; 2] {
    ["from_address", "to_address"].map(|name| row[name].to_lowercase())
}

/// The five who paid in value the most often.
fn payers(rows: &[&HashMap<String, String>]) -> BTreeSet<String> {
    let mut payers: BTreeMap<String, usize> = BTreeMap::new();
    for row in
        rows.iter().filter(|row| row["value_wei"].parse::<Amount>().unwrap() >= native_floor())
    {
        *payers.entry(both_ends(row)[0].clone()).or_default() += 1;
    }
    let mut payers: Vec<_> = payers.into_iter().collect();
    payers.sort_by_key(|(payer, count)| (std::cmp::Reverse(*count), payer.clone()));
    payers.into_iter().take(5).map(|(payer, _)| payer).collect()
}

/// Who dealt in value with one of `listed`, which way, and with whom.
fn dealers(
    rows: &[&HashMap<String, String>],
    listed: &BTreeSet<String>,
) -> BTreeMap<(String, Direction), BTreeSet<String>> {
    let mut expected: BTreeMap<(String, Direction), BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let [from, to] = both_ends(row);
        if row["value_wei"].parse::<Amount>().unwrap() < native_floor()
            || from == to
            || to.is_empty()
        {
            continue;
        }
        if listed.contains(&from) {
            let entry = expected.entry((to.clone(), Direction::ReceivedFrom)).or_default();
            entry.insert(from.clone());
        }
        if listed.contains(&to) {
            expected.entry((from, Direction::SentTo)).or_default().insert(to);
        }
    }
    expected
}

/// 86 whole blocks: who dealt with a listed address in value is at one hop of it, and nobody else.
#[test]
fn eth_blocks_load_and_show_who_dealt_with_listed_addresses() {
    let Some(path) = real("eth-blocks/transactions.csv.gz") else { return };
    let rows = records(&path);
    let made = Made::new(&eth_blocks(&rows));
    let desk = Desk::new(NOW, &["starter_lists=true"]);
    // The block of RISE is later than the list.
    desk.set_clock("2026-11-01");
    let loaded = load_twice(&desk, "eth-blocks", made.path(), &ReadSettings::default());
    assert_eq!((loaded.report.rows_read, loaded.stored, loaded.duplicates), (24_920, 24_920, 0));
    desk.set_clock(NOW);

    let sdn = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/us-ofac-sdn.csv");
    let sdn = std::fs::read_to_string(sdn).unwrap();
    let rows_of_list = sdn.lines().filter(|line| line.starts_with("0x"));
    let sdn: BTreeSet<String> =
        rows_of_list.map(|line| line.split(',').next().unwrap().to_lowercase()).collect();
    let ours: Vec<_> = rows.iter().filter(|row| row["chain"] == "ethereum").collect();
    let seen: BTreeSet<String> =
        ours.iter().flat_map(|row| both_ends(row)).filter(|end| sdn.contains(end)).collect();
    // What touches those moves nothing: nobody is near them, and why is said.
    for listed in &seen {
        for row in dealings(&desk, listed, None) {
            assert_eq!(row.not_counted, Some("ZERO"));
            let [other] = &row.others[..] else { panic!("{row:?}") };
            assert!(desk.look(&other.to_string(), None).near.is_empty(), "{other}");
        }
    }
    assert_eq!(seen.len(), 1);

    // So that there is something to see, those who paid the most often are put on a list.
    let listed = payers(&ours);
    let mut csv = "address,ticker,party_uid\n".to_owned();
    listed.iter().for_each(|payer| csv += &format!("{payer},ETH,payer\n"));
    let list = Made::new(&csv);
    desk.import("payers", Some(ListKind::Advisory), list.path(), None).unwrap();

    let expected = dealers(&ours, &listed);
    for ((party, direction), others) in &expected {
        let look = desk.look(party, None);
        let (exposed, evidence) = look.only(*direction).unwrap_or_else(|| panic!("{party}"));
        assert_eq!(exposed.hops, 1, "{look:?}");
        assert!(others.contains(&exposed.listed.1.to_lowercase()), "{look:?}");
        assert_eq!(evidence.as_ref().unwrap().path.as_ref().unwrap().hops.len(), 1);
    }
    // And nobody else is at one hop.
    let everybody: BTreeSet<String> = ours.iter().flat_map(|row| both_ends(row)).collect();
    let snapshot = desk.engine().snapshot().unwrap();
    let labels = snapshot.exposure().labels.clone().unwrap();
    for party in everybody.iter().filter(|party| !party.is_empty()) {
        let address = lazaretto::domain::address::Address::parse(party, None).unwrap();
        for key in address.key_ids().iter().map(PackedKey::from) {
            for label in labels.of(&key).filter(|label| label.hops == 1) {
                assert!(expected.contains_key(&(party.clone(), label.direction)), "{party}");
            }
        }
    }
    eprintln!(
        "eth-blocks: {} addresses at one hop of the {} who pay the most often",
        expected.len(),
        listed.len()
    );
    assert!(expected.len() > 500, "{}", expected.len());
    let screened = screen_all(&desk, made.path(), &ReadSettings::default());
    eprintln!("eth-blocks: {screened} addresses screened");
}

#[test]
fn btc_blocks_load_and_load_again() {
    let Some(path) = real("btc-blocks/outputs.csv.gz") else { return };
    let made = Made::new(&btc_blocks(&path));
    let desk = Desk::new(NOW, &["starter_lists=true"]);
    let loaded = load_twice(&desk, "btc-blocks", made.path(), &ReadSettings::default());
    assert_eq!((loaded.stored, loaded.duplicates), (4_354, 0));
    let screened = screen_all(&desk, made.path(), &ReadSettings::default());
    eprintln!("btc-blocks: {screened} addresses screened");
    assert!(screened > 1_000);
}

/// Every file of transfers of the two exporters, one after another into one store: some hold the
/// same transactions in two forms, which are then there once.
#[test]
fn files_of_the_exporters_load_and_load_again() {
    let Some(root) = data("transfers") else { return };
    let desk = Desk::new(NOW, &["starter_lists=true"]);
    let blocks = "ethereum-etl/test_export_blocks_job/blocks_with_transactions_and_withdrawals";
    let stream = "ethereum-etl/test_stream/blocks_17173049_17173050";
    let ethereum = [
        (format!("{blocks}/expected_transactions.csv"), 298, 298),
        (format!("{blocks}/expected_transactions.json"), 298, 0),
        // It says that they succeeded, and names the contract that one of them created: it tells more
        // of each, and takes their places.
        (format!("{stream}/expected_transactions.json"), 298, 298),
        (format!("{stream}/expected_token_transfers.json"), 291, 291),
        ("ethereum-etl/test_stream/blocks_508110_508110/expected_traces.json".to_owned(), 0, 0),
    ];
    for (file, kept, stored) in ethereum {
        let path = root.join(&file);
        let loaded = load_twice(&desk, &file, &path, &ReadSettings::default());
        if kept > 0 {
            assert_eq!((loaded.report.kept, loaded.stored), (kept, stored), "{file}");
        }
        screen_all(&desk, &path, &ReadSettings::default());
    }
    let bitcoin = [
        ("bitcoin/block_0", Chain::Bitcoin),
        ("bitcoin/block_1", Chain::Bitcoin),
        ("bitcoin/block_with_transactions", Chain::Bitcoin),
        ("bitcoin/block_without_transactions", Chain::Bitcoin),
        ("bitcoin/stream_50001_50002", Chain::Bitcoin),
        ("bitcoin_cash/block_with_duplicate_txid", Chain::BitcoinCash),
        ("dogecoin/block_without_transactions", Chain::Dogecoin),
        ("dogecoin/block_with_float_precision_loss", Chain::Dogecoin),
        ("zcash/block_0", Chain::Zcash),
        ("zcash/block_with_shielded_addresses", Chain::Zcash),
        ("zcash/block_with_value_balance", Chain::Zcash),
    ];
    for (file, chain) in bitcoin {
        let path = root.join(format!("bitcoin-etl/{file}/expected_transactions.json"));
        let settings = ReadSettings { chain: Some(chain), ..ReadSettings::default() };
        load_twice(&desk, file, &path, &settings);
        screen_all(&desk, &path, &settings);
    }
}
