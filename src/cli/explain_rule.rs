//! `spyhole explain`.

use std::io::Write;

use anyhow::{Context, anyhow};

use super::args::Explain;
use crate::insight::{RULES, mistakes, rule};

/// How wide text may be.
const WIDTH: usize = 80;

/// Explains a rule, or lists all.
///
/// # Errors
/// When there is no such rule, or standard output cannot be written.
pub fn run(arguments: &Explain) -> Result<u8, anyhow::Error> {
    let text = match &arguments.rule {
        Some(id) => explained(id)?,
        None => listed(),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("standard output cannot be written")?;
    Ok(0)
}

fn listed() -> String {
    let longest = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    RULES
        .iter()
        .map(|rule| format!("{:longest$}  {}\n", rule.id, rule.title))
        .collect()
}

fn explained(id: &str) -> Result<String, anyhow::Error> {
    let rule = rule(id).ok_or_else(|| {
        anyhow!("there is no rule '{id}'; `spyhole explain` lists those that there are")
    })?;
    let mut text = format!("{}: {}\n", rule.id, rule.title);
    for (heading, paragraph) in [
        ("What it is", rule.what),
        ("How it is found", rule.found),
        ("When that is wrong", rule.wrong),
    ] {
        text += &format!("\n{heading}\n{}", wrapped(paragraph));
    }
    text += "\nRemedies\n";
    let mut told: Vec<&str> = Vec::new();
    for (_, mistake) in mistakes().filter(|(of, _)| of.id == rule.id) {
        if !told.contains(&mistake.remedy) {
            told.push(mistake.remedy);
            text += &wrapped(mistake.remedy);
        }
    }
    text += &format!(
        "\nSilence it at one line of the source with the comment\n  # spyhole: ignore[{}]\n",
        rule.id
    );
    Ok(text)
}

/// A paragraph in lines, each indented.
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut line = String::from(" ");
    for word in paragraph.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text += &line;
            text.push('\n');
            line = String::from(" ");
        }
        line.push(' ');
        line += word;
    }
    text + &line + "\n"
}
