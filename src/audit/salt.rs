//! Salts: random bytes from a buffered ChaCha20 that is seeded anew from the operating system.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use ring::rand::{SecureRandom, SystemRandom};

use super::AuditError;

/// Bytes of a salt. To test a guessed address against a commitment whose salt was deleted takes
/// 2^128 hashes. Two of 2^40 items share a salt with a probability of 2^-49, and then show only
/// whether their addresses are equal.
pub const SALT: usize = 16;

/// Salts made at once, so that ChaCha20 runs over whole blocks.
const BUFFERED: usize = 256;

/// Refills after which the generator is seeded anew: each 65,536 salts.
const REFILLS_PER_SEED: u32 = 256;

pub(super) struct Salts {
    system: SystemRandom,
    generator: ChaCha20Rng,
    buffer: Box<[u8; SALT * BUFFERED]>,
    used: usize,
    refills: u32,
}

impl Salts {
    pub(super) fn new() -> Result<Self, AuditError> {
        let system = SystemRandom::new();
        let generator = seeded(&system).ok_or(AuditError::Random)?;
        let buffer = Box::new([0; SALT * BUFFERED]);
        Ok(Self { system, generator, used: buffer.len(), buffer, refills: 0 })
    }

    pub(super) fn next(&mut self) -> [u8; SALT] {
        if self.used == self.buffer.len() {
            self.refill();
        }
        let mut salt = [0; SALT];
        salt.copy_from_slice(&self.buffer[self.used..self.used + SALT]);
        self.used += SALT;
        salt
    }

    #[cold]
    fn refill(&mut self) {
        if self.refills == REFILLS_PER_SEED {
            // Without new randomness the old generator is still unpredictable.
            if let Some(generator) = seeded(&self.system) {
                self.generator = generator;
            }
            self.refills = 0;
        }
        self.generator.fill_bytes(&mut *self.buffer);
        self.used = 0;
        self.refills += 1;
    }
}

fn seeded(system: &SystemRandom) -> Option<ChaCha20Rng> {
    let mut seed = [0; 32];
    system.fill(&mut seed).ok()?;
    Some(ChaCha20Rng::from_seed(seed))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn salts_differ_across_refills_and_seeds() {
        let mut salts = Salts::new().unwrap();
        let count = BUFFERED * (REFILLS_PER_SEED as usize + 2);
        let seen: HashSet<_> = (0..count).map(|_| salts.next()).collect();
        assert_eq!(seen.len(), count);
    }
}
