//! What bounds the extra load that a client makes: every call earns a part of a token, every extra request costs a whole one.

use std::sync::atomic::{AtomicI64, Ordering};

const TOKEN: i64 = 1000;

/// A token bucket that is filled by calls, not by time.
#[derive(Debug)]
pub struct Budget {
    held: AtomicI64,
    share: i64,
    most: i64,
}

impl Budget {
    /// Extra requests up to `share` of the calls, and up to `burst` at once. It begins full.
    pub fn new(share: f64, burst: u32) -> Self {
        let most = i64::from(burst) * TOKEN;
        Self { held: AtomicI64::new(most), share: (share * TOKEN as f64) as i64, most }
    }

    /// A call was made.
    pub fn earn(&self) {
        if self.held.load(Ordering::Relaxed) < self.most {
            let held = self.held.fetch_add(self.share, Ordering::Relaxed) + self.share;
            if held > self.most {
                self.held.fetch_sub(held - self.most, Ordering::Relaxed);
            }
        }
    }

    /// Whether an extra request may be made; then it is paid for.
    pub fn spend(&self) -> bool {
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| (held >= TOKEN).then(|| held - TOKEN)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_requests_stay_below_their_share() {
        let budget = Budget::new(0.1, 10);
        let mut extra = 0;
        for _ in 0..10_000 {
            budget.earn();
            extra += u32::from(budget.spend());
        }
        assert!((1000..=1010).contains(&extra), "{extra}");
    }

    #[test]
    fn what_is_not_spent_does_not_pile_up() {
        let budget = Budget::new(0.1, 3);
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..10).filter(|_| budget.spend()).count(), 3);
    }
}
