//! Addresses that no party controls: null, burn, precompile and system addresses. A list that names
//! one would taint unrelated funds, so such rows are quarantined.

use super::{Address, Encoding, solana};
use crate::domain::key_id::KeyId;

const NULL: &str = "the null address, which no party controls";
const BURN: &str = "a burn address, which no party controls";
const SYSTEM: &str = "a precompile or system address, which no party controls";

/// Account numbers below this are precompiles or system contracts: EVM precompiles (0x01 to 0x13,
/// RIP-7212 at 0x100), the system contracts of BSC (0x1000 ...), zkSync (0x8001 ...) and 0x...dEaD.
const SMALL: u64 = 0x1_0000;
/// 0x000000000000000000000000000000000000dEaD.
const DEAD: u64 = 0xdead;

/// Known addresses, by their canonical text.
pub(super) const BY_TEXT: [(&str, &str); 17] = [
    ("1BitcoinEaterAddressDontSendf59kuE", BURN),
    ("1CounterpartyXXXXXXXXXXXXXXXUWLpVr", BURN),
    ("0xdead000000000000000042069420694206942069", BURN),
    ("0xdeaddeaddeaddeaddeaddeaddeaddeaddeaddead", BURN),
    ("0xdead000000000000000000000000000000000000", BURN),
    // A placeholder for a chain's own coin in token interfaces.
    ("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", SYSTEM),
    ("0xffffffffffffffffffffffffffffffffffffffff", BURN),
    // EIP-4788, EIP-2935: the system caller and its contracts.
    ("0xfffffffffffffffffffffffffffffffffffffffe", SYSTEM),
    ("0x000f3df6d732807ef1319fb7b8bb8522d0beac02", SYSTEM),
    ("0x0000f90827f1c53a10cb7a02335b175320002935", SYSTEM),
    // TRON's genesis account for burnt coins.
    ("TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy", BURN),
    // The XRP Ledger's ACCOUNT_ONE and NaN addresses; ACCOUNT_ZERO is all zero.
    ("rrrrrrrrrrrrrrrrrrrrBZbvji", SYSTEM),
    ("rrrrrrrrrrrrrrrrrrrn5RM1rHd", SYSTEM),
    ("1nc1nerator11111111111111111111111111111111", BURN),
    ("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", SYSTEM),
    ("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb", SYSTEM),
    ("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL", SYSTEM),
];

/// Returns why no party controls the address; `None` if one may.
pub(super) fn why(address: &Address<'_>) -> Option<&'static str> {
    if address.encoding() == Encoding::Verbatim {
        return None;
    }
    let keys = address.key_ids();
    if keys.is_empty() {
        return Some(NULL);
    }
    let text = address.canonical();
    BY_TEXT
        .iter()
        .find(|(known, _)| *known == text)
        .map(|(_, why)| *why)
        .or_else(|| keys.iter().find_map(system_account))
        .or_else(|| {
            let system = address.encoding() == Encoding::Solana && solana::is_system(text);
            system.then_some(SYSTEM)
        })
}

/// Classifies small account numbers, and the predeploys of OP Stack chains (0x4200...0000 to
/// 0x4200...ffff), for EVM and TRON.
pub(super) fn system_account(key: &KeyId) -> Option<&'static str> {
    let KeyId::Evm(hash) = key else { return None };
    let (head, tail) = hash.split_last_chunk::<8>()?;
    let number = u64::from_be_bytes(*tail);
    if number >= SMALL {
        return None;
    }
    match (head, number) {
        ([0, rest @ ..], DEAD) if rest.iter().all(|&byte| byte == 0) => Some(BURN),
        ([0 | 0x42, rest @ ..], _) if rest.iter().all(|&byte| byte == 0) => Some(SYSTEM),
        _ => None,
    }
}
