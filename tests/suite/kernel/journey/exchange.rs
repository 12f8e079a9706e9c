//! Real exchanges: a client sends a request, a server answers with the address that it saw.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use kuberules::net::Protocol;

use crate::support::namespace::Namespace;

/// A server that lives as long as the test program; its sockets are in the namespace in which it was started.
pub(crate) struct Server;

impl Server {
    /// Listens at an address for TCP and UDP.
    pub(crate) fn start(address: SocketAddr) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let Ok(peer) = stream.peer_addr() else { continue };
                let _ = stream.write_all(format!("{address} {}", peer.ip()).as_bytes());
            }
        });
        std::thread::spawn(move || {
            let mut bytes = [0; 64];
            while let Ok((_, peer)) = socket.recv_from(&mut bytes) {
                let _ = socket.send_to(format!("{address} {}", peer.ip()).as_bytes(), peer);
            }
        });
        Server
    }
}

/// What came of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// The client got the answer of this server, which saw this source.
    Works {
        server: SocketAddr,
        source: IpAddr,
    },
    /// The answer came from an address that the client did not use; only UDP shows that.
    Elsewhere {
        from: SocketAddr,
        source: IpAddr,
    },
    Refused,
    TimedOut,
    /// The connection was established, and nothing arrived on it.
    Unanswered,
}

/// Sends one request, from inside a namespace.
pub(crate) fn ask(client: &Namespace, protocol: Protocol, to: SocketAddr, patience: Duration) -> Seen {
    client.within(|| match protocol {
        Protocol::Tcp => by_tcp(to, patience),
        _ => by_udp(to, patience),
    })
}

fn by_tcp(to: SocketAddr, patience: Duration) -> Seen {
    match TcpStream::connect_timeout(&to, patience) {
        Ok(mut stream) => {
            let mut answer = String::new();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            if stream.read_to_string(&mut answer).is_err() {
                return Seen::Unanswered;
            }
            let (server, source) = answered(&answer);
            Seen::Works { server, source }
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Seen::Refused,
        Err(_) => Seen::TimedOut,
    }
}

fn by_udp(to: SocketAddr, patience: Duration) -> Seen {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    let mut bytes = [0; 64];
    match socket.send_to(b"?", to).and_then(|_| socket.recv_from(&mut bytes)) {
        Ok((length, from)) => {
            let (server, source) = answered(std::str::from_utf8(&bytes[..length]).unwrap());
            if from == to { Seen::Works { server, source } } else { Seen::Elsewhere { from, source } }
        }
        Err(_) if refused_by_udp(to, patience) => Seen::Refused,
        Err(_) => Seen::TimedOut,
    }
}

/// A connected socket gets to know of a refusal.
fn refused_by_udp(to: SocketAddr, patience: Duration) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    if socket.connect(to).is_err() {
        return false;
    }
    // A rule for the node's own packets makes this fail immediately, with the refusal to follow.
    let _ = socket.send(b"?");
    let answer = socket.recv(&mut [0; 64]);
    answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn answered(text: &str) -> (SocketAddr, IpAddr) {
    let (server, source) = text.split_once(' ').unwrap();
    (server.parse().unwrap(), source.parse().unwrap())
}
