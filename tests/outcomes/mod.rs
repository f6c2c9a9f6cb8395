//! Outcomes of checks that never were: one as a project may have it, and one made to hurt.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use spyhole::check::{Estimate, Finding, Flamegraphs, Outcome, Place, Setting, Unit, Verdict};

/// What a name may be that is made to hurt some reader of some report.
pub const NAMES: &[&str] = &[
    // Cells, code and blocks of Markdown.
    "a | b || c",
    "a\\|b\\\\|c\\",
    "`one` ``two`` ```three",
    "`",
    "``` sh\nrm -rf /\n```",
    "# heading\n\n- [ ] task\n1. one\n> quote\n---\n| a |\n| - |\n| b |",
    "*a* **b** _c_ __d__ ~~e~~ ==f== ^g^ ||h||",
    "[x](https://evil.example) ![y](https://evil.example/y.png) [z][] [^1] [[w]]",
    "[a]: https://evil.example \"t\"",
    "https://evil.example www.evil.example a@evil.example <https://evil.example>",
    "@octocat #1 !1 GH-1 :tada: $x^2$ $`y`$ /close [[_TOC_]] [TOC] [x] %1 ~bug &1",
    "<img src=x onerror=alert(1)><!-- --><details><script>alert(1)</script>",
    "&lt;b&gt; &#60;b&#62; &amp;",
    // XML.
    "]]><x>&amp;&lt;&#0;</failure></testcase>\"' a=\"b",
    // Commands of runners.
    "::error file=x::owned",
    "\n::set-output name=x::owned",
    "a ##[error]owned ##vso[task.complete]x ##teamcity[x] ###[group]x",
    "%0A::error::owned %25 %3A,line=7::",
    "a,file=b.py,title=c::d",
    // SARIF.
    "{0} {{1}} {x} [y](3) [z](https://evil.example)",
    // URIs.
    "//evil.example/x",
    "javascript:alert(1)",
    "../../etc/passwd",
    "/etc/passwd",
    "a b/ä?c#d%41\\e.py",
    // What is not seen, or changes what is.
    "\x1b]0;owned\x07\x1b[31mred\u{9b}31m\x1b[0K",
    "\u{202e}gnp.exe\u{2066}",
    "a\nb\r\nc\td\u{2028}e\u{85}f\0g",
    "zero\u{200b}width\u{feff}\u{fffe}\u{ffff}\u{e0041}",
    r"lone \udcff surrogate",
    "имя 💩 名前 e\u{301} \u{5e9}\u{5dd}",
    " ",
    "",
];

fn place(function: &str, file: &str, path: Option<&str>, line: u32) -> Place {
    Place {
        function: function.to_owned(),
        file: file.to_owned(),
        path: path.map(str::to_owned),
        line,
    }
}

fn estimate(value: f64, low: f64, high: f64, unit: Unit) -> Option<Estimate> {
    Some(Estimate {
        value,
        low,
        high,
        unit,
    })
}

fn finding(rule: &str, verdict: Verdict, message: &str) -> Finding {
    Finding {
        rule: rule.to_owned(),
        name: None,
        reason: None,
        verdict,
        message: message.to_owned(),
        before: None,
        after: None,
        change: None,
        values: Vec::new(),
        values_before: Vec::new(),
        place: None,
        way: Vec::new(),
        notes: Vec::new(),
    }
}

/// A query a row has come into a view of a Django project.
pub fn django() -> Outcome {
    let view = place(
        "get_fast_list_view",
        "shop/views.py",
        Some("shop/views.py"),
        31,
    );
    let price = place("price", "shop/models.py", Some("shop/models.py"), 12);
    let descriptor = place(
        "ForwardManyToOneDescriptor.__get__",
        "django/db/models/fields/related_descriptors.py",
        None,
        219,
    );
    let findings = vec![
        Finding {
            before: estimate(41.2, 39.9, 42.5, Unit::Percent),
            after: estimate(40.8, 39.4, 42.2, Unit::Percent),
            change: estimate(-0.4, -2.3, 1.5, Unit::Points),
            ..finding(
                "file:django/template/* < +2points",
                Verdict::Passed,
                "file:django/template/* takes 40.8 % of the time, where it took 41.2 %: -0.4 points, \
                 and may grow by less than +2.0 points",
            )
        },
        Finding {
            reason: Some("Every row of the list must not cost a query, see docs/lists.md".into()),
            before: estimate(0.0, 0.0, 0.0, Unit::Percent),
            after: estimate(12.3, 11.0, 13.6, Unit::Percent),
            change: estimate(12.3, 11.0, 13.6, Unit::Points),
            place: Some(descriptor.clone()),
            way: vec![view.clone(), price.clone()],
            notes: vec!["It was not seen before the change".into()],
            ..finding(
                "never ForwardManyToOneDescriptor.__get__ in get_fast_list_view",
                Verdict::Failed,
                "1210 samples show ForwardManyToOneDescriptor.__get__ in get_fast_list_view, which no \
                 sample may show; most of them in price (shop/models.py:12), within \
                 get_fast_list_view (shop/views.py:31)",
            )
        },
        Finding {
            name: Some("The list stays fast".into()),
            before: estimate(1.214, 1.18, 1.25, Unit::Seconds),
            after: estimate(1.333, 1.30, 1.37, Unit::Seconds),
            change: estimate(9.8, 8.1, 11.6, Unit::PercentChange),
            values: vec![1.31, 1.345, 1.338],
            values_before: vec![1.2, 1.22, f64::NAN],
            place: Some(view.clone()),
            ..finding(
                "get_fast_list_view < +5%",
                Verdict::Failed,
                "get_fast_list_view takes 1.33 s of CPU a run, where it took 1.21 s: +9.8 %, and may \
                 grow by less than +5.0 %",
            )
        },
        Finding {
            before: estimate(0.0345, 0.0331, 0.0360, Unit::SecondsPerUnit),
            after: estimate(0.0352, 0.0334, 0.0371, Unit::SecondsPerUnit),
            change: estimate(2.0, -1.9, 6.1, Unit::PercentChange),
            place: Some(price),
            notes: vec![
                "some 42 repeats would probably decide: --repeats 42".into(),
                "only its share grew, not its seconds: what else there is became faster".into(),
            ],
            ..finding(
                "price < +5%/unit",
                Verdict::Inconclusive,
                "price takes 35.2 ms a unit of CPU, where it took 34.5 ms a unit: +2.0 %, and may \
                 grow by less than +5.0 %",
            )
        },
        Finding {
            after: estimate(0.0, 0.0, f64::INFINITY, Unit::Samples),
            ..finding(
                "never socket.connect",
                Verdict::Passed,
                "no sample shows socket.connect, which no sample may show",
            )
        },
        Finding {
            after: estimate(63.0, 61.5, 64.4, Unit::Seconds),
            ..finding(
                "total wall < 60s",
                Verdict::Failed,
                "the whole program takes 63.0 s a run, and may take less than 60.0 s",
            )
        },
    ];
    let setting = Setting {
        program: "manage.py test".into(),
        python: "3.11.7".into(),
        mode: "cpu".into(),
        rate: 100,
        runs: 5,
        runs_before: 5,
        samples: 61_234,
        confidence: 98.0,
        against: Some("baseline.toml".into()),
        rules: Some("spyhole.toml".into()),
        seconds: 631.2,
    };
    let mut outcome = Outcome::of(findings, setting);
    outcome.flamegraphs = Flamegraphs {
        before: Some("out/before.svg".into()),
        after: Some("out/after.svg".into()),
        difference: Some("/builds/shop/out/difference.svg".into()),
    };
    outcome.notes = vec!["The machine was busy with other work".into()];
    outcome
}

/// Each name as everything that a finding may have, and what is no number as every figure.
pub fn hostile() -> Outcome {
    let verdicts = [Verdict::Failed, Verdict::Inconclusive, Verdict::Passed];
    let findings = NAMES
        .iter()
        .enumerate()
        .map(|(index, name)| made_of(name, verdicts[index % 3]))
        .collect();
    hurting(findings)
}

pub fn made_of(name: &str, verdict: Verdict) -> Finding {
    let none = estimate(f64::NAN, f64::NEG_INFINITY, f64::INFINITY, Unit::Percent);
    let at = place(name, name, Some(name), 7);
    Finding {
        name: Some(name.to_owned()),
        reason: Some(name.to_owned()),
        before: none,
        after: estimate(f64::INFINITY, 1.0, f64::NAN, Unit::Seconds),
        change: none,
        place: Some(at.clone()),
        way: vec![at, place(name, "", None, 0)],
        notes: vec![name.to_owned()],
        ..finding(name, verdict, name)
    }
}

pub fn hurting(findings: Vec<Finding>) -> Outcome {
    let name = NAMES.concat();
    let setting = Setting {
        program: name.clone(),
        python: name.clone(),
        mode: name.clone(),
        against: Some(name.clone()),
        rules: Some(name.clone()),
        confidence: f64::NAN,
        seconds: f64::NEG_INFINITY,
        ..Setting::default()
    };
    let mut outcome = Outcome::of(findings, setting);
    outcome.flamegraphs.before = Some(name.clone().into());
    outcome.flamegraphs.after = Some(OsStr::from_bytes(b"/\xff/a b.svg").into());
    outcome.notes = vec![name];
    outcome
}
