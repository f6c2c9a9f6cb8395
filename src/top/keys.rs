//! Which key does what.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::rows::SortBy;

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum View {
    #[default]
    Functions,
    Lines,
    Threads,
    Processes,
    Flame,
}

impl View {
    pub const ALL: [View; 5] = [
        View::Functions,
        View::Lines,
        View::Threads,
        View::Processes,
        View::Flame,
    ];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            View::Functions => "Functions",
            View::Lines => "Lines",
            View::Threads => "Threads",
            View::Processes => "Processes",
            View::Flame => "Flame",
        }
    }

    /// The one so many places further on, from the last to the first.
    #[must_use]
    pub fn after(self, places: usize) -> View {
        let all = View::ALL.iter().cycle();
        let mut from_here = all.skip_while(|view| **view != self);
        from_here.nth(places).copied().unwrap_or_default()
    }
}

/// What a key asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    Quit,
    Help,
    Escape,
    CloseHelp,
    Sort(SortBy),
    /// Functions or lines, whichever are not shown.
    ToggleLines,
    Reset,
    Pause,
    Filter,
    Write,
    Show(View),
    NextView,
    PreviousView,
    Move(Direction),
    ZoomIn,
    ZoomOut,
    /// In the flame view: the last update or everything.
    ToggleNow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
}

/// What the keys do, for the user; py-spy's come first.
pub const HELP: [(&str, &str); 19] = [
    (
        "1",
        "sort by %Own: time since the last refresh, without callees",
    ),
    ("2", "sort by %Total: the same with callees"),
    ("3", "sort by OwnTime: since the start"),
    ("4", "sort by TotalTime"),
    ("L", "lines instead of functions, and back"),
    ("R", "reset: begin to count anew"),
    ("?", "this help; X closes it"),
    ("Q", "quit, as ^C"),
    ("F T P G", "functions, threads, processes, flame graph"),
    ("Tab", "the next of these; Shift-Tab the one before"),
    ("/", "filter by typing; Enter keeps it"),
    ("Esc", "no filter; in the flame graph no zoom"),
    ("Space", "pause, and go on"),
    ("W", "write what was seen: .svg, .txt or .pb.gz"),
    ("Up Down", "choose a row; PgUp, PgDn, Home, End"),
    ("Arrows", "in the flame graph: caller, callee, neighbours"),
    ("Enter", "zoom into the chosen box"),
    ("Backspace", "zoom out by one"),
    ("N", "only what came since the last refresh, and back"),
];

/// What a key asks for while nothing is typed.
#[must_use]
pub fn action(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(key.code, KeyCode::Char('c')).then_some(Action::Quit);
    }
    Some(match key.code {
        KeyCode::Char(char) => match char.to_ascii_lowercase() {
            'q' => Action::Quit,
            '?' => Action::Help,
            'x' => Action::CloseHelp,
            '1' => Action::Sort(SortBy::OwnNow),
            '2' => Action::Sort(SortBy::TotalNow),
            '3' => Action::Sort(SortBy::Own),
            '4' => Action::Sort(SortBy::Total),
            'l' => Action::ToggleLines,
            'r' => Action::Reset,
            ' ' => Action::Pause,
            '/' => Action::Filter,
            'w' => Action::Write,
            'f' => Action::Show(View::Functions),
            't' => Action::Show(View::Threads),
            'p' => Action::Show(View::Processes),
            'g' => Action::Show(View::Flame),
            'n' => Action::ToggleNow,
            _ => return None,
        },
        KeyCode::Esc => Action::Escape,
        KeyCode::Tab => Action::NextView,
        KeyCode::BackTab => Action::PreviousView,
        KeyCode::Up => Action::Move(Direction::Up),
        KeyCode::Down => Action::Move(Direction::Down),
        KeyCode::Left => Action::Move(Direction::Left),
        KeyCode::Right => Action::Move(Direction::Right),
        KeyCode::PageUp => Action::Move(Direction::PageUp),
        KeyCode::PageDown => Action::Move(Direction::PageDown),
        KeyCode::Home => Action::Move(Direction::First),
        KeyCode::End => Action::Move(Direction::Last),
        KeyCode::Enter => Action::ZoomIn,
        KeyCode::Backspace => Action::ZoomOut,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_is_reached_and_left() {
        let mut view = View::default();
        for expected in [
            View::Lines,
            View::Threads,
            View::Processes,
            View::Flame,
            View::Functions,
        ] {
            view = view.after(1);
            assert_eq!(view, expected);
        }
        assert_eq!(View::Functions.after(View::ALL.len() - 1), View::Flame);
    }

    #[test]
    fn every_key_of_the_help_does_something() {
        for (keys, _) in HELP {
            for name in keys.split(' ').filter(|name| !name.is_empty()) {
                let code = match name {
                    "Tab" => KeyCode::Tab,
                    "Esc" => KeyCode::Esc,
                    "Space" => KeyCode::Char(' '),
                    "Up" | "Arrows" => KeyCode::Up,
                    "Down" => KeyCode::Down,
                    "Enter" => KeyCode::Enter,
                    "Backspace" => KeyCode::Backspace,
                    char => KeyCode::Char(char.parse().expect("one character")),
                };
                assert!(action(KeyEvent::from(code)).is_some(), "{name}");
            }
        }
    }
}
