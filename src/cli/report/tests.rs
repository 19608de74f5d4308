//! The page of a small made-up result.
