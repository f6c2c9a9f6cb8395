//! Texts, dicts, ints and what else names and values are made of.

// Written from what generate.c prints; a name ends in the first version that it holds for, with T
// for free-threaded builds.

use crate::cpython::layout::{
    AttributeSource, BytesLayout, DictLayout, IntLayout, ObjectLayout, TextLayout,
};

/// The width of a unit is the builder's choice in 2.7 (`--enable-unicode`): Debian's and most
/// Linux distributions' is 4; `objects::unicode_unit` asks the target.
const TEXT_2_7: TextLayout = TextLayout::Legacy {
    length: 16,
    pointer: 24,
    unit: 4,
};

const TEXT_3_6: TextLayout = TextLayout::Compact {
    length: 16,
    hash: 24,
    state: 32,
    kind_shift: 2,
    compact_bit: 5,
    ascii_bit: 6,
    ascii_data: 48,
    other_data: 72,
    pointer: 72,
};

const TEXT_3_12: TextLayout = TextLayout::Compact {
    length: 16,
    hash: 24,
    state: 32,
    kind_shift: 2,
    compact_bit: 5,
    ascii_bit: 6,
    ascii_data: 40,
    other_data: 56,
    pointer: 56,
};

const TEXT_3_13T: TextLayout = TextLayout::Compact {
    length: 32,
    hash: 40,
    state: 48,
    kind_shift: 2,
    compact_bit: 5,
    ascii_bit: 6,
    ascii_data: 56,
    other_data: 72,
    pointer: 72,
};

const TEXT_3_14T: TextLayout = TextLayout::Compact {
    length: 32,
    hash: 40,
    state: 48,
    kind_shift: 8,
    compact_bit: 11,
    ascii_bit: 12,
    ascii_data: 56,
    other_data: 72,
    pointer: 72,
};

const DICT_2_7: DictLayout = DictLayout::Open {
    used: 24,
    mask: 32,
    table: 40,
};

const DICT_3_6: DictLayout = DictLayout::Compact {
    used: 16,
    keys: 32,
    values: 40,
    keys_size: 8,
    keys_count: 32,
    keys_indices: 40,
};

const DICT_3_11: DictLayout = DictLayout::Logarithmic {
    used: 16,
    keys: 32,
    values: 40,
    log2_size: 8,
    log2_index_bytes: 9,
    kind: 10,
    keys_count: 24,
    keys_indices: 32,
    split_values: 0,
};

const DICT_3_13: DictLayout = DictLayout::Logarithmic {
    used: 16,
    keys: 32,
    values: 40,
    log2_size: 8,
    log2_index_bytes: 9,
    kind: 10,
    keys_count: 24,
    keys_indices: 32,
    split_values: 8,
};

const DICT_3_13T: DictLayout = DictLayout::Logarithmic {
    used: 32,
    keys: 48,
    values: 56,
    log2_size: 8,
    log2_index_bytes: 9,
    kind: 10,
    keys_count: 24,
    keys_indices: 32,
    split_values: 8,
};

const ATTRIBUTES_2_7: AttributeSource = AttributeSource::DictOffset;

const ATTRIBUTES_3_11: AttributeSource = AttributeSource::ManagedPair {
    values: -32,
    dict: -24,
    managed_flag: 4,
};

const ATTRIBUTES_3_12: AttributeSource = AttributeSource::ManagedTagged {
    word: -24,
    managed_flag: 4,
};

const ATTRIBUTES_3_13: AttributeSource = AttributeSource::Inline {
    dict: -24,
    managed_flag: 4,
    inline_flag: 2,
    valid: 3,
};

const ATTRIBUTES_3_13T: AttributeSource = AttributeSource::Inline {
    dict: -8,
    managed_flag: 4,
    inline_flag: 2,
    valid: 3,
};

const INT_2_7: IntLayout = IntLayout::Long { value: 16 };

const INT_3_6: IntLayout = IntLayout::Signed {
    count: 16,
    digits: 24,
};

const INT_3_12: IntLayout = IntLayout::Tagged {
    tag: 16,
    digits: 24,
};

const INT_3_13T: IntLayout = IntLayout::Tagged {
    tag: 32,
    digits: 40,
};

pub(super) const OBJECTS_2_7: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: None,
    text: TEXT_2_7,
    bytes: BytesLayout { size: 16, data: 36 },
    tuple_items: 24,
    dict: DICT_2_7,
    attributes: ATTRIBUTES_2_7,
    int: INT_2_7,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_6: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(856),
    text: TEXT_3_6,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 24,
    dict: DICT_3_6,
    attributes: ATTRIBUTES_2_7,
    int: INT_3_6,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_8: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(872),
    text: TEXT_3_6,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 24,
    dict: DICT_3_6,
    attributes: ATTRIBUTES_2_7,
    int: INT_3_6,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_9: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(864),
    text: TEXT_3_6,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 24,
    dict: DICT_3_6,
    attributes: ATTRIBUTES_2_7,
    int: INT_3_6,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_11: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(872),
    text: TEXT_3_6,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 24,
    dict: DICT_3_11,
    attributes: ATTRIBUTES_3_11,
    int: INT_3_6,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_12: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(880),
    text: TEXT_3_12,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 24,
    dict: DICT_3_11,
    attributes: ATTRIBUTES_3_12,
    int: INT_3_12,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_13: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(880),
    text: TEXT_3_12,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 24,
    dict: DICT_3_13,
    attributes: ATTRIBUTES_3_13,
    int: INT_3_12,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_13T: ObjectLayout = ObjectLayout {
    ob_type: 24,
    type_name: 40,
    type_flags: 184,
    type_basicsize: 48,
    type_dictoffset: 304,
    type_cached_keys: Some(896),
    text: TEXT_3_13T,
    bytes: BytesLayout { size: 32, data: 48 },
    tuple_items: 40,
    dict: DICT_3_13T,
    attributes: ATTRIBUTES_3_13T,
    int: INT_3_13T,
    weakref_target: 32,
};

pub(super) const OBJECTS_3_14: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(880),
    text: TEXT_3_12,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 32,
    dict: DICT_3_13,
    attributes: ATTRIBUTES_3_13,
    int: INT_3_12,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_14T: ObjectLayout = ObjectLayout {
    ob_type: 24,
    type_name: 40,
    type_flags: 184,
    type_basicsize: 48,
    type_dictoffset: 304,
    type_cached_keys: Some(896),
    text: TEXT_3_14T,
    bytes: BytesLayout { size: 32, data: 48 },
    tuple_items: 48,
    dict: DICT_3_13T,
    attributes: ATTRIBUTES_3_13T,
    int: INT_3_13T,
    weakref_target: 32,
};

pub(super) const OBJECTS_3_15: ObjectLayout = ObjectLayout {
    ob_type: 8,
    type_name: 24,
    type_flags: 168,
    type_basicsize: 32,
    type_dictoffset: 288,
    type_cached_keys: Some(888),
    text: TEXT_3_12,
    bytes: BytesLayout { size: 16, data: 32 },
    tuple_items: 32,
    dict: DICT_3_13,
    attributes: ATTRIBUTES_3_13,
    int: INT_3_12,
    weakref_target: 16,
};

pub(super) const OBJECTS_3_15T: ObjectLayout = ObjectLayout {
    ob_type: 24,
    type_name: 40,
    type_flags: 184,
    type_basicsize: 48,
    type_dictoffset: 304,
    type_cached_keys: Some(904),
    text: TEXT_3_14T,
    bytes: BytesLayout { size: 32, data: 48 },
    tuple_items: 48,
    dict: DICT_3_13T,
    attributes: ATTRIBUTES_3_13T,
    int: INT_3_13T,
    weakref_target: 32,
};
