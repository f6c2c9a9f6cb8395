//! Copies what one interner holds into another.

use rustc_hash::FxHashMap;

use super::EntryKey;
use crate::model::{
    Frame, FrameId, Function, Interner, Label, LabelSetId, Process, ProcessId, StackId, TextId,
    Thread, ThreadId,
};

/// Maps handles of one interner to those of another, and copies what they stand for.
pub(super) struct Importer<'a> {
    from: &'a Interner,
    to: &'a mut Interner,
    /// Indexed by process of `from`; `None` if it was not imported.
    processes: Vec<Option<ProcessId>>,
    threads: FxHashMap<ThreadId, ThreadId>,
    labels: FxHashMap<LabelSetId, LabelSetId>,
    frames: FxHashMap<FrameId, FrameId>,
    stacks: FxHashMap<StackId, StackId>,
}

impl<'a> Importer<'a> {
    pub fn new(from: &'a Interner, to: &'a mut Interner) -> Importer<'a> {
        Importer {
            processes: Vec::new(),
            from,
            to,
            threads: FxHashMap::default(),
            labels: FxHashMap::default(),
            frames: FxHashMap::default(),
            stacks: FxHashMap::from_iter([(StackId::EMPTY, StackId::EMPTY)]),
        }
    }

    /// Imports these processes and those that started them. Must be called before their threads are
    /// imported.
    pub fn import_processes(&mut self, is_wanted: impl Fn(ProcessId) -> bool) {
        self.processes = import_processes(self.from, self.to, is_wanted);
    }

    /// Imports everything that a key refers to.
    pub fn entry(&mut self, key: EntryKey) -> EntryKey {
        EntryKey {
            thread: self.thread(key.thread),
            stack: self.stack(key.stack),
            labels: self.labels(key.labels),
        }
    }

    /// Its process must have been imported.
    pub fn thread(&mut self, thread: ThreadId) -> ThreadId {
        if let Some(&known) = self.threads.get(&thread) {
            return known;
        }
        let Thread { key, process, name } = *self.from.thread(thread);
        let process = self.processes[process.index()].expect("it was taken over");
        let imported = self.to.intern_thread(key, process);
        if let Some(name) = name
            && self.to.thread(imported).name.is_none()
        {
            let name = self.text(name);
            self.to.name_thread(imported, name);
        }
        self.threads.insert(thread, imported);
        imported
    }

    /// Without recursion: the target's stack may be deeper than ours.
    pub fn stack(&mut self, stack: StackId) -> StackId {
        let mut above = Vec::new();
        let mut at = stack;
        let mut imported = loop {
            if let Some(&known) = self.stacks.get(&at) {
                break known;
            }
            let Some(entry) = self.from.stack(at) else {
                break StackId::EMPTY;
            };
            above.push((at, entry.frame));
            at = entry.caller;
        };
        while let Some((stack, frame)) = above.pop() {
            let frame = self.frame(frame);
            imported = self.to.intern_stack(imported, frame);
            self.stacks.insert(stack, imported);
        }
        imported
    }

    pub fn labels(&mut self, labels: LabelSetId) -> LabelSetId {
        if let Some(&known) = self.labels.get(&labels) {
            return known;
        }
        let set = self.from.labels(labels).iter().map(|label| Label {
            key: self.to.intern_text(self.from.text(label.key)),
            value: self.to.intern_text(self.from.text(label.value)),
        });
        let set: Vec<_> = set.collect();
        let imported = self.to.intern_labels(set);
        self.labels.insert(labels, imported);
        imported
    }

    fn frame(&mut self, frame: FrameId) -> FrameId {
        if let Some(&known) = self.frames.get(&frame) {
            return known;
        }
        let Frame { function, line } = self.from.frame(frame);
        let function = self.from.function(function);
        let function = Function {
            kind: function.kind,
            name: self.text(function.name),
            file: self.text(function.file),
            short_file: self.text(function.short_file),
            first_line: function.first_line,
        };
        let function = self.to.intern_function(function);
        let imported = self.to.intern_frame(Frame { function, line });
        self.frames.insert(frame, imported);
        imported
    }

    fn text(&mut self, text: TextId) -> TextId {
        self.to.intern_text(self.from.text(text))
    }
}

/// The process in `to` for each wanted process of `from`. Processes have no key, so one is matched with a
/// process that has the same description. No two of `from` are matched with the same one.
fn import_processes(
    from: &Interner,
    to: &mut Interner,
    is_wanted: impl Fn(ProcessId) -> bool,
) -> Vec<Option<ProcessId>> {
    let mut wanted = vec![false; from.processes().len()];
    for (id, _) in from.processes().filter(|(id, _)| is_wanted(*id)) {
        // The ancestors of a wanted process are wanted already.
        let mut above = Some(id);
        while let Some(id) = above
            && !std::mem::replace(&mut wanted[id.index()], true)
        {
            above = from.process(id).parent;
        }
    }
    let mut free: Vec<ProcessId> = to.processes().map(|(id, _)| id).collect();
    let imported = from.processes().map(|(id, process)| {
        wanted[id.index()].then(|| {
            let same = free.iter().position(|&id| is_same(to.process(id), process));
            match same {
                Some(position) => free.remove(position),
                None => to.add_process(Process {
                    parent: None,
                    ..process.clone()
                }),
            }
        })
    });
    let imported: Vec<_> = imported.collect();
    // A parent may come after its child.
    for (id, process) in from.processes() {
        if let Some(child) = imported[id.index()]
            && let Some(parent) = process.parent
            && let Some(parent) = imported[parent.index()]
            && to.process(child).parent.is_none()
        {
            to.set_parent(child, parent);
        }
    }
    imported
}

fn is_same(one: &Process, other: &Process) -> bool {
    (one.pid, &one.command, one.python, one.generation)
        == (other.pid, &other.command, other.python, other.generation)
}
