//! The user's own watches: a TOML file.
//!
//! ```toml
//! [[watch]]
//! file = "shop/orders.py"
//! function = "Order.process"
//! local = "order"
//! path = "kind"
//! label = "order_kind"
//! ```
//!
//! `path` goes on from the variable: attributes with dots between them, items of dicts in brackets
//! (`customer.settings[plan]`), and `class` in angle brackets for the name of the object's class
//! (`customer.<class>`). Without it the variable itself is meant. Without `label`, its name or that of the last
//! step is the label's key.

use serde::Deserialize;

use super::watch::{Counts, Part, Place, Reading, Shape, Step, Watch};

/// The most watches of a file, and the most steps of a path.
const MAX_WATCHES: usize = 1000;
const MAX_STEPS: usize = 16;

/// Why a file of watches cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum WatchFileError {
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    #[error("{field} of a watch is empty")]
    Empty { field: &'static str },
    #[error("'{0}' is not a path; paths are such as customer.settings[plan] or order.<class>")]
    Path(String),
    #[error("there are more than {MAX_WATCHES} watches")]
    TooMany,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    watch: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    function: String,
    local: String,
    path: Option<String>,
    label: Option<String>,
}

/// The watches of a file's text.
///
/// # Errors
/// When it is no such file.
pub fn parse(text: &str) -> Result<Vec<Watch>, WatchFileError> {
    let file: File = toml::from_str(text)?;
    if file.watch.len() > MAX_WATCHES {
        return Err(WatchFileError::TooMany);
    }
    file.watch.into_iter().map(watch).collect()
}

/// What is made of an entry stays until the program ends, as the watches of frameworks do.
fn watch(entry: Entry) -> Result<Watch, WatchFileError> {
    for (field, text) in [
        ("file", &entry.file),
        ("function", &entry.function),
        ("local", &entry.local),
    ] {
        if text.is_empty() {
            return Err(WatchFileError::Empty { field });
        }
    }
    let (steps, shape) = match &entry.path {
        Some(path) => steps(path)?,
        None => (Vec::new(), Shape::Plain),
    };
    let last = steps.iter().rev().find_map(|step| match step {
        Step::Attribute(name) | Step::Item(name) => Some(name.to_string()),
        Step::Class | Step::OnlyIf(_) | Step::Unless(_) => None,
    });
    let label = entry.label.or(last).unwrap_or_else(|| entry.local.clone());
    let part = Part {
        variable: entry.local.leak(),
        steps: steps.leak(),
        shape,
        lasts: false,
    };
    Ok(Watch {
        place: Place::Function {
            file: entry.file.leak(),
            names: vec![&*entry.function.leak()].leak(),
        },
        label: label.leak(),
        readings: vec![Reading {
            parts: vec![part].leak(),
        }]
        .leak(),
        counts: Counts::Innermost,
    })
}

/// The steps of a path such as `customer.settings[plan]`.
fn steps(path: &str) -> Result<(Vec<Step>, Shape), WatchFileError> {
    let wrong = || WatchFileError::Path(path.to_owned());
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() && steps.len() < MAX_STEPS {
        if let Some(after) = rest.strip_prefix("<class>") {
            if !after.is_empty() {
                return Err(wrong());
            }
            steps.push(Step::Class);
            return Ok((steps, Shape::ClassName));
        }
        if let Some(after) = rest.strip_prefix('[') {
            let (key, after) = after.split_once(']').ok_or_else(wrong)?;
            steps.push(Step::Item(key.to_owned().leak()));
            rest = after.strip_prefix('.').unwrap_or(after);
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(wrong());
        }
        steps.push(Step::Attribute(name.to_owned().leak()));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    match rest.is_empty() && !steps.is_empty() && !path.ends_with('.') {
        true => Ok((steps, Shape::Plain)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_attributes_items_and_a_class() {
        let (found, shape) = steps("customer.settings[plan].name").expect("a path");
        let expected = [
            Step::Attribute("customer"),
            Step::Attribute("settings"),
            Step::Item("plan"),
            Step::Attribute("name"),
        ];
        assert_eq!((found.as_slice(), shape), (&expected[..], Shape::Plain));
        let (found, shape) = steps("order.<class>").expect("a path");
        assert_eq!(found.last(), Some(&Step::Class));
        assert_eq!(shape, Shape::ClassName);
        for wrong in ["", ".", "a.", "a..b", "a[b", "a b", "<class>.a", "a()"] {
            assert!(steps(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_label_is_called_as_it_is_said_or_by_the_last_step() {
        let text = "[[watch]]\nfile = 'a.py'\nfunction = 'f'\nlocal = 'x'\n";
        let label = |text: &str| parse(text).expect("watches").remove(0).label.to_string();
        assert_eq!(label(text), "x");
        assert_eq!(label(&format!("{text}path = 'y.z'\n")), "z");
        assert_eq!(label(&format!("{text}path = 'y.z'\nlabel = 'w'\n")), "w");
        assert!(parse("[[watch]]\nfile = 'a.py'\n").is_err());
        assert!(parse(&text.replace("'f'", "''")).is_err());
    }
}
