//! What a check found out, for those who read it: one file a format, each made from an
//! [`Outcome`](super::Outcome) alone.
