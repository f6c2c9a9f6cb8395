//! A flamegraph in a real browser: it shows, a click zooms, search finds, and it can be read on
//! light and on dark ground.

mod browser;
mod common;
mod profiles;

use browser::Browser;
use profiles::{Builder, django, django_changed, options_with, render, render_difference};
use serde_json::{Value, json};
use spyhole::output::{Flamegraph, LineMode};
use spyhole::profile::Profile;

/// Finds the box whose tooltip begins so.
const BOX: &str = "const box = begin => [...document.querySelectorAll('#frames > g')]
    .find(g => g.querySelector('title').textContent.startsWith(begin));";

struct Page {
    browser: Browser,
    _folder: tempfile::TempDir,
}

impl Page {
    fn of(profile: &Profile) -> Option<Page> {
        let options = options_with(|it| it.threads = true);
        Page::of_svg(&render(&Flamegraph, profile, &options))
    }

    fn of_difference(before: &Profile, after: &Profile) -> Option<Page> {
        let options = options_with(|it| it.lines = LineMode::None);
        Page::of_svg(&render_difference(before, after, &options))
    }

    fn of_svg(svg: &str) -> Option<Page> {
        let browser = Browser::start()?;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("profile.svg");
        std::fs::write(&file, svg).expect("a file");
        browser.open(&format!("file://{}", file.display()));
        // inferno's script fits the drawing to the window after the page has loaded.
        browser.wait_until("return !document.documentElement.hasAttribute('viewBox')");
        Some(Page {
            browser,
            _folder: folder,
        })
    }

    fn run(&self, script: &str) -> Value {
        self.browser.run(&format!("{BOX} {script}"))
    }

    fn width_of(&self, begin: &str) -> f64 {
        let script =
            format!("return box({begin:?}).querySelector('rect').getBoundingClientRect().width");
        self.run(&script).as_f64().expect("a width")
    }

    fn click(&self, begin: &str) {
        self.browser.click(&format!("{BOX} return box({begin:?})"));
    }

    fn fill_of(&self, begin: &str) -> Value {
        self.run(&format!(
            "return getComputedStyle(box({begin:?}).querySelector('rect')).fill"
        ))
    }

    fn matched(&self) -> Value {
        self.run("return document.getElementById('matched').textContent")
    }

    fn found(&self) -> Value {
        self.run(
            "return [...document.querySelectorAll('#frames rect[fill=\"rgb(230,0,230)\"]')]
                .map(rect => rect.parentNode.querySelector('title').textContent.split(' ')[0]).sort()",
        )
    }
}

#[test]
fn a_click_zooms_and_reset_goes_back() {
    let Some(page) = Page::of(&django()) else {
        return;
    };
    let whole = page.width_of("all (");
    let before = page.width_of("JSONRenderer.render (");
    assert!(before < whole / 5.0);

    page.click("JSONRenderer.render (");
    assert!((page.width_of("JSONRenderer.render (") - whole).abs() < 1.0);
    let hidden = page.run("return getComputedStyle(box('QuerySet.get (')).display");
    assert_eq!(hidden, "none");
    let label = page.run("return box('JSONRenderer.render (').querySelector('text').textContent");
    assert_eq!(
        label,
        "JSONRenderer.render (rest_framework/renderers.py:100) "
    );

    page.browser
        .click("return document.getElementById('unzoom')");
    assert!((page.width_of("JSONRenderer.render (") - before).abs() < 1.0);
    assert_eq!(page.browser.errors(), Vec::<String>::new());
}

#[test]
fn search_finds_by_name_and_by_file() {
    let Some(page) = Page::of(&django()) else {
        return;
    };
    page.browser
        .click("return document.getElementById('search')");
    page.browser.answer_prompt("get_recipe_name");
    // Once by itself, and once in what is unproven.
    let name = "RecipeSerializer.get_recipe_name";
    assert_eq!(page.found(), json!([name, name]));
    assert_eq!(page.matched(), "Matched: 61.9%");

    page.browser
        .click("return document.getElementById('search')");
    assert_eq!(page.found(), json!([]));

    page.browser.press_control_f();
    page.browser.answer_prompt("/srv/app/recipes/");
    assert_eq!(
        page.found(),
        json!([name, name, "get_slow_list_view", "get_slow_list_view"])
    );
    assert_eq!(page.browser.errors(), Vec::<String>::new());
}

/// The contrast that WCAG asks of ordinary text.
const READABLE: f64 = 4.5;

/// The least contrast between the text and the ground of any box, and of the text around them.
const LEAST_CONTRAST: &str = r"
    const parse = css => css.match(/[\d.]+/g).slice(0, 3).map(Number);
    const light = css => parse(css).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const contrast = (a, b) => {
        const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    };
    const fill = element => getComputedStyle(element).fill;
    const ground = getComputedStyle(document.querySelector('#background stop')).stopColor;
    const boxes = [...document.querySelectorAll('#frames > g')]
        .map(g => contrast(fill(g.querySelector('text')), fill(g.querySelector('rect'))));
    const around = [...document.querySelectorAll('#title, #subtitle, .legend text, .note')]
        .map(text => contrast(fill(text), ground));
    return Math.min(...boxes, ...around);
";

#[test]
fn it_can_be_read_on_light_and_on_dark_ground() {
    let mut profile = django();
    profile.recording.notes.push("A note.".to_owned());
    if let Some(page) = Page::of(&profile) {
        assert_readable(&page);
    }
}

fn assert_readable(page: &Page) {
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        page.browser.prefer(scheme);
        let least = page.run(LEAST_CONTRAST).as_f64().expect("a contrast");
        assert!(least >= READABLE, "{scheme}: contrast of {least:.2}");
        grounds.push(page.run("return getComputedStyle(document.documentElement).backgroundColor"));

        page.browser
            .click("return document.getElementById('search')");
        page.browser.answer_prompt(".");
        let least = page.run(LEAST_CONTRAST).as_f64().expect("a contrast");
        assert!(least >= READABLE, "{scheme}, found: contrast of {least:.2}");
        page.browser
            .click("return document.getElementById('search')");
    }
    assert_ne!(grounds[0], grounds[1]);
}

#[test]
fn a_difference_shows_what_grew_and_what_shrank_and_can_be_read() {
    let Some(page) = Page::of_difference(&django(), &django_changed()) else {
        return;
    };
    let label = page.run("return box('JSONEncoder.encode (').querySelector('text').textContent");
    assert_eq!(label, "JSONEncoder.encode (json/encoder.py) ");
    let grew = page.fill_of("JSONEncoder.encode (");
    let shrank = page.fill_of("SQLiteCursorWrapper.execute (");
    let [grew, shrank] = [grew, shrank].map(|fill| fill.as_str().expect("a fill").to_owned());
    assert!(grew.starts_with("rgb(255, "), "{grew}");
    assert!(shrank.ends_with(", 255)"), "{shrank}");
    assert_eq!(page.fill_of("all ("), "rgb(250, 250, 250)");

    page.click("JSONEncoder.encode (");
    let whole = page.width_of("all (");
    assert!((page.width_of("JSONEncoder.encode (") - whole).abs() < 1.0);
    page.browser
        .click("return document.getElementById('unzoom')");
    assert_readable(&page);
    assert_eq!(page.browser.errors(), Vec::<String>::new());
}

#[test]
fn every_category_has_a_colour_of_its_own() {
    let Some(page) = Page::of(&django()) else {
        return;
    };
    for scheme in ["light", "dark"] {
        page.browser.prefer(scheme);
        let colours = page.run(
            "return [...document.querySelectorAll('.legend rect')].map(r => getComputedStyle(r).fill)",
        );
        let colours = colours.as_array().expect("colours");
        assert_eq!(colours.len(), 4);
        assert!((1..4).all(|index| !colours[..index].contains(&colours[index])));
    }
}

#[test]
fn names_made_to_hurt_do_nothing_in_a_browser() {
    let names = [
        "</script><script>window.hurt=1</script>",
        "]]><script>window.hurt=1</script>",
        "\0",
    ];
    let mut builder = Builder::new(1, &["python", "<img src=x onerror=window.hurt=1>"]);
    let process = builder.process(1, None, &[]);
    for (index, name) in names.into_iter().enumerate() {
        let thread = builder.thread(process, 1, Some(name));
        let stack = builder.stack(&[(name, name, name, 1, 1)]);
        builder.sample(thread, stack, index as u64);
    }
    let Some(page) = Page::of(&builder.finish(3)) else {
        return;
    };
    assert_eq!(
        page.run("return document.querySelectorAll('parsererror').length"),
        0
    );
    assert_eq!(
        page.run("return document.querySelectorAll('script').length"),
        1
    );
    assert_eq!(page.run("return typeof window.hurt"), "undefined");
    page.click("</script>");
    assert_eq!(page.run("return typeof window.hurt"), "undefined");
}
