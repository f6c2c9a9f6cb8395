//! pytest and pytest-xdist. Looked up in pytest 8 and 9, xdist 3.8.

use super::watch::{Shape, attribute, part, read};
use super::{Framework, Role, RoleMark, Watch};

const PYTEST_RUN: Role = Role::worker("pytest");
const XDIST_WORKER: Role = Role::worker("pytest-xdist worker");

const WATCHES: &[Watch] = &[Watch::of(
    "_pytest/runner.py",
    &["pytest_runtest_protocol", "runtestprotocol"],
    "test",
    &[read(&[part("item", &[attribute("_nodeid")], Shape::Plain)])],
)];

pub(super) const PYTEST: Framework = Framework {
    packages: &["pytest", "_pytest"],
    role_marks: &[
        RoleMark::function("_pytest/config/__init__.py", "main", PYTEST_RUN),
        // 9.
        RoleMark::function("_pytest/config/__init__.py", "_main", PYTEST_RUN),
        RoleMark::any_function("xdist/remote.py", XDIST_WORKER),
        RoleMark::function("execnet/gateway_base.py", "serve", XDIST_WORKER).weak(),
    ],
    watches: WATCHES,
    ..Framework::NOTHING
};
