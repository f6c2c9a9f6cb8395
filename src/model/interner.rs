//! One table for each kind of thing that samples refer to, all with one owner. Memory grows with the
//! number of distinct texts, functions, stacks and label sets, not with time, and not beyond a bound,
//! since a program may make up new names for ever.

mod growth;

use rustc_hash::FxHashMap;

pub use growth::Growth;
use growth::Taken;

use super::labels::LabelSets;
use super::table::{Table, next_index};
use super::{
    Frame, FrameId, FrameKind, Function, FunctionId, Label, LabelSetId, MOST_LABEL_SETS,
    OTHER_LABEL, Process, ProcessId, Stack, StackId, TargetStr, TextId, Thread, ThreadId,
    ThreadKey,
};

/// The name that stands for names, lines, stacks and threads that come when a table is full.
pub const TOO_MANY: &str = "<too many to tell apart>";

/// The most that the tables hold. No program is known that comes near it. All tables together take 600
/// MiB when they are full.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes of all texts.
    text: usize,
    /// The limit of each of texts, functions, frames, stacks and threads.
    entries: usize,
    label_sets: usize,
}

const LIMITS: Limits = Limits {
    text: 64 << 20,
    entries: 2 << 20,
    label_sets: MOST_LABEL_SETS,
};

/// Entries that are made at the start and stand for what finds no room.
const OTHER_TEXT: TextId = TextId(0);
const OTHER_FUNCTION: FunctionId = FunctionId(0);
const OTHER_FRAME: FrameId = FrameId(0);
/// A stack of `OTHER_FRAME` alone.
const OTHER_STACK: StackId = StackId(1);

/// The tables. Handles are only good for the interner that gave them.
#[derive(Debug)]
pub struct Interner {
    limits: Limits,
    text_bytes: usize,
    full: bool,
    texts: Table<TargetStr>,
    functions: Table<Function>,
    frames: Table<Frame>,
    /// Position 0 is the empty stack.
    stacks: Table<Option<Stack>>,
    label_sets: LabelSets,
    threads: Vec<Thread>,
    /// By process too, since a kernel thread may run in two Pythons that are loaded in one process.
    thread_ids: FxHashMap<(ProcessId, ThreadKey), ThreadId>,
    processes: Vec<Process>,
    taken: Taken,
}

impl Default for Interner {
    fn default() -> Interner {
        Interner::with_limits(LIMITS)
    }
}

impl Interner {
    fn with_limits(limits: Limits) -> Interner {
        let mut texts = Table::default();
        let mut functions = Table::default();
        let mut frames = Table::default();
        let mut stacks = Table::default();
        let text = TextId(texts.add(TargetStr::new(TOO_MANY)));
        let function = FunctionId(functions.add(Function {
            kind: FrameKind::Structure,
            name: text,
            file: text,
            short_file: text,
            first_line: 0,
        }));
        let frame = FrameId(frames.add(Frame { function, line: 0 }));
        let caller = StackId(stacks.add(None));
        let stack = StackId(stacks.add(Some(Stack { caller, frame })));
        debug_assert_eq!(
            (text, function, frame, caller, stack),
            (
                OTHER_TEXT,
                OTHER_FUNCTION,
                OTHER_FRAME,
                StackId::EMPTY,
                OTHER_STACK
            )
        );
        let (key, value) = OTHER_LABEL;
        let other = Label {
            key: TextId(texts.add(TargetStr::new(key))),
            value: TextId(texts.add(TargetStr::new(value))),
        };
        let mut interner = Interner {
            limits,
            text_bytes: 0,
            full: false,
            texts,
            functions,
            frames,
            stacks,
            label_sets: LabelSets::new(other, limits.label_sets),
            threads: Vec::new(),
            thread_ids: FxHashMap::default(),
            processes: Vec::new(),
            taken: Taken::default(),
        };
        interner.taken = Taken::all_of(&interner);
        interner
    }

    /// Whether something came that no table had room for, and `TOO_MANY` stands for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Notes that something found no room when the contents of the tables were recorded.
    pub(crate) fn set_full(&mut self) {
        self.full = true;
    }

    /// Whether more than `MOST_LABEL_SETS` label sets came, and [`LabelSetId::OTHER`] stands for
    /// the rest.
    #[must_use]
    pub fn labels_are_full(&self) -> bool {
        self.label_sets.full
    }

    /// Notes that label sets found no room when the contents of the tables were recorded.
    pub(crate) fn set_labels_full(&mut self) {
        self.label_sets.full = true;
    }

    /// How many things the tables hold, of all kinds.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let named = self.texts.items.len() + self.label_sets.table.items.len();
        let code = self.functions.items.len() + self.frames.items.len() + self.stacks.items.len();
        named + code + self.threads.len() + self.processes.len()
    }

    /// The handle of a text, if it was interned. Looks through all texts.
    #[must_use]
    pub fn find_text(&self, wanted: &str) -> Option<TextId> {
        let mut texts = self.texts.items.iter();
        let index = texts.position(|text| text.untrusted() == wanted)?;
        u32::try_from(index).ok().map(TextId)
    }

    pub fn intern_text(&mut self, text: &TargetStr) -> TextId {
        if let Some(id) = self.texts.get(text) {
            return TextId(id);
        }
        let bytes = self.text_bytes + text.untrusted().len();
        if bytes > self.limits.text || self.texts.items.len() >= self.limits.entries {
            self.full = true;
            return OTHER_TEXT;
        }
        self.text_bytes = bytes;
        TextId(self.texts.add(text.clone()))
    }

    pub fn intern_function(&mut self, function: Function) -> FunctionId {
        let id = self.functions.intern(function, self.limits.entries);
        self.full |= id.is_none();
        id.map_or(OTHER_FUNCTION, FunctionId)
    }

    pub fn intern_frame(&mut self, frame: Frame) -> FrameId {
        let id = self.frames.intern(frame, self.limits.entries);
        self.full |= id.is_none();
        id.map_or(OTHER_FRAME, FrameId)
    }

    /// The frame with this name that is no function of the program, such as one that stands for what is
    /// missing.
    pub fn intern_structure(&mut self, name: &str) -> FrameId {
        let name = self.intern_text(&TargetStr::new(name));
        let nothing = self.intern_text(&TargetStr::default());
        let function = self.intern_function(Function {
            kind: FrameKind::Structure,
            name,
            file: nothing,
            short_file: nothing,
            first_line: 0,
        });
        self.intern_frame(Frame { function, line: 0 })
    }

    /// The stack of `frame` called from `caller`.
    pub fn intern_stack(&mut self, caller: StackId, frame: FrameId) -> StackId {
        let stack = Some(Stack { caller, frame });
        let id = self.stacks.intern(stack, self.limits.entries);
        self.full |= id.is_none();
        id.map_or(OTHER_STACK, StackId)
    }

    /// The set of these labels. Of several labels with the same key, the last counts; if its key or
    /// value is empty, it is left out, as in other systems of labels.
    pub fn intern_labels(&mut self, labels: impl IntoIterator<Item = Label>) -> LabelSetId {
        let mut labels: Vec<Label> = labels.into_iter().collect();
        // By text, not by handle, so that the order is the same in every interner. The sort is stable,
        // so the last label of a key stays the last.
        labels.sort_by(|a, b| self.text(a.key).cmp(self.text(b.key)));
        let set = labels
            .chunk_by(|a, b| a.key == b.key)
            .filter_map(|of_key| of_key.last().copied())
            .filter(|it| !self.text(it.key).is_empty() && !self.text(it.value).is_empty())
            .collect();
        self.label_sets.intern(set)
    }

    /// The thread of that key, entered with `process` when it is new.
    pub fn intern_thread(&mut self, key: ThreadKey, process: ProcessId) -> ThreadId {
        if let Some(&id) = self.thread_ids.get(&(process, key)) {
            return id;
        }
        // The last place is shared by all threads that find no room.
        let last = self.limits.entries - 1;
        let full = self.threads.len() >= last;
        if self.threads.len() <= last {
            self.threads.push(Thread {
                key,
                process,
                name: full.then_some(OTHER_TEXT),
            });
        }
        let id = ThreadId(next_index(self.threads.len() - 1));
        self.taken.threads.insert(id);
        if full {
            self.full = true;
        } else {
            self.thread_ids.insert((process, key), id);
        }
        id
    }

    pub fn name_thread(&mut self, thread: ThreadId, name: TextId) {
        let known = &mut self.threads[thread.index()];
        if known.name != Some(OTHER_TEXT) && known.name != Some(name) {
            known.name = Some(name);
            self.taken.threads.insert(thread);
        }
    }

    pub fn add_process(&mut self, process: Process) -> ProcessId {
        self.processes.push(process);
        let id = ProcessId(next_index(self.processes.len() - 1));
        self.taken.processes.insert(id);
        id
    }

    pub fn set_generation(&mut self, process: ProcessId, generation: u32) {
        self.processes[process.index()].generation = Some(generation);
        self.taken.processes.insert(process);
    }

    /// Sets the parent of a process. Nothing changes if a process would become its own ancestor.
    pub fn set_parent(&mut self, process: ProcessId, parent: ProcessId) {
        let mut above = std::iter::successors(Some(parent), |id| self.process(*id).parent);
        if !above.any(|id| id == process) {
            self.processes[process.index()].parent = Some(parent);
            self.taken.processes.insert(process);
        }
    }

    #[must_use]
    pub fn text(&self, id: TextId) -> &TargetStr {
        &self.texts.items[id.index()]
    }

    #[must_use]
    pub fn function(&self, id: FunctionId) -> Function {
        self.functions.items[id.index()]
    }

    #[must_use]
    pub fn frame(&self, id: FrameId) -> Frame {
        self.frames.items[id.index()]
    }

    /// The top frame and its caller's stack; `None` for the empty stack.
    #[must_use]
    pub fn stack(&self, id: StackId) -> Option<Stack> {
        self.stacks.items[id.index()]
    }

    /// The frames of a stack, leaf first.
    pub fn frames_of(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        std::iter::successors(self.stack(stack), |entry| self.stack(entry.caller))
            .map(|entry| entry.frame)
    }

    /// The labels of a set, in the order of their keys; none has an empty key or value.
    #[must_use]
    pub fn labels(&self, id: LabelSetId) -> &[Label] {
        self.label_sets.get(id)
    }

    #[must_use]
    pub fn thread(&self, id: ThreadId) -> &Thread {
        &self.threads[id.index()]
    }

    #[must_use]
    pub fn process(&self, id: ProcessId) -> &Process {
        &self.processes[id.index()]
    }

    /// All functions, in the order in which they were met.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = (FunctionId, Function)> {
        let functions = self.functions.items.iter().enumerate();
        functions.map(|(index, function)| (FunctionId(next_index(index)), *function))
    }

    /// All threads, in the order in which they were met.
    pub fn threads(&self) -> impl ExactSizeIterator<Item = (ThreadId, &Thread)> {
        self.threads
            .iter()
            .enumerate()
            .map(|(index, thread)| (ThreadId(next_index(index)), thread))
    }

    /// All processes, in the order in which they were met.
    pub fn processes(&self) -> impl ExactSizeIterator<Item = (ProcessId, &Process)> {
        self.processes
            .iter()
            .enumerate()
            .map(|(index, process)| (ProcessId(next_index(index)), process))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Pid;

    fn frame(interner: &mut Interner, name: &str, line: u32) -> FrameId {
        let name = interner.intern_text(&TargetStr::new(name));
        let function = interner.intern_function(Function {
            kind: FrameKind::Python,
            name,
            file: name,
            short_file: name,
            first_line: 1,
        });
        interner.intern_frame(Frame { function, line })
    }

    #[test]
    fn equal_stacks_share_one_handle() {
        let mut interner = Interner::default();
        let (main, leaf) = (
            frame(&mut interner, "main", 3),
            frame(&mut interner, "f", 7),
        );
        let caller = interner.intern_stack(StackId::EMPTY, main);
        let stack = interner.intern_stack(caller, leaf);
        assert_eq!(stack, interner.intern_stack(caller, leaf));
        assert_eq!(interner.frames_of(stack).collect::<Vec<_>>(), [leaf, main]);
        assert_eq!(interner.frames_of(StackId::EMPTY).count(), 0);
    }

    #[test]
    fn full_tables_stay_as_they_are_and_say_so() {
        let limits = Limits {
            text: 1000,
            entries: 100,
            label_sets: 100,
        };
        let mut interner = Interner::with_limits(limits);
        let first = frame(&mut interner, "f", 1);
        assert!(!interner.is_full());
        let mut stack = StackId::EMPTY;
        for number in 0..1000 {
            let frame = frame(&mut interner, &format!("function {number}"), number);
            stack = interner.intern_stack(stack, frame);
            let key = ThreadKey {
                pid: Pid(1),
                python_id: number.into(),
                tid: None,
                started: 0,
            };
            let thread = interner.intern_thread(key, ProcessId(0));
            let name = interner.intern_text(&TargetStr::new("name"));
            interner.name_thread(thread, name);
        }
        assert!(interner.is_full() && interner.text_bytes <= 1000);
        let tables = [
            interner.texts.items.len(),
            interner.functions.items.len(),
            interner.frames.items.len(),
            interner.stacks.items.len(),
            interner.threads.len(),
        ];
        assert!(tables.iter().all(|len| *len <= 100), "{tables:?}");
        // What was known before is still known, and everything else shares one name.
        assert_eq!(first, frame(&mut interner, "f", 1));
        let name = |frame| {
            let function = interner.function(interner.frame(frame).function);
            interner.text(function.name).untrusted()
        };
        assert!(
            interner
                .frames_of(stack)
                .any(|frame| name(frame) == TOO_MANY)
        );
        let named = |thread: &Thread| interner.text(thread.name.unwrap()).untrusted().to_owned();
        assert_eq!(named(&interner.threads[98]), "name");
        assert_eq!(named(&interner.threads[99]), TOO_MANY);
    }

    fn label(interner: &mut Interner, key: &str, value: &str) -> Label {
        Label {
            key: interner.intern_text(&TargetStr::new(key)),
            value: interner.intern_text(&TargetStr::new(value)),
        }
    }

    #[test]
    fn a_label_set_is_the_same_in_whatever_order_it_comes() {
        let mut interner = Interner::default();
        let route = label(&mut interner, "route", "/a");
        let former = label(&mut interner, "method", "PUT");
        let method = label(&mut interner, "method", "GET");
        let set = interner.intern_labels([route, former, method]);
        assert_eq!(set, interner.intern_labels([method, route]));
        assert_eq!(interner.labels(set), [method, route]);
        assert_ne!(set, interner.intern_labels([former, route]));
    }

    #[test]
    fn a_label_without_a_key_or_a_value_is_left_out() {
        let mut interner = Interner::default();
        let empty = label(&mut interner, "route", "");
        let nameless = label(&mut interner, "", "/a");
        assert_eq!(interner.intern_labels([]), LabelSetId::EMPTY);
        assert_eq!(interner.intern_labels([empty, nameless]), LabelSetId::EMPTY);
        let route = label(&mut interner, "route", "/a");
        assert_eq!(interner.intern_labels([route, empty]), LabelSetId::EMPTY);
    }

    #[test]
    fn ten_thousand_label_sets_are_told_apart_and_the_rest_is_other() {
        let mut interner = Interner::default();
        let mut set = |number: usize| {
            let label = label(&mut interner, "request", &number.to_string());
            (interner.intern_labels([label]), interner.labels_are_full())
        };
        let first = set(0);
        for number in 1..MOST_LABEL_SETS {
            let (id, full) = set(number);
            assert!(id > LabelSetId::OTHER && !full);
        }
        assert_eq!(set(MOST_LABEL_SETS), (LabelSetId::OTHER, true));
        assert_eq!(set(MOST_LABEL_SETS + 1), (LabelSetId::OTHER, true));
        assert_eq!(set(0).0, first.0);
        assert!(!interner.is_full());
        let [other] = interner.labels(LabelSetId::OTHER) else {
            panic!("not one label");
        };
        let texts = [other.key, other.value].map(|id| interner.text(id).untrusted());
        assert_eq!(texts, ["labels", "(other)"]);
    }

    #[test]
    fn no_process_becomes_its_own_ancestor() {
        let mut interner = Interner::default();
        let mut add = |parent| {
            interner.add_process(Process {
                pid: Pid(1),
                parent,
                command: Vec::new(),
                python: None,
                generation: None,
            })
        };
        let (child, parent) = (add(None), add(None));
        let grandchild = add(Some(child));
        interner.set_parent(child, parent);
        for above in [parent, child, grandchild] {
            interner.set_parent(parent, above);
        }
        let parents: Vec<_> = interner
            .processes()
            .map(|(_, process)| process.parent)
            .collect();
        assert_eq!(parents, [Some(parent), None, Some(child)]);
    }
}
