//! Options about the labels that are read of a program's variables.

use clap::Args;

use crate::record::LabelOptions;

/// What is read of a program's variables.
#[derive(Args, Debug)]
#[command(next_help_heading = "What to read besides stacks")]
pub struct Labels {
    /// Read labels of the program's own objects, too, as FILE says: see 'Watches' in README.md
    #[arg(long, value_name = "FILE", value_parser = parse_watch_file)]
    pub watch: Vec<WatchFile>,

    /// Keep what labels leave out: keys in paths, and literals in statements. They may be somebody's secrets
    #[arg(long, conflicts_with = "no_labels")]
    pub show_values: bool,

    /// Read nothing but stacks: no routes, statements, tasks, and no mistakes that they prove
    #[arg(long, conflicts_with = "watch")]
    pub no_labels: bool,
}

/// The text of a file of watches, which was parsed once.
#[derive(Clone, Debug)]
pub struct WatchFile {
    text: String,
}

fn parse_watch_file(path: &str) -> Result<WatchFile, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut options = LabelOptions::default();
    options
        .add_watches(&text)
        .map_err(|error| error.to_string())?;
    Ok(WatchFile { text })
}

impl Labels {
    /// What a recorder is told of it.
    pub fn options(&self) -> LabelOptions {
        let mut options = LabelOptions::default();
        options.read = !self.no_labels;
        options.keep_values = self.show_values;
        for file in &self.watch {
            // It was parsed before, when the command line was.
            let _ = options.add_watches(&file.text);
        }
        options
    }
}
