//! One run: one thread that sends what is due, reads what came, and counts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::link::Link;
use crate::options::{Call as Kind, Options};
use crate::pace::Pace;
use crate::protocol::{Call, Done};
use crate::rows::Rows;
use crate::socket::Wait;
use crate::tally::Tally;

// Closer to a due call than this the loop does not sleep: a sleep ends late by as much.
const SPIN_NS: u64 = 80_000;
const LONGEST_WAIT_NS: u64 = 20_000_000;
const RECONNECT_NS: u64 = 10_000_000;
const FOREVER: u64 = u64::MAX / 2;

struct Run<'a> {
    options: &'a Options,
    rows: &'a Rows,
    links: Vec<Link>,
    pace: Pace,
    tally: Tally,
    /// Closed loop: calls per connection.
    callers: usize,
    made: u64,
    turn: usize,
    reconnects: u64,
    /// Open loop: calls that found no room, by their intended times.
    backlog: VecDeque<u64>,
    /// Calls by the end of their time.
    limits: VecDeque<(u64, usize, u32)>,
    done: Vec<Done>,
}

/// Runs and reports.
///
/// # Errors
/// A sentence, if there is no connection or the system refuses to wait.
pub fn run(options: &Options, rows: &Rows) -> Result<Value, String> {
    let told = |error: std::io::Error| error.to_string();
    // A single caller's connection is read without asking first: one system call less per answer.
    let single = options.connections == 1 && options.rate.is_none() && !options.spin && options.deadline_ms.is_none();
    let wait = if single { Wait::Single } else { Wait::many().map_err(told)? };
    let links = (0..options.connections)
        .map(|number| {
            let link = Link::connect(options, rows.longest(), single)?;
            wait.add(link.socket(), number).map_err(told)?;
            Ok(link)
        })
        .collect::<Result<Vec<_>, String>>()?;
    let mut run = Run {
        options,
        rows,
        links,
        pace: Pace::new(options, rows.count()),
        tally: Tally::new(options)?,
        callers: if options.call == Kind::Stream { options.streams * options.depth } else { options.streams },
        made: 0,
        turn: 0,
        reconnects: 0,
        backlog: VecDeque::new(),
        limits: VecDeque::new(),
        done: Vec::new(),
    };
    run.go(&wait)
}

impl Run<'_> {
    fn go(&mut self, wait: &Wait) -> Result<Value, String> {
        let begin = Instant::now();
        let clock = || begin.elapsed().as_nanos() as u64;
        let last = (self.options.seconds * 1e9) as u64;
        let patience = (self.options.linger * 1e9) as u64;
        let mut ready = Vec::new();
        let mut ended = None;
        loop {
            let now = clock();
            if self.options.reconnect && ended.is_none() {
                self.reconnect(wait, now)?;
            }
            let usable = self.options.reconnect || self.links.iter().any(Link::is_usable);
            let over = now >= last || self.made >= self.options.requests || !usable;
            if over && ended.is_none() {
                ended = Some(now);
                self.tally.end_sending(now);
            }
            match ended {
                None if self.pace.is_open() => self.send_due(now),
                None => self.send_free(now),
                Some(_) => self.send_backlog(now),
            }
            self.cancel_late(now);
            self.flush(&clock);
            let waiting = self.busy() + self.backlog.len();
            if let Some(at) = ended
                && (waiting == 0 || now >= at + patience)
            {
                return Ok(self.report(at, waiting as u64));
            }
            wait.ready(self.longest_wait(now, ended.is_some()), &mut ready).map_err(|error| error.to_string())?;
            for number in &ready {
                self.links[*number].read(&mut self.done);
                self.count(*number, &clock);
            }
        }
    }

    /// Makes connections again that have ended, no faster than a patient caller.
    fn reconnect(&mut self, wait: &Wait, now: u64) -> Result<(), String> {
        for number in 0..self.links.len() {
            let link = &mut self.links[number];
            if link.is_usable() || link.busy > 0 || now < link.paused_until {
                continue;
            }
            if let Ok(fresh) = Link::connect(self.options, self.rows.longest(), matches!(wait, Wait::Single)) {
                wait.add(fresh.socket(), number).map_err(|error| error.to_string())?;
                *link = fresh;
                self.reconnects += 1;
                // The names of calls begin anew.
                self.limits.retain(|(_, of, _)| *of != number);
            }
            self.links[number].paused_until = now + RECONNECT_NS;
        }
        Ok(())
    }

    /// Closed loop: every free caller makes its next call.
    fn send_free(&mut self, now: u64) {
        for number in 0..self.links.len() {
            while self.links[number].busy < self.callers && self.made < self.options.requests && self.links[number].has_room(now) {
                self.send(number, now, now);
            }
        }
    }

    /// Open loop: every call that is due is made, or waits in line.
    fn send_due(&mut self, now: u64) {
        self.send_backlog(now);
        while self.pace.due() <= now && self.made < self.options.requests {
            let intended = self.pace.due();
            self.pace.advance();
            match self.next_link(now) {
                Some(number) => self.send(number, intended, now),
                None if self.links.iter().all(|link| now < link.paused_until) => {
                    self.made += 1;
                    self.tally.held_back(intended);
                }
                None => {
                    self.made += 1;
                    if self.backlog.len() + self.busy() < self.options.most {
                        self.backlog.push_back(intended)
                    } else {
                        self.tally.not_sent(intended)
                    }
                }
            }
        }
    }

    fn send_backlog(&mut self, now: u64) {
        let limit = self.options.deadline_ms.map_or(FOREVER, |milliseconds| u64::from(milliseconds) * 1_000_000);
        while let Some(intended) = self.backlog.front().copied() {
            if now > intended + limit {
                self.tally.late(intended);
            } else if let Some(number) = self.next_link(now) {
                self.made -= 1;
                self.send(number, intended, now);
            } else {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// The next connection in turn that can send.
    fn next_link(&mut self, now: u64) -> Option<usize> {
        if self.busy() >= self.options.most {
            return None;
        }
        let count = self.links.len();
        let found = (0..count).map(|step| (self.turn + step) % count).find(|number| self.links[*number].has_room(now))?;
        self.turn = found + 1;
        Some(found)
    }

    /// Calls on their way.
    fn busy(&self) -> usize {
        self.links.iter().map(|link| link.busy).sum()
    }

    fn send(&mut self, number: usize, intended: u64, now: u64) {
        self.made += 1;
        let call = Call { row: self.pace.row(), intended };
        let name = self.links[number].send(call, self.rows);
        if self.pace.is_open() {
            self.tally.sent(intended, now);
        }
        if let Some(milliseconds) = self.options.deadline_ms {
            self.limits.push_back((intended + u64::from(milliseconds) * 1_000_000, number, name));
        }
    }

    /// Calls whose time is over are given up, as a caller's own library does.
    fn cancel_late(&mut self, now: u64) {
        while let Some((limit, number, name)) = self.limits.front().copied()
            && limit < now
        {
            self.limits.pop_front();
            if let Some(call) = self.links[number].cancel(name) {
                self.tally.late(call.intended);
            }
        }
    }

    fn flush(&mut self, clock: &impl Fn() -> u64) {
        for number in 0..self.links.len() {
            self.links[number].flush(&mut self.done);
            if !self.done.is_empty() {
                self.links[number].busy = 0;
                self.count(number, clock);
            }
        }
    }

    fn count(&mut self, number: usize, clock: &impl Fn() -> u64) {
        let now = clock();
        for done in self.done.drain(..) {
            self.tally.done(&done, now, self.rows);
            if let (true, Some(wait)) = (self.options.honour_pushback, done.pushback) {
                let until = if wait < 0 { FOREVER } else { now + wait as u64 * 1_000_000 };
                self.links[number].paused_until = self.links[number].paused_until.max(until);
            }
        }
    }

    fn longest_wait(&self, now: u64, over: bool) -> Duration {
        if self.options.spin {
            return Duration::ZERO;
        }
        let mut most = LONGEST_WAIT_NS;
        if self.links.iter().any(Link::is_stuck) {
            most = 50_000;
        }
        if self.pace.is_open() && !over {
            most = most.min(self.pace.due().saturating_sub(now).saturating_sub(SPIN_NS));
        }
        if let Some((limit, ..)) = self.limits.front() {
            most = most.min(limit.saturating_sub(now) + 1);
        }
        for link in &self.links {
            if link.paused_until > now {
                most = most.min(link.paused_until - now);
            }
        }
        Duration::from_nanos(most)
    }

    fn report(&self, now: u64, unanswered: u64) -> Value {
        let mut report = self.tally.report(now, unanswered);
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let ended: Vec<&str> = self.links.iter().filter_map(Link::ended).collect();
        report["made"] = json!(self.made);
        report["rows"] = json!(self.rows.count());
        report["reconnects"] = json!(self.reconnects);
        report["connections_ended"] = json!(ended.len());
        report["first_end"] = json!(ended.first());
        report["generator_cpu_seconds"] = json!(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
        report
    }
}
