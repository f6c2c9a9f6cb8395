//! What can be known of a framework.

use super::{Mistake, Role, Watch};

/// What spyhole knows of one framework, server or library. Paths are separated by `/` and begin with the
/// outermost package.
#[derive(Debug)]
pub struct Framework {
    /// Packages that are recognised wherever they lie: vendored, or installed by `pip install --target`.
    pub packages: &'static [&'static str],
    /// Beginnings of the paths of code that talks to a database, below the folder where packages, or the
    /// standard library, are installed. One that does not end in `/` is the beginning of a name.
    pub database_paths: &'static [&'static str],
    /// Frames that tell what a process is for.
    pub role_marks: &'static [RoleMark],
    /// Command lines that tell what a process is for, where no stack does.
    pub command_marks: &'static [CommandMark],
    /// Frames within which a thread answers a request or does a task.
    pub work_frames: &'static [WorkFrame],
    /// What is read of its functions' variables, as labels.
    pub watches: &'static [Watch],
    /// How mistakes in its use show.
    pub mistakes: &'static [Mistake],
    /// Environment variables that its autoreloader sets for the child that it starts.
    pub reload_variables: &'static [&'static str],
    /// Words in the command line of a child that its autoreloader starts, where the child has another
    /// command line than the autoreloader.
    pub reload_child_words: &'static [&'static str],
    /// The subcommand that starts an autoreloader.
    pub reload_command: Option<ReloadCommand>,
    /// New names for the roles of a server in which this framework runs.
    pub role_names: &'static [RoleName],
    /// A program whose processes show their roles in no stack.
    pub program: Option<ServerProgram>,
}

impl Framework {
    /// A framework of which nothing is known, as a base for the others.
    pub(super) const NOTHING: Framework = Framework {
        packages: &[],
        database_paths: &[],
        role_marks: &[],
        command_marks: &[],
        work_frames: &[],
        watches: &[],
        mistakes: &[],
        reload_variables: &[],
        reload_child_words: &[],
        reload_command: None,
        role_names: &[],
        program: None,
    };
}

/// A frame that tells what a process is for.
#[derive(Debug)]
pub struct RoleMark {
    /// The end of the path of its file.
    pub file: &'static str,
    /// The name of its function, without the class; `None` for any function of the file.
    pub function: Option<&'static str>,
    pub role: Role,
    /// Whether processes with other roles have this frame, too: it counts only if the stack has no other
    /// mark.
    pub is_weak: bool,
}

impl RoleMark {
    pub(super) const fn function(
        file: &'static str,
        function: &'static str,
        role: Role,
    ) -> RoleMark {
        RoleMark {
            file,
            function: Some(function),
            role,
            is_weak: false,
        }
    }

    pub(super) const fn any_function(file: &'static str, role: Role) -> RoleMark {
        RoleMark {
            file,
            function: None,
            role,
            is_weak: false,
        }
    }

    pub(super) const fn weak(self) -> RoleMark {
        RoleMark {
            is_weak: true,
            ..self
        }
    }
}

/// A command line that tells what a process is for.
#[derive(Debug)]
pub struct CommandMark {
    /// Texts that it must contain, all of them.
    pub parts: &'static [&'static str],
    pub role: Role,
}

impl CommandMark {
    pub(super) const fn new(parts: &'static [&'static str], role: Role) -> CommandMark {
        CommandMark { parts, role }
    }
}

/// A function that runs once per request or task.
#[derive(Debug)]
pub struct WorkFrame {
    /// The end of the path of its file.
    pub file: &'static str,
    /// The name of the function, without the class.
    pub function: &'static str,
}

impl WorkFrame {
    pub(super) const fn new(file: &'static str, function: &'static str) -> WorkFrame {
        WorkFrame { file, function }
    }
}

/// A subcommand, such as `runserver`, that starts itself again below an autoreloader.
#[derive(Debug)]
pub struct ReloadCommand {
    pub word: &'static str,
    /// The option that turns the autoreloader off.
    pub off: &'static str,
    pub reloader: Role,
    /// The role of the autoreloader's child.
    pub server: Role,
}

/// A new name for a role of another framework, for processes in which this one runs.
#[derive(Debug)]
pub struct RoleName {
    pub of: Role,
    pub name: Role,
}

/// A program whose processes look alike: only which one started which tells them apart.
#[derive(Debug)]
pub struct ServerProgram {
    /// What the name of the executable begins with, one of these.
    pub names: &'static [&'static str],
    /// The role of a process that has no parent or child of the same program.
    pub alone: Role,
    pub master: Role,
    pub worker: Role,
    /// Whether it calls the application from C: the application is then the outermost frame of each request.
    pub calls_application: bool,
}

impl ServerProgram {
    /// Whether an executable is this program's, by its path.
    #[must_use]
    pub fn is_run_by(&self, executable: &str) -> bool {
        let name = super::last_name(executable);
        self.names.iter().any(|own| name.starts_with(own))
    }
}
