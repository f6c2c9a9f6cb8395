//! The colours of a flamegraph, on a light and on a dark background.
//!
//! Boxes have the light colour in their `fill`, which every viewer shows. If a viewer prefers dark, a
//! style rule for each colour replaces it. A box that a search has highlighted has another `fill`, so
//! these rules do not apply to it.

use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use rustc_hash::FxHasher;

use super::category::Category;

/// Shades per category, so that neighbouring boxes can be told apart.
const SHADES: u8 = 6;

/// The colour of search results: inferno's default, which our style replaces.
const FOUND: &str = "rgb(230,0,230)";

/// inferno's colour for no change.
pub(super) const UNCHANGED: &str = "rgb(250,250,250)";

/// inferno's paleness of changes, from the largest to the smallest.
const PALENESS: RangeInclusive<u8> = 100..=250;

/// The colour of the largest growth.
pub(super) fn grew_most() -> String {
    grew(*PALENESS.start())
}

/// The colour of the largest decrease.
pub(super) fn shrank_most() -> String {
    shrank(*PALENESS.start())
}

fn grew(paleness: u8) -> String {
    format!("rgb(255,{paleness},{paleness})")
}

fn shrank(paleness: u8) -> String {
    format!("rgb({paleness},{paleness},255)")
}

/// The colour of a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shade {
    category: Category,
    step: u8,
}

impl Shade {
    /// The shade for a name: the same name always gets the same.
    pub fn of(category: Category, name: &str) -> Shade {
        let mut hasher = FxHasher::default();
        name.hash(&mut hasher);
        // The upper bits of this hash are mixed better.
        let step = (hasher.finish() >> 40) % u64::from(SHADES);
        Shade {
            category,
            step: step as u8,
        }
    }

    /// The shade that represents the category in a legend.
    pub fn typical(category: Category) -> Shade {
        Shade {
            category,
            step: SHADES / 2,
        }
    }

    /// The `fill` on a light background.
    pub fn light(self) -> String {
        let (red, green, blue) = self.light_rgb();
        css(red, green, blue)
    }

    /// Red, green and blue of the same.
    pub fn light_rgb(self) -> (u8, u8, u8) {
        let base = light(self.category);
        self.vary(base, 5.0).rgb()
    }

    fn dark(self) -> String {
        let base = dark(self.category);
        self.vary(base, 3.5).css()
    }

    fn vary(self, base: Hsl, lightness: f64) -> Hsl {
        // Scaled to -1..=1.
        let by = f64::from(self.step) / f64::from(SHADES - 1) * 2.0 - 1.0;
        Hsl {
            hue: base.hue + 5.0 * by,
            lightness: base.lightness + lightness * by,
            ..base
        }
    }
}

fn light(category: Category) -> Hsl {
    match category {
        Category::Application => hsl(36.0, 92.0, 66.0),
        Category::Package => hsl(211.0, 62.0, 76.0),
        Category::StandardLibrary => hsl(158.0, 32.0, 73.0),
        Category::Database => hsl(350.0, 74.0, 74.0),
        Category::Structure => hsl(220.0, 10.0, 87.0),
    }
}

fn dark(category: Category) -> Hsl {
    match category {
        Category::Application => hsl(31.0, 70.0, 29.5),
        Category::Package => hsl(212.0, 42.0, 36.0),
        Category::StandardLibrary => hsl(160.0, 26.0, 29.0),
        Category::Database => hsl(348.0, 46.0, 40.0),
        Category::Structure => hsl(218.0, 11.0, 25.0),
    }
}

/// The style sheet of a graph with colours from [`Shade`].
pub(super) fn style_of_categories() -> String {
    let mut dark = String::new();
    let all = Category::OF_CODE.into_iter().chain([Category::Structure]);
    for category in all {
        for step in 0..SHADES {
            let shade = Shade { category, step };
            push_rule(&mut dark, &shade.light(), &shade.dark());
        }
    }
    style("", &dark)
}

/// The style sheet of a graph with inferno's colours for changes.
pub(super) fn style_of_differences() -> String {
    let mut dark = DARK_DIFFERENCES.to_owned();
    push_rule(&mut dark, UNCHANGED, &DARK_UNCHANGED.css());
    for paleness in PALENESS {
        let by =
            f64::from(PALENESS.end() - paleness) / f64::from(PALENESS.end() - PALENESS.start());
        for (light, most) in [
            (grew(paleness), DARK_GREW_MOST),
            (shrank(paleness), DARK_SHRANK_MOST),
        ] {
            push_rule(&mut dark, &light, &DARK_UNCHANGED.towards(most, by).css());
        }
    }
    style(LIGHT_DIFFERENCES, &dark)
}

fn push_rule(css: &mut String, light: &str, dark: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(css, "rect[fill=\"{light}\"] {{ fill:{dark} }}");
}

fn style(light: &str, dark: &str) -> String {
    let css = format!("{LIGHT}{light}@media (prefers-color-scheme: dark) {{\n{DARK}{dark}}}\n");
    css.replace("FOUND", FOUND)
}

/// The browser measures the width of text, so any monospaced font may come first.
const LIGHT: &str = r#"
svg { color-scheme:light dark; background:#fbfbfa; }
text { font-family:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace; fill:#1c2024; }
#title, #subtitle, #unzoom, #search, #matched, .legend text, .note { font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif; }
#title { font-size:16px; font-weight:600; }
#subtitle, .legend text, .note { fill:#5c6570; }
#search { opacity:0.6; }
#search, #unzoom { text-decoration:underline; }
#background stop { stop-color:#fbfbfa; }
#frames rect, .legend rect { rx:2px; }
#frames > *:hover { stroke:none; }
#frames > *:hover rect { stroke:#1c2024; stroke-width:1; }
rect[fill="FOUND"] { fill:#d98bff; }
"#;

const DARK: &str = r#"svg { background:#15181c; }
text { fill:#e9ecef; }
#subtitle, .legend text, .note { fill:#9aa4af; }
#background stop { stop-color:#15181c; }
#frames > *:hover rect { stroke:#f4f6f8; }
rect[fill="FOUND"] { fill:#8f2fc4; }
"#;

/// The palest boxes look like the background, and neighbours may have the same colour, so all boxes have
/// an edge. Text is black, since the strongest colours are too dark for another.
const LIGHT_DIFFERENCES: &str = r#"#frames rect, .legend rect { stroke:#c3c8d0; stroke-width:0.5; }
#frames text { fill:#000000; }
"#;

const DARK_DIFFERENCES: &str = r#"#frames rect, .legend rect { stroke:#15181c; }
#frames text { fill:#e9ecef; }
"#;

const DARK_UNCHANGED: Hsl = hsl(218.0, 11.0, 22.0);
const DARK_GREW_MOST: Hsl = hsl(0.0, 58.0, 43.0);
const DARK_SHRANK_MOST: Hsl = hsl(228.0, 60.0, 50.0);

/// Hue in degrees, saturation and lightness in percent.
#[derive(Clone, Copy, Debug)]
struct Hsl {
    hue: f64,
    saturation: f64,
    lightness: f64,
}

const fn hsl(hue: f64, saturation: f64, lightness: f64) -> Hsl {
    Hsl {
        hue,
        saturation,
        lightness,
    }
}

impl Hsl {
    /// The other's hue, with saturation and lightness moved towards the other's by a fraction from 0 to
    /// 1.
    fn towards(self, other: Hsl, by: f64) -> Hsl {
        let between = |from: f64, to: f64| from + (to - from) * by;
        Hsl {
            hue: other.hue,
            saturation: between(self.saturation, other.saturation),
            lightness: between(self.lightness, other.lightness),
        }
    }

    fn css(self) -> String {
        let (red, green, blue) = self.rgb();
        css(red, green, blue)
    }

    fn rgb(self) -> (u8, u8, u8) {
        let lightness = self.lightness / 100.0;
        let chroma = self.saturation / 100.0 * lightness.min(1.0 - lightness);
        let channel = |offset: f64| {
            let k = (offset + self.hue.rem_euclid(360.0) / 30.0) % 12.0;
            let value = lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
            (value * 255.0).round() as u8
        };
        (channel(0.0), channel(8.0), channel(4.0))
    }
}

fn css(red: u8, green: u8, blue: u8) -> String {
    format!("rgb({red},{green},{blue})")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_shade_of_every_category_has_a_colour_of_its_own() {
        let mut seen = HashSet::new();
        for category in Category::OF_CODE.into_iter().chain([Category::Structure]) {
            for step in 0..SHADES {
                assert!(seen.insert(Shade { category, step }.light()));
            }
        }
        assert!(!seen.contains(FOUND));
    }

    #[test]
    fn colours_are_converted_as_css_does() {
        assert_eq!(hsl(0.0, 100.0, 50.0).css(), "rgb(255,0,0)");
        assert_eq!(hsl(120.0, 100.0, 25.0).css(), "rgb(0,128,0)");
        assert_eq!(hsl(-120.0, 50.0, 50.0).css(), "rgb(64,64,191)");
    }
}
