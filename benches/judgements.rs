//! How often `check` would be right, by 10,000 checks drawn from real runs: those that `gate.py --pool`
//! kept.
//!
//! ```text
//! cargo bench --bench judgements -- DIR
//! ```
//!
//! Runs are drawn whole, in stretches of neighbours, since a busy moment of the machine spoils several.

use std::env;
use std::fs;

use serde_json::Value;
use spyhole::check::{
    Before, InterimAnalyses, Rule, Run, SIGNIFICANCE, Seen, Shown, Verdict, judge,
};

const CHECKS: usize = 10_000;
/// Repeats that stay together.
const STRETCH: usize = 4;
/// As the command line has it.
const FIRST: usize = 10;

fn main() {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [folder] = &words[..] else {
        // Run without a pool, as `cargo bench` and `cargo test` do, there is nothing to draw from.
        println!("judgements: no folder was named that gate.py --pool filled");
        return;
    };
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let kept: Value = serde_json::from_str(&text).expect("what gate.py wrote");
        report(&file.display().to_string(), &kept);
    }
}

fn report(name: &str, kept: &Value) {
    let rule: Rule = kept["rule"]
        .as_str()
        .and_then(|it| it.parse().ok())
        .expect("a rule");
    let repeats = kept["repeats"].as_u64().expect("repeats") as usize;
    let checks: Vec<Vec<(f64, f64)>> = kept["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .map(|check| {
            let pairs = check.as_array().expect("pairs").iter();
            pairs
                .map(|pair| {
                    (
                        pair[0].as_f64().expect("before"),
                        pair[1].as_f64().expect("after"),
                    )
                })
                .collect()
        })
        .collect();
    let mut chance = Chance(42);
    let rules = [rule];
    let (mut failed, mut open, mut repeated) = (0, 0, 0);
    for _ in 0..CHECKS {
        let (verdict, took) = one_check(&rules, &checks, repeats, &mut chance);
        failed += usize::from(verdict == Verdict::Failed);
        open += usize::from(verdict == Verdict::Inconclusive);
        repeated += took;
    }
    let percent = |count: usize| 100.0 * count as f64 / CHECKS as f64;
    println!(
        "{name}: {CHECKS} checks of at most {repeats} repeats, drawn from {} runs: failed {:.2} %, \
         inconclusive {:.2} %, passed {:.2} %, {:.1} repeats on the average",
        2 * checks.iter().map(Vec::len).sum::<usize>(),
        percent(failed),
        percent(open),
        percent(CHECKS - failed - open),
        repeated as f64 / CHECKS as f64
    );
}

/// As the command does it, looks included.
fn one_check(
    rules: &[Rule],
    checks: &[Vec<(f64, f64)>],
    most: usize,
    chance: &mut Chance,
) -> (Verdict, usize) {
    let mut interim = InterimAnalyses::new(most, FIRST, SIGNIFICANCE);
    let (mut before, mut now): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    loop {
        let check = &checks[chance.below(checks.len())];
        let begin = chance.below(check.len());
        for (was, is) in check[begin..].iter().take(STRETCH) {
            before.push(run(*was));
            now.push(run(*is));
            let over = now.len() == most;
            let Some(error) = interim.due(now.len(), over) else {
                continue;
            };
            let found = judge(rules, &now, Before::InTurn(&before), error);
            let verdict = found[0].verdict;
            if over || verdict != Verdict::Inconclusive {
                return (verdict, now.len());
            }
        }
    }
}

fn run(cpu: f64) -> Run {
    let seen = Seen {
        samples: (cpu * 1000.0) as u64,
        wall: cpu,
        cpu,
    };
    Run {
        all: seen,
        whole: seen,
        figures: vec![seen],
        units: None,
        extent: 1.0,
        shown: vec![Shown::ALL],
        labels_read: true,
    }
}

/// A sequence that is the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}
