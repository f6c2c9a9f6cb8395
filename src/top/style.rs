//! Colours, as far as the terminal has them and the user wants them.

use ratatui::style::{Color, Modifier, Style};

use crate::output::{Category, Shade};

/// The colours that may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Palette {
    /// None: what must stand out is bold or reversed.
    None,
    /// The sixteen that every terminal with colours has.
    Sixteen,
    /// Those of xterm's cube.
    Cube,
    /// Any: those of the SVG as they are.
    Any,
}

impl Palette {
    /// From the values of `NO_COLOR`, `COLORTERM` and `TERM`.
    #[must_use]
    pub fn of(no_color: &str, colorterm: &str, term: &str) -> Palette {
        if !no_color.is_empty() {
            return Palette::None;
        }
        match (colorterm, term) {
            ("truecolor" | "24bit", _) => Palette::Any,
            _ if term.contains("256color") => Palette::Cube,
            _ if term.starts_with("vt") || term.contains("mono") => Palette::None,
            _ => Palette::Sixteen,
        }
    }

    /// The same of this process's environment.
    #[must_use]
    pub fn of_environment() -> Palette {
        let value = |name| {
            let value = std::env::var_os(name).unwrap_or_default();
            value.to_string_lossy().into_owned()
        };
        Palette::of(&value("NO_COLOR"), &value("COLORTERM"), &value("TERM"))
    }

    /// Of a box with code of this category; `name` chooses the shade. They are light, with dark text.
    #[must_use]
    pub fn code(self, category: Category, name: &str) -> Style {
        let ground = match self {
            Palette::None => return Style::new(),
            Palette::Sixteen => match category {
                Category::Application => Color::Yellow,
                Category::Package => Color::Cyan,
                Category::StandardLibrary => Color::Green,
                Category::Database => Color::Magenta,
                Category::Structure => Color::Gray,
            },
            Palette::Cube => {
                let (red, green, blue) = Shade::of(category, name).light_rgb();
                Color::Indexed(cube(red, green, blue))
            }
            Palette::Any => {
                let (red, green, blue) = Shade::of(category, name).light_rgb();
                Color::Rgb(red, green, blue)
            }
        };
        Style::new().bg(ground).fg(Color::Black)
    }

    /// Of something that the user should notice.
    #[must_use]
    pub fn notice(self) -> Style {
        match self {
            Palette::None => Style::new().add_modifier(Modifier::BOLD),
            _ => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
        }
    }

    /// Of bars.
    #[must_use]
    pub fn bars(self) -> Style {
        match self {
            Palette::None => Style::new(),
            _ => Style::new().fg(Color::Cyan),
        }
    }
}

/// The nearest colour of xterm's cube, by its index.
fn cube(red: u8, green: u8, blue: u8) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |channel: u8| {
        let levels = (0u8..).zip(LEVELS);
        levels
            .min_by_key(|(_, level)| level.abs_diff(channel))
            .map_or(0, |(index, _)| index)
    };
    16 + 36 * nearest(red) + 6 * nearest(green) + nearest(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_no_colours_gets_none() {
        for (no_color, colorterm, term, expected) in [
            ("", "truecolor", "xterm-256color", Palette::Any),
            ("", "", "tmux-256color", Palette::Cube),
            ("", "", "xterm", Palette::Sixteen),
            ("", "", "vt100", Palette::None),
            ("1", "truecolor", "xterm-256color", Palette::None),
        ] {
            assert_eq!(Palette::of(no_color, colorterm, term), expected, "{term}");
        }
        let style = Palette::None.code(Category::Application, "f");
        assert_eq!((style.fg, style.bg), (None, None));
        assert_eq!(
            (Palette::None.notice().fg, Palette::None.bars().fg),
            (None, None)
        );
    }

    #[test]
    fn the_colours_of_the_svg_are_found_in_the_cube() {
        assert_eq!(cube(0, 0, 0), 16);
        assert_eq!(cube(255, 255, 255), 231);
        assert_eq!(cube(250, 190, 90), 16 + 36 * 5 + 6 * 3 + 1);
    }
}
