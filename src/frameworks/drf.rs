//! Django REST framework.

use super::watch::{Shape, Step, attribute, part, read};
use super::{Framework, Watch};

const WATCHES: &[Watch] = &[Watch::of(
    "rest_framework/serializers.py",
    &["to_representation", "run_validation"],
    "serializer",
    &[
        read(&[part(
            "self",
            &[Step::Unless(&["ListSerializer"]), Step::Class],
            Shape::ClassName,
        )]),
        // Of a list, that of its items.
        read(&[part(
            "self",
            &[attribute("child"), Step::Class],
            Shape::ClassName,
        )]),
    ],
)];

pub(super) const DRF: Framework = Framework {
    packages: &["rest_framework"],
    watches: WATCHES,
    ..Framework::NOTHING
};
