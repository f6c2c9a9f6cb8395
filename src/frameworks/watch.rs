//! Watches: which variables are read of a function's frame while it is on a stack. What is read becomes a
//! label of all samples beneath that frame.
//!
//! All of it is constant data. Those of a user's file are made so when it is read, which happens once.

use rustc_hash::FxHashMap;

use super::{ALL, is_file, unqualified};

/// What to read of the frames of one function, or of several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    pub place: Place,
    /// The key of the label.
    pub label: &'static str,
    /// What is read, one after the other until one has a value.
    pub readings: &'static [Reading],
    /// Of several frames that give a value for the label, which one counts.
    pub counts: Counts,
}

/// Which of several frames of a stack gives the value of a label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    Innermost,
    Outermost,
}

/// Whose variables are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Of each function of these names in the files whose path ends so.
    Function {
        file: &'static str,
        names: &'static [&'static str],
    },
    /// Of each function that has an argument of this name among its first two, whatever its file.
    AnyWithArgument(&'static str),
}

/// One way to read a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Joined by dots. All must have a value.
    pub parts: &'static [Part],
}

/// What a variable leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    pub variable: &'static str,
    /// From the variable's object on.
    pub steps: &'static [Step],
    pub shape: Shape,
    /// Whether the variable's object is made once and kept, such as a class's descriptor. What it leads to is
    /// then not read anew in each look, but only now and then.
    pub lasts: bool,
}

/// How to go from one object to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// To what an attribute of the instance holds. Attributes of classes and properties are not seen.
    Attribute(&'static str),
    /// To the item of a `dict` with this key, a `str`.
    Item(&'static str),
    /// To its class.
    Class,
    /// Nowhere else, but only if the name of its class is one of these.
    OnlyIf(&'static [&'static str]),
    /// Nowhere else, but only if it is none of these.
    Unless(&'static [&'static str]),
}

/// How an object becomes the text of a label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A text, or a number, as it is.
    Plain,
    /// The name of a class.
    ClassName,
    /// The path of a URL of which no route is known yet: parts that vary are replaced.
    UrlPath,
    /// An SQL statement: literals and parameters are replaced.
    Sql,
    /// How many items the loop has in which this object is the current one, and not the first; no value
    /// where there is no such loop. It is looked for in the frames further out.
    LoopOver,
}

impl Watch {
    /// A watch of functions in one file.
    pub(super) const fn of(
        file: &'static str,
        names: &'static [&'static str],
        label: &'static str,
        readings: &'static [Reading],
    ) -> Watch {
        Watch {
            place: Place::Function { file, names },
            label,
            readings,
            counts: Counts::Innermost,
        }
    }

    /// A watch of all functions with an argument of this name.
    pub(super) const fn of_argument(
        name: &'static str,
        label: &'static str,
        readings: &'static [Reading],
    ) -> Watch {
        Watch {
            place: Place::AnyWithArgument(name),
            label,
            readings,
            counts: Counts::Outermost,
        }
    }

    /// The same, but the outermost frame that gives a value counts.
    pub(super) const fn outermost(self) -> Watch {
        Watch {
            counts: Counts::Outermost,
            ..self
        }
    }
}

/// A reading of one or more parts.
pub(super) const fn read(parts: &'static [Part]) -> Reading {
    Reading { parts }
}

/// A part, from a variable on.
pub(super) const fn part(variable: &'static str, steps: &'static [Step], shape: Shape) -> Part {
    Part {
        variable,
        steps,
        shape,
        lasts: false,
    }
}

/// A part whose object is made once and kept.
pub(super) const fn lasting(variable: &'static str, steps: &'static [Step], shape: Shape) -> Part {
    Part {
        lasts: true,
        ..part(variable, steps, shape)
    }
}

/// A step to an attribute.
pub(super) const fn attribute(name: &'static str) -> Step {
    Step::Attribute(name)
}

/// A step to an item of a dict.
pub(super) const fn item(key: &'static str) -> Step {
    Step::Item(key)
}

/// All watches, by what is looked up for each code object.
#[derive(Debug)]
pub struct Watches {
    all: Vec<Watch>,
    /// By the name of a function without its class.
    by_function: FxHashMap<String, Vec<usize>>,
    by_argument: Vec<(String, usize)>,
    /// The keys of labels, each once, and for each watch the place of its own among them.
    labels: Vec<&'static str>,
    label_numbers: Vec<u16>,
    keeps_values: bool,
}

impl Watches {
    /// Those of all frameworks, and then some more. With `keeps_values`, parameters and literals are kept
    /// as they are.
    #[must_use]
    pub fn known_and(more: Vec<Watch>, keeps_values: bool) -> Watches {
        let known = ALL.iter().flat_map(|framework| framework.watches);
        Watches::new(known.copied().chain(more).collect(), keeps_values)
    }

    fn new(all: Vec<Watch>, keeps_values: bool) -> Watches {
        let mut watches = Watches {
            all: Vec::new(),
            by_function: FxHashMap::default(),
            by_argument: Vec::new(),
            labels: Vec::new(),
            label_numbers: Vec::new(),
            keeps_values,
        };
        for (index, watch) in all.iter().enumerate() {
            let known = watches.labels.iter().position(|it| *it == watch.label);
            let number = known.unwrap_or_else(|| {
                watches.labels.push(watch.label);
                watches.labels.len() - 1
            });
            // There are as many as files of watches have lines, at most.
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            watches.label_numbers.push(number);
            match &watch.place {
                Place::Function { names, .. } => {
                    for name in names.iter() {
                        let name = unqualified(name).to_owned();
                        watches.by_function.entry(name).or_default().push(index);
                    }
                }
                Place::AnyWithArgument(name) => {
                    watches.by_argument.push((name.to_string(), index));
                }
            }
        }
        watches.all = all;
        watches
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether parameters and literals are kept as they are.
    #[must_use]
    pub fn keeps_values(&self) -> bool {
        self.keeps_values
    }

    /// The watch with this number.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Watch> {
        self.all.get(index)
    }

    /// The number of the key of a watch's label.
    #[must_use]
    pub fn label_number(&self, index: usize) -> Option<u16> {
        self.label_numbers.get(index).copied()
    }

    /// The key of a label by its number.
    #[must_use]
    pub fn label(&self, number: u16) -> Option<&str> {
        self.labels.get(usize::from(number)).copied()
    }

    /// The numbers of the watches of a function, by its file and its name, which may be qualified.
    pub fn of_function(&self, file: &str, name: &str) -> impl Iterator<Item = usize> {
        let found = self.by_function.get(unqualified(name));
        found.into_iter().flatten().copied().filter(move |index| {
            let watch = self.all.get(*index).map(|watch| &watch.place);
            matches!(watch, Some(Place::Function { file: end, names })
                if is_file(file, end) && names.iter().any(|wanted| is_function(name, wanted)))
        })
    }

    /// The names of arguments that are watched in any function, with the number of the watch.
    pub fn of_arguments(&self) -> impl Iterator<Item = (&str, usize)> {
        let arguments = self.by_argument.iter();
        arguments.map(|(name, index)| (name.as_str(), *index))
    }
}

/// Whether a function is the one that is wanted. Before 3.11 its name has no class, so that of what is
/// wanted is not compared.
fn is_function(name: &str, wanted: &str) -> bool {
    match name.contains('.') && wanted.contains('.') {
        true => {
            let before = name.strip_suffix(wanted);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        }
        false => unqualified(name) == unqualified(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_watched_by_file_and_name() {
        let more = Watch {
            place: Place::Function {
                file: "shop/orders.py",
                names: &["Order.process"],
            },
            label: "kind",
            readings: &[],
            counts: Counts::Innermost,
        };
        let watches = Watches::known_and(vec![more], false);
        let labels = |file: &str, name: &str| -> Vec<String> {
            let found = watches.of_function(file, name);
            found
                .filter_map(|index| Some(watches.get(index)?.label.to_string()))
                .collect()
        };
        assert_eq!(labels("/srv/shop/orders.py", "Order.process"), ["kind"]);
        assert_eq!(labels("/srv/shop/orders.py", "process"), ["kind"]);
        assert!(labels("/srv/shop/orders.py", "Refund.process").is_empty());
        assert!(labels("/srv/workshop/orders.py", "process").is_empty());
        let handler = "/site-packages/django/core/handlers/base.py";
        assert!(labels(handler, "BaseHandler._get_response").contains(&"route".to_owned()));
    }
}
