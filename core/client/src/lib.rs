//! Endpoints, retry budget, breaker and local fallback.
