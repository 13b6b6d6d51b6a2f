//! Numbers against a table of cases and against logic of another kind; who is in the calls of the specification.

mod numbers;
mod parties;
mod same;
