//! What a type is: its name, its bases, and where its instances keep what they hold.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::metered::Metered;
use crate::cpython::layout::Layout;
use crate::cpython::objects::{self, ObjectError};
use crate::memory::Memory;
use crate::model::{Addr, TargetStr, visible};

/// Bits of `tp_flags` (`Include/object.h`).
const HEAP_TYPE: u8 = 9;
/// 2.7 alone; in later versions the bit means something else.
const INT: u8 = 23;
const LONG: u8 = 24;
const LIST: u8 = 25;
const TUPLE: u8 = 26;
const BYTES: u8 = 27;
const TEXT: u8 = 28;
const DICT: u8 = 29;
const EXCEPTION: u8 = 30;
const TYPE: u8 = 31;

/// The longest name, in characters.
const MAX_NAME: usize = 200;

/// The most bases and the most slots of a type that are read.
const MAX_BASES: usize = 64;
const MAX_SLOTS: u64 = 64;

/// Types of types are seldom of a type of their own.
const MAX_METATYPES: usize = 8;

/// The most names of a class that are looked through for marks, and the longest that may be one.
const MAX_NAMES: u64 = 1000;
const MAX_MARK: usize = 24;

/// `PyMemberDef` (`Include/structmember.h`): name, type, offset, flags, doc.
const MEMBER: u64 = 40;
/// `T_OBJECT` and `T_OBJECT_EX`.
const OBJECT_MEMBERS: [u32; 2] = [6, 16];

/// The kinds of types whose subclasses CPython marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Builtin {
    /// `int` of 2.7.
    ShortInt,
    Int,
    List,
    Tuple,
    Bytes,
    Text,
    Dict,
    Exception,
    Type,
}

/// One type.
#[derive(Debug)]
pub struct Class {
    name: ClassName,
    flags: u64,
    is_2: bool,
    /// Its bases, the nearest first, without itself.
    bases: Vec<Base>,
    /// The slots of itself and its bases: name, and offset in an instance.
    pub slots: Vec<(String, u64)>,
    dict: Addr,
    /// Which of [`MARKS`] it has.
    marks: Vec<&'static str>,
}

/// What libraries set on the classes that they have made something of.
const MARKS: [&str; 3] = [
    "__dataclass_fields__",
    "__attrs_attrs__",
    "_sa_class_manager",
];

#[derive(Clone, PartialEq, Eq, Debug)]
struct ClassName {
    /// Empty for builtins.
    module: String,
    name: String,
}

#[derive(Clone, Debug)]
struct Base {
    name: ClassName,
    /// Null in static types.
    dict: Addr,
}

/// Types by their addresses, as they are at one moment.
#[derive(Debug, Default)]
pub struct Classes {
    known: FxHashMap<Addr, Rc<Class>>,
    /// `type`, to which the types of all types lead, once it was found.
    root: Option<Addr>,
}

impl Classes {
    /// The type at an address.
    ///
    /// # Errors
    /// When it cannot be read, or is no type.
    pub fn get(
        &mut self,
        memory: &mut Metered<'_>,
        layout: &Layout,
        class: Addr,
    ) -> Result<Rc<Class>, ObjectError> {
        if let Some(known) = self.known.get(&class) {
            return Ok(Rc::clone(known));
        }
        self.check(memory, layout, class)?;
        let read = Rc::new(Class::read(memory, layout, class)?);
        self.known.insert(class, Rc::clone(&read));
        Ok(read)
    }

    /// Makes sure that what is at an address is a type: its type is derived from `type`, and so is the type
    /// of that, up to `type` itself, which is its own. Of what was freed, or is no type, that does not hold.
    fn check(
        &mut self,
        memory: &mut Metered<'_>,
        layout: &Layout,
        class: Addr,
    ) -> Result<(), ObjectError> {
        let object = &layout.object;
        let mut at = class;
        for _ in 0..MAX_METATYPES {
            if Some(at) == self.root {
                return Ok(());
            }
            let next = memory.read_addr(at.plus(object.ob_type.into()))?;
            let flags = memory.read_u64(next.plus(object.type_flags.into()))?;
            if flags >> TYPE & 1 == 0 {
                break;
            }
            if next == at {
                let name = memory.read_addr(at.plus(object.type_name.into()))?;
                if objects::read_c_string(memory, name, MAX_NAME)? == b"type" {
                    self.root = Some(at);
                    return Ok(());
                }
                break;
            }
            at = next;
        }
        Err(ObjectError::Nonsense {
            field: "ob_type",
            object: class,
            value: at.0,
        })
    }
}

impl Class {
    fn read(memory: &mut Metered<'_>, layout: &Layout, class: Addr) -> Result<Class, ObjectError> {
        let object = &layout.object;
        let word = |memory: &mut Metered<'_>, at: Addr, offset: u32| {
            memory.read_u64(at.plus(offset.into()))
        };
        let flags = word(memory, class, object.type_flags)?;
        let name = ClassName::read(memory, layout, class, flags)?;
        let mut read = Class {
            name,
            flags,
            is_2: layout.version.major == 2,
            bases: Vec::new(),
            slots: slots(memory, layout, class, flags).unwrap_or_default(),
            dict: Addr(word(memory, class, layout.value.type_dict)?),
            marks: Vec::new(),
        };
        // A type that is being made has none yet.
        let mro = Addr(word(memory, class, layout.value.type_mro)?);
        let count = word(memory, mro, object.bytes.size).unwrap_or(0);
        let count = usize::try_from(count).unwrap_or(0).min(MAX_BASES);
        for index in 1..count {
            let item = mro.plus(u64::from(object.tuple_items) + 8 * index as u64);
            let Ok(base) = memory.read_addr(item) else {
                break;
            };
            let Ok(flags) = word(memory, base, object.type_flags) else {
                break;
            };
            let Ok(name) = ClassName::read(memory, layout, base, flags) else {
                break;
            };
            let dict = match flags >> HEAP_TYPE & 1 {
                0 => Addr::NULL,
                _ => Addr(word(memory, base, layout.value.type_dict)?),
            };
            read.bases.push(Base { name, dict });
            read.slots
                .extend(slots(memory, layout, base, flags).unwrap_or_default());
        }
        if read.is_heap_type() {
            read.marks = marks(memory, layout, read.dict).unwrap_or_default();
        }
        Ok(read)
    }

    /// Whether it is the type of this name, or one derived from it.
    pub fn is(&self, module: &str, name: &str) -> bool {
        self.is_exactly(module, name) || self.bases.iter().any(|base| base.name.is(module, name))
    }

    pub fn is_exactly(&self, module: &str, name: &str) -> bool {
        self.name.is(module, name)
    }

    /// The same for any type of a module or of those within it.
    pub fn is_within(&self, package: &str, name: &str) -> bool {
        let within = |it: &ClassName| {
            let rest = it.module.strip_prefix(package);
            it.name == name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        within(&self.name) || self.bases.iter().any(|base| within(&base.name))
    }

    /// Whether it is one of these kinds, or derived from it.
    pub fn derives(&self, builtin: Builtin) -> bool {
        let bit = match builtin {
            Builtin::ShortInt if !self.is_2 => return false,
            Builtin::ShortInt => INT,
            Builtin::Int => LONG,
            Builtin::List => LIST,
            Builtin::Tuple => TUPLE,
            Builtin::Bytes => BYTES,
            Builtin::Text => TEXT,
            Builtin::Dict => DICT,
            Builtin::Exception => EXCEPTION,
            Builtin::Type => TYPE,
        };
        self.flags >> bit & 1 != 0
    }

    /// Whether it has an attribute of this name, which must be one of [`MARKS`].
    pub fn has(&self, mark: &str) -> bool {
        self.marks.contains(&mark)
    }

    /// Whether it was made at run time, as all classes in Python are.
    pub fn is_heap_type(&self) -> bool {
        self.flags >> HEAP_TYPE & 1 != 0
    }

    pub fn is_of_2(&self) -> bool {
        self.is_2
    }

    /// The name alone.
    pub fn name(&self) -> &str {
        &self.name.name
    }

    /// The last part of the name: what was written behind `class`.
    pub fn short_name(&self) -> &str {
        self.name.name.rsplit('.').next().unwrap_or_default()
    }

    /// `module.name`; of builtins the name alone.
    pub fn full_name(&self) -> String {
        match self.name.module.as_str() {
            "" => self.name.name.clone(),
            module => format!("{module}.{}", self.name.name),
        }
    }

    /// The dicts of itself and of its bases, in the order in which attributes are looked up.
    pub fn dicts(&self) -> impl Iterator<Item = Addr> {
        let bases = self.bases.iter().map(|base| base.dict);
        [self.dict]
            .into_iter()
            .chain(bases)
            .filter(|dict| !dict.is_null())
    }
}

impl ClassName {
    fn read(
        memory: &mut Metered<'_>,
        layout: &Layout,
        class: Addr,
        flags: u64,
    ) -> Result<ClassName, ObjectError> {
        let object = &layout.object;
        let name = memory.read_addr(class.plus(object.type_name.into()))?;
        let name = TargetStr::from_bytes(&objects::read_c_string(memory, name, MAX_NAME)?);
        let name = visible(&name).into_owned();
        let (module, name) = match name.rsplit_once('.') {
            Some((module, name)) => (module.to_owned(), name.to_owned()),
            None => (String::new(), name),
        };
        if flags >> HEAP_TYPE & 1 == 0 {
            return Ok(ClassName { module, name });
        }
        let name = match layout.value.type_qualname {
            Some(offset) => {
                let at = memory.read_addr(class.plus(offset.into()))?;
                let text = objects::read_text(memory, object, at, MAX_NAME);
                text.map_or(name, |text| visible(&text).into_owned())
            }
            None => name,
        };
        let dict = memory.read_addr(class.plus(layout.value.type_dict.into()))?;
        let found = objects::dict_get(memory, object, dict, "__module__");
        let found = found.ok().flatten();
        let found = found.and_then(|at| objects::read_text(memory, object, at, MAX_NAME).ok());
        let module = found.map_or(module, |text| visible(&text).into_owned());
        Ok(ClassName {
            module: match module.as_str() {
                "builtins" | "__builtin__" => String::new(),
                _ => module,
            },
            name,
        })
    }

    fn is(&self, module: &str, name: &str) -> bool {
        self.name == name && self.module == module
    }
}

/// The marks among the names of a class. All are looked at in one go, since a class may have many.
fn marks(
    memory: &mut Metered<'_>,
    layout: &Layout,
    dict: Addr,
) -> Result<Vec<&'static str>, ObjectError> {
    let mut found = Vec::new();
    let mut entries = objects::dict_entries(memory, &layout.object, dict, MAX_NAMES)?;
    while let Some(entry) = entries.next(memory) {
        let (name, _) = entry?;
        let Ok(name) = objects::read_text(memory, &layout.object, name, MAX_MARK) else {
            continue;
        };
        let mark = MARKS.iter().find(|mark| **mark == name.untrusted());
        found.extend(mark.copied());
    }
    Ok(found)
}

/// The slots that a type itself adds (`PyHeapType_GET_MEMBERS`, Include/cpython/object.h): descriptions
/// behind the type, as many as its size tells.
fn slots(
    memory: &mut Metered<'_>,
    layout: &Layout,
    class: Addr,
    flags: u64,
) -> Result<Vec<(String, u64)>, ObjectError> {
    let mut slots = Vec::new();
    if flags >> HEAP_TYPE & 1 == 0 {
        return Ok(slots);
    }
    let object = &layout.object;
    let count = memory.read_u64(class.plus(object.bytes.size.into()))?;
    if count == 0 {
        return Ok(slots);
    }
    let metatype = memory.read_addr(class.plus(object.ob_type.into()))?;
    let size = memory.read_u64(metatype.plus(object.type_basicsize.into()))?;
    for index in 0..count.min(MAX_SLOTS) {
        let member = class.plus(size).plus(index * MEMBER);
        let [name, kind, offset] = [0, 8, 16].map(|at| memory.read_u64(member.plus(at)));
        let (name, kind, offset) = (Addr(name?), kind? as u32, offset?);
        // No object is larger than that but through its items.
        if OBJECT_MEMBERS.contains(&kind) && offset < 1 << 16 {
            let name = objects::read_c_string(memory, name, MAX_NAME)?;
            let name = visible(&TargetStr::from_bytes(&name)).into_owned();
            slots.push((name, offset));
        }
    }
    Ok(slots)
}
