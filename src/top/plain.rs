//! A table for each update, where there is no screen.

use std::io::{self, Write};

use super::feed::{Incoming, Message};
use super::rows::{self, Part, SortBy, percent};
use super::seen::Seen;
use crate::output::{Names, RenderOptions, title};

/// Rows of a table. Who wants more records.
const MOST_ROWS: usize = 20;

/// Writes tables.
#[derive(Debug, Default)]
pub struct Plain {
    pub options: RenderOptions,
}

impl Plain {
    /// Writes a table for each update, until all is over or nobody reads any more.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn show(self, incoming: &Incoming, out: &mut dyn Write) -> io::Result<()> {
        let mut seen = Seen::default();
        loop {
            match incoming.next() {
                Message::Update(update) => {
                    seen.update(*update);
                    let text = self.table(&seen);
                    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                        written => written?,
                    }
                    incoming.shown();
                }
                Message::Over => return Ok(()),
                // Who is told of these without a screen reads standard error.
                Message::Begins(_) | Message::News(_) => {}
            }
        }
    }

    /// What was seen until now.
    #[must_use]
    pub fn table(&self, seen: &Seen) -> String {
        let Some(profile) = seen.profile() else {
            return String::new();
        };
        let names = Names {
            interner: &profile.interner,
            options: &self.options,
        };
        let mut text = format!(
            "{}; CPU {}, GIL {}, in requests {}\n",
            title(profile),
            percent(seen.cpu.now()),
            percent(seen.gil.now()),
            percent(seen.at_work.now()),
        );
        for column in SortBy::ALL {
            text += &format!("{:>9} ", column.title());
        }
        text += " Function (file:line)\n";
        let part = Part {
            first: 0,
            most: MOST_ROWS,
            filter: "",
        };
        for row in rows::functions(seen, names, SortBy::default(), part).rows {
            for column in SortBy::ALL {
                text += &format!("{:>9} ", column.cell(row.figures, seen.interval));
            }
            text += &format!(" {}\n", row.label);
        }
        text.push('\n');
        text
    }
}
