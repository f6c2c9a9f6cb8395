//! What the two JSON formats promise beyond being JSON.

mod profiles;

use std::collections::HashMap;

use profiles::{Builder, PERIOD, django, options_with, render};
use serde_json::Value;
use spyhole::output::{ChromeTrace, Format, LineMode, RenderOptions, Speedscope};
use spyhole::profile::Profile;

fn parsed(format: &dyn Format, profile: &Profile, options: &RenderOptions) -> Value {
    serde_json::from_str(&render(format, profile, options)).expect("JSON")
}

/// As much of a validator of JSON Schema as speedscope's schema uses.
fn check(schema: &Value, all: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/definitions/");
        return check(&all["definitions"][name], all, value, at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let mut results = choices.iter().map(|choice| check(choice, all, value, at));
        return match results.any(|result| result.is_ok()) {
            true => Ok(()),
            false => Err(format!("{at}: none of the choices")),
        };
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        None => true,
        Some(other) => return Err(format!("the schema asks for {other}")),
    };
    let is_const = schema.get("const").is_none_or(|wanted| wanted == value);
    let is_listed = schema["enum"]
        .as_array()
        .is_none_or(|listed| listed.contains(value));
    if !(fits && is_const && is_listed) {
        return Err(format!("{at}: {value} does not fit {schema}"));
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap_or_default();
        value.get(name).ok_or_else(|| format!("{at}: no {name}"))?;
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        // The schema has no null. py-spy writes `"col": null` all the same, speedscope takes it for
        // absent, and who reads py-spy's files may look for the key.
        if let Some(value) = value.get(name).filter(|value| !value.is_null()) {
            check(schema, all, value, &format!("{at}.{name}"))?;
        }
    }
    if let Some(items) = schema.get("items") {
        for (index, value) in value.as_array().into_iter().flatten().enumerate() {
            check(items, all, value, &format!("{at}[{index}]"))?;
        }
    }
    Ok(())
}

#[test]
fn speedscope_files_are_as_its_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("golden/speedscope-schema.json"))
        .expect("speedscope's schema");
    for lines in [LineMode::Current, LineMode::Function, LineMode::None] {
        let options = options_with(|it| it.lines = lines);
        let json = parsed(&Speedscope, &django(), &options);
        check(&schema, &schema, &json, "$").expect("a valid file");
        let frames = json["shared"]["frames"].as_array().expect("frames");
        assert!(frames.iter().all(|f| {
            let no_line = lines == LineMode::None || f["name"] == "<unproven>";
            f["line"].is_null() == no_line
        }));
        assert!(frames.iter().all(|f| f["col"].is_null()));
    }
    let wrong = serde_json::json!({"$schema": "x", "profiles": [], "shared": {"frames": []}});
    assert!(check(&schema, &schema, &wrong, "$").is_err());
}

#[test]
fn speedscope_weights_add_up_and_point_at_frames() {
    let profile = django();
    let json = parsed(&Speedscope, &profile, &RenderOptions::default());
    let frames = json["shared"]["frames"].as_array().expect("frames").len() as u64;
    let mut total = 0.0;
    for thread in json["profiles"].as_array().expect("profiles") {
        let samples = thread["samples"].as_array().expect("samples");
        let weights = thread["weights"].as_array().expect("weights");
        assert_eq!(samples.len(), weights.len());
        let positions = samples
            .iter()
            .flat_map(|stack| stack.as_array().expect("a stack"));
        assert!(
            positions
                .into_iter()
                .all(|position| position.as_u64() < Some(frames))
        );
        let sum: f64 = weights.iter().filter_map(Value::as_f64).sum();
        let end = thread["endValue"].as_f64().expect("an end");
        assert!((sum - end).abs() < 1e-9);
        total += end;
    }
    assert!((total - profile.total().wall.as_secs_f64()).abs() < 1e-9);
    let names: Vec<_> = json["profiles"]
        .as_array()
        .expect("profiles")
        .iter()
        .collect();
    assert!(names.is_sorted_by_key(|profile| profile["name"].as_str()));
}

/// Two processes whose threads have the same numbers, as forked children do.
fn forked() -> Profile {
    let mut builder = Builder::new(1, &["python", "parent.py"]);
    let parent = builder.process(1, None, &["python", "parent.py"]);
    let child = builder.process(2, Some(parent), &["python", "child.py"]);
    let threads = [
        builder.thread(parent, 9, None),
        builder.thread(child, 9, Some("worker")),
    ];
    let main = ("main", "/a/m.py", "m.py", 1, 2);
    let stacks = [
        builder.stack(&[main, ("f", "/a/m.py", "m.py", 5, 6)]),
        builder.stack(&[main, ("f", "/a/m.py", "m.py", 5, 7), main]),
        builder.stack(&[main]),
    ];
    for tick in 0..60 {
        for (index, &thread) in threads.iter().enumerate() {
            if !(tick + index as u64).is_multiple_of(7) {
                builder.sample(thread, stacks[(tick as usize / (index + 1)) % 3], tick);
            }
        }
    }
    builder.finish(60)
}

/// A worker that answers two requests one after the other, each found at the same line.
fn labelled(with_labels: bool) -> Profile {
    let mut builder = Builder::new(1, &["python", "serve.py"]);
    let process = builder.process(1, None, &["python", "serve.py"]);
    let thread = builder.thread(process, 9, Some("worker"));
    let serve = ("serve", "/a/s.py", "s.py", 1, 2);
    let view = ("view", "/a/s.py", "s.py", 5, 6);
    let (idle, busy) = (builder.stack(&[serve]), builder.stack(&[serve, view]));
    let requests: [(&[(&str, &str)], _); 4] = [
        (&[], idle),
        (&[("route", "/a"), ("method", "GET")], busy),
        (&[("route", "/b\u{202e}"), ("method", "GET")], busy),
        (&[], idle),
    ];
    for (index, (labels, stack)) in requests.into_iter().enumerate() {
        if with_labels {
            builder.label(labels);
        }
        for tick in 0..10 {
            builder.sample(thread, stack, index as u64 * 10 + tick);
        }
    }
    builder.finish(40)
}

#[test]
fn chrometrace_shows_labels_with_the_frames_that_ran_under_them() {
    let json = parsed(&ChromeTrace, &labelled(true), &RenderOptions::default());
    let begun = |name: &str| -> Vec<(u64, Value)> {
        let events = json.as_array().expect("an array").iter();
        events
            .filter(|event| event["ph"] == "B" && event["name"] == name)
            .map(|event| {
                let at = event["ts"].as_u64().expect("a number") * 1000 / PERIOD.0;
                (at, event["args"]["labels"].clone())
            })
            .collect()
    };
    let first = serde_json::json!({"method": "GET", "route": "/a"});
    let second = serde_json::json!({"method": "GET", "route": "/b\\u202e"});
    assert_eq!(begun("view"), [(10, first.clone()), (20, second.clone())]);
    let none = Value::Null;
    let serve = [(0, none.clone()), (10, first), (20, second), (30, none)];
    assert_eq!(begun("serve"), serve);
}

#[test]
fn speedscope_loses_no_time_to_labels() {
    let weight_of_each_stack = |profile: &Profile| {
        let json = parsed(&Speedscope, profile, &RenderOptions::default());
        let mut weights: HashMap<String, f64> = HashMap::new();
        let thread = &json["profiles"][0];
        let samples = thread["samples"].as_array().expect("samples");
        for (stack, weight) in samples
            .iter()
            .zip(thread["weights"].as_array().expect("weights"))
        {
            *weights.entry(stack.to_string()).or_default() += weight.as_f64().expect("a number");
        }
        (weights, json["shared"].clone(), thread["endValue"].clone())
    };
    let plain = weight_of_each_stack(&labelled(false));
    assert_eq!(plain, weight_of_each_stack(&labelled(true)));
    assert_eq!(plain.0.len(), 2);
}

#[test]
fn chrometrace_events_nest_in_each_thread_of_each_process() {
    let options = RenderOptions::default();
    for profile in [forked(), django(), labelled(true)] {
        let json = parsed(&ChromeTrace, &profile, &options);
        let mut open: HashMap<(u64, u64), Vec<(String, u64)>> = HashMap::new();
        let mut last: HashMap<(u64, u64), u64> = HashMap::new();
        let mut busy = 0;
        for event in json.as_array().expect("an array") {
            let number = |key: &str| event[key].as_u64().expect("a number");
            let track = (number("pid"), number("tid"));
            let frame = format!("{} {}", event["name"], event["args"]);
            let at = number("ts");
            let stack = open.entry(track).or_default();
            match event["ph"].as_str() {
                Some("B") => stack.push((frame, at)),
                Some("E") => {
                    let (begun, since) = stack.pop().expect("an end has a beginning");
                    assert_eq!(begun, frame);
                    assert!(since <= at);
                    if stack.is_empty() {
                        busy += at - since;
                    }
                }
                Some("M") => continue,
                other => panic!("{other:?}"),
            }
            let last = last.entry(track).or_default();
            assert!(*last <= at, "time goes back");
            *last = at;
        }
        assert!(open.values().all(Vec::is_empty), "a frame never ends");
        assert_eq!(
            busy,
            profile.total().count * PERIOD.0 / 1000,
            "idle time is not a gap"
        );
    }
}

#[test]
fn chrometrace_names_threads_and_processes() {
    let json = parsed(&ChromeTrace, &forked(), &RenderOptions::default());
    let named = |of: &str, pid: u64, name: &str| {
        json.as_array().expect("an array").iter().any(|event| {
            event["ph"] == "M"
                && event["name"] == of
                && event["pid"] == pid
                && event["args"]["name"] == name
        })
    };
    assert!(named("process_name", 1, "parent.py"));
    assert!(named("process_name", 2, "child.py"));
    assert!(named("thread_name", 1, "9"));
    assert!(named("thread_name", 2, "worker"));
}
