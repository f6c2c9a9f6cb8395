//! What a process does from moment to moment: on a screen with keys, or as a table now and then where
//! there is no terminal.
//!
//! A recording hands over what is new every so often ([`Feed`], a [`Sink`](crate::record::Sink)); all else
//! happens in a thread of its own, so that no sample waits for anything to be drawn. [`Seen`] adds up what
//! was handed over, [`App`] is what is shown of it and how keys change that, `views` draw it. None of these
//! knows a terminal: that is [`Screen`]'s.

mod app;
mod feed;
mod flame;
mod history;
mod keys;
mod line_editor;
mod plain;
mod rows;
mod screen;
mod seen;
mod style;
#[cfg(test)]
mod tests;
mod views;

pub use app::App;
pub use feed::{Feed, Message};
pub use plain::Plain;
pub use screen::{Screen, restore_terminal};
pub use style::Palette;
