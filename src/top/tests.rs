//! What is shown of a made-up recording, on terminals of several sizes.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use rustc_hash::FxHashMap;

use super::app::{App, Effect, Mode};
use super::feed::{Activity, Update};
use super::keys::View;
use super::style::Palette;
use super::views;
use crate::model::{
    Frame, FrameId, FrameKind, Function, GilState, LabelSetId, Nanos, Pid, Process, ProcessId,
    Proof, Sample, StackId, TargetStr, ThreadId, ThreadKey, is_unsafe_to_show,
};
use crate::output::RenderOptions;
use crate::profile::{Profile, Recording};

const SIZES: [(u16, u16); 3] = [(40, 10), (80, 24), (200, 60)];

const SECOND: u64 = 1_000_000_000;

/// A recording with one process, one thread and the functions that a test wants.
struct Made {
    profile: Profile,
    process: ProcessId,
    thread: ThreadId,
    at: u64,
}

impl Made {
    fn new() -> Made {
        let command = ["python", "app.py"].map(TargetStr::new).to_vec();
        let recording = Recording::starting_now(Pid(7), command.clone(), 100);
        let mut profile = Profile::without_order(recording).expect("a temporary file");
        let process = profile.interner.add_process(Process {
            pid: Pid(7),
            parent: None,
            command,
            python: None,
            generation: None,
        });
        let mut made = Made {
            profile,
            process,
            thread: ThreadId::from_index(0),
            at: 0,
        };
        made.thread = made.thread_of(process, 7, "MainThread");
        made
    }

    fn thread_of(&mut self, process: ProcessId, python_id: u64, name: &str) -> ThreadId {
        let interner = &mut self.profile.interner;
        let key = ThreadKey {
            pid: interner.process(process).pid,
            python_id,
            tid: None,
            started: 0,
        };
        let thread = interner.intern_thread(key, process);
        let name = interner.intern_text(&TargetStr::new(name));
        interner.name_thread(thread, name);
        thread
    }

    fn frame(&mut self, name: &str, line: u32) -> FrameId {
        let interner = &mut self.profile.interner;
        let name = interner.intern_text(&TargetStr::new(name));
        let file = interner.intern_text(&TargetStr::new("app.py"));
        let function = interner.intern_function(Function {
            kind: FrameKind::Python,
            name,
            file,
            short_file: file,
            first_line: 1,
        });
        interner.intern_frame(Frame { function, line })
    }

    /// Counts a sample of a second of this stack, outermost function first.
    fn sample(&mut self, stack: &[(&str, u32)]) {
        let mut id = StackId::EMPTY;
        for (name, line) in stack {
            let frame = self.frame(name, *line);
            id = self.profile.interner.intern_stack(id, frame);
        }
        self.at += SECOND;
        self.profile.add(&Sample {
            thread: self.thread,
            stack: id,
            labels: LabelSetId::EMPTY,
            at: Nanos(self.at),
            wall: Nanos(SECOND),
            cpu: Nanos(SECOND / 2),
            on_cpu: true,
            at_work: false,
            gil: GilState::Holds,
            proof: Proof::Proven,
        });
    }

    /// What came since the last update, said to have taken so many seconds.
    fn update(&mut self, seconds: u64) -> Update {
        self.profile.recording.duration.0 += seconds * SECOND;
        let activity = Activity {
            seen: Nanos(seconds * SECOND),
            holds_gil: Nanos(seconds * SECOND),
            at_work: Nanos::ZERO,
            cpu: Nanos(seconds * SECOND / 2),
        };
        Update {
            interval: Nanos(seconds * SECOND),
            delta: self.profile.take_delta(u64::MAX),
            activity: FxHashMap::from_iter([(self.thread, activity)]),
        }
    }
}

fn app() -> App {
    let write = |path: &std::path::Path, profile: &Profile| {
        format!("{} samples to {}", profile.total().count, path.display())
    };
    let options = RenderOptions::default();
    let name = "7.svg".to_owned();
    App::new(options, Palette::None, Box::new(write), name)
}

/// Main calls work three seconds of four, and waits in the fourth.
fn shown() -> (Made, App) {
    let mut made = Made::new();
    for _ in 0..3 {
        made.sample(&[("main", 10), ("work", 21)]);
    }
    made.sample(&[("main", 11), ("wait", 31)]);
    let mut app = app();
    app.update(made.update(4));
    (made, app)
}

fn press(app: &mut App, keys: &str) -> Effect {
    let mut effect = Effect::Nothing;
    for char in keys.chars() {
        let code = match char {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            '^' => KeyCode::Up,
            'v' => KeyCode::Down,
            '>' => KeyCode::Right,
            char => KeyCode::Char(char),
        };
        effect = app.key(KeyEvent::from(code));
    }
    effect
}

fn drawn(app: &mut App, (width, height): (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal
        .draw(|frame| views::draw(frame, app))
        .expect("drawn");
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(move |x| buffer[(x, y)].symbol());
    let rows = (0..height).map(|y| row(y).collect::<String>());
    rows.map(|row| row.trim_end().to_owned()).collect()
}

/// The row that names something; they are looked for from the top.
#[track_caller]
fn row_of<'a>(rows: &'a [String], name: &str) -> &'a str {
    let found = rows.iter().find(|row| row.contains(name));
    found.unwrap_or_else(|| panic!("no {name} in {rows:#?}"))
}

fn position(rows: &[String], name: &str) -> Option<usize> {
    rows.iter().position(|row| row.contains(name))
}

#[test]
fn functions_are_shown_with_their_times_in_every_size() {
    for size in SIZES {
        let (_, mut app) = shown();
        let rows = drawn(&mut app, size);
        assert!(rows[0].starts_with("app.py · pid 7"), "{rows:#?}");
        let work = row_of(&rows, "work (app.py:1)");
        assert!(work.contains("3.00s"), "{rows:#?}");
        let main = row_of(&rows, "main (app.py:1)");
        assert!(main.contains("0.00s") && main.contains("4.00s"), "{main}");
        if size.0 >= 80 {
            assert!(work.contains("75.0%"), "{work}");
            assert!(main.contains("100.0%") && main.contains("0.0%"), "{main}");
        }
        assert!(
            position(&rows, "work") < position(&rows, "wait"),
            "{rows:#?}"
        );
        assert!(row_of(&rows, "CPU").contains("50.0%"), "{rows:#?}");
        assert!(row_of(&rows, "GIL").contains("100.0%"), "{rows:#?}");
    }
}

#[test]
fn every_view_is_drawn_in_every_size_and_even_where_there_is_no_room() {
    let others = [(1, 1), (5, 2), (39, 9), (300, 3), (12, 60)];
    for size in SIZES.into_iter().chain(others) {
        let (_, mut app) = shown();
        for view in View::ALL {
            app.view = view;
            drawn(&mut app, size);
        }
        press(&mut app, "?");
        drawn(&mut app, size);
    }
    for size in SIZES {
        let (_, mut app) = shown();
        for (keys, expected) in [
            ("l", "main (app.py:11)"),
            ("t", "MainThread"),
            ("p", "app.py"),
            ("g", "work"),
            ("f", "work (app.py:1)"),
            ("?", "sort by"),
        ] {
            press(&mut app, keys);
            row_of(&drawn(&mut app, size)[2..], expected);
        }
    }
}

#[test]
fn a_function_that_calls_itself_is_counted_once_a_stack() {
    let mut made = Made::new();
    made.sample(&[("f", 1), ("f", 2), ("f", 2), ("f", 3)]);
    let mut app = app();
    app.update(made.update(1));
    let rows = drawn(&mut app, (80, 24));
    let row = row_of(&rows, "f (app.py:1)");
    assert_eq!(row.matches("100.0%").count(), 2, "{row}");
    assert_eq!(row.matches("1.00s").count(), 2, "{row}");
}

#[test]
fn percentages_are_of_the_last_update_and_times_of_all() {
    let (mut made, mut app) = shown();
    made.sample(&[("main", 11), ("wait", 31)]);
    app.update(made.update(2));
    let rows = drawn(&mut app, (80, 24));
    let work = row_of(&rows, "work");
    assert!(work.contains("0.0%") && work.contains("3.00s"), "{work}");
    let wait = row_of(&rows, "wait");
    assert!(wait.contains("50.0%") && wait.contains("2.00s"), "{wait}");
    press(&mut app, "1");
    let rows = drawn(&mut app, (80, 24));
    assert!(
        position(&rows, "wait") < position(&rows, "work"),
        "{rows:#?}"
    );
    press(&mut app, "3");
    let rows = drawn(&mut app, (80, 24));
    assert!(
        position(&rows, "work") < position(&rows, "wait"),
        "{rows:#?}"
    );
    for (key, first) in [("2", "wait ("), ("4", "main (")] {
        press(&mut app, key);
        let rows = drawn(&mut app, (80, 24));
        assert!(
            position(&rows, first) < position(&rows, "work ("),
            "{rows:#?}"
        );
    }
}

#[test]
fn what_is_forgotten_is_not_shown_again() {
    let (mut made, mut app) = shown();
    assert_eq!(press(&mut app, "r"), Effect::Forget);
    made.profile.forget().expect("a temporary file");
    made.sample(&[("main", 11), ("wait", 31)]);
    app.update(made.update(1));
    for view in [View::Functions, View::Lines, View::Flame] {
        app.view = view;
        let rows = drawn(&mut app, (80, 24));
        assert_eq!(position(&rows, "work"), None, "{rows:#?}");
        row_of(&rows, "wait");
    }
}

#[test]
fn a_filter_is_typed_kept_and_taken_back() {
    let (_, mut app) = shown();
    // Keys that mean something else are text now.
    press(&mut app, "/WAq");
    assert!(matches!(app.mode, Mode::Filter { .. }));
    assert_eq!(position(&drawn(&mut app, (80, 24)), "wait ("), None);
    press(&mut app, "\u{8}");
    for _ in 0..2 {
        let rows = drawn(&mut app, (80, 24));
        row_of(&rows, "wait (");
        assert_eq!(position(&rows, "work ("), None, "{rows:#?}");
        press(&mut app, "\n");
    }
    assert_eq!(app.mode, Mode::Commands);
    press(&mut app, "\u{1b}");
    row_of(&drawn(&mut app, (80, 24)), "work (");
    press(&mut app, "/wait\u{1b}");
    row_of(&drawn(&mut app, (80, 24)), "work (");
}

#[test]
fn a_file_is_written_where_the_user_says() {
    let (_, mut app) = shown();
    press(&mut app, "w\u{8}\u{8}\u{8}txt\n");
    row_of(&drawn(&mut app, (80, 24)), "4 samples to 7.txt");
    press(&mut app, "w\u{1b}");
    assert_eq!((&app.mode, app.message.as_ref()), (&Mode::Commands, None));
    let mut nothing = super::tests::app();
    press(&mut nothing, "w\n");
    row_of(&drawn(&mut nothing, (80, 24)), "Nothing was seen yet");
}

#[test]
fn the_flame_graph_is_walked_and_zoomed() {
    let (_, mut app) = shown();
    press(&mut app, "g");
    for size in SIZES {
        app.key(KeyEvent::from(KeyCode::Home));
        let title = |app: &mut App| row_of(&drawn(app, size), "[all").to_owned();
        assert!(title(&mut app).contains(": all"));
        press(&mut app, "v");
        assert!(title(&mut app).contains("100.0% 4.00s, own 0.0%: main"));
        press(&mut app, "v");
        assert!(title(&mut app).contains("75.0% 3.00s, own 75.0%: work"));
        press(&mut app, ">");
        assert!(title(&mut app).contains(": wait"));
        let before = drawn(&mut app, size);
        press(&mut app, "\n");
        let zoomed = drawn(&mut app, size);
        assert!(title(&mut app).contains("zoomed"), "{zoomed:#?}");
        // Its callers and it alone are left, from edge to edge.
        row_of(&before[3..], "work");
        assert_eq!(position(&zoomed, "work"), None, "{zoomed:#?}");
        press(&mut app, "\u{1b}");
        row_of(&drawn(&mut app, size), "work");
        press(&mut app, "^^");
        assert!(title(&mut app).contains(": all"));
    }
}

#[test]
fn a_stack_deeper_than_the_screen_is_walked_to_its_end() {
    let mut made = Made::new();
    let names: Vec<_> = (0..3000).map(|depth| format!("f{depth}")).collect();
    let stack: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    made.sample(&stack);
    let mut app = app();
    app.update(made.update(1));
    press(&mut app, "g");
    drawn(&mut app, (80, 24));
    app.key(KeyEvent::from(KeyCode::End));
    for size in SIZES {
        let rows = drawn(&mut app, size);
        row_of(&rows, ": f2999 (");
        row_of(&rows, "f2998 (");
    }
}

#[test]
fn processes_are_told_apart_where_there_are_several() {
    let (mut made, mut app) = shown();
    let worker = made.profile.interner.add_process(Process {
        pid: Pid(8),
        generation: Some(2),
        ..made.profile.interner.process(made.process).clone()
    });
    made.thread = made.thread_of(worker, 8, "worker-1");
    made.sample(&[("main", 11), ("serve", 41)]);
    app.update(made.update(1));
    for (keys, expected) in [
        ("p", "app.py, generation 2"),
        ("t", "worker-1, of 8 app.py"),
        ("g", "process 8 app.py, generation 2"),
    ] {
        press(&mut app, keys);
        row_of(&drawn(&mut app, (200, 60)), expected);
    }
}

#[test]
fn nothing_that_a_name_holds_reaches_the_terminal_as_it_is() {
    let evil = "e\u{1b}[31m\u{9b}2J\u{202e}\n\tx";
    let mut made = Made::new();
    made.thread = made.thread_of(made.process, 9, evil);
    made.sample(&[(evil, 1)]);
    let mut app = app();
    app.update(made.update(1));
    app.tell(evil);
    for palette in [Palette::None, Palette::Sixteen, Palette::Cube, Palette::Any] {
        app.palette = palette;
        for view in View::ALL {
            app.view = view;
            for size in SIZES {
                let rows = drawn(&mut app, size);
                assert!(!rows.concat().contains(is_unsafe_to_show), "{rows:?}");
                assert!(rows.concat().contains("\\x1b[31m"), "{rows:#?}");
            }
        }
    }
}

#[test]
fn without_colours_none_is_used() {
    let (_, mut app) = shown();
    app.tell("something");
    for view in View::ALL {
        app.view = view;
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        let draw = |frame: &mut ratatui::Frame<'_>| views::draw(frame, &mut app);
        terminal.draw(draw).expect("drawn");
        let reset = ratatui::style::Color::Reset;
        let cells = &terminal.backend().buffer().content;
        assert!(
            cells
                .iter()
                .all(|cell| (cell.fg, cell.bg) == (reset, reset))
        );
    }
}
