//! Transfers by their number, to be known again after a crash.

use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Position, Transfer, TxStatus,
};

/// Row `n` of a stream of transfers among some holders. Every third has no position.
pub fn row(n: u64, amount: u128) -> Transfer {
    let holder = |n: u64| {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Some(Holder::Evm(bytes))
    };
    let position = Position { height: n / 8, tx_index: (n % 8) as u32, index: 0 };
    Transfer {
        chain: Chain::Evm(1),
        time: n / 8,
        placement: (!n.is_multiple_of(3)).then_some(position).into(),
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: holder(n / 5),
            to: holder(n),
            asset: Asset::Native,
            amount: Amount::new(amount),
            usd_micros: None,
        }),
    }
}
