//! A seeded row of transactions of a UTXO chain, each made from its number alone: owners with a few
//! addresses, shops with hundreds, services with many thousands, and CoinJoins. Measures nothing.

use std::collections::BTreeSet;

use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{
    Holder, Leg, Movement, Position, Transfer, TxStatus, UtxoMovement,
};

use super::rmat::{address, random};

/// Transactions in a block.
const BLOCK: u64 = 2_000;
/// Addresses that an owner has at most; 4.5 on average.
const OF_OWNER: u64 = 8;
/// Addresses of a shop.
const OF_SHOP: u64 = 768;
const SERVICES: u64 = 64;
/// Participants of a CoinJoin.
const PARTICIPANTS: u64 = 5;

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer {
    Owner(u64),
    Shop(u64),
    Service(u64),
    /// Several owners at once, in a CoinJoin.
    Several,
}

/// What a transaction moves, between addresses by number.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub payer: Payer,
    pub inputs: Vec<u32>,
    pub outputs: Vec<Output>,
}

/// An output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub to: u32,
    pub amount: u64,
}

impl Transaction {
    /// The addresses that it joins, where there are several.
    pub fn joined(&self) -> Vec<u32> {
        let keys: BTreeSet<u32> = self.inputs.iter().copied().collect();
        match self.payer {
            Payer::Several => Vec::new(),
            Payer::Owner(_) | Payer::Shop(_) | Payer::Service(_) => keys.into_iter().collect(),
        }
    }
}

/// The row of transactions: about 1.7 inputs and 1.8 outputs each.
#[derive(Clone, Debug)]
pub struct Utxo {
    seed: u64,
    owners: u64,
    shops: u64,
    /// The first address of each service, and where addresses end. The first service has a fifth of
    /// the addresses of all, the n-th an n-th of the first's.
    services: Vec<u64>,
}

impl Utxo {
    /// For so many transactions; what comes after is in the same manner.
    pub fn new(seed: u64, transactions: u64) -> Self {
        let owners = (transactions / 8).max(16);
        let shops = (transactions / 16_384).max(4);
        let of_services = (transactions / 4).max(4_096) as f64;
        let harmonic = |services| (1..=services).map(|n| 1.0 / n as f64).sum::<f64>();
        let services = (0..=SERVICES).map(|service| {
            let below = of_services * harmonic(service) / harmonic(SERVICES);
            owners * OF_OWNER + shops * OF_SHOP + below as u64
        });
        Self { seed, owners, shops, services: services.collect() }
    }

    /// No address has this number, or a greater one.
    pub fn addresses(&self) -> u32 {
        u32::try_from(self.services[SERVICES as usize]).expect("fewer than 2^32 addresses")
    }

    /// The transaction of a number.
    pub fn transaction(&self, row: u64) -> Transaction {
        let mut state = self.seed ^ row.wrapping_mul(0xd134_2543_de82_ef95);
        let state = &mut state;
        let of_thousand = random(state) % 1_000;
        let payer = match of_thousand {
            0 => Payer::Several,
            1..=100 => Payer::Service(self.service(state)),
            101..=150 => Payer::Shop(random(state) % self.shops),
            _ => Payer::Owner(random(state) % self.owners),
        };
        match payer {
            Payer::Several => self.coinjoin(state),
            Payer::Service(_) if random(state).is_multiple_of(10) => {
                let inputs = 10 + random(state) % 21;
                self.payment(payer, inputs, 1, state)
            }
            Payer::Shop(_) | Payer::Service(_) => {
                let inputs = 1 + u64::from(random(state).is_multiple_of(3));
                let outputs = if random(state).is_multiple_of(10) { 10 } else { 2 };
                self.payment(payer, inputs, outputs, state)
            }
            Payer::Owner(_) => {
                let inputs = match random(state) % 100 {
                    0..70 => 1,
                    70..88 => 2,
                    88..95 => 3,
                    95..98 => 4,
                    _ => 5 + random(state) % 4,
                };
                let outputs = if random(state) % 100 < 35 { 1 } else { 2 };
                self.payment(payer, inputs, outputs, state)
            }
        }
    }

    /// A payment to others, the last output of several being change.
    fn payment(&self, payer: Payer, inputs: u64, outputs: u64, state: &mut u64) -> Transaction {
        let inputs = (0..inputs).map(|_| self.address_of(payer, state)).collect();
        let outputs = (0..outputs).map(|number| {
            let is_change = number > 0 && number + 1 == outputs;
            let to = if is_change { payer } else { self.payee(state) };
            Output { to: self.address_of(to, state), amount: 10_000 + random(state) % 100_000_000 }
        });
        let outputs = outputs.collect();
        Transaction { payer, inputs, outputs }
    }

    /// As many equal outputs as inputs, in the manner of Whirlpool.
    fn coinjoin(&self, state: &mut u64) -> Transaction {
        let mut several = || -> Vec<u32> {
            let owner = |_| Payer::Owner(random(state) % self.owners);
            let owners: Vec<_> = (0..PARTICIPANTS).map(owner).collect();
            owners.into_iter().map(|owner| self.address_of(owner, state)).collect()
        };
        let (inputs, outputs) = (several(), several());
        let outputs = outputs.into_iter().map(|to| Output { to, amount: 1_000_000 }).collect();
        Transaction { payer: Payer::Several, inputs, outputs }
    }

    fn payee(&self, state: &mut u64) -> Payer {
        match random(state) % 100 {
            0..10 => Payer::Service(self.service(state)),
            10..15 => Payer::Shop(random(state) % self.shops),
            _ => Payer::Owner(random(state) % self.owners),
        }
    }

    /// A service, in proportion to its addresses.
    fn service(&self, state: &mut u64) -> u64 {
        let (first, end) = (self.services[0], self.services[SERVICES as usize]);
        let at = first + random(state) % (end - first);
        self.services.partition_point(|&base| base <= at) as u64 - 1
    }

    fn address_of(&self, payer: Payer, state: &mut u64) -> u32 {
        let number = match payer {
            Payer::Owner(owner) => {
                let mut of_owner = owner ^ 0xadd7;
                let addresses = 1 + random(&mut of_owner) % OF_OWNER;
                owner * OF_OWNER + random(state) % addresses
            }
            Payer::Shop(shop) => self.owners * OF_OWNER + shop * OF_SHOP + random(state) % OF_SHOP,
            Payer::Service(service) => {
                let [base, end] = [0, 1].map(|next| self.services[service as usize + next]);
                base + random(state) % (end - base).max(1)
            }
            Payer::Several => unreachable!("several owners have no address in common"),
        };
        u32::try_from(number).expect("below the number of addresses")
    }
}

/// The holder of an address by number: a P2WPKH address of Bitcoin.
pub fn holder(number: u32) -> Holder {
    let text = bech32::segwit::encode_v0(bech32::hrp::BC, &address(number)).expect("20 bytes");
    Holder::Other(text.into())
}

/// The transfer of a row.
pub fn transfer(row: u64, transaction: &Transaction) -> Transfer {
    let leg = |number: u32, amount: u64| Leg {
        holders: vec![holder(number)],
        unattributable: false,
        amount: Some(amount),
    };
    let total: u64 = transaction.outputs.iter().map(|output| output.amount).sum();
    let each = total / transaction.inputs.len() as u64 + 1_000;
    let height = row / BLOCK;
    Transfer {
        chain: Chain::Bitcoin,
        time: 1_500_000_000 + height * 600,
        placement: Position { height, tx_index: (row % BLOCK) as u32, index: 0 }.into(),
        block_hash: None,
        tx: None,
        status: TxStatus::Succeeded,
        movement: Movement::Utxo(Box::new(UtxoMovement {
            coinbase: false,
            inputs: transaction.inputs.iter().map(|&number| leg(number, each)).collect(),
            outputs: transaction.outputs.iter().map(|out| leg(out.to, out.amount)).collect(),
        })),
    }
}
