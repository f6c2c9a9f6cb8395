//! Floats, lists, functions, generators and what else values are made of.

// Written from what generate.c prints; a name ends in the first version that it holds for, with T
// for free-threaded builds.

use crate::cpython::layout::{
    DequeLayout, GeneratorLayout, GeneratorState, OldStyleLayout, ValueLayout,
};

/// What a version has in places of its own.
struct Own {
    type_qualname: Option<u32>,
    function_name: u32,
    dict_size: u32,
    generator: GeneratorLayout,
}

/// A free-threaded build's objects begin with 16 bytes more.
const MORE: u32 = 16;

const fn values(more: u32, own: Own) -> ValueLayout {
    ValueLayout {
        type_mro: 344 + more,
        type_dict: 264 + more,
        type_qualname: own.type_qualname,
        float_value: 16 + more,
        complex_value: 16 + more,
        list_items: 24 + more,
        set_mask: 32 + more,
        set_table: 40 + more,
        set_entry_key: 0,
        bytearray_start: 40 + more,
        slice_start: 16 + more,
        cell_value: 16 + more,
        function_name: own.function_name,
        method_function: 16 + more,
        method_self: 24 + more,
        builtin_definition: 16 + more,
        builtin_self: 24 + more,
        exception_args: 24 + more,
        dict_size: own.dict_size,
        generator: own.generator,
        deque: DequeLayout {
            len: 16 + more,
            first_block: 24 + more,
            first_index: 40 + more,
            max_len: 64 + more,
            block_len: 64,
            items: 8,
            next_block: 520,
        },
        old_style: None,
    }
}

pub(super) const VALUES_2_7: ValueLayout = ValueLayout {
    set_entry_key: 8,
    deque: DequeLayout {
        len: 48,
        first_block: 16,
        first_index: 32,
        max_len: 64,
        block_len: 62,
        items: 0,
        next_block: 496,
    },
    old_style: Some(OldStyleLayout {
        instance_class: 16,
        instance_dict: 24,
        class_dict: 24,
        class_name: 32,
    }),
    ..values(
        0,
        Own {
            type_qualname: None,
            function_name: 56,
            dict_size: 248,
            generator: GeneratorLayout {
                name: 32,
                state: GeneratorState::Running {
                    frame: 16,
                    running: 24,
                },
            },
        },
    )
};

const GENERATOR_3_6: GeneratorLayout = GeneratorLayout {
    name: 56,
    state: GeneratorState::Running {
        frame: 16,
        running: 24,
    },
};

const fn values_3_6(type_qualname: u32) -> ValueLayout {
    values(
        0,
        Own {
            type_qualname: Some(type_qualname),
            function_name: 104,
            dict_size: 48,
            generator: GENERATOR_3_6,
        },
    )
}

pub(super) const VALUES_3_6: ValueLayout = values_3_6(848);
pub(super) const VALUES_3_8: ValueLayout = values_3_6(864);
pub(super) const VALUES_3_9: ValueLayout = values_3_6(856);

/// What the versions from 3.10 on have in places of their own, in builds with a GIL.
const fn values_3_10(more: u32, type_qualname: u32, generator: GeneratorLayout) -> ValueLayout {
    values(
        more,
        Own {
            type_qualname: Some(type_qualname + more),
            function_name: 40 + more,
            dict_size: 48 + more,
            generator,
        },
    )
}

pub(super) const VALUES_3_10: ValueLayout = values_3_10(
    0,
    864,
    GeneratorLayout {
        name: 48,
        state: GeneratorState::InFrame {
            frame: 16,
            state: 108,
        },
    },
);

pub(super) const VALUES_3_11: ValueLayout = values_3_10(
    0,
    864,
    GeneratorLayout {
        name: 40,
        state: GeneratorState::Own {
            frame: 80,
            state: 75,
            created: -2,
            executing: 0,
            cleared: 4,
        },
    },
);

const fn generator_3_12(more: u32, created: i8) -> GeneratorLayout {
    GeneratorLayout {
        name: 32 + more,
        state: GeneratorState::Own {
            frame: 72 + more,
            state: 67 + more,
            created,
            executing: 0,
            cleared: 4,
        },
    }
}

pub(super) const VALUES_3_12: ValueLayout = values_3_10(0, 872, generator_3_12(0, -2));
pub(super) const VALUES_3_13: ValueLayout = values_3_10(0, 872, generator_3_12(0, -3));
pub(super) const VALUES_3_13T: ValueLayout = values_3_10(MORE, 872, generator_3_12(MORE, -3));

const fn generator_3_15(more: u32) -> GeneratorLayout {
    GeneratorLayout {
        name: 32 + more,
        state: GeneratorState::Own {
            frame: 72 + more,
            state: 67 + more,
            created: 0,
            executing: 4,
            cleared: 5,
        },
    }
}

pub(super) const VALUES_3_15: ValueLayout = values_3_10(0, 880, generator_3_15(0));
pub(super) const VALUES_3_15T: ValueLayout = values_3_10(MORE, 880, generator_3_15(MORE));
