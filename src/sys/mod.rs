//! System calls: the only room with unsafe code and with knowledge of an operating system.

pub mod linux;
