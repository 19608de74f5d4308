//! OpenSanctions' FollowTheMoney entities (JSON lines): one row per public key of a `CryptoWallet`.
//!
//! Form: <https://www.opensanctions.org/docs/entity/> and
//! <https://followthemoney.tech/explorer/schemata/CryptoWallet/>.
//!
//! The party is the wallet's `holder`, which may come before or after it. The file is read in one
//! pass, holding every possible holder compactly (id and names), bounded by
//! [`super::Bounds::max_held`]. A wallet without a holder is its own party. One without a public
//! key yields its account ids, or without these an empty address, so that it is noticed. Entities
//! may be nested in property values, as in OpenSanctions' nested exports. `first_seen` and
//! `last_seen` are OpenSanctions' own dates, not listing days, and the form states no publication
//! day.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::assembly::{Assembled, Assembly, bounded};
use super::error::{Fault, SourceError};
use super::lines::Lines;
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::{Party, RowFacts, RowKey};

/// An entity; unknown properties are ignored.
#[derive(Deserialize)]
struct Entity {
    id: String,
    schema: String,
    #[serde(default)]
    caption: String,
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    name: Vec<String>,
    alias: Vec<String>,
    weak_alias: Vec<String>,
    previous_name: Vec<String>,
    program: Vec<String>,
    program_id: Vec<String>,
    topics: Vec<String>,
    public_key: Vec<String>,
    account_id: Vec<String>,
    currency: Vec<String>,
    holder: Vec<Holder>,
    source_url: Vec<String>,
}

/// A reference to an entity, by id or nested.
#[derive(Deserialize)]
#[serde(untagged)]
enum Holder {
    Id(String),
    Nested(Box<Entity>),
}

/// A wallet whose holder is not known yet.
struct Wallet {
    line: u64,
    addresses: Vec<String>,
    tickers: Vec<String>,
    holders: Vec<String>,
    facts: RowFacts,
}

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let mut entities =
        Entities { bounds, wallets: Vec::new(), held: HashMap::new(), size: 0, rows: 0 };
    let mut lines = Lines::new(Box::new(input), bounds.max_record);
    while let Some((number, line)) = lines.next(Format::OpenSanctions)? {
        if line.trim().is_empty() {
            continue;
        }
        let taken = entities.read(number, line);
        taken.map_err(|fault| fault.at_line(Format::OpenSanctions, number))?;
    }
    entities.assemble()
}

struct Entities<'a> {
    bounds: &'a Bounds,
    wallets: Vec<Wallet>,
    held: HashMap<String, Party>,
    /// Bytes of text in `held` and `wallets`.
    size: usize,
    rows: usize,
}

impl Entities<'_> {
    fn read(&mut self, number: u64, line: &str) -> Result<(), Fault> {
        let entity: Entity = serde_json::from_str(line).map_err(Fault::json)?;
        self.add_entity(number, entity)?;
        // Only a line that names wallets (with an escape perhaps) can have one nested in it.
        if line.contains("CryptoWallet") || line.contains("\\u") {
            let whole: Value = serde_json::from_str(line).map_err(Fault::json)?;
            self.take_nested(number, &whole)?;
        }
        Ok(())
    }

    /// Adds entities nested in another one's properties. A wallet without a holder among an
    /// entity's `cryptoWallets` belongs to that entity.
    fn take_nested(&mut self, line: u64, outer: &Value) -> Result<(), Fault> {
        let Some(properties) = outer["properties"].as_object() else {
            return Ok(());
        };
        for (name, values) in properties {
            let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
            for inner in values.iter().filter(|value| value["schema"].is_string()) {
                let mut entity = Entity::deserialize(inner).map_err(Fault::json)?;
                if name == "cryptoWallets"
                    && entity.properties.holder.is_empty()
                    && let Some(id) = outer["id"].as_str()
                {
                    entity.properties.holder.push(Holder::Id(id.to_owned()));
                }
                self.add_entity(line, entity)?;
                self.take_nested(line, inner)?;
            }
        }
        Ok(())
    }

    fn add_entity(&mut self, line: u64, mut entity: Entity) -> Result<(), Fault> {
        bounded(&entity.id, self.bounds)?;
        if entity.schema != "CryptoWallet" {
            return self.hold(entity);
        }
        let mut holders = Vec::new();
        for holder in std::mem::take(&mut entity.properties.holder) {
            holders.push(match holder {
                Holder::Id(id) => id,
                Holder::Nested(holder) => {
                    let id = holder.id.clone();
                    self.hold(*holder)?;
                    id
                }
            });
        }
        let mut properties = std::mem::take(&mut entity.properties);
        let mut addresses = std::mem::take(&mut properties.public_key);
        if addresses.is_empty() {
            addresses = std::mem::take(&mut properties.account_id);
        }
        if addresses.is_empty() {
            addresses.push(String::new());
        }
        let mut tickers = std::mem::take(&mut properties.currency);
        if tickers.is_empty() {
            tickers.push(String::new());
        }
        let facts = RowFacts {
            listed_on: None,
            category: properties.topics.join(","),
            reference: properties.source_url.first().cloned().unwrap_or_default(),
        };
        if holders.is_empty() {
            holders.push(entity.id.clone());
            self.hold(Entity { properties, ..entity })?;
        }
        let rows = addresses.len().saturating_mul(tickers.len()).saturating_mul(holders.len());
        self.rows = self.rows.saturating_add(rows);
        if self.rows > self.bounds.max_rows {
            return Err(Fault::TooManyRows(self.bounds.max_rows));
        }
        for address in &addresses {
            bounded(address, self.bounds)?;
        }
        let texts = addresses.iter().chain(&tickers).chain(&holders);
        let texts: usize = texts.map(|text| text.len() + size_of::<String>()).sum();
        self.count(texts + facts.category.len() + facts.reference.len() + size_of::<Wallet>())?;
        self.wallets.push(Wallet { line, addresses, tickers, holders, facts });
        Ok(())
    }

    /// Counts bytes held until the end of the file; fails beyond the bound.
    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.size = self.size.saturating_add(bytes);
        if self.size > self.bounds.max_held {
            return Err(Fault::TooMuchHeld(self.bounds.max_held));
        }
        Ok(())
    }

    /// Keeps a possible holder.
    fn hold(&mut self, entity: Entity) -> Result<(), Fault> {
        let Properties {
            name, alias, weak_alias, previous_name, program, program_id, topics, ..
        } = entity.properties;
        let primary = if entity.caption.is_empty() {
            name.first().cloned().unwrap_or_default()
        } else {
            entity.caption
        };
        let party = Party {
            uid: entity.id,
            name: primary,
            aliases: [name, alias, weak_alias, previous_name].concat(),
            party_type: entity.schema,
            programs: [program, program_id, topics].concat(),
            listed_on: Vec::new(),
        };
        let texts = party.aliases.iter().chain(&party.programs).map(|text| text.len() + 24);
        self.count(texts.sum::<usize>() + party.uid.len() * 2 + party.name.len() + 256)?;
        self.held.insert(party.uid.clone(), party);
        Ok(())
    }

    fn assemble(mut self) -> Result<Assembled, SourceError> {
        let mut list = Assembly::new(self.bounds);
        for wallet in self.wallets {
            let at = |fault: Fault| fault.at_line(Format::OpenSanctions, wallet.line);
            for holder in wallet.holders {
                match self.held.remove(&holder) {
                    Some(party) => list.new_party(party).map_err(at)?,
                    // Already used, or a reference to a missing entity.
                    None => {
                        list.party(&holder).map_err(at)?;
                    }
                }
                for address in &wallet.addresses {
                    for ticker in &wallet.tickers {
                        let key = RowKey {
                            party_uid: holder.clone(),
                            address: address.clone(),
                            ticker: ticker.clone(),
                        };
                        list.row(key, wallet.facts.clone()).map_err(at)?;
                    }
                }
            }
        }
        Ok(list.finish(None))
    }
}

#[cfg(test)]
mod tests;
