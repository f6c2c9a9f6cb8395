use super::*;
use crate::check::Rule;
use crate::check::written::profile;
use crate::profile::Profile;

const HANDLER: &str = "BaseHandler._get_response|/v/site-packages/django/core/handlers/base.py|197";
const SERVE: &str = "serve|/srv/app/drive.py|40";
const VIEW: &str = "fast_view|/srv/app/recipes/views.py|31";
const DATA: &str = "ListSerializer.data|/v/site-packages/rest_framework/serializers.py|800";
const NAME: &str = "get_name|/srv/app/recipes/serializers.py|12";
const LAZY: &str = "Descriptor.__get__|/v/site-packages/django/db/models/related.py|229";

fn selector(what: &str) -> Selector {
    let rule: Rule = format!("never {what}").parse().expect("a rule");
    rule.what
}

fn runs(profile: &Profile, count: u32) -> Recorded<'_> {
    Recorded {
        profile,
        scale: 1.0 / f64::from(count),
    }
}

fn source(root: &str) -> Source {
    Source {
        directory: root.into(),
        root: root.into(),
    }
}

fn names(places: &[Place]) -> Vec<&str> {
    places.iter().map(|place| place.function.as_str()).collect()
}

#[test]
fn what_grew_is_found_below_the_view_that_pays_for_it() {
    let before = profile(&[
        (&[SERVE, HANDLER, VIEW, DATA][..], 100),
        (&[SERVE, HANDLER, VIEW, DATA, NAME], 20),
    ]);
    let after = profile(&[
        (&[SERVE, HANDLER, VIEW, DATA][..], 103),
        (&[SERVE, HANDLER, VIEW, DATA, NAME], 22),
        (&[SERVE, HANDLER, VIEW, DATA, NAME, LAZY], 60),
    ]);
    let found = find(
        Some(runs(&before, 1)),
        runs(&after, 1),
        &Selector::default(),
        Clock::Cpu,
        &source("/srv/app"),
    );
    let found = found.expect("something grew");
    assert_eq!(names(&found.way), ["fast_view", "get_name"]);
    assert_eq!(found.place.path.as_deref(), Some("recipes/serializers.py"));
    assert_eq!(found.place.line, 12);
    let callee = found.callee.expect("what it calls");
    assert_eq!(
        (callee.function.as_str(), callee.path),
        ("Descriptor.__get__", None)
    );
    assert!((found.seconds - 0.60).abs() < 1e-9, "{}", found.seconds);
}

#[test]
fn growth_of_its_own_is_not_looked_for_elsewhere() {
    let before = profile(&[(&[SERVE, VIEW][..], 50), (&[SERVE, VIEW, NAME], 50)]);
    let after = profile(&[(&[SERVE, VIEW][..], 80), (&[SERVE, VIEW, NAME], 52)]);
    let whole = Selector::default();
    let root = &source("/");
    let found = find(
        Some(runs(&before, 1)),
        runs(&after, 1),
        &whole,
        Clock::Cpu,
        root,
    );
    let found = found.expect("something grew");
    assert_eq!(
        (found.place.function.as_str(), found.callee),
        ("fast_view", None)
    );
    // Twice as many runs with twice as many samples give the same answer.
    let twice = profile(&[(&[SERVE, VIEW][..], 160), (&[SERVE, VIEW, NAME], 104)]);
    let found = find(
        Some(runs(&before, 1)),
        runs(&twice, 2),
        &whole,
        Clock::Cpu,
        root,
    );
    assert!((found.expect("something grew").seconds - 0.32).abs() < 1e-9);
}

#[test]
fn too_few_samples_do_not_tell_where() {
    let before = profile(&[(&[SERVE][..], 50), (&[VIEW], 50)]);
    let after = profile(&[(&[SERVE][..], 53), (&[VIEW], 55)]);
    let whole = Selector::default();
    let find = |before, after| find(Some(before), after, &whole, Clock::Cpu, &source("/"));
    let found = find(runs(&before, 1), runs(&after, 1)).expect("something grew");
    assert!(!found.is_clear);
    // If nothing grew, there is no culprit.
    assert!(find(runs(&after, 1), runs(&before, 1)).is_none());
}

#[test]
fn where_something_is_seen_it_is_told_who_called_it() {
    let seen = profile(&[
        (&[SERVE, HANDLER, VIEW, DATA, LAZY][..], 5),
        (&[SERVE, HANDLER, VIEW, DATA, NAME, LAZY, DATA], 30),
        (&[SERVE, LAZY], 10),
    ]);
    let root = &source("/elsewhere");
    let found = |what| find(None, runs(&seen, 1), &selector(what), Clock::Wall, root);
    let found = found("Descriptor.__get__ in fast_view").expect("seen");
    assert_eq!(found.place.function, "get_name");
    assert_eq!(found.place.path, None);
    assert_eq!(found.callee.expect("itself").function, "Descriptor.__get__");
    assert_eq!(names(&found.way), ["fast_view", "get_name"]);
    assert!(find(None, runs(&seen, 1), &selector("other"), Clock::Wall, root).is_none());
}

#[test]
fn the_one_that_is_seen_most_often_is_named() {
    let seen = profile(&[
        (&[SERVE][..], 3),
        (&[SERVE, VIEW], 2),
        (&[SERVE, VIEW, NAME], 30),
    ]);
    let rule = selector("file:srv/app/*");
    let found = find(None, runs(&seen, 1), &rule, Clock::Wall, &source("/"));
    assert_eq!(found.expect("seen").place.function, "get_name");
}

#[test]
fn a_long_way_is_shortened_in_its_middle() {
    let names: Vec<String> = (0..30).map(|it| format!("f{it}|/srv/a.py|1")).collect();
    let stack: Vec<&str> = names.iter().map(String::as_str).collect();
    let deep = profile(&[(&stack[..], 10)]);
    let found = find(
        None,
        runs(&deep, 1),
        &selector("f29"),
        Clock::Wall,
        &source("/"),
    );
    let way = found.expect("seen").way;
    assert_eq!(way.len(), LONGEST_WAY);
    assert_eq!(
        (way[0].function.as_str(), way[7].function.as_str()),
        ("f0", "f29")
    );
}
