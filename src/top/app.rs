//! What is shown, and how keys change it. Knows no terminal.

use std::path::{Path, PathBuf};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::feed::Update;
use super::flame::Flame;
use super::keys::{self, Action, Direction, View};
use super::line_editor::LineEditor;
use super::rows::SortBy;
use super::seen::Seen;
use super::style::Palette;
use crate::model::visible_text;
use crate::output::RenderOptions;
use crate::profile::{Profile, Recording};

/// Writes a profile to a file, and returns what to tell the user: that it was written, or why not.
pub type WriteFile = Box<dyn Fn(&Path, &Profile) -> String + Send>;

/// What the keys are for at the moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    #[default]
    Commands,
    /// A filter is typed; the text before is for who gives up.
    Filter { typed: LineEditor, before: String },
    /// The name of a file is typed.
    Write(LineEditor),
    /// The help is shown, from this line on.
    Help(usize),
}

/// What must happen outside for a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    Nothing,
    Quit,
    /// What was counted is to be forgotten.
    Forget,
}

/// All that a screen shows.
pub struct App {
    pub seen: Seen,
    /// Of the recording, until the first update.
    pub begins: Option<Recording>,
    pub palette: Palette,
    pub options: RenderOptions,
    pub view: View,
    pub sort: SortBy,
    pub mode: Mode,
    pub filter: String,
    pub is_paused: bool,
    /// The chosen row of a table, from the top of all.
    pub chosen: usize,
    /// The first row that is shown.
    pub first: usize,
    /// How many rows of a table are shown; known once it was drawn.
    pub height: usize,
    pub width: u16,
    pub flame: Flame,
    /// The last thing that the user should know; it stays until a key is pressed.
    pub message: Option<String>,
    write: WriteFile,
    /// Of a file to write to, unless the user says otherwise.
    name: String,
}

impl App {
    #[must_use]
    pub fn new(options: RenderOptions, palette: Palette, write: WriteFile, name: String) -> App {
        App {
            seen: Seen::default(),
            begins: None,
            palette,
            options,
            view: View::default(),
            sort: SortBy::default(),
            mode: Mode::default(),
            filter: String::new(),
            is_paused: false,
            chosen: 0,
            first: 0,
            height: 1,
            width: 80,
            flame: Flame::default(),
            message: None,
            write,
            name,
        }
    }

    pub fn update(&mut self, update: Update) {
        if update.delta.begins_anew() {
            self.flame.forget();
        }
        self.seen.update(update);
        self.flame.outdated();
    }

    pub fn tell(&mut self, text: &str) {
        self.message = Some(visible_text(text).into_owned());
    }

    /// The text by which rows are left out, in lower case.
    #[must_use]
    pub fn wanted(&self) -> String {
        match &self.mode {
            Mode::Filter { typed, .. } => typed.text().to_lowercase(),
            _ => self.filter.to_lowercase(),
        }
    }

    /// Does what a key asks for.
    pub fn key(&mut self, key: KeyEvent) -> Effect {
        let quits = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        if quits {
            return Effect::Quit;
        }
        self.message = None;
        match std::mem::take(&mut self.mode) {
            Mode::Commands => match keys::action(key) {
                Some(action) => self.act(action),
                None => Effect::Nothing,
            },
            Mode::Filter { typed, before } => {
                self.type_filter(key, typed, before);
                Effect::Nothing
            }
            Mode::Write(typed) => {
                self.type_name(key, typed);
                Effect::Nothing
            }
            Mode::Help(line) => self.key_in_help(key, line),
        }
    }

    fn type_filter(&mut self, key: KeyEvent, mut typed: LineEditor, before: String) {
        match key.code {
            KeyCode::Enter => self.filter = typed.text().to_owned(),
            KeyCode::Esc => self.filter = before,
            _ => {
                typed.key(key);
                (self.chosen, self.first) = (0, 0);
                self.mode = Mode::Filter { typed, before };
            }
        }
    }

    fn type_name(&mut self, key: KeyEvent, mut typed: LineEditor) {
        match key.code {
            KeyCode::Esc => {}
            KeyCode::Enter => {
                let path = PathBuf::from(typed.text());
                let told = match self.seen.profile() {
                    _ if typed.text().is_empty() => return,
                    Some(profile) if !profile.is_empty() => (self.write)(&path, profile),
                    _ => "Nothing was seen yet, so nothing was written".to_owned(),
                };
                self.tell(&told);
            }
            _ => {
                typed.key(key);
                self.mode = Mode::Write(typed);
            }
        }
    }

    fn key_in_help(&mut self, key: KeyEvent, line: usize) -> Effect {
        let last = keys::HELP.len();
        let next = match keys::action(key) {
            Some(Action::Quit) => return Effect::Quit,
            Some(Action::Move(Direction::Up)) => line.saturating_sub(1),
            Some(Action::Move(Direction::Down)) => (line + 1).min(last),
            Some(Action::Move(Direction::PageUp)) => line.saturating_sub(5),
            Some(Action::Move(Direction::PageDown)) => (line + 5).min(last),
            // py-spy closes it by X; whoever wants on presses anything.
            _ => return Effect::Nothing,
        };
        self.mode = Mode::Help(next);
        Effect::Nothing
    }

    fn act(&mut self, action: Action) -> Effect {
        match action {
            Action::Quit => return Effect::Quit,
            Action::Help => self.mode = Mode::Help(0),
            Action::CloseHelp => {}
            Action::Escape => {
                let in_graph = self.view == View::Flame;
                if !(in_graph && self.flame.no_zoom()) {
                    self.filter.clear();
                }
            }
            Action::Sort(sort) => {
                self.sort = sort;
                (self.chosen, self.first) = (0, 0);
            }
            Action::ToggleLines => match self.view {
                View::Flame => self.flame.toggle_grain(),
                View::Functions => self.show(View::Lines),
                _ => self.show(View::Functions),
            },
            Action::Reset => {
                self.tell("Counting begins anew");
                return Effect::Forget;
            }
            Action::Pause => self.is_paused = !self.is_paused,
            Action::Filter => {
                self.mode = Mode::Filter {
                    typed: LineEditor::default(),
                    before: std::mem::take(&mut self.filter),
                };
            }
            Action::Write => self.mode = Mode::Write(LineEditor::new(self.name.clone())),
            Action::Show(view) => self.show(view),
            Action::NextView => self.show(self.view.after(1)),
            Action::PreviousView => self.show(self.view.after(View::ALL.len() - 1)),
            Action::ToggleNow => self.flame.toggle_span(),
            Action::ZoomIn if self.view == View::Flame => self.flame.zoom_in(),
            Action::ZoomOut if self.view == View::Flame => self.flame.zoom_out(),
            Action::ZoomIn | Action::ZoomOut => {}
            Action::Move(direction) => match self.view {
                View::Flame => {
                    self.flame.prepare(&self.seen);
                    self.flame.walk(direction, self.width);
                }
                _ => self.choose(direction),
            },
        }
        Effect::Nothing
    }

    fn show(&mut self, view: View) {
        self.view = view;
        (self.chosen, self.first) = (0, 0);
    }

    fn choose(&mut self, direction: Direction) {
        let page = self.height.max(1);
        self.chosen = match direction {
            Direction::Up => self.chosen.saturating_sub(1),
            Direction::Down => self.chosen.saturating_add(1),
            Direction::PageUp => self.chosen.saturating_sub(page),
            Direction::PageDown => self.chosen.saturating_add(page),
            Direction::First => 0,
            Direction::Last => usize::MAX,
            Direction::Left | Direction::Right => self.chosen,
        };
    }

    /// Brings the chosen row into sight of a table that has `count` rows and shows `height` of them.
    pub fn scroll(&mut self, count: usize, height: usize) {
        self.height = height;
        self.chosen = self.chosen.min(count.saturating_sub(1));
        let lowest = (self.chosen + 1).saturating_sub(height.max(1));
        self.first = self.first.clamp(lowest, self.chosen);
        self.first = self.first.min(count.saturating_sub(height.max(1)));
    }
}
