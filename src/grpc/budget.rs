//! Limits the memory of messages in flight, in both directions, over all calls and for each caller.
//! Where it runs out, the slowest peer loses its call.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::status::Refusal;
use crate::config::Limits;
use crate::domain::lock::Recover;
use crate::metrics::{Metrics, Rejection};

/// The configuration's keys of the two limits.
const OVERALL: &str = "limits.message_mib";
const BY_CALLER: &str = "limits.message_mib_per_caller";

/// A peer that moves nothing for this time is slow; none is before.
const GRACE: Duration = Duration::from_secs(1);

/// A peer that moves fewer bytes a second over all is slow too: one byte now and then is not enough.
const SLOW: u64 = 64 << 10;

/// What is held of a message or an answer up to this size is not counted, in bytes: the limit of
/// calls bounds it, and most calls hold no more.
pub const UNCOUNTED: usize = 16 << 10;

/// The bytes of all messages and answers, against their limits.
#[derive(Debug)]
pub struct Budget {
    ledger: Mutex<Ledger>,
    overall: usize,
    by_caller: usize,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Ledger {
    used: usize,
    callers: HashMap<Arc<str>, usize>,
    /// By number, in the order in which they began.
    charges: BTreeMap<u64, Entry>,
    last: u64,
}

#[derive(Debug)]
struct Entry {
    caller: Arc<str>,
    bytes: usize,
    began: Instant,
    /// When the peer sent or took something last.
    moved_at: Instant,
    /// The bytes that the peer has sent or taken.
    moved: usize,
    /// Whether the server waits for the peer, and is not itself at work.
    is_waiting: bool,
    /// Whether it is that of a connection, which ends with all of its calls.
    is_connection: bool,
    holder: Arc<Holder>,
}

/// A call that holds memory: since when its reader is waited for, and whether it lost the memory to
/// others.
#[derive(Debug, Default)]
pub struct Holder {
    /// The limit that was reached.
    limit: OnceLock<&'static str>,
    reader: Mutex<Reader>,
    /// Whether the client has left the call.
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct Reader {
    waited_for_since: Option<Instant>,
    /// Of the task that waits for the rest of a message, and of the one that waits for the reader.
    wakers: [Option<Waker>; 2],
}

/// The tasks to wake when a call has lost its memory.
#[derive(Clone, Copy, Debug)]
pub enum Waits {
    /// The task that waits for the rest of a message.
    ForMessage,
    /// The task that waits for the reader of an answer.
    ForReader,
}

impl Holder {
    /// Whether the call is to end; `waker` is woken when it is.
    pub fn is_evicted(&self, waits: Waits, waker: &Waker) -> bool {
        let mut reader = self.reader();
        match &mut reader.wakers[waits as usize] {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        self.limit.get().is_some()
    }

    /// Records that the client has left the call.
    pub fn leave(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Whether the client has left the call: work that has not begun need not.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Says since when the reader has taken nothing; `None` while the server itself is at work.
    pub fn waits_for_reader(&self, since: Option<Instant>) {
        self.reader().waited_for_since = since;
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().recover()
    }

    /// Ends the call because `limit` was reached.
    pub fn evict(&self, limit: &'static str) {
        self.limit.get_or_init(|| limit);
        let wakers = std::mem::take(&mut self.reader().wakers);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Budget {
    pub fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            ledger: Mutex::default(),
            overall: limits.message_mib << 20,
            by_caller: limits.message_mib_per_caller.min(limits.message_mib) << 20,
            metrics,
        }
    }

    /// A charge of nothing yet, for a call of `caller`.
    pub fn charge(self: &Arc<Self>, caller: Arc<str>, holder: Arc<Holder>) -> Box<Charge> {
        self.begin(caller, holder, false)
    }

    /// The same for a connection of `caller`.
    pub fn charge_connection(self: &Arc<Self>, caller: Arc<str>) -> Box<Charge> {
        self.begin(caller, Arc::default(), true)
    }

    fn begin(
        self: &Arc<Self>,
        caller: Arc<str>,
        holder: Arc<Holder>,
        is_connection: bool,
    ) -> Box<Charge> {
        let mut ledger = self.lock();
        ledger.last += 1;
        let number = ledger.last;
        let now = Instant::now();
        let entry = Entry {
            caller,
            bytes: 0,
            began: now,
            moved_at: now,
            moved: 0,
            is_waiting: true,
            is_connection,
            holder: holder.clone(),
        };
        ledger.charges.insert(number, entry);
        drop(ledger);
        // Few calls have one, and all are moved about with the room for it.
        Box::new(Charge { budget: self.clone(), number, holder })
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().recover()
    }

    /// Makes a charge hold `bytes`.
    fn set(&self, charge: &Charge, bytes: usize, of: State) -> Result<(), Refusal> {
        let mut ledger = self.lock();
        let Some(entry) = ledger.charges.get_mut(&charge.number) else {
            return Err(charge.lost());
        };
        let (caller, before) = (entry.caller.clone(), entry.bytes);
        entry.is_waiting = of != State::AtWork;
        if of == State::Moving {
            entry.moved_at = Instant::now();
            entry.moved += bytes.abs_diff(before);
        }
        let mut evicted = Vec::new();
        let room = match bytes.checked_sub(before) {
            Some(more) if more > 0 => {
                let room = self.make_room(&mut ledger, charge.number, &caller, more, &mut evicted);
                if room.is_ok() {
                    ledger.used += more;
                    *ledger.callers.entry(caller).or_default() += more;
                    if let Some(entry) = ledger.charges.get_mut(&charge.number) {
                        entry.bytes = bytes;
                    }
                }
                room
            }
            _ => {
                ledger.give_back(charge.number, before - bytes);
                Ok(())
            }
        };
        self.metrics.message_bytes(ledger.used);
        drop(ledger);
        for (limit, entry) in evicted {
            self.metrics.rejected(Rejection::MessageMemory);
            tracing::warn!(
                limit,
                bytes = entry.bytes,
                "call of a slow peer cut off for its memory"
            );
            entry.holder.evict(limit);
        }
        room
    }

    fn took(&self, charge: &Charge, bytes: usize) -> Result<(), Refusal> {
        let mut ledger = self.lock();
        let Some(entry) = ledger.charges.get_mut(&charge.number) else {
            return Err(charge.lost());
        };
        (entry.is_waiting, entry.moved_at) = (true, Instant::now());
        entry.moved += bytes;
        Ok(())
    }

    /// Takes the memory of slow peers until `more` bytes fit: of the caller where its own limit is
    /// reached, of any caller where the total limit is.
    /// Takes none where all of it would not suffice.
    fn make_room(
        &self,
        ledger: &mut Ledger,
        number: u64,
        caller: &Arc<str>,
        more: usize,
        evicted: &mut Vec<(&'static str, Entry)>,
    ) -> Result<(), Refusal> {
        let mut own = ledger.callers.get(caller).copied().unwrap_or_default() + more;
        let mut used = ledger.used + more;
        if own <= self.by_caller && used <= self.overall {
            return Ok(());
        }
        let mut slow = ledger.slow(number, Instant::now());
        let mut taken = Vec::new();
        loop {
            let (limit, place) = if own > self.by_caller {
                let is_own = |number| ledger.charges[number].caller == *caller;
                (BY_CALLER, slow.iter().position(is_own))
            } else if used > self.overall {
                (OVERALL, (!slow.is_empty()).then_some(0))
            } else {
                break;
            };
            let place = place.ok_or_else(|| self.refusal(limit))?;
            let number = slow.remove(place);
            let entry = &ledger.charges[&number];
            used -= entry.bytes;
            if entry.caller == *caller {
                own -= entry.bytes;
            }
            taken.push((limit, number));
        }
        for (limit, number) in taken {
            evicted.extend(ledger.remove(number).map(|entry| (limit, entry)));
        }
        Ok(())
    }

    fn refusal(&self, limit: &'static str) -> Refusal {
        let (value, of) = match limit {
            BY_CALLER => (self.by_caller, "of this caller hold"),
            _ => (self.overall, "hold"),
        };
        let message = format!("messages and answers under way {of} {} MiB, the limit", value >> 20);
        Refusal::overloaded(limit, value >> 20, &message)
    }
}

impl Ledger {
    /// The charges, other than `number`, whose peers are slow, those first that move the fewest bytes a
    /// second; behind all calls the connections, those first that hold most.
    fn slow(&self, number: u64, now: Instant) -> Vec<u64> {
        let others = self.charges.iter().filter(|&(other, it)| *other != number && it.bytes > 0);
        let slow = others.filter_map(|(other, entry)| {
            let age = now.duration_since(entry.began);
            let rate = if now.duration_since(entry.moved_at) >= GRACE {
                0
            } else {
                entry.moved as u64 * 1_000 / (age.as_millis() as u64).max(1)
            };
            if entry.is_waiting && age >= GRACE && rate < SLOW {
                let order = if entry.is_connection { u64::MAX - entry.bytes as u64 } else { rate };
                return Some((order, entry.moved_at, *other));
            }
            // Also where the server could go on, if only its last answer were taken.
            let since = entry.holder.reader().waited_for_since?;
            (now.duration_since(since) >= GRACE).then_some((0, since, *other))
        });
        let mut slow: Vec<_> = slow.collect();
        slow.sort_unstable();
        slow.into_iter().map(|(.., number)| number).collect()
    }

    fn give_back(&mut self, number: u64, bytes: usize) {
        let Some(entry) = self.charges.get_mut(&number) else { return };
        entry.bytes -= bytes;
        self.used -= bytes;
        let caller = entry.caller.clone();
        if let Some(own) = self.callers.get_mut(&caller) {
            *own -= bytes;
            if *own == 0 {
                self.callers.remove(&caller);
            }
        }
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let bytes = self.charges.get(&number)?.bytes;
        self.give_back(number, bytes);
        let entry = self.charges.remove(&number)?;
        Some(Entry { bytes, ..entry })
    }
}

/// The bytes that one message or answer holds, until this is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    number: u64,
    holder: Arc<Holder>,
}

/// What a charge is set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An answer that was made, and is to be taken.
    Made,
    /// The peer sent or took the difference.
    Moving,
    /// The server decodes a message, or works on it.
    AtWork,
}

impl Charge {
    /// Holds `bytes` of an answer that its reader is to take.
    pub fn made(&self, bytes: usize) -> Result<(), Refusal> {
        self.budget.set(self, bytes, State::Made)
    }

    /// Holds `bytes` from now on, the difference being what the peer sent or took.
    pub fn moved(&self, bytes: usize) -> Result<(), Refusal> {
        self.budget.set(self, bytes, State::Moving)
    }

    /// Holds what it held, of which the peer took `bytes` more.
    pub fn took(&self, bytes: usize) -> Result<(), Refusal> {
        self.budget.took(self, bytes)
    }

    /// Holds `bytes` from now on, while the server itself is at work.
    pub fn at_work(&self, bytes: usize) -> Result<(), Refusal> {
        self.budget.set(self, bytes, State::AtWork)
    }

    pub fn holder(&self) -> &Arc<Holder> {
        &self.holder
    }

    /// Whether the memory is lost; `waker` is woken when it is.
    pub fn is_evicted(&self, waits: Waits, waker: &Waker) -> bool {
        self.holder.is_evicted(waits, waker)
    }

    /// The refusal of a call that lost its memory to others.
    pub fn lost(&self) -> Refusal {
        self.budget.refusal(self.holder.limit.get().unwrap_or(&OVERALL))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut ledger = self.budget.lock();
        ledger.remove(self.number);
        self.budget.metrics.message_bytes(ledger.used);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    const MIB: usize = 1 << 20;

    fn budget(overall: usize, by_caller: usize) -> Arc<Budget> {
        let limits =
            Limits { message_mib: overall, message_mib_per_caller: by_caller, ..Limits::default() };
        Arc::new(Budget::new(&limits, Arc::new(Metrics::new([].into_iter()))))
    }

    fn charge(budget: &Arc<Budget>, caller: &str) -> Box<Charge> {
        budget.charge(caller.into(), Arc::default())
    }

    fn age(budget: &Budget, charge: &Charge, by: Duration) {
        let mut ledger = budget.lock();
        let entry = ledger.charges.get_mut(&charge.number).unwrap();
        entry.began = entry.began.checked_sub(by).unwrap();
        entry.moved_at = entry.moved_at.checked_sub(by).unwrap();
    }

    fn is_evicted(charge: &Charge) -> bool {
        charge.holder.is_evicted(Waits::ForMessage, Context::from_waker(Waker::noop()).waker())
    }

    #[track_caller]
    fn refused(outcome: Result<(), Refusal>, limit: &str) {
        use tonic_types::StatusExt;
        let status = tonic::Status::from(outcome.unwrap_err());
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["limit"], limit);
    }

    #[test]
    fn bytes_are_counted_by_caller_and_given_back() {
        let budget = budget(10, 6);
        let (a, b) = (charge(&budget, "a"), charge(&budget, "b"));
        a.at_work(6 * MIB).unwrap();
        refused(a.at_work(6 * MIB + 1), BY_CALLER);
        b.at_work(4 * MIB).unwrap();
        refused(b.at_work(5 * MIB), OVERALL);
        a.moved(5 * MIB).unwrap();
        b.at_work(5 * MIB).unwrap();
        drop((a, b));
        let ledger = budget.lock();
        assert_eq!((ledger.used, ledger.callers.len(), ledger.charges.len()), (0, 0, 0));
    }

    #[test]
    fn the_slowest_peer_loses_first() {
        let budget = budget(10, 8);
        let [slow, slower, busy] = ["a", "a", "b"].map(|name| charge(&budget, name));
        slow.made(3 * MIB).unwrap();
        slower.made(3 * MIB).unwrap();
        busy.at_work(3 * MIB).unwrap();
        let another = charge(&budget, "c");
        refused(another.at_work(2 * MIB), OVERALL);
        age(&budget, &slow, Duration::from_secs(5));
        age(&budget, &slower, Duration::from_secs(9));
        another.at_work(2 * MIB).unwrap();
        assert!(is_evicted(&slower) && !is_evicted(&slow) && !is_evicted(&busy));
        // What was taken away cannot be had again, and is given back but once.
        refused(slower.moved(MIB), OVERALL);
        drop(slower);
        assert_eq!(budget.lock().used, 8 * MIB);
        // Who takes some of its answer in time is not slow.
        slow.moved(2 * MIB).unwrap();
        refused(another.at_work(6 * MIB), OVERALL);
        assert!(!is_evicted(&slow));
        // At its own limit a caller loses what is its own.
        let more = charge(&budget, "b");
        age(&budget, &slow, Duration::from_secs(60));
        refused(more.at_work(6 * MIB), BY_CALLER);
        assert!(!is_evicted(&slow));
    }

    #[test]
    fn connections_lose_after_calls_and_nobody_loses_in_vain() {
        let budget = budget(10, 10);
        let [small, large] = [MIB, 3 * MIB].map(|bytes| {
            let charge = budget.charge_connection("a".into());
            charge.moved(bytes).unwrap();
            age(&budget, &charge, Duration::from_secs(5));
            charge
        });
        let call = charge(&budget, "b");
        call.moved(MIB).unwrap();
        age(&budget, &call, Duration::from_secs(2));
        let busy = charge(&budget, "c");
        busy.at_work(4 * MIB).unwrap();
        let evicted = || [&call, &large, &small].map(|charge| is_evicted(charge));
        // All slow peers together hold 5 MiB, and 1 is free.
        let another = charge(&budget, "d");
        refused(another.at_work(7 * MIB), OVERALL);
        assert_eq!(evicted(), [false; 3]);
        another.at_work(2 * MIB).unwrap();
        assert_eq!(evicted(), [true, false, false]);
        another.at_work(3 * MIB).unwrap();
        assert_eq!(evicted(), [true, true, false]);
        another.at_work(6 * MIB).unwrap();
        assert_eq!(evicted(), [true; 3]);
    }

    #[test]
    fn who_leaves_an_answer_unread_loses_the_memory_of_its_message() {
        let budget = budget(10, 8);
        let [unread, busy] = ["a", "b"].map(|name| charge(&budget, name));
        unread.at_work(5 * MIB).unwrap();
        busy.at_work(5 * MIB).unwrap();
        let another = charge(&budget, "c");
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        for since in [None, Some(Instant::now()), ago(2)] {
            unread.holder().waits_for_reader(since);
            let is_unread = since.is_some_and(|since| since.elapsed() >= GRACE);
            assert_eq!(another.at_work(MIB).is_ok(), is_unread, "{since:?}");
            another.at_work(0).unwrap();
            assert_eq!(is_evicted(&unread), is_unread);
        }
        assert!(!is_evicted(&busy));
    }
}
