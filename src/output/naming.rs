//! The names of frames, threads and processes, as in py-spy.

use crate::model::{
    FrameId, FunctionId, Interner, LabelSetId, ProcessId, TextId, ThreadId, visible,
};

use super::{Category, LineMode, RenderOptions};

/// An element of a path through the call tree: a box of a flamegraph, or a frame of a collapsed stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathElement {
    /// The value of the label by which samples are told apart; `None` where a sample has none.
    Label(Option<TextId>),
    Process(ProcessId),
    Thread(ThreadId),
    Frame(FrameId),
    /// A thread without any frame.
    NoFrame,
}

/// Names for what the interner holds, made visible.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub interner: &'a Interner,
    pub options: &'a RenderOptions,
}

impl Names<'_> {
    /// The elements above the frames of a thread with these labels, as far as the options ask for them: the
    /// value of a label, its process below those that started it, the oldest first, then the thread.
    pub fn roots(&self, thread: ThreadId, labels: LabelSetId) -> Vec<PathElement> {
        let mut above = self.processes(thread);
        if self.options.threads {
            above.push(PathElement::Thread(thread));
        }
        if let Some(key) = self.options.by {
            let labels = self.interner.labels(labels).iter();
            let mut own = labels.filter(|label| label.key == key);
            let value = own.next().map(|label| label.value);
            above.insert(0, PathElement::Label(value));
        }
        above
    }

    fn processes(&self, thread: ThreadId) -> Vec<PathElement> {
        let mut roots = Vec::new();
        if self.options.processes {
            let mut next = Some(self.interner.thread(thread).process);
            // A process that is recorded as its own ancestor ends the list.
            while let Some(process) = next
                && !roots.contains(&PathElement::Process(process))
            {
                roots.push(PathElement::Process(process));
                next = self.interner.process(process).parent;
            }
            roots.reverse();
        }
        roots
    }

    pub fn label(&self, element: PathElement) -> String {
        match element {
            PathElement::Label(Some(value)) => visible(self.interner.text(value)).into_owned(),
            PathElement::Label(None) => "<without>".to_owned(),
            PathElement::Process(process) => self.process(process),
            PathElement::Thread(thread) => self.thread(thread),
            PathElement::Frame(frame) => self.frame(frame),
            PathElement::NoFrame => "<no Python frame>".to_owned(),
        }
    }

    fn frame(&self, frame: FrameId) -> String {
        self.located(self.interner.frame(frame).function, self.line(frame))
    }

    /// `name (file:line)`; `name (file)` if there is no line, `name` if there is no file.
    pub fn located(&self, function: FunctionId, line: Option<u32>) -> String {
        let name = self.name_of(function);
        let function = self.interner.function(function);
        let file = visible(self.interner.text(if self.options.full_filenames {
            function.file
        } else {
            function.short_file
        }));
        match line {
            Some(line) => format!("{name} ({file}:{line})"),
            None if file.is_empty() => name,
            None => format!("{name} ({file})"),
        }
    }

    /// The name of the frame's function. It is never empty: an empty name would look like a broken line.
    pub fn function_name(&self, frame: FrameId) -> String {
        self.name_of(self.interner.frame(frame).function)
    }

    fn name_of(&self, function: FunctionId) -> String {
        let function = self.interner.function(function);
        let name = visible(self.interner.text(function.name));
        if name.is_empty() {
            "<unnamed>".to_owned()
        } else {
            name.into_owned()
        }
    }

    /// Whose code a function is.
    pub fn category(&self, function: FunctionId) -> Category {
        let function = self.interner.function(function);
        let [file, short_file] =
            [function.file, function.short_file].map(|it| visible(self.interner.text(it)));
        Category::of_function(function.kind, &file, &short_file)
    }

    /// `co_filename`, made visible.
    pub fn full_file(&self, frame: FrameId) -> String {
        let function = self.interner.function(self.interner.frame(frame).function);
        visible(self.interner.text(function.file)).into_owned()
    }

    /// The line to show with a frame; `None` if there is none or none is wanted.
    pub fn line(&self, frame: FrameId) -> Option<u32> {
        let frame = self.interner.frame(frame);
        let line = match self.options.lines {
            LineMode::Current => frame.line,
            LineMode::Function => self.interner.function(frame.function).first_line,
            LineMode::None => 0,
        };
        (line != 0).then_some(line)
    }

    /// `process PID:"cmd args"`, or `generation 2, process PID:"cmd args"` if it was restarted. If there
    /// are several Pythons in one process, each shows its version: `Python 2.7.18 in process ...`.
    fn process(&self, process: ProcessId) -> String {
        let process = self.interner.process(process);
        let is_of_another_python = |other: &crate::model::Process| {
            other.pid == process.pid && other.python != process.python
        };
        let mut all = self.interner.processes();
        let python = all
            .any(|(_, other)| is_of_another_python(other))
            .then_some(process.python)
            .flatten()
            .map(|python| format!("Python {python} in "));
        let command: Vec<_> = process.command.iter().map(visible).collect();
        let generation = process
            .generation
            .map(|number| format!("generation {number}, "));
        format!(
            "{}{}process {}:\"{}\"",
            generation.unwrap_or_default(),
            python.unwrap_or_default(),
            process.pid,
            command.join(" ")
        )
    }

    /// `thread (TID): NAME`, or `thread (TID)` if the name is not known.
    fn thread(&self, thread: ThreadId) -> String {
        let id = self.thread_number(thread);
        match self.thread_name(thread) {
            Some(name) => format!("thread ({id}): {name}"),
            None => format!("thread ({id})"),
        }
    }

    /// The thread's name, made visible.
    pub fn thread_name(&self, thread: ThreadId) -> Option<String> {
        let name = self.interner.thread(thread).name?;
        Some(visible(self.interner.text(name)).into_owned())
    }

    /// The kernel's thread id or, if that is not known, Python's in hexadecimal.
    pub fn thread_number(&self, thread: ThreadId) -> String {
        let key = self.interner.thread(thread).key;
        match key.tid {
            Some(tid) => tid.to_string(),
            None => format!("{:#X}", key.python_id),
        }
    }
}
