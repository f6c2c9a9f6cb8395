//! Jupyter: its server, and ipykernel. Looked up in ipykernel 6.

use super::{CommandMark, Framework, Role, RoleMark};

const KERNEL: Role = Role::worker("Jupyter kernel");
const SERVER: Role = Role::worker("Jupyter server");

pub(super) const JUPYTER: Framework = Framework {
    role_marks: &[
        RoleMark::function("ipykernel/kernelapp.py", "start", KERNEL),
        RoleMark::function("jupyter_server/serverapp.py", "start", SERVER),
        RoleMark::function("notebook/notebookapp.py", "start", SERVER),
    ],
    command_marks: &[CommandMark::new(&["ipykernel_launcher"], KERNEL)],
    ..Framework::NOTHING
};
