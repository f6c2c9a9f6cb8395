//! Each format against a golden file. To renew them: `SPYHOLE_BLESS=1 cargo test --test formats`.

mod golden;
mod profiles;

use golden::{assert_golden, without_version};
use profiles::{django, django_changed, options_with, render, render_difference};
use spyhole::output::{
    ChromeTrace, FORMATS, Flamegraph, Format, LineMode, OutputError, Raw, RenderOptions,
    Speedscope, Unit,
};
use spyhole::profile::Profile;

fn with_threads() -> RenderOptions {
    options_with(|it| it.threads = true)
}

/// Those that are written as text.
const OF_TEXT: [&dyn Format; 4] = [&Flamegraph, &Raw, &Speedscope, &ChromeTrace];

#[test]
fn raw_is_as_before() {
    assert_golden(
        "django.txt",
        &render(&Raw, &django(), &RenderOptions::default()),
    );
    let options = options_with(|it| {
        it.lines = LineMode::Function;
        it.full_filenames = true;
        it.threads = true;
        it.processes = true;
        it.unit = None;
    });
    assert_golden("django_roots_full.txt", &render(&Raw, &django(), &options));
    let options = options_with(|it| it.lines = LineMode::None);
    assert_golden("django_no_lines.txt", &render(&Raw, &django(), &options));
}

#[test]
fn counts_add_up_to_what_they_stand_for() {
    let profile = django();
    let total = profile.total();
    let sums = [Unit::Samples, Unit::Wall, Unit::Cpu].map(|unit| {
        let options = options_with(|it| it.unit = Some(unit));
        let text = render(&Raw, &profile, &options);
        let counts = text.lines().map(|line| line.rsplit_once(' ').unwrap().1);
        counts
            .map(|count| count.parse::<u64>().unwrap())
            .sum::<u64>()
    });
    // Whole microseconds of each stack.
    let rounded = profile.entries().len() as u64;
    assert_eq!(sums[0], total.count);
    for (sum, nanos) in [(sums[1], total.wall.0), (sums[2], total.cpu.0)] {
        assert!(sum.abs_diff(nanos / 1000) <= rounded, "{sum} {nanos}");
    }
    assert_ne!(sums[1], sums[2]);
}

#[test]
fn speedscope_is_as_before() {
    let text = render(&Speedscope, &django(), &RenderOptions::default());
    assert_golden(
        "django.speedscope.json",
        &without_version(&text, "spyhole@"),
    );
}

#[test]
fn chrometrace_is_as_before() {
    let text = render(&ChromeTrace, &django(), &RenderOptions::default());
    assert_golden("django.chrometrace.json", &text);
}

#[test]
fn flamegraph_is_as_before() {
    let text = render(&Flamegraph, &django(), &with_threads());
    assert_golden("django.svg", &without_script(&text));
}

#[test]
fn the_flamegraph_of_a_difference_is_as_before() {
    let options = options_with(|it| it.lines = LineMode::None);
    let text = render_difference(&django(), &django_changed(), &options);
    assert_golden("django_difference.svg", &without_script(&text));
}

/// An SVG without inferno's script, a line a tag, so that a difference can be read.
fn without_script(text: &str) -> String {
    let (before, rest) = text.split_once("<![CDATA[").expect("a script");
    let (_, after) = rest.rsplit_once("]]>").expect("the end of the script");
    format!("{before}<!-- inferno's script -->{after}").replace("><", ">\n<")
}

#[test]
fn recordings_put_together_are_shown_alike_in_whatever_order() {
    let together = |mut first: Profile, second: &Profile| {
        first.absorb(second);
        let text = render(&Flamegraph, &first, &with_threads());
        let (_, boxes) = text.split_once("<svg class=\"legend\"").expect("boxes");
        // Of two paths of one file, which differ by the checkout, the first is told.
        boxes.replace("/tmp/after/", "/srv/app/")
    };
    assert_eq!(
        together(django(), &django_changed()),
        together(django_changed(), &django())
    );
}

/// One worker whose samples have labels or none, besides its stacks.
fn labelled(with_labels: bool) -> Profile {
    let mut builder = profiles::Builder::new(1, &["python", "serve.py"]);
    let process = builder.process(1, None, &["python", "serve.py"]);
    let thread = builder.thread(process, 9, Some("worker"));
    let serve = ("serve", "/a/s.py", "s.py", 1, 2);
    let stacks = [
        builder.stack(&[serve]),
        builder.stack(&[serve, ("view", "/a/s.py", "s.py", 5, 6)]),
    ];
    for tick in 0..40 {
        if with_labels {
            let route = format!("/{}", tick % 3);
            builder.label(&[("route", route.as_str())][..(tick % 4).min(1) as usize]);
        }
        builder.sample(thread, stacks[(tick % 2) as usize], tick);
    }
    builder.finish(40)
}

#[test]
fn what_shows_no_labels_adds_up_what_differs_in_them_alone() {
    let (plain, with_labels) = (labelled(false), labelled(true));
    assert!(with_labels.entries().len() > plain.entries().len());
    for unit in [Unit::Samples, Unit::Wall, Unit::Cpu] {
        let options = options_with(|it| it.unit = Some(unit));
        for format in [&Raw as &dyn Format, &Flamegraph] {
            let text = render(format, &plain, &options);
            assert_eq!(text, render(format, &with_labels, &options));
        }
    }
    let difference = |after| render_difference(&plain, after, &RenderOptions::default());
    assert_eq!(difference(&plain), difference(&with_labels));
}

#[test]
fn an_empty_profile_is_an_error_and_writes_nothing() {
    let profile = profiles::Builder::new(1, &["python"]).finish(10);
    for format in FORMATS {
        let mut out = Vec::new();
        let result = spyhole::output::write(format, &profile, &with_threads(), &mut out);
        assert!(matches!(result, Err(OutputError::Empty)));
        assert!(out.is_empty());
    }
}

#[test]
fn neither_side_of_a_difference_may_be_empty() {
    let (empty, other) = (profiles::Builder::new(1, &["python"]).finish(10), django());
    for (before, after) in [(&empty, &other), (&other, &empty)] {
        let [before, after] = [before, after].map(profiles::one_run);
        let mut out = Vec::new();
        let result = spyhole::output::write_difference(before, after, &with_threads(), &mut out);
        assert!(matches!(result, Err(OutputError::Empty)));
        assert!(out.is_empty());
    }
}

#[test]
fn the_same_profile_always_gives_the_same_file() {
    for format in OF_TEXT {
        assert_eq!(
            render(format, &django(), &with_threads()),
            render(format, &django(), &with_threads())
        );
    }
}

#[test]
fn a_recursion_deeper_than_our_own_stack_is_written() {
    let mut builder = profiles::Builder::new(1, &["python"]);
    let process = builder.process(1, None, &["python"]);
    let thread = builder.thread(process, 1, None);
    let stack = builder.stack(&vec![("again", "/a.py", "a.py", 1, 2); 50_000]);
    builder.sample(thread, stack, 0);
    let profile = builder.finish(1);
    for format in OF_TEXT {
        assert!(!render(format, &profile, &RenderOptions::default()).is_empty());
    }
    let difference = render_difference(&profile, &profile, &RenderOptions::default());
    assert!(!difference.is_empty());
}
