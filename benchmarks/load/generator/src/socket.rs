//! A connected socket, TCP or unix, and the wait for any of several.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

// A read that blocks looks at the clock as often as this.
const PATIENCE: Duration = Duration::from_millis(50);

pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to `127.0.0.1:PORT` or `unix:PATH`.
    pub fn connect(target: &str, blocking: bool) -> io::Result<Self> {
        if let Some(path) = target.strip_prefix("unix:") {
            let socket = UnixStream::connect(path)?;
            socket.set_nonblocking(!blocking)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            return Ok(Self::Unix(socket));
        }
        let socket = TcpStream::connect(target)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(!blocking)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::Tcp(socket))
    }

    /// Reads; nothing if there is nothing yet.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        later(match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        })
    }

    /// Writes what fits.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        later(match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        })
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

fn later(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits until a socket has something to read.
pub enum Wait {
    /// A single socket, whose read blocks by itself.
    Single,
    Many(OwnedFd),
}

impl Wait {
    /// A wait for none yet.
    pub fn many() -> io::Result<Self> {
        Ok(Self::Many(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Waits for this one too, under a number.
    pub fn add(&self, socket: &Socket, number: usize) -> io::Result<()> {
        match self {
            Self::Single => Ok(()),
            Self::Many(epoll) => Ok(epoll::add(epoll, socket.descriptor(), EventData::new_u64(number as u64), EventFlags::IN)?),
        }
    }

    /// The numbers of those that are ready, after `most` at the latest.
    pub fn ready(&self, most: Duration, ready: &mut Vec<usize>) -> io::Result<()> {
        ready.clear();
        match self {
            Self::Single => ready.push(0),
            Self::Many(epoll) => {
                let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 256];
                let most = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
                match epoll::wait(epoll, &mut events, Some(&most)) {
                    Ok(count) => ready.extend(events[..count].iter().map(|event| event.data.u64() as usize)),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}
