//! Other forms of an address: the same key written for other encodings and chains. For display
//! only; screening compares key ids.

use super::{Address, Encoding, base58, cashaddr, cosmos, evm, monero, segwit, tron, xrp, zcash};
use crate::domain::chain::Chain;
use crate::domain::key_id::{KeyId, Program};

type Form = (Chain, Encoding, String);

/// Returns every other form on a main network, each once, without the address's own form.
pub(super) fn others(address: &Address<'_>) -> Vec<Form> {
    let mut forms = Vec::new();
    for key in address.key_ids() {
        of_key(key, address, &mut forms);
    }
    if let Some(nested) = address.key_ids().iter().find_map(KeyId::nested) {
        of_key(&nested, address, &mut forms);
    }
    forms.retain(|(chain, encoding, text)| {
        let own = text == address.canonical() && *encoding == address.encoding();
        !(own && address.fits(chain))
    });
    forms
}

fn of_key(key: &KeyId, address: &Address<'_>, forms: &mut Vec<Form>) {
    match key {
        KeyId::PublicKeyHash(hash) => public_key_hash(hash, address.tag(), forms),
        KeyId::ScriptHash(hash) => script_hash(hash, forms),
        KeyId::ScriptHash32(hash) => {
            forms.push((Chain::BitcoinCash, Encoding::CashAddr, cashaddr::encode(1, hash)));
        }
        KeyId::WitnessProgram { version, program } => witness(*version, program, forms),
        KeyId::Evm(hash) => forms.extend([
            (Chain::AnyEvm, Encoding::Evm, evm::checksummed(hash)),
            (Chain::Tron, Encoding::Tron, base58::encode(&[tron::VERSION], hash)),
            (Chain::Tron, Encoding::TronHex, tron::hex(hash)),
        ]),
        KeyId::MoneroKeys(keys) if is_main_monero(address) => {
            forms.push((Chain::Monero, Encoding::Monero, monero::standard(keys)));
        }
        KeyId::Sapling(receiver) => {
            let text = zcash::sapling(receiver);
            forms.extend(text.map(|text| (Chain::Zcash, Encoding::ZcashSapling, text)));
        }
        KeyId::MoneroKeys(_)
        | KeyId::Ed25519(_)
        | KeyId::Orchard(_)
        | KeyId::Mweb(_)
        | KeyId::Account32 { .. }
        | KeyId::Verbatim(_) => {}
    }
}

/// An integrated address is a standard one with a payment id; a subaddress is not.
fn is_main_monero(address: &Address<'_>) -> bool {
    address.encoding() == Encoding::MoneroIntegrated && address.fits(&Chain::Monero)
}

fn public_key_hash(hash: &[u8; 20], tag: Option<u32>, forms: &mut Vec<Form>) {
    let base58 = [
        (Chain::Bitcoin, [0x00].as_slice()),
        (Chain::Litecoin, &[0x30]),
        (Chain::Dogecoin, &[0x1e]),
        (Chain::Dash, &[0x4c]),
        (Chain::Zcash, &[0x1c, 0xb8]),
        (Chain::BitcoinGold, &[0x26]),
        (Chain::Verge, &[0x1e]),
    ];
    let base58 =
        base58.map(|(chain, version)| (chain, Encoding::P2pkh, base58::encode(version, hash)));
    forms.extend(base58);
    forms.push((Chain::BitcoinCash, Encoding::CashAddr, cashaddr::encode(0, hash)));
    segwit_chains(0, hash, Encoding::P2wpkh, forms);
    forms.push((Chain::Xrp, Encoding::Xrp, xrp::classic(hash)));
    forms.push((Chain::Xrp, Encoding::XrpX, xrp::x_address(hash, tag)));
    let cosmos_hub = Chain::Cosmos("cosmoshub-4".into());
    for (chain, prefix) in [(Chain::BnbBeacon, "bnb"), (cosmos_hub, "cosmos")] {
        let text = cosmos::encode(prefix, hash);
        forms.extend(text.map(|text| (chain, Encoding::Cosmos, text)));
    }
}

fn script_hash(hash: &[u8; 20], forms: &mut Vec<Form>) {
    let base58 = [
        (Chain::Bitcoin, [0x05].as_slice()),
        (Chain::Litecoin, &[0x32]),
        (Chain::Dogecoin, &[0x16]),
        (Chain::Dash, &[0x10]),
        (Chain::Zcash, &[0x1c, 0xbd]),
        (Chain::BitcoinGold, &[0x17]),
        (Chain::Verge, &[0x21]),
    ];
    let base58 =
        base58.map(|(chain, version)| (chain, Encoding::P2sh, base58::encode(version, hash)));
    forms.extend(base58);
    forms.push((Chain::BitcoinCash, Encoding::CashAddr, cashaddr::encode(1, hash)));
}

fn witness(version: u8, program: &Program, forms: &mut Vec<Form>) {
    let encoding = match (version, program.as_bytes().len()) {
        (0, _) => Encoding::P2wsh,
        (1, 32) => Encoding::P2tr,
        _ => Encoding::Witness,
    };
    segwit_chains(version, program.as_bytes(), encoding, forms);
}

fn segwit_chains(version: u8, program: &[u8], encoding: Encoding, forms: &mut Vec<Form>) {
    let chains = [(Chain::Bitcoin, "bc"), (Chain::Litecoin, "ltc"), (Chain::BitcoinGold, "btg")];
    for (chain, prefix) in chains {
        let text = segwit::encode(prefix, version, program);
        forms.extend(text.map(|text| (chain, encoding, text)));
    }
}
