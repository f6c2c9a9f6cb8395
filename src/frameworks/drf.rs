//! Django REST framework.

use super::Framework;

pub(super) const DRF: Framework = Framework {
    packages: &["rest_framework"],
    ..Framework::NOTHING
};
