//! The rules a value can break, and what then happens to it and its row.

/// Why a value was refused, nulled or counted, or why a row has no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A null in a column that has none.
    Null,
    /// A NaN, given as a value, in a column that has no null.
    Nan,
    /// An infinite float.
    Infinite,
    /// A number or instant that the column's physical type cannot hold.
    Range,
    /// Below the inclusive lower bound.
    Ge,
    /// At or below the exclusive lower bound.
    Gt,
    /// Above the inclusive upper bound.
    Le,
    /// At or above the exclusive upper bound.
    Lt,
    /// A label that the contract does not list.
    Unseen,
    /// Bytes that are not UTF-8.
    Utf8,
    /// A feature raised; the place is a feature, not a column.
    Raised,
    /// The model gave NaN or an infinity; there is no place.
    ScoreNotFinite,
}

impl Rule {
    /// All of them, in the order of their positions ([`Rule::position`]).
    pub const ALL: [Self; 12] = [
        Self::Null,
        Self::Nan,
        Self::Infinite,
        Self::Range,
        Self::Ge,
        Self::Gt,
        Self::Le,
        Self::Lt,
        Self::Unseen,
        Self::Utf8,
        Self::Raised,
        Self::ScoreNotFinite,
    ];

    /// The rule with this word. The counterpart of [`Rule::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// Its place among [`Rule::ALL`].
    pub fn position(self) -> usize {
        self as usize
    }

    /// Whether a column's value broke it, as opposed to a feature or the model.
    pub fn is_of_contract(self) -> bool {
        !matches!(self, Self::Raised | Self::ScoreNotFinite)
    }

    /// The word used in reasons (`le:wind_speed_mph`) and in `Violation.rule`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Nan => "nan",
            Self::Infinite => "infinite",
            Self::Range => "range",
            Self::Ge => "ge",
            Self::Gt => "gt",
            Self::Le => "le",
            Self::Lt => "lt",
            Self::Unseen => "unseen",
            Self::Utf8 => "utf8",
            Self::Raised => "raised",
            Self::ScoreNotFinite => "score_not_finite",
        }
    }
}

/// What a column declares for its violations (`on_violation`, `on_unseen`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Response {
    /// The row gets no score.
    Refuse,
    /// The value becomes null and the row is scored.
    Null,
    /// The value is kept and the row is scored.
    Count,
}

/// A broken rule, at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Row, counted from the start of whatever the mark was handed out for (a block or a table).
    pub row: usize,
    /// Column position in the contract; feature position for `Raised`; 0 for `ScoreNotFinite`.
    pub place: u32,
    /// The rule.
    pub rule: Rule,
    /// Whether the row has no score because of it.
    pub refused: bool,
}
