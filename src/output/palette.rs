//! The colours of a flamegraph, on light and on dark ground.
//!
//! Boxes carry the light colour in their `fill`, which shows everywhere. Where a viewer prefers
//! dark, a style rule for each colour replaces it; a box that a search has coloured has another
//! `fill` and so is left alone.

use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use rustc_hash::FxHasher;

use super::category::Category;

/// Shades within a category, so that neighbouring boxes can be told apart.
const SHADES: u8 = 6;

/// What a search colours its finds with: inferno's default, which our style replaces.
const FOUND: &str = "rgb(230,0,230)";

/// inferno's colour of what has not changed.
pub(super) const UNCHANGED: &str = "rgb(250,250,250)";

/// How pale inferno makes what changed: from the largest change to almost none.
const PALENESS: RangeInclusive<u8> = 100..=250;

/// The colour of the largest change, if it is to more.
pub(super) fn grew_most() -> String {
    grew(*PALENESS.start())
}

/// The colour of the largest change, if it is to less.
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
pub(super) struct Shade {
    category: Category,
    step: u8,
}

impl Shade {
    /// Always the same for the same name.
    pub fn of(category: Category, name: &str) -> Shade {
        let mut hasher = FxHasher::default();
        name.hash(&mut hasher);
        // The upper bits of this hash are the better mixed ones.
        let step = (hasher.finish() >> 40) % u64::from(SHADES);
        Shade {
            category,
            step: step as u8,
        }
    }

    /// The one that stands for its category in a legend.
    pub fn typical(category: Category) -> Shade {
        Shade {
            category,
            step: SHADES / 2,
        }
    }

    /// As a `fill`, on light ground.
    pub fn light(self) -> String {
        let base = light(self.category);
        self.vary(base, 5.0).css()
    }

    fn dark(self) -> String {
        let base = dark(self.category);
        self.vary(base, 3.5).css()
    }

    fn vary(self, base: Hsl, lightness: f64) -> Hsl {
        // From -1 to 1.
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

/// The style sheet of a graph whose colours are [`Shade`]s.
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

/// The style sheet of a graph whose colours are those of inferno for what changed.
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

/// Widths of text are measured in the browser, so any font of even width may come first.
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

/// The palest boxes are as light as the ground, and neighbours may have the same colour: all have an
/// edge. The strongest are too dark for text that is not black.
const LIGHT_DIFFERENCES: &str = r#"#frames rect, .legend rect { stroke:#c3c8d0; stroke-width:0.5; }
#frames text { fill:#000000; }
"#;

const DARK_DIFFERENCES: &str = r#"#frames rect, .legend rect { stroke:#15181c; }
#frames text { fill:#e9ecef; }
"#;

const DARK_UNCHANGED: Hsl = hsl(218.0, 11.0, 22.0);
const DARK_GREW_MOST: Hsl = hsl(0.0, 58.0, 43.0);
const DARK_SHRANK_MOST: Hsl = hsl(228.0, 60.0, 50.0);

/// Degrees, per cent, per cent.
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
    /// The other hue, as far as `by`, from 0 to 1, in strength.
    fn towards(self, other: Hsl, by: f64) -> Hsl {
        let between = |from: f64, to: f64| from + (to - from) * by;
        Hsl {
            hue: other.hue,
            saturation: between(self.saturation, other.saturation),
            lightness: between(self.lightness, other.lightness),
        }
    }

    fn css(self) -> String {
        let lightness = self.lightness / 100.0;
        let chroma = self.saturation / 100.0 * lightness.min(1.0 - lightness);
        let channel = |offset: f64| {
            let k = (offset + self.hue.rem_euclid(360.0) / 30.0) % 12.0;
            let value = lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
            (value * 255.0).round() as u8
        };
        format!("rgb({},{},{})", channel(0.0), channel(8.0), channel(4.0))
    }
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
