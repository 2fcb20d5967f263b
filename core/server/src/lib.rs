//! Protocols at the edge, admission, deadlines, reload, drain and metrics around the one scorer.
