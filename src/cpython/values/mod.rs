//! What variables hold, written as Python's `repr` would write it.
//!
//! Works on any memory and knows neither processes nor engines. All that is read is taken to be
//! hostile: each value may take so many characters, so many reads and so deep a nesting
//! ([`Limits`]) and no more, whatever it claims of itself; what cannot be read is named by its type
//! and address. The text that comes of it holds nothing that acts on a terminal.
//!
//! Each kind of values has a file below `kinds`, and all kinds stand in one list there. A type is
//! known by its name, its module and its bases, never by a guess.

mod class;
mod kinds;
mod locals;
mod metered;
mod notation;
mod secrets;
mod writer;

pub use self::locals::Local;
pub use self::secrets::Secrets;

use rustc_hash::FxHashMap;
use std::rc::Rc;

use self::class::Classes;
use self::metered::Metered;
use self::secrets::MASK;
use self::writer::Writer;
use super::layout::Layout;
use super::variables::Variable;
use crate::memory::Memory;
use crate::model::{Addr, CodeAddr};

/// How much of a value is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most characters of one text, or bytes.
    pub text: usize,
    /// The most items of one container.
    pub items: usize,
    /// How many containers or objects may be within each other.
    pub depth: usize,
    /// The most characters of a whole value, roughly.
    pub characters: usize,
    /// The most reads that one value takes.
    pub reads: u64,
    /// Whether the attributes of objects are shown that are of no known kind.
    pub attributes: bool,
}

impl Limits {
    /// A line.
    pub const LINE: Limits = Limits {
        text: 120,
        items: 20,
        depth: 3,
        characters: 200,
        reads: 10_000,
        attributes: false,
    };

    /// Whole, as far as that can be read.
    pub const WHOLE: Limits = Limits {
        text: 10_000,
        items: 1_000,
        depth: 6,
        characters: 20_000,
        reads: 20_000,
        attributes: true,
    };
}

/// Reads values of one moment of a memory.
#[derive(Debug)]
pub struct Values<'a> {
    layout: &'a Layout,
    limits: Limits,
    secrets: Secrets,
    /// How many reads all values together may take.
    reads_left: u64,
    classes: Classes,
    variables: FxHashMap<CodeAddr, Rc<[Variable]>>,
}

impl<'a> Values<'a> {
    /// `reads` is how many reads all values together may take.
    #[must_use]
    pub fn new(layout: &'a Layout, limits: Limits, secrets: Secrets, reads: u64) -> Values<'a> {
        Values {
            layout,
            limits,
            secrets,
            reads_left: reads,
            classes: Classes::default(),
            variables: FxHashMap::default(),
        }
    }

    /// Whether nothing more may be read.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.reads_left == 0
    }

    /// An object, as `repr` would write it.
    pub fn show(&mut self, memory: &mut dyn Memory, object: Addr) -> String {
        let allowed = self.limits.reads.min(self.reads_left);
        let mut metered = Metered::new(memory, allowed);
        let mut writer = self.writer(&mut metered);
        writer.value(object);
        let shown = writer.finish();
        self.reads_left = self.reads_left.saturating_sub(allowed - metered.left());
        if metered.is_spent() && allowed < self.limits.reads {
            self.reads_left = 0;
        }
        shown
    }

    /// The same of the value of a variable, unless its name is that of a secret.
    fn show_named(&mut self, memory: &mut dyn Memory, name: &str, object: Addr) -> String {
        let mut metered = Metered::new(memory, self.limits.reads);
        match self.writer(&mut metered).hides(name, object) {
            true => MASK.to_owned(),
            false => self.show(memory, object),
        }
    }

    fn writer<'w, 'm>(&'w mut self, metered: &'w mut Metered<'m>) -> Writer<'w, 'm> {
        let (limits, secrets) = (self.limits, self.secrets);
        Writer::new(metered, self.layout, &mut self.classes, limits, secrets)
    }
}
