//! OFAC's service, replayed: an API whose firewall refuses short agents and that redirects to signed
//! addresses of a storage, each good for one request; a history of publications; and ways to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where the list is, as documented and as before, and where its latest changes are.
pub const DOCUMENTED: &str = "/api/download/SDN_ADVANCED.XML";
pub const FORMER: &str = "/api/PublicationPreview/exports/SDN_ADVANCED.XML";
pub const LATEST: &str = "/changes/latest";

/// How a path fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 403 for every agent.
    Blocked,
    /// 404.
    Missing,
    /// 200 with a web page that says that it is one.
    Html,
    /// 200 with a web page that says that it is XML.
    HtmlAsXml,
    /// Half of the file that was announced.
    Cut,
    /// XML of another root.
    OtherSchema,
    /// A byte at a time.
    Drip,
    /// A redirect to a place that is no address.
    Astray,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The path and query.
    pub target: String,
    /// The head in lower case, but for the first line.
    pub head: String,
    /// The status that was answered.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub body: usize,
}

struct Shared {
    /// The files, oldest first.
    publications: Vec<Vec<u8>>,
    /// Which one is visible.
    visible: AtomicUsize,
    /// The announced one, which may be ahead of the file.
    announced: AtomicUsize,
    faults: Mutex<BTreeMap<&'static str, Fault>>,
    next_signature: AtomicU64,
    signed: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<Asked>>,
    probes: Mutex<mpsc::Sender<()>>,
    stopped: AtomicBool,
    storage: SocketAddr,
}

/// The service; it ends when dropped.
pub struct Replay {
    shared: Arc<Shared>,
    api: SocketAddr,
    probed: Mutex<mpsc::Receiver<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Replay {
    /// A service with these publications, of which the first is visible.
    pub fn start(publications: Vec<Vec<u8>>) -> Self {
        let [api, storage] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let (tell, probed) = mpsc::channel();
        let shared = Arc::new(Shared {
            publications,
            visible: AtomicUsize::new(0),
            announced: AtomicUsize::new(0),
            faults: Mutex::default(),
            next_signature: AtomicU64::new(1),
            signed: Mutex::default(),
            asked: Mutex::default(),
            probes: Mutex::new(tell),
            stopped: AtomicBool::new(false),
            storage: storage.local_addr().unwrap(),
        });
        let address = api.local_addr().unwrap();
        let threads = [api, storage].map(|listener| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        });
        Self { shared, api: address, probed: Mutex::new(probed), threads: threads.into() }
    }

    /// The URL of a path of the API.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api)
    }

    /// Makes a publication visible and announces it.
    pub fn publish(&self, publication: usize) {
        self.shared.visible.store(publication, Ordering::SeqCst);
        self.announce(publication);
    }

    /// Announces a publication whose file is not there yet.
    pub fn announce(&self, publication: usize) {
        self.shared.announced.store(publication, Ordering::SeqCst);
    }

    /// Makes a path of the API fail from now on.
    pub fn fail(&self, path: &'static str, fault: Fault) {
        self.shared.faults.lock().unwrap().insert(path, fault);
    }

    /// All paths work again.
    pub fn mend(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Waits until so many further questions for the latest publication have come.
    pub fn wait_for_probes(&self, count: usize) {
        let probed = self.probed.lock().unwrap();
        while probed.try_recv().is_ok() {}
        for _ in 0..count {
            probed.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }

    /// Of requests for the list whose whole file was sent.
    pub fn whole_files(&self) -> usize {
        let is_file = |asked: &&Asked| asked.target.starts_with("/storage/SDN");
        self.asked().iter().filter(is_file).filter(|asked| asked.status == 200).count()
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for address in [self.api, self.shared.storage] {
            let _ = TcpStream::connect(address);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let (stream, shared) = (stream.unwrap(), Arc::clone(shared));
        std::thread::spawn(move || serve(stream, &shared));
    }
}

/// One answer: status, header lines, body, and how it is sent.
struct Reply {
    status: u16,
    headers: String,
    body: Vec<u8>,
    fault: Option<Fault>,
}

fn reply(status: u16, headers: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, headers: headers.to_owned(), body: body.into(), fault: None }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(&stream).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let head: String = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{}\n", line.to_lowercase()))
        .collect();
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let reply = match target.strip_prefix("/storage/") {
        Some(object) => stored(object, &head, shared),
        None => asked_api(&target, &head, shared),
    };
    let announced = match reply.fault {
        Some(Fault::Cut) => reply.body.len() * 2,
        Some(Fault::Drip) => 90_000,
        _ => reply.body.len(),
    };
    let asked = Asked { target, head, status: reply.status, body: reply.body.len() };
    let is_probe = asked.target.starts_with(LATEST);
    shared.asked.lock().unwrap().push(asked);
    if is_probe {
        let _ = shared.probes.lock().unwrap().send(());
    }
    let length = match reply.status {
        304 => String::new(),
        _ => format!("Content-Length: {announced}\r\n"),
    };
    let head = format!(
        "HTTP/1.1 {} So\r\nConnection: close\r\n{length}{}\r\n",
        reply.status, reply.headers
    );
    // A client that has seen enough hangs up.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&reply.body));
    let (_tell, never) = mpsc::channel::<()>();
    while reply.fault == Some(Fault::Drip) && !shared.stopped.load(Ordering::SeqCst) {
        if stream.write_all(b"x").is_err() {
            return;
        }
        let _ = never.recv_timeout(Duration::from_millis(5));
    }
}

fn asked_api(target: &str, head: &str, shared: &Shared) -> Reply {
    let path = target.split('?').next().unwrap_or_default();
    let fault = shared.faults.lock().unwrap().get(path).copied();
    if fault == Some(Fault::Blocked) || !passes_firewall(head) {
        return reply(403, "Content-Type: text/html\r\n", "<html>Request blocked</html>");
    }
    let page = "<!DOCTYPE html>\n<html><body>Scheduled maintenance</body></html>";
    match fault {
        Some(Fault::Missing) => return reply(404, "", "no"),
        Some(Fault::Html) => return reply(200, "Content-Type: text/html; charset=utf-8\r\n", page),
        Some(Fault::HtmlAsXml) => return reply(200, "Content-Type: application/xml\r\n", page),
        Some(Fault::Cut | Fault::Drip) => {
            return Reply { fault, ..reply(200, "", "address,ticker,party_uid,party_name\n") };
        }
        Some(Fault::OtherSchema) => {
            return reply(200, "", "<?xml version=\"1.0\"?><SanctionsV2><Party/></SanctionsV2>");
        }
        Some(Fault::Astray) => return reply(302, "Location: ftp://storage/x?sig=1\r\n", ""),
        Some(Fault::Blocked) | None => {}
    }
    let object = match path {
        DOCUMENTED | FORMER => "SDN_ADVANCED.XML",
        LATEST => "DeltaArchive/2025-03-21_delta.xml",
        _ => return reply(404, "", "no"),
    };
    let signature = shared.next_signature.fetch_add(1, Ordering::SeqCst).to_string();
    shared.signed.lock().unwrap().insert(signature.clone());
    let location =
        format!("http://{}/storage/{object}?X-Amz-Signature={signature}", shared.storage);
    reply(302, &format!("Location: {location}\r\n"), "Moved")
}

fn passes_firewall(head: &str) -> bool {
    let agent = head.lines().find_map(|line| line.strip_prefix("user-agent: ")).unwrap_or_default();
    let digit = |rest: &str| rest.starts_with(|character: char| character.is_ascii_digit());
    agent.len() >= 40 && agent.strip_prefix("mozilla/").is_some_and(digit)
}

/// An object of the storage, as S3 answers: the signature is good once.
fn stored(object: &str, head: &str, shared: &Shared) -> Reply {
    let (name, query) = object.split_once('?').unwrap_or((object, ""));
    let signature = query.strip_prefix("X-Amz-Signature=").unwrap_or_default();
    if !shared.signed.lock().unwrap().remove(signature) {
        return reply(403, "Content-Type: application/xml\r\n", "<Error>AccessDenied</Error>");
    }
    let number = match name {
        "SDN_ADVANCED.XML" => &shared.visible,
        _ => &shared.announced,
    };
    let number = number.load(Ordering::SeqCst);
    let body = match name {
        "SDN_ADVANCED.XML" => shared.publications[number].clone(),
        _ => delta(number),
    };
    let etag = format!("\"{name}-{number}\"").to_lowercase();
    let tag = format!("ETag: {etag}\r\nContent-Type: application/xml\r\n");
    let says = |line: String| head.lines().any(|said| said == line);
    if says(format!("if-none-match: {etag}")) {
        return reply(304, &tag, "");
    }
    if says("range: bytes=0-511".to_owned()) {
        let range = format!("{tag}Content-Range: bytes 0-511/{}\r\n", body.len());
        return reply(206, &range, &body[..512]);
    }
    reply(200, &tag, body)
}

/// The changes of a publication, in the form of OFAC's; two of one day have one date.
fn delta(number: usize) -> Vec<u8> {
    let head = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n\
                <sanctionsData xmlns=\"https://www.treasury.gov/ofac/DeltaFile/1.0\">\r\n  \
                <publicationInfo><datePublished>2025-03-21T00:00:00-04:00</datePublished>\
                <publicationType>Standard Action</publicationType></publicationInfo>\r\n";
    let entity = format!("  <entity id=\"{number}\" action=\"add\"/>\r\n");
    format!("{head}<entities>{}</entities></sanctionsData>", entity.repeat(20_000)).into_bytes()
}
