//! The connections to one endpoint: each is held by one call at a time, the one used last is taken first.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::{Connection, Patience, Setup};
use crate::endpoint::Endpoint;
use crate::error::Trouble;

const ASK_EVERY: Duration = Duration::from_millis(100);

/// Connections to one endpoint.
#[derive(Debug)]
pub struct Pool {
    endpoint: Endpoint,
    setup: Setup,
    most: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    /// All there are, idle or held.
    open: usize,
    /// Whether a connection is closed after its call instead of becoming idle.
    leaving: bool,
}

/// A connection that one call holds. Dropped, it is closed; see [`Held::keep`].
#[derive(Debug)]
pub struct Held<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Pool {
    /// At most `most` connections.
    pub fn new(endpoint: Endpoint, setup: Setup, most: usize) -> Self {
        Self { endpoint, setup, most: most.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Whom the connections lead to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How connections are made.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// How many connections are idle and how many there are.
    pub fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.idle.len(), state.open)
    }

    /// An idle connection that still works, or a new one; waits for one if there are as many as there may be.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn take(&self, patience: Patience<'_>) -> Result<Held<'_>, Trouble> {
        loop {
            let mut state = self.lock();
            if let Some(mut connection) = state.idle.pop() {
                drop(state);
                if connection.usable() {
                    return Ok(Held { pool: self, connection: Some(connection) });
                }
                self.closed();
                continue;
            }
            if state.open < self.most {
                state.open += 1;
                drop(state);
                return self.fill(patience);
            }
            let left = patience.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Trouble::Late);
            }
            drop(self.freed.wait_timeout(state, left.min(ASK_EVERY)).unwrap_or_else(PoisonError::into_inner));
            if !(patience.go_on)() {
                return Err(Trouble::Interrupted);
            }
        }
    }

    /// Whether connections are kept between calls. An endpoint that is about to end would wait for idle ones: nobody reads from them, so
    /// nobody would see its goodbye.
    pub fn keep_idle(&self, keep: bool) {
        self.lock().leaving = !keep;
    }

    /// Gives up what is idle; it is closed when the caller drops it, which blocks and so has no place on a runtime's thread.
    pub fn give_up_idle(&self) -> Vec<Connection> {
        let idle = std::mem::take(&mut self.lock().idle);
        idle.iter().for_each(|_| self.closed());
        idle
    }

    /// A connection in a place that is already counted.
    fn fill(&self, patience: Patience<'_>) -> Result<Held<'_>, Trouble> {
        // Frees the place again, should no connection come to stand in it.
        let mut held = Held { pool: self, connection: None };
        held.connection = Some(Connection::open(&self.endpoint, &self.setup, patience)?);
        Ok(held)
    }

    fn closed(&self) {
        self.lock().open -= 1;
        self.freed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held<'_> {
    /// The connection.
    ///
    /// # Errors
    /// [`Trouble::Broken`] if it was given away.
    pub fn get(&mut self) -> Result<&mut Connection, Trouble> {
        self.connection.as_mut().ok_or_else(|| Trouble::broken("the connection is gone"))
    }

    /// Closes the connection and opens a new one in its place.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn renew(&mut self, patience: Patience<'_>) -> Result<(), Trouble> {
        self.connection = None;
        self.connection = Some(Connection::open(&self.pool.endpoint, &self.pool.setup, patience)?);
        Ok(())
    }

    /// Gives the connection back, for the next call.
    pub fn keep(mut self) {
        if let Some(connection) = self.connection.take() {
            let mut state = self.pool.lock();
            if state.leaving {
                drop(state);
                self.connection = Some(connection);
                return;
            }
            state.idle.push(connection);
            drop(state);
            self.pool.freed.notify_one();
            // What drops now holds no connection and must not count one as closed.
            std::mem::forget(self);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.connection = None;
        self.pool.closed();
    }
}
