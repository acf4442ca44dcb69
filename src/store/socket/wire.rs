//! What is said on the socket?
//!
//! A message is its length (4 bytes, little-endian) and that much JSON. A client sends one [`Request`] and gets one [`Reply`]; after
//! [`Reply::Rows`] follow an Arrow IPC stream (schema, batches, end mark) and a last message, [`End`]. Both ends bound every
//! length before they believe it, and every read and write by a deadline. Refuses another version of itself.

use super::super::{StoreError, maintenance::Info};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Of this protocol; a client of another version is told so.
pub(in crate::store) const VERSION: u32 = 1;
/// Longest message, bytes: SQL files are at most 1 MiB, and JSON may double that.
pub(in crate::store) const MAX_MESSAGE: usize = 4 << 20;

/// What a client wants.
#[derive(Serialize, Deserialize, Debug)]
pub(in crate::store) struct Request {
    pub(in crate::store) version: u32,
    pub(in crate::store) ask: Ask,
}

#[derive(Serialize, Deserialize, Debug)]
pub(in crate::store) enum Ask {
    /// Run one reading statement.
    Query {
        sql: String,
        params: Vec<(String, Option<String>)>,
        /// Longest time, milliseconds; the server has a limit of its own.
        time_ms: Option<u64>,
        /// Most rows; the server has a limit of its own.
        rows: Option<u64>,
    },
    /// Names of the parameters of a statement.
    Parameters { sql: String },
    /// What is in the database.
    Info,
    /// Write a copy; the client moves it.
    Backup,
}

#[derive(Serialize, Deserialize, Debug)]
pub(in crate::store) enum Reply {
    /// An Arrow IPC stream follows, then an [`End`].
    Rows,
    Parameters(Vec<String>),
    Info(Box<Info>),
    /// The copy lies here.
    Backup(String),
    Fault(Fault),
}

/// After the rows.
#[derive(Serialize, Deserialize, Debug)]
pub(in crate::store) struct End {
    /// Were more rows there than the limit?
    pub(in crate::store) truncated: bool,
    /// What went wrong after the first row.
    pub(in crate::store) fault: Option<Fault>,
}

/// An error as it travels: the kinds that a command tells apart.
#[derive(Serialize, Deserialize, Debug)]
pub(in crate::store) enum Fault {
    NotReadOnly(String),
    Sql(String),
    Parameter(String),
    /// Seconds.
    Timeout(f64),
    /// How many clients there are.
    Busy(usize),
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotReadOnly(text) => Self::NotReadOnly(text),
            StoreError::Parameter(text) => Self::Parameter(text),
            StoreError::Timeout(limit) => Self::Timeout(limit.as_secs_f64()),
            StoreError::Busy(clients) => Self::Busy(clients),
            other => Self::Sql(other.to_string()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(f: Fault) -> Self {
        match f {
            Fault::NotReadOnly(text) => Self::NotReadOnly(text),
            Fault::Sql(text) => Self::Sql(text),
            Fault::Parameter(text) => Self::Parameter(text),
            Fault::Timeout(s) => Self::Timeout(Duration::try_from_secs_f64(s).unwrap_or_default()),
            Fault::Busy(clients) => Self::Busy(clients),
        }
    }
}

/// Send a message.
pub(in crate::store) fn send(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    if json.len() > MAX_MESSAGE {
        return Err(io::Error::other("a message is longer than 4 MiB"));
    }
    // In one write: a peer that is told no at once must not see half of it.
    let mut whole = (json.len() as u32).to_le_bytes().to_vec();
    whole.extend(json);
    out.write_all(&whole)?;
    out.flush()
}

/// Receive a message.
pub(in crate::store) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length as usize > MAX_MESSAGE {
        return Err(io::Error::other(format!("a message claims {length} bytes")));
    }
    // Memory follows what really comes, not what is claimed.
    let mut json = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut json)?;
    if json.len() != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&json)?)
}

/// A stream on which everything must be done by a deadline: no trickle keeps it open.
#[derive(Debug)]
pub(in crate::store) struct Deadlined {
    stream: UnixStream,
    until: Option<Instant>,
}

impl Deadlined {
    pub(in crate::store) fn new(stream: UnixStream, until: Option<Instant>) -> Self {
        Self { stream, until }
    }

    /// Another deadline from now on.
    pub(in crate::store) fn until(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(until) = self.until else { return Ok(None) };
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Deadlined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Deadlined {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_travel_and_lies_are_refused() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Request { version: VERSION, ask: Ask::Parameters { sql: "SELECT ä".into() } })
            .unwrap();
        let back: Request = receive(&mut &bytes[..]).unwrap();
        assert!(matches!(back.ask, Ask::Parameters { sql } if sql == "SELECT ä"));
        for length in 0..bytes.len() {
            assert!(receive::<Request>(&mut &bytes[..length]).is_err(), "cut after {length}");
        }
        let huge = [&u32::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(receive::<Request>(&mut &huge[..]).unwrap_err().to_string().contains("claims"));
        let absent = [&1_000_000u32.to_le_bytes()[..], b"{}"].concat();
        assert!(receive::<Request>(&mut &absent[..]).is_err());
    }

    #[test]
    fn a_trickle_ends_at_the_deadline() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let sender = std::thread::spawn(move || {
            while far.write_all(b"\x01").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let began = Instant::now();
        let mut stream = Deadlined::new(near, Some(began + Duration::from_millis(60)));
        let error = io::copy(&mut stream, &mut io::sink()).unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{error}");
        assert!(began.elapsed() < Duration::from_secs(5));
        drop(stream);
        sender.join().unwrap();
    }
}
