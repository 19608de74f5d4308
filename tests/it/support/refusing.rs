//! An address on the loopback at which nothing answers, and nothing else can come to listen.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is bound and not listened on: a connection to it is refused. No other process or test
/// can get it before this is dropped, as one could get a port that was free a moment ago.
pub struct RefusingPort(TcpSocket);

impl RefusingPort {
    /// Takes a free port.
    pub fn take() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

#[test]
fn a_connection_is_refused() {
    let port = RefusingPort::take();
    let error = std::net::TcpStream::connect(port.address()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(std::net::TcpListener::bind(port.address()).is_err(), "nobody else gets it");
}
