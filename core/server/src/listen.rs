//! Sockets to listen on, made before anything else so that a taken port is found at once.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Address;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// Over TCP.
    Tcp(std::net::TcpListener),
    /// Over a socket file.
    Unix(UnixListener, SocketFile),
}

/// A socket file, removed when it is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// A sentence with the address and what to do.
    pub fn bind(address: &Address) -> Result<Self, String> {
        let failed = |error: io::Error| {
            let next = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there; choose another address, or port 0 for a free one",
                io::ErrorKind::PermissionDenied => "choose an address that this user may bind",
                io::ErrorKind::AddrNotAvailable => "this machine has no such address",
                _ => "choose another address",
            };
            format!("cannot listen on {address}: {error}; {next}")
        };
        match address {
            Address::Tcp(address) => tcp(*address).map(Self::Tcp).map_err(failed),
            Address::Unix(path) => unix(path).map_err(failed),
        }
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, file) => Ok(Address::Unix(file.0.clone())),
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was just ended leaves its port waiting; its successor may take it.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn unix(path: &Path) -> io::Result<Listener> {
    // A file that nobody listens behind is left over from a server that was killed.
    if std::fs::metadata(path).is_ok_and(|data| data.file_type().is_socket()) && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(Listener::Unix(listener, SocketFile(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_over_file_is_replaced_and_a_living_one_is_not() {
        let path = std::env::temp_dir().join(format!("sternpost-listen-{}.sock", std::process::id()));
        drop(UnixListener::bind(&path).unwrap());
        let address = Address::parse(&format!("unix:{}", path.display())).unwrap();
        let living = Listener::bind(&address).unwrap();
        assert!(Listener::bind(&address).unwrap_err().contains("another program listens there"));
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn port_zero_is_a_free_port_and_a_taken_one_is_told() {
        let listener = Listener::bind(&Address::parse("localhost:0").unwrap()).unwrap();
        let taken = listener.address().unwrap();
        assert!(matches!(&taken, Address::Tcp(address) if address.port() > 0));
        assert!(Listener::bind(&taken).unwrap_err().contains("another program listens there"));
    }
}
