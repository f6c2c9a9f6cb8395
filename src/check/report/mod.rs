//! What a check found out, for those who read it: one file a format, each made from an
//! [`Outcome`](super::Outcome) alone.

/// Stands in until the reports are joined.
pub(super) fn figure(estimate: &super::Estimate) -> String {
    format!("{} {:?}", estimate.value, estimate.unit)
}
