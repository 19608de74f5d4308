//! A seeded R-MAT graph of transfers (a = 0.57, b = c = 0.19): the same on every machine. Measures
//! nothing.

use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Position, Transfer, TxStatus,
};

/// Transfers in a block.
const BLOCK: u64 = 200;

/// The generator: an endless row of pairs of numbers below 2^scale, never a number with itself.
#[derive(Clone, Debug)]
pub struct Rmat {
    state: u64,
    scale: u32,
}

/// The next number of SplitMix64.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rmat {
    /// A generator for a graph of at most 2^scale addresses.
    pub fn new(seed: u64, scale: u32) -> Self {
        Self { state: seed, scale }
    }
}

impl Iterator for Rmat {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        loop {
            let (mut from, mut to) = (0, 0);
            let mut bits = 0;
            for level in 0..self.scale {
                // Four steps from one number of 64 bits.
                if level % 4 == 0 {
                    bits = random(&mut self.state);
                }
                let part = bits & 0xffff;
                bits >>= 16;
                // 0.57, 0.19, 0.19 and 0.05 of 65,536.
                let (down, right) = match part {
                    0..37_356 => (0, 0),
                    37_356..49_808 => (0, 1),
                    49_808..62_260 => (1, 0),
                    _ => (1, 1),
                };
                from = from << 1 | down;
                to = to << 1 | right;
            }
            if from != to {
                return Some((from, to));
            }
        }
    }
}

/// The address of a number: 20 bytes that look like a hash.
pub fn address(number: u32) -> [u8; 20] {
    let mut state = u64::from(number) ^ 0x5eed_0000_0000_0000;
    let mut bytes = [0; 20];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random(&mut state).to_be_bytes()[..chunk.len()]);
    }
    bytes
}

/// The transfer of a row: of ether on Ethereum, in order of time. Which pair it is of being random,
/// so is the time of every pair.
pub fn transfer(row: u64, (from, to): (u32, u32)) -> Transfer {
    let height = row / BLOCK;
    Transfer {
        chain: Chain::Evm(1),
        time: 1_500_000_000 + height * 12,
        placement: Position { height, tx_index: (row % BLOCK) as u32, index: 0 }.into(),
        block_hash: None,
        tx: None,
        status: TxStatus::Succeeded,
        movement: Movement::Account(AccountMovement {
            from: Some(Holder::Evm(address(from))),
            to: Some(Holder::Evm(address(to))),
            asset: Asset::Native,
            amount: Amount::from(1_000_000_000_000_000_000_u64 + row),
            usd_micros: None,
        }),
    }
}
