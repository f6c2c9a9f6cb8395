//! Profiles that are made by hand, for the tests of the formats.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::num::NonZeroUsize;

use spyhole::model::{
    Counting, Frame, FrameKind, Function, GilState, HaltMethod, Label, LabelSetId, Nanos, Pid,
    Process, ProcessId, Proof, PythonVersion, Sample, StackId, TargetStr, ThreadId, ThreadKey,
    Ticks, Tid,
};
use spyhole::output::{self, Format, RenderOptions, Side};
use spyhole::profile::{Profile, Recording};

pub const PERIOD: Nanos = Nanos(10_000_000);

/// A frame's name, file, short file, first line and line.
pub type FrameText<'a> = (&'a str, &'a str, &'a str, u32, u32);

pub struct Builder {
    pub profile: Profile,
    /// Samples of this tick are unproven.
    unproven: Option<u64>,
    /// Those of the samples that follow.
    labels: LabelSetId,
}

impl Builder {
    pub fn new(pid: i32, command: &[&str]) -> Builder {
        let command: Vec<TargetStr> = command.iter().map(|&text| TargetStr::new(text)).collect();
        let mut recording = Recording::starting_now(Pid(pid), command, 100);
        recording.python = Some(PythonVersion::from_hex(0x030b_07f0, false));
        recording.engine = "cpython".to_owned();
        Builder {
            profile: Profile::new(recording).expect("a temporary file"),
            unproven: None,
            labels: LabelSetId::EMPTY,
        }
    }

    /// Samples from now on have these labels.
    pub fn label(&mut self, labels: &[(&str, &str)]) {
        let interner = &mut self.profile.interner;
        let mut text = |text: &str| interner.intern_text(&TargetStr::new(text));
        let labels = labels.iter().map(|(key, value)| Label {
            key: text(key),
            value: text(value),
        });
        let labels: Vec<_> = labels.collect();
        self.labels = interner.intern_labels(labels);
    }

    pub fn process(&mut self, pid: i32, parent: Option<ProcessId>, command: &[&str]) -> ProcessId {
        self.profile.interner.add_process(Process {
            pid: Pid(pid),
            parent,
            command: command.iter().map(|&text| TargetStr::new(text)).collect(),
            python: None,
            generation: None,
        })
    }

    pub fn thread(&mut self, process: ProcessId, tid: i32, name: Option<&str>) -> ThreadId {
        let pid = self.profile.interner.process(process).pid;
        let key = ThreadKey {
            pid,
            python_id: 0x7f00_0000_0000 + u64::from(tid.unsigned_abs()),
            tid: Some(Tid(tid)),
            started: 1,
        };
        let thread = self.profile.interner.intern_thread(key, process);
        if let Some(name) = name {
            let name = self.profile.interner.intern_text(&TargetStr::new(name));
            self.profile.interner.name_thread(thread, name);
        }
        thread
    }

    /// Root first.
    pub fn stack(&mut self, frames: &[FrameText<'_>]) -> StackId {
        let interner = &mut self.profile.interner;
        frames.iter().fold(
            StackId::EMPTY,
            |caller, &(name, file, short_file, first_line, line)| {
                let function = Function {
                    kind: FrameKind::Python,
                    name: interner.intern_text(&TargetStr::new(name)),
                    file: interner.intern_text(&TargetStr::new(file)),
                    short_file: interner.intern_text(&TargetStr::new(short_file)),
                    first_line,
                };
                let function = interner.intern_function(function);
                let frame = interner.intern_frame(Frame { function, line });
                interner.intern_stack(caller, frame)
            },
        )
    }

    /// A sample at the end of the tick of that number, counted from 0.
    pub fn sample(&mut self, thread: ThreadId, stack: StackId, tick: u64) {
        self.profile.add(&Sample {
            thread,
            stack,
            labels: self.labels,
            at: Nanos(PERIOD.0 * (tick + 1)),
            wall: PERIOD,
            cpu: Nanos(PERIOD.0 / 2),
            on_cpu: true,
            at_work: false,
            gil: GilState::Holds,
            proof: if self.unproven == Some(tick) {
                Proof::Unproven
            } else {
                Proof::Proven
            },
        });
    }

    pub fn finish(mut self, ticks: u64) -> Profile {
        self.profile.recording.duration = Nanos(PERIOD.0 * ticks);
        self.profile.recording.counting = Counting::Cpu;
        self.profile.recording.halted = vec![HaltMethod::OnItsCpu];
        self.profile.recording.ticks = Ticks {
            looks: ticks,
            expected: ticks,
            sampled: ticks,
            pauses: ticks,
            ..Ticks::default()
        };
        self.profile
    }
}

/// What the server is at in a tick; otherwise idle.
#[derive(Clone, Copy)]
enum Work {
    InView,
    Executing,
    Compiling,
    Rendering,
    Prefetching,
}

/// A Django server that answers a slow list, in a main thread that waits and a thread that works.
pub fn django() -> Profile {
    django_in("/srv/app", 0, |tick| match tick % 10 {
        0 if tick < 50 => Some(Work::InView),
        0..=3 => Some(Work::Executing),
        4..=6 => Some(Work::Compiling),
        7 => Some(Work::Rendering),
        _ => None,
    })
}

/// The same after a change, from another checkout, with other lines: it asks the database once, no
/// longer for each row, and is slower to render.
pub fn django_changed() -> Profile {
    django_in("/tmp/after", 7, |tick| match tick % 10 {
        0 if tick < 50 => Some(Work::InView),
        0 => Some(Work::Prefetching),
        1..=3 => Some(Work::Rendering),
        4 => Some(Work::Executing),
        _ => None,
    })
}

fn django_in(root: &str, moved: u32, work: impl Fn(u64) -> Option<Work>) -> Profile {
    let python = format!("{root}/.venv/bin/python");
    let command = [python.as_str(), "manage.py", "runserver", "--noreload"];
    let mut builder = Builder::new(4242, &command);
    builder.unproven = Some(5);
    let process = builder.process(4242, None, &command);
    let main = builder.thread(process, 4242, Some("MainThread"));
    let worker = builder.thread(process, 4250, Some("Thread-1 (process_request_thread)"));

    type Owned = (&'static str, String, &'static str, u32, u32);
    let lib = |name, path: &'static str, first, line| -> Owned {
        (
            name,
            format!("/usr/lib/python3.11/{path}"),
            path,
            first,
            line,
        )
    };
    let package = |name, path: &'static str, first, line| -> Owned {
        let file = format!("{root}/.venv/lib/python3.11/site-packages/{path}");
        (name, file, path, first, line)
    };
    let app = |name, path: &'static str, first, line| -> Owned {
        let file = format!("{root}/{path}");
        (name, file, path, first + moved, line + moved)
    };
    let request = [
        lib("Thread._bootstrap", "threading.py", 995, 1002),
        lib("Thread._bootstrap_inner", "threading.py", 1025, 1045),
        lib("Thread.run", "threading.py", 970, 982),
        lib(
            "ThreadingMixIn.process_request_thread",
            "socketserver.py",
            685,
            691,
        ),
        package(
            "WSGIHandler.__call__",
            "django/core/handlers/wsgi.py",
            113,
            124,
        ),
        package(
            "BaseHandler.get_response",
            "django/core/handlers/base.py",
            136,
            140,
        ),
        package(
            "convert_exception_to_response.<locals>.inner",
            "django/core/handlers/exception.py",
            52,
            55,
        ),
        app("get_slow_list_view", "recipes/views.py", 18, 24),
    ];
    let serialize = [
        package(
            "ListSerializer.to_representation",
            "rest_framework/serializers.py",
            710,
            722,
        ),
        app(
            "RecipeSerializer.get_recipe_name",
            "recipes/serializers.py",
            30,
            31,
        ),
        package(
            "ForwardManyToOneDescriptor.__get__",
            "django/db/models/fields/related_descriptors.py",
            212,
            236,
        ),
        package("QuerySet.get", "django/db/models/query.py", 620, 633),
    ];
    let execute = [
        package(
            "SQLCompiler.execute_sql",
            "django/db/models/sql/compiler.py",
            1500,
            1562,
        ),
        package(
            "CursorWrapper.execute",
            "django/db/backends/utils.py",
            96,
            100,
        ),
        package(
            "SQLiteCursorWrapper.execute",
            "django/db/backends/sqlite3/base.py",
            325,
            328,
        ),
    ];
    let compile = [package(
        "SQLCompiler.as_sql",
        "django/db/models/sql/compiler.py",
        730,
        790,
    )];
    let render = [
        package(
            "JSONRenderer.render",
            "rest_framework/renderers.py",
            85,
            100,
        ),
        lib("JSONEncoder.encode", "json/encoder.py", 183, 200),
    ];
    let prefetch = [package(
        "prefetch_related_objects",
        "django/db/models/query.py",
        2200,
        2260,
    )];
    let serve = [
        app("<module>", "manage.py", 1, 22),
        package(
            "execute_from_command_line",
            "django/core/management/__init__.py",
            435,
            442,
        ),
        lib("BaseServer.serve_forever", "socketserver.py", 215, 232),
        lib("PollSelector.select", "selectors.py", 403, 415),
    ];

    let mut stack = |parts: &[&[Owned]]| {
        let frames: Vec<FrameText<'_>> = parts
            .iter()
            .copied()
            .flatten()
            .map(|(name, file, short, first, line)| (*name, file.as_str(), *short, *first, *line))
            .collect();
        builder.stack(&frames)
    };
    let in_view = stack(&[&request]);
    let executing = stack(&[&request, &serialize, &execute]);
    let compiling = stack(&[&request, &serialize, &compile]);
    let rendering = stack(&[&request, &render]);
    let prefetching = stack(&[&request, &prefetch, &execute]);
    let serving = stack(&[&serve]);

    for tick in 0..100 {
        let working = work(tick).map(|work| match work {
            Work::InView => in_view,
            Work::Executing => executing,
            Work::Compiling => compiling,
            Work::Rendering => rendering,
            Work::Prefetching => prefetching,
        });
        if let Some(stack) = working {
            builder.sample(worker, stack, tick);
        }
        if tick % 4 == 0 {
            builder.sample(main, serving, tick);
        }
    }
    builder.finish(100)
}

pub fn render(format: &dyn Format, profile: &Profile, options: &RenderOptions) -> String {
    let mut out = Vec::new();
    output::write(format, profile, options, &mut out).expect("a profile that is not empty");
    String::from_utf8(out).expect("UTF-8")
}

/// The flamegraph of what changed from one run to another.
pub fn render_difference(before: &Profile, after: &Profile, options: &RenderOptions) -> String {
    let mut out = Vec::new();
    output::write_difference(one_run(before), one_run(after), options, &mut out)
        .expect("profiles that are not empty");
    String::from_utf8(out).expect("UTF-8")
}

pub fn one_run(profile: &Profile) -> Side<'_> {
    Side {
        profile,
        runs: NonZeroUsize::MIN,
    }
}

/// The usual way of showing, changed in something.
pub fn options_with(change: impl FnOnce(&mut RenderOptions)) -> RenderOptions {
    let mut options = RenderOptions::default();
    change(&mut options);
    options
}
