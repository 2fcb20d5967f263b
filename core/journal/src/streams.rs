//! Rows on their way to the disk: a builder for each stream.

use sternpost_engine::contract::Contract;
use sternpost_engine::spec::BundleName;

use crate::decisions::Decisions;
use crate::encode::Table;
use crate::error::Result;
use crate::events::Events;
use crate::layout::Kind;
use crate::outcomes::Outcomes;

/// Where entries put their rows.
#[derive(Debug, Default)]
pub struct Streams {
    decisions: Vec<(BundleName, Decisions)>,
    outcomes: Outcomes,
    events: Events,
    /// Batches that are complete, in order.
    ready: Vec<Table>,
}

impl Streams {
    /// The decisions of a bundle. Whoever has served a bundle once has its builder until [`Self::forget`].
    pub fn decisions(&mut self, bundle: &BundleName, contract: &Contract) -> &mut Decisions {
        let found = self.decisions.iter().position(|(known, _)| known.digest == bundle.digest && known.name == bundle.name);
        let place = found.unwrap_or_else(|| {
            self.decisions.push((bundle.clone(), Decisions::new(contract)));
            self.decisions.len() - 1
        });
        // The position is that of an element.
        &mut self.decisions[place].1
    }

    /// The outcomes.
    pub fn outcomes(&mut self) -> &mut Outcomes {
        &mut self.outcomes
    }

    /// The events.
    pub fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    /// Rows that are in columns already.
    pub fn batch(&mut self, table: Table) {
        if table.batch.num_rows() > 0 {
            self.ready.push(table);
        }
    }

    /// Takes what is complete: builders of at least `rows` rows, and all batches.
    pub(crate) fn take(&mut self, rows: usize, into: &mut impl Extend<Table>) -> Result<()> {
        let rows = rows.max(1);
        for (bundle, decisions) in &mut self.decisions {
            if decisions.len() >= rows {
                self.ready.push(Table { kind: Kind::Decisions, bundle: bundle.clone(), batch: decisions.finish()? });
            }
        }
        if self.outcomes.len() >= rows {
            self.ready.push(Table { kind: Kind::Outcomes, bundle: BundleName::default(), batch: self.outcomes.finish()? });
        }
        if self.events.len() >= rows {
            self.ready.push(Table { kind: Kind::Events, bundle: BundleName::default(), batch: self.events.finish()? });
        }
        into.extend(self.ready.drain(..));
        Ok(())
    }

    /// Forgets builders without rows, so that bundles that are served no longer cost nothing.
    pub(crate) fn forget(&mut self) {
        self.decisions.retain(|(_, decisions)| !decisions.is_empty());
    }
}
