//! Cells of labels: the most frequent ones of the reference have a cell each, in the order of their codes; the rest share the tail.

/// How many labels have a cell of their own at most.
pub const OWN_LABELS: usize = 255;

/// The known labels of a column, in the order of their codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    labels: Vec<String>,
    /// Cell of every code; the tail's is the number of own cells, where the first special cell stands.
    places: Vec<u16>,
    own: usize,
}

impl Labels {
    /// Labels with their counts in the reference. The first [`OWN_LABELS`] by count (of equal ones the earlier) keep a cell of their own.
    pub fn ranked(labels: Vec<String>, counts: &[u64]) -> Self {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|code| (std::cmp::Reverse(counts.get(*code).copied().unwrap_or(0)), *code));
        let mut own = vec![false; labels.len()];
        for code in order.into_iter().take(OWN_LABELS) {
            own[code] = true;
        }
        Self::with_own(labels, &own)
    }

    /// Labels that are told which of them have cells of their own.
    pub fn with_own(labels: Vec<String>, own: &[bool]) -> Self {
        let cells = own.iter().filter(|own| **own).count();
        let mut next = 0;
        let places = own.iter().map(|own| {
            let place = if *own { next } else { cells as u16 };
            next += u16::from(*own);
            place
        });
        Self { labels, places: places.collect(), own: cells }
    }

    /// Every known label, by code.
    pub fn known(&self) -> &[String] {
        &self.labels
    }

    /// Whether each known label has a cell of its own.
    pub fn own(&self) -> impl Iterator<Item = bool> {
        self.places.iter().map(|place| usize::from(*place) < self.own)
    }

    /// The labels that have one, in the order of the cells.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().zip(self.own()).filter(|(_, own)| *own).map(|(label, _)| label.as_str())
    }

    /// How many labels have a cell of their own.
    pub fn cells(&self) -> usize {
        self.own
    }

    /// The cell of a code; the tail's is [`Self::cells`]. Nothing for a code that is not known.
    #[inline(always)]
    pub fn place(&self, code: usize) -> Option<usize> {
        self.places.get(code).map(|place| usize::from(*place))
    }
}
