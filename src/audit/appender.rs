//! What appending threads and the log's own thread share.

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::Thread;

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::block::Encoder;
use super::leaf::{Event, NewItem, NewItems, NewLeaf, check};
use super::note::Signer;
use super::salt::Salts;
use super::sealing::Sealing;
use super::store::Store;
use super::writer::{Batch, SegmentFile};
use super::{
    AuditError, ITEMS_PER_LEAF, LEAVES_PER_BLOCK, LEAVES_PER_SEGMENT, SEGMENT_BITS, Settings,
    block_of, files, segment_of,
};

pub(super) struct Appender {
    store: Arc<Store>,
    pub(super) settings: Settings,
    tail: Mutex<Tail>,
    pub(super) writer: Mutex<Writer>,
    pub(super) synced: AtomicU64,
    /// Held while files are synced: each sync covers all that was written before it.
    syncing: Mutex<()>,
    /// Notified when `synced` grows or a failure comes.
    synced_changed: (Mutex<()>, Condvar),
    has_failed: AtomicBool,
    failure: Mutex<Option<Failure>>,
    /// Held while blocks are sealed, checkpoints signed and segments replaced.
    pub(super) sealing: Mutex<Sealing>,
    pub(super) flags: Flags,
    pub(super) sync_thread: OnceLock<Thread>,
    pub(super) seal_thread: OnceLock<Thread>,
}

/// What the threads are woken for.
#[derive(Default)]
pub(super) struct Flags {
    /// Something was written since the last sync.
    pub(super) dirty: AtomicBool,
    /// A sync is wanted at once.
    pub(super) requested: AtomicBool,
    pub(super) stop: AtomicBool,
    /// The same for the thread that seals, once the last sync is done.
    pub(super) stop_sealing: AtomicBool,
}

struct Failure {
    error: AuditError,
    /// A sync failed: trying again cannot help.
    is_final: bool,
}

/// Leaves that are not written yet.
struct Tail {
    next: u64,
    encoder: Encoder,
    batch: Batch,
    salts: Salts,
    /// Of the segment of `next`; `None` if its beginning was written before the log was opened.
    fingerprints: Option<Vec<u64>>,
    /// Segments that are full, and wait for their filter.
    full: Vec<FullSegment>,
}

pub(super) struct FullSegment {
    pub(super) number: u64,
    pub(super) fingerprints: Option<Vec<u64>>,
}

#[derive(Default)]
pub(super) struct Writer {
    pub(super) segment: Option<SegmentFile>,
    /// What is being written; not empty after a failure.
    batch: Batch,
    /// Frames of it that are written.
    done: usize,
    /// Full segments that are not synced yet.
    unsynced: Vec<Arc<File>>,
}

impl Appender {
    pub(super) fn new(
        store: Store,
        encoder: Encoder,
        signer: Signer,
        settings: Settings,
    ) -> Result<Self, AuditError> {
        let next = store.written();
        let starts_segment = next.is_multiple_of(LEAVES_PER_SEGMENT);
        let segment = if starts_segment { None } else { Some(reopen(&store, next)?) };
        let writer = Writer { segment, ..Writer::default() };
        let tail = Tail {
            next,
            encoder,
            batch: Batch::default(),
            salts: Salts::new()?,
            fingerprints: starts_segment.then(Vec::new),
            full: Vec::new(),
        };
        Ok(Self {
            store: Arc::new(store),
            settings,
            tail: Mutex::new(tail),
            writer: Mutex::new(writer),
            // Opening has synced what it found.
            synced: AtomicU64::new(next),
            syncing: Mutex::new(()),
            synced_changed: Default::default(),
            has_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            sealing: Mutex::new(Sealing::new(signer)),
            flags: Flags::default(),
            sync_thread: OnceLock::new(),
            seal_thread: OnceLock::new(),
        })
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(super) fn appended(&self) -> u64 {
        self.tail.lock().recover().next
    }

    /// Appends `leaves` leaves, the items cut evenly at [`ITEMS_PER_LEAF`].
    pub(super) fn append<'a>(
        &self,
        time: Timestamp,
        context: &[u8],
        items: impl NewItems<'a>,
        leaves: usize,
    ) -> Result<Range<u64>, AuditError> {
        check(context, items.clone())?;
        if self.has_failed()
            && let Some(error) = self.failure()
        {
            return Err(error);
        }
        let mut tail = self.tail.lock().recover();
        let first = tail.next;
        let (mut left, mut of_leaf) = (items, [NewItem::default(); ITEMS_PER_LEAF]);
        for _ in 0..leaves {
            let count = left.len().min(ITEMS_PER_LEAF);
            of_leaf
                .iter_mut()
                .zip(left.by_ref().take(count))
                .for_each(|(place, item)| *place = item);
            tail.append(&NewLeaf { time, context, items: &of_leaf[..count] });
        }
        Ok(first..tail.next)
    }

    /// Appends an event and writes it. Returns its index.
    pub(super) fn append_event(&self, event: &Event, now: Timestamp) -> Result<u64, AuditError> {
        let context = event.to_context();
        let range = self.append(now, &context, [].into_iter(), 1)?;
        self.write(range.end)?;
        Ok(range.start)
    }

    pub(super) fn write(&self, upto: u64) -> Result<(), AuditError> {
        if self.store.written() >= upto {
            return Ok(());
        }
        let mut writer = self.writer.lock().recover();
        if self.store.written() >= upto {
            return Ok(());
        }
        if let Some(error) = self.failure() {
            return Err(error);
        }
        self.write_batch(&mut writer).inspect_err(|error| self.fail(error, false))?;
        drop(writer);
        if !self.flags.dirty.swap(true, Ordering::AcqRel) {
            wake(&self.sync_thread);
        }
        Ok(())
    }

    /// Writes what is left of the last batch, then what was appended since.
    pub(super) fn write_batch(&self, writer: &mut Writer) -> Result<(), AuditError> {
        if !writer.batch.is_empty() {
            self.write_frames(writer)?;
        }
        std::mem::swap(&mut self.tail.lock().recover().batch, &mut writer.batch);
        self.write_frames(writer)
    }

    fn write_frames(&self, writer: &mut Writer) -> Result<(), AuditError> {
        while let Some(frame) = writer.batch.frames.get(writer.done) {
            let number = frame.block >> SEGMENT_BITS;
            if writer.segment.as_ref().is_none_or(|segment| segment.number != number) {
                let next = SegmentFile::open(&self.store.directory, number, self.store.id, None)?;
                if let Some(full) = writer.segment.replace(next) {
                    full.finish();
                    writer.unsynced.push(full.file);
                }
            }
            let segment = writer.segment.as_mut().expect("it was opened");
            let count = segment.write(&mut writer.batch, writer.done)?;
            let frames = &writer.batch.frames[writer.done..writer.done + count];
            let mut places = self.store.places.lock().recover();
            frames.iter().for_each(|frame| places.add(frame.block, &frame.place));
            let end = frames.last().map_or(0, |frame| frame.end_leaf);
            self.store.written.store(end, Ordering::Release);
            writer.done += count;
        }
        writer.batch.clear();
        writer.done = 0;
        Ok(())
    }

    /// Syncs all that was written before the call.
    pub(super) fn sync(&self) -> Result<(), AuditError> {
        let _alone = self.syncing.lock().recover();
        let (files, written) = {
            let mut writer = self.writer.lock().recover();
            if let Some(segment) = &writer.segment {
                // What nobody finds again counts for nothing.
                segment.must_be_in_place().inspect_err(|error| self.fail(error, true))?;
            }
            let mut files = std::mem::take(&mut writer.unsynced);
            files.extend(writer.segment.as_ref().map(|segment| Arc::clone(&segment.file)));
            (files, self.store.written())
        };
        let before = self.synced.load(Ordering::Acquire);
        if before >= written {
            return Ok(());
        }
        for file in files {
            let synced = file.sync_data().map_err(AuditError::io(&self.store.directory));
            synced.inspect_err(|error| self.fail(error, true))?;
        }
        self.synced.store(written, Ordering::Release);
        self.notify_synced();
        if block_of(before) < block_of(written) || before <= self.signed_size() {
            wake(&self.seal_thread);
        }
        (self.settings.hooks.on_synced)(written);
        Ok(())
    }

    fn notify_synced(&self) {
        let _held = self.synced_changed.0.lock().recover();
        self.synced_changed.1.notify_all();
    }

    pub(super) fn wait_synced(&self, upto: u64) -> Result<(), AuditError> {
        let mut held = self.synced_changed.0.lock().recover();
        while self.synced.load(Ordering::Acquire) < upto {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            if self.flags.stop.load(Ordering::Acquire) {
                return Err(AuditError::Ended);
            }
            held = self.synced_changed.1.wait(held).recover();
        }
        Ok(())
    }

    pub(super) fn request_sync(&self) {
        if !self.flags.requested.swap(true, Ordering::AcqRel) {
            wake(&self.sync_thread);
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(super) fn failure(&self) -> Option<AuditError> {
        self.failure.lock().recover().as_ref().map(|failure| failure.error.clone())
    }

    pub(super) fn fail(&self, error: &AuditError, is_final: bool) {
        {
            let mut failure = self.failure.lock().recover();
            if failure.as_ref().is_none_or(|known| !known.is_final) {
                *failure = Some(Failure { error: error.clone(), is_final });
            }
            self.has_failed.store(true, Ordering::Release);
        }
        self.notify_synced();
        (self.settings.hooks.on_failure)(error);
    }

    /// Whether no sync has failed: after one, the system may have dropped what it held.
    pub(super) fn can_sync(&self) -> bool {
        self.failure.lock().recover().as_ref().is_none_or(|failure| !failure.is_final)
    }

    pub(super) fn retry(&self) -> Result<(), AuditError> {
        let failure = || self.failure.lock().recover();
        match &*failure() {
            None => return Ok(()),
            Some(failure) if failure.is_final => return Err(failure.error.clone()),
            Some(_) => {}
        }
        let written = self.write_batch(&mut self.writer.lock().recover());
        // Leaves that no checkpoint could be signed over would look as if it had been removed.
        let done = written.and_then(|()| self.sync()).and_then(|()| self.sign().map(drop));
        let mut failure = failure();
        if let Err(error) = done {
            if let Some(failure) = failure.as_mut().filter(|failure| !failure.is_final) {
                failure.error = error.clone();
            }
            return Err(error);
        }
        if let Some(failure) = failure.as_ref().filter(|failure| failure.is_final) {
            return Err(failure.error.clone());
        }
        *failure = None;
        self.has_failed.store(false, Ordering::Release);
        self.flags.dirty.store(true, Ordering::Release);
        wake(&self.sync_thread);
        wake(&self.seal_thread);
        Ok(())
    }

    /// Takes the segments that wait for their filter.
    pub(super) fn take_full(&self) -> Vec<FullSegment> {
        std::mem::take(&mut self.tail.lock().recover().full)
    }

    /// Gives up the fingerprints of a segment: its filter will be made from what is stored.
    pub(super) fn forget_fingerprints(&self, segment: u64) {
        let mut tail = self.tail.lock().recover();
        if segment_of(tail.next) == segment {
            tail.fingerprints = None;
        }
        tail.full.iter_mut().filter(|full| full.number == segment).for_each(|full| {
            full.fingerprints = None;
        });
    }

    /// Has the last leaves written and synced.
    pub(super) fn stop(&self) {
        self.flags.stop.store(true, Ordering::Release);
        wake(&self.sync_thread);
        self.notify_synced();
    }

    /// Has the last checkpoint signed.
    pub(super) fn stop_sealing(&self) {
        self.flags.stop_sealing.store(true, Ordering::Release);
        wake(&self.seal_thread);
    }
}

fn wake(thread: &OnceLock<Thread>) {
    if let Some(thread) = thread.get() {
        thread.unpark();
    }
}

/// Opens the segment of the last of `next` leaves.
pub(super) fn reopen(store: &Store, next: u64) -> Result<SegmentFile, AuditError> {
    let segment = segment_of(next - 1);
    let path = files::segment(&store.directory, segment);
    let place = store.place(block_of(next - 1))?;
    let position = place.map(|place| place.end()).filter(|end| *end > 0);
    let position =
        position.ok_or_else(|| AuditError::damaged(&path, 0, "the last block is missing"))?;
    SegmentFile::open(&store.directory, segment, store.id, Some(position))
}

impl Tail {
    fn append(&mut self, leaf: &NewLeaf<'_>) {
        let frame = self.batch.frame(block_of(self.next));
        frame.end_leaf = self.next + 1;
        let at = self.batch.frames.len() - 1;
        let classes = self.encoder.leaf(&mut self.batch.buffer, leaf, &mut self.salts);
        let place = &mut self.batch.frames[at].place;
        place.add(leaf.time.as_microsecond(), leaf.items.len() as u32, classes);
        if let Some(known) = &mut self.fingerprints {
            leaf.items.iter().for_each(|item| known.extend_from_slice(item.fingerprints));
        }
        self.next += 1;
        if self.next.is_multiple_of(LEAVES_PER_BLOCK) {
            self.encoder.reset();
        }
        if self.next.is_multiple_of(LEAVES_PER_SEGMENT) {
            let fingerprints = self.fingerprints.replace(Vec::new());
            let number = segment_of(self.next - 1);
            self.full.push(FullSegment { number, fingerprints });
        }
    }
}
