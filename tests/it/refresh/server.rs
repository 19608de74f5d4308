//! An HTTP server on the loopback address that gives the answers it was told, one a request.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is sent for one request.
#[derive(Clone)]
pub struct Answer {
    bytes: Vec<u8>,
    drip: bool,
    /// What is sent for the next request on the same connection.
    inside: Option<Box<Answer>>,
}

impl Answer {
    /// 200 with a body and its length.
    pub fn ok(body: &str) -> Self {
        Self::status(200, body)
    }

    /// A status with a body and its length.
    pub fn status(status: u16, body: &str) -> Self {
        let length = match status {
            204 | 304 => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        Self::bytes(format!("HTTP/1.1 {status} So\r\nConnection: close\r\n{length}\r\n{body}"))
    }

    /// 200 with exactly these header lines, and whatever body.
    pub fn raw(headers: &str, body: &str) -> Self {
        Self::bytes(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{body}"))
    }

    /// As `raw`, of the version of HTTP that knows no chunks.
    pub fn old(headers: &str, body: &str) -> Self {
        Self::bytes(format!("HTTP/1.0 200 OK\r\n{headers}\r\n\r\n{body}"))
    }

    /// 302.
    pub fn redirect(to: &str) -> Self {
        Self::status(302, "").with(&format!("Location: {to}"))
    }

    /// Nothing that HTTP knows.
    pub fn garbage() -> Self {
        Self::bytes("220 mail.example.org ESMTP\r\n\r\n".to_owned())
    }

    /// A body that comes a byte at a time and never ends by itself.
    pub fn drip() -> Self {
        Self { drip: true, ..Self::raw("Content-Length: 90000", "") }
    }

    /// Of a proxy that was asked for a tunnel: there is one, and `answer` comes out of it.
    pub fn tunnel(answer: Self) -> Self {
        let mut tunnel = Self::bytes("HTTP/1.1 200 Connection established\r\n\r\n".to_owned());
        tunnel.inside = Some(Box::new(answer));
        tunnel
    }

    /// With further header lines.
    pub fn with(self, headers: &str) -> Self {
        let text = String::from_utf8(self.bytes).unwrap();
        Self::bytes(text.replacen("\r\n", &format!("\r\n{headers}\r\n"), 1))
    }

    fn bytes(text: String) -> Self {
        Self { bytes: text.into_bytes(), drip: false, inside: None }
    }
}

/// A running server; it ends when dropped.
pub struct Server {
    url: String,
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    stop_drip: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Gives `answers` in order, then closes every connection unanswered.
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop_drip, dripping) = mpsc::channel();
        let (noted, ended) = (Arc::clone(&requests), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                noted.lock().unwrap().push(read_request(&stream));
                let Some(answer) = answers.next() else {
                    continue;
                };
                // A client that has seen enough hangs up.
                let _ = stream.write_all(&answer.bytes);
                if let Some(inside) = &answer.inside {
                    noted.lock().unwrap().push(read_request(&stream));
                    let _ = stream.write_all(&inside.bytes);
                }
                while answer.drip && stream.write_all(b"1").is_ok() {
                    let beat = dripping.recv_timeout(Duration::from_millis(20));
                    if beat != Err(mpsc::RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            }
        });
        let url = format!("http://{address}");
        let (stop_drip, thread) = (Some(stop_drip), Some(thread));
        Self { url, address, requests, stopped, stop_drip, thread }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The head of every request so far, in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.stop_drip = None;
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn read_request(stream: &TcpStream) -> String {
    let mut head = String::new();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        if line.is_empty() {
            break;
        }
        head.push_str(&line.to_lowercase());
        head.push('\n');
    }
    head
}
