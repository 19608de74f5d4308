//! Answers chunks with a server, over one stream with many queries in flight. If the stream breaks,
//! unanswered rows are sent again on another, so that no row is lost or doubled.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::Instant;

use super::answer;
use super::cancellation::Cancellation;
use super::chunk::Chunk;
use super::columns::ResultRow;
use super::local::{RecordIds, RowSettings};
use crate::cli::{Global, connect};
use crate::grpc::client::{CallError, Client, answer as message_of};
use crate::grpc::v1;

/// Questions that wait to be sent.
const QUEUE: usize = 1_024;

/// Chunks whose answers are waited for at once.
const WINDOW: usize = 4;

/// Rows whose evidence is asked for in one call.
const DEEP: usize = 100;

/// How often a connection is sought in a row without any answer in between.
const ATTEMPTS: u32 = 10;

/// The pause before the first further attempt; each is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long answers on their way are waited for when the batch is stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A chunk whose answers come in.
struct Pending {
    chunk: Chunk,
    /// The rows that are answered, from the first on, and whether a path is still to be asked for.
    rows: Vec<(ResultRow, bool)>,
    /// The place of the next row to be sent.
    sent: usize,
}

pub struct Remote<'a> {
    global: &'a Global,
    row_settings: &'a RowSettings,
    /// What narrows or dates the questions, without evidence.
    options: v1::ScreeningOptions,
    done: Sender<Chunk>,
    cancellation: &'a Cancellation,
    pending: VecDeque<Pending>,
    /// Whether the reader has come to its end.
    is_read: bool,
    policies: HashMap<String, String>,
    attempts: u32,
}

/// How a conversation came to its end.
enum StreamEnd {
    /// Every row is answered, or the batch is stopped.
    Done,
    Broken(CallError),
}

impl<'a> Remote<'a> {
    /// Questions with `options`; answers go to `done`.
    pub fn new(
        global: &'a Global,
        row_settings: &'a RowSettings,
        options: &v1::ScreeningOptions,
        done: Sender<Chunk>,
        cancellation: &'a Cancellation,
    ) -> Self {
        let options = v1::ScreeningOptions {
            include_evidence: false,
            include_snapshot: true,
            ..options.clone()
        };
        let (pending, policies) = (VecDeque::new(), HashMap::new());
        Self {
            global,
            row_settings,
            options,
            done,
            cancellation,
            pending,
            is_read: false,
            policies,
            attempts: 0,
        }
    }

    /// Answers every chunk, in order.
    pub async fn run(mut self, mut client: Client, mut chunks: Receiver<Chunk>) -> Result<()> {
        self.check_options(&mut client).await?;
        loop {
            let error = match self.converse(&mut client, &mut chunks).await? {
                StreamEnd::Done => return Ok(()),
                StreamEnd::Broken(error) => error,
            };
            client = match self.reconnect(error).await? {
                Some(client) => client,
                None => return self.cut(),
            };
        }
    }

    /// Options that the server refuses are refused once, and not row by row.
    async fn check_options(&self, client: &mut Client) -> Result<()> {
        let query = v1::AddressQuery { address: "0".to_owned(), ..Default::default() };
        let options = Some(self.options.clone());
        let request =
            v1::BatchScreenAddressesRequest { queries: vec![query], options, ..Default::default() };
        message_of(client.screening.batch_screen_addresses(request).await)?;
        Ok(())
    }

    /// Another connection; `None` where the batch is stopped meanwhile.
    async fn reconnect(&mut self, error: CallError) -> Result<Option<Client>> {
        let mut last = anyhow::Error::from(error);
        loop {
            if self.attempts >= ATTEMPTS {
                let rows = self.pending.front().map_or(0, |front| front.chunk.rows_before);
                return Err(last.context(format!(
                    "the server was asked {ATTEMPTS} times in vain; what is before row {} is \
                     written",
                    rows + 1
                )));
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << self.attempts.min(16)).min(LONGEST_PAUSE);
            self.attempts += 1;
            tokio::select! {
                () = self.cancellation.cancelled() => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
            tracing::warn!(attempt = self.attempts, error = %last, "reconnecting to the server");
            match connect::server(self.global).await {
                Ok(client) => return Ok(Some(client)),
                Err(error) => last = error,
            }
        }
    }

    /// One stream, as long as it holds.
    async fn converse(
        &mut self,
        client: &mut Client,
        chunks: &mut Receiver<Chunk>,
    ) -> Result<StreamEnd> {
        for pending in &mut self.pending {
            pending.sent = pending.rows.len();
        }
        let (questions, receiver) = mpsc::channel(QUEUE);
        let mut first = Some(self.options.clone());
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut answers = match message_of(client.screening.stream_screen_addresses(stream).await) {
            Ok(answers) => answers,
            Err(error) => return Ok(StreamEnd::Broken(error)),
        };
        let mut last_answers = None;
        loop {
            if let Err(error) = self.complete(client).await? {
                return Ok(StreamEnd::Broken(error));
            }
            if self.cancellation.is_cancelled() {
                let until = *last_answers.get_or_insert_with(|| Instant::now() + LAST_ANSWERS);
                if Instant::now() >= until || !self.is_awaiting() {
                    return self.cut().map(|()| StreamEnd::Done);
                }
            } else if self.is_read && self.pending.is_empty() {
                return Ok(StreamEnd::Done);
            }
            let stopping = last_answers.is_some();
            let unsent = self.unsent().filter(|_| !stopping);
            let wants_chunk =
                !stopping && !self.is_read && unsent.is_none() && self.pending.len() < WINDOW;
            tokio::select! {
                permit = questions.reserve(), if unsent.is_some() => match (permit, unsent) {
                    (Ok(permit), Some(at)) => permit.send(self.question(at, first.take())),
                    // The server takes no more questions.
                    _ => return Ok(StreamEnd::Broken(ended_early())),
                },
                chunk = chunks.recv(), if wants_chunk => match chunk {
                    Some(chunk) => self.begin(chunk),
                    None => self.is_read = true,
                },
                answer = answers.message(), if self.is_awaiting() => match answer {
                    Ok(Some(answer)) => self.record_answer(answer)?,
                    Ok(None) => return Ok(StreamEnd::Broken(ended_early())),
                    Err(status) => return Ok(StreamEnd::Broken(status.into())),
                },
                () = self.cancellation.cancelled(), if !stopping => {}
                () = tokio::time::sleep_until(last_answers.unwrap_or_else(Instant::now)),
                    if stopping => {}
            }
        }
    }

    fn begin(&mut self, chunk: Chunk) {
        let rows = Vec::with_capacity(chunk.len());
        let mut pending = Pending { chunk, rows, sent: 0 };
        pending.answer_faults();
        pending.sent = pending.rows.len();
        self.pending.push_back(pending);
    }

    /// Whether an answer must come.
    fn is_awaiting(&self) -> bool {
        self.pending.iter().any(|pending| pending.sent > pending.rows.len())
    }

    /// The first row that is to be sent: its chunk's place.
    fn unsent(&self) -> Option<usize> {
        self.pending.iter().position(|pending| pending.next_to_send().is_some())
    }

    fn question(
        &mut self,
        at: usize,
        options: Option<v1::ScreeningOptions>,
    ) -> v1::StreamScreenAddressesRequest {
        let pending = &mut self.pending[at];
        let place = pending.next_to_send().unwrap_or(pending.sent);
        pending.sent = place + 1;
        let asked = pending.chunk.row(place);
        let query = Some(self.row_settings.query(&asked, asked.row.to_string()));
        v1::StreamScreenAddressesRequest { query, options }
    }

    /// Takes an answer, which must be that of the first row without one.
    fn record_answer(&mut self, answer: v1::StreamScreenAddressesResponse) -> Result<()> {
        let waiting = self.pending.iter_mut().find(|it| it.rows.len() < it.chunk.len());
        let pending = waiting.ok_or_else(|| anyhow!("the server answers what was not asked"))?;
        if let Some(snapshot) = answer.snapshot {
            self.policies.insert(snapshot.id.clone(), snapshot.policy_version.clone());
            pending.chunk.snapshots.push(snapshot);
        }
        let item = answer.item.unwrap_or_default();
        let asked = pending.chunk.row(pending.rows.len());
        if request_id(&item) != asked.row.to_string() {
            return Err(anyhow!(
                "the server answers row {} with an answer to {:?}",
                asked.row,
                request_id(&item)
            ));
        }
        let policy = policy(&self.policies, &item);
        let wants_path = self.row_settings.evidence && answer::wants_path(&item);
        let record = answer.record_id;
        let row = ResultRow { record, ..answer::result_row(&asked, &item, policy) };
        pending.rows.push((row, wants_path));
        pending.answer_faults();
        self.attempts = 0;
        Ok(())
    }

    /// Hands on the chunks at the front that are answered, with the paths that are asked for.
    async fn complete(&mut self, client: &mut Client) -> Result<Result<(), CallError>> {
        while let Some(front) = self.pending.front()
            && front.rows.len() == front.chunk.len()
        {
            if self.cancellation.is_cancelled()
                && front.rows.iter().any(|(_, wants_path)| *wants_path)
            {
                return Ok(Ok(()));
            }
            if let Err(error) = self.add_paths(client).await? {
                return Ok(Err(error));
            }
            if let Some(front) = self.pending.pop_front() {
                self.send_done(front)?;
            }
        }
        Ok(Ok(()))
    }

    /// Asks again, with evidence, for the rows of the first chunk that show a path.
    async fn add_paths(&mut self, client: &mut Client) -> Result<Result<(), CallError>> {
        let Some(front) = self.pending.front_mut() else { return Ok(Ok(())) };
        let wanted: Vec<usize> =
            (0..front.rows.len()).filter(|place| front.rows[*place].1).collect();
        for places in wanted.chunks(DEEP) {
            let query = |place: &usize| {
                let asked = front.chunk.row(*place);
                self.row_settings.query(&asked, asked.row.to_string())
            };
            let request = v1::BatchScreenAddressesRequest {
                queries: places.iter().map(query).collect(),
                options: Some(v1::ScreeningOptions {
                    include_evidence: true,
                    ..self.options.clone()
                }),
                ..Default::default()
            };
            let answered = client.screening.batch_screen_addresses(request).await;
            let response = match message_of(answered) {
                Ok(response) => response,
                Err(error) => return Ok(Err(error)),
            };
            if response.items.len() != places.len() {
                return Err(anyhow!("the server gave another number of answers than was asked"));
            }
            if let Some(snapshot) = response.snapshot {
                self.policies.insert(snapshot.id.clone(), snapshot.policy_version.clone());
                front.chunk.snapshots.push(snapshot);
            }
            let mut ids = RecordIds::new(response.record_id.parse().ok());
            for (place, item) in places.iter().zip(&response.items) {
                let policy = policy(&self.policies, item);
                let record = ids.next().map(|id| id.to_string()).unwrap_or_default();
                let row = answer::result_row(&front.chunk.row(*place), item, policy);
                front.rows[*place] = (ResultRow { record, ..row }, false);
            }
            self.attempts = 0;
        }
        Ok(Ok(()))
    }

    fn send_done(&mut self, pending: Pending) -> Result<()> {
        let Pending { mut chunk, rows, .. } = pending;
        let mut out = std::mem::take(&mut chunk.out);
        for (place, (row, _)) in rows.iter().enumerate() {
            self.row_settings.form.row(&chunk.row(place), row, &mut out);
            chunk.counts.add(row);
        }
        chunk.out = out;
        self.row_settings.finish(&mut chunk);
        self.done.send(chunk).ok().context("the writer has stopped")
    }

    /// The rows that are whole when the batch is stopped; what follows is for another time.
    fn cut(&mut self) -> Result<()> {
        let Some(mut front) = self.pending.pop_front() else { return Ok(()) };
        let whole = front.rows.iter().position(|(_, wants_path)| *wants_path);
        front.rows.truncate(whole.unwrap_or(front.rows.len()));
        front.chunk.is_cut = front.rows.len() < front.chunk.len();
        self.send_done(front)?;
        // What is behind it would leave a gap; the writer writes no further.
        self.pending.clear();
        Ok(())
    }
}

impl Pending {
    /// Answers the next rows that cannot be asked.
    fn answer_faults(&mut self) {
        while self.rows.len() < self.chunk.len() {
            let asked = self.chunk.row(self.rows.len());
            let Some(fault) = asked.fault else { return };
            self.rows.push((answer::error_row(&asked, fault), false));
        }
    }

    /// The place of the next row to be sent.
    fn next_to_send(&self) -> Option<usize> {
        let from = self.sent.max(self.rows.len());
        (from..self.chunk.len()).find(|place| self.chunk.row(*place).fault.is_none())
    }
}

fn request_id(item: &v1::ScreeningItem) -> &str {
    match &item.outcome {
        Some(v1::screening_item::Outcome::Screening(answer)) => &answer.request_id,
        Some(v1::screening_item::Outcome::Error(refusal)) => &refusal.request_id,
        None => "",
    }
}

fn policy<'p>(policies: &'p HashMap<String, String>, item: &v1::ScreeningItem) -> &'p str {
    match &item.outcome {
        Some(v1::screening_item::Outcome::Screening(answer)) => {
            policies.get(&answer.snapshot_id).map_or("", String::as_str)
        }
        Some(v1::screening_item::Outcome::Error(_)) | None => "",
    }
}

fn ended_early() -> CallError {
    CallError {
        code: 14,
        reason: String::new(),
        message: "the server ended the stream".to_owned(),
        fields: Vec::new(),
    }
}
