//! Single cases with their figures written out.
