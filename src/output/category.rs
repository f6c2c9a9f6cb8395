//! Whose code a frame is, derived from its file.

use crate::frameworks;

use crate::model::FrameKind;

/// Whose code a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Category {
    /// The program itself: everything that is in no other category.
    Application,
    /// Installed packages.
    Package,
    StandardLibrary,
    /// Code that talks to a database, wherever it is installed.
    Database,
    /// Not code: a process, a thread, the root, or an entry for missing frames.
    Structure,
}

impl Category {
    /// The categories of code, in the order of the legend.
    pub const OF_CODE: [Category; 4] = [
        Category::Application,
        Category::Package,
        Category::StandardLibrary,
        Category::Database,
    ];

    /// The name in rules and options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Category::Application => "application",
            Category::Package => "packages",
            Category::StandardLibrary => "stdlib",
            Category::Database => "database",
            Category::Structure => "structure",
        }
    }

    /// The category of code with this [`name`](Self::name).
    #[must_use]
    pub fn of_name(name: &str) -> Option<Category> {
        let mut all = Category::OF_CODE.into_iter();
        all.find(|category| category.name() == name)
    }

    /// The names of all categories of code.
    #[must_use]
    pub fn names() -> [&'static str; 4] {
        Category::OF_CODE.map(Category::name)
    }

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Category::Application => "application",
            Category::Package => "packages",
            Category::StandardLibrary => "standard library",
            Category::Database => "database",
            Category::Structure => "structure",
        }
    }

    /// The category of a function. That of code follows from its file.
    #[must_use]
    pub fn of_function(kind: FrameKind, file: &str, short_file: &str) -> Category {
        match kind {
            FrameKind::Structure => Category::Structure,
            FrameKind::Python | FrameKind::Native => Category::of_file(file, short_file),
        }
    }

    /// The category by the file's full path, as `co_filename` has it, and its path from the outermost
    /// package on.
    #[must_use]
    pub fn of_file(file: &str, short_file: &str) -> Category {
        if file.starts_with('<') {
            return of_made_up_file(file);
        }
        let file = file.replace('\\', "/");
        let parts: Vec<&str> = file.split('/').collect();
        // `site-packages` lies below the standard library's folder, so the innermost root decides.
        let folders = &parts[..parts.len() - 1];
        let root = folders.iter().enumerate().rev().find_map(|(index, name)| {
            let parent = index.checked_sub(1).map(|parent| folders[parent]);
            Some((index, root_of(parent, name)?))
        });
        let (mut module, category) = match root {
            Some((index, category)) => (parts[index + 1..].join("/"), category),
            None if is_well_known(short_file) => (short_file.to_owned(), Category::Package),
            None => return Category::Application,
        };
        module.push('/');
        if frameworks::is_database_path(&module) {
            Category::Database
        } else {
            category
        }
    }
}

/// Whether a path from the outermost package on is that of a well-known package, which is no program's
/// own.
fn is_well_known(short_file: &str) -> bool {
    short_file
        .split_once('/')
        .is_some_and(|(package, _)| frameworks::is_known_package(package))
}

/// The category of what lies below the folder `name` in the folder `parent`, if that tells one.
fn root_of(parent: Option<&str>, name: &str) -> Option<Category> {
    match name {
        "site-packages" | "dist-packages" => Some(Category::Package),
        // The standard library on Windows, and in CPython's sources.
        "Lib" => Some(Category::StandardLibrary),
        _ => {
            let zipped = name.strip_suffix(".zip");
            let in_lib = parent.is_some_and(|parent| parent.starts_with("lib"));
            let name = zipped.unwrap_or(name);
            let version = name
                .strip_prefix("python")
                .or_else(|| name.strip_prefix("pypy"))?;
            let is_version = !version.is_empty()
                && version
                    .trim_end_matches('t')
                    .chars()
                    .all(|c| c.is_ascii_digit() || c == '.');
            (is_version && (in_lib || zipped.is_some())).then_some(Category::StandardLibrary)
        }
    }
}

/// Code that is generated at run time has a file in angle brackets, by convention.
fn of_made_up_file(file: &str) -> Category {
    const STANDARD_LIBRARY: &[&str] = &["<frozen ", "<built-in", "<method "];
    const PACKAGE: &[&str] = &[
        "<attrs generated",
        "<__array_function__",
        "<decorator-gen",
        "<makefun",
    ];
    let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| file.starts_with(prefix));
    if any(STANDARD_LIBRARY) {
        Category::StandardLibrary
    } else if any(PACKAGE) {
        Category::Package
    } else {
        Category::Application
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_whose_code_it_is() {
        use Category::{Application, Database, Package, StandardLibrary};
        for (file, expected) in [
            ("/srv/app/recipes/views.py", Application),
            ("manage.py", Application),
            ("/srv/python3/app.py", Application),
            ("/home/me/python-app/django/db/mine.py", Application),
            (
                "/v/lib/python3.11/site-packages/django/core/handlers/base.py",
                Package,
            ),
            (
                "/v/lib/python3.11/site-packages/django/db/models/query.py",
                Database,
            ),
            (
                "/v/lib/python3.13t/site-packages/psycopg_pool/pool.py",
                Database,
            ),
            ("/v/lib/python3.11/site-packages/peewee.py", Database),
            (
                "/usr/lib/python3/dist-packages/sqlalchemy/engine/base.py",
                Database,
            ),
            ("/usr/lib/python3.11/threading.py", StandardLibrary),
            ("/usr/lib/python3.11/sqlite3/dbapi2.py", Database),
            ("/opt/python312.zip/json/decoder.py", StandardLibrary),
            (r"C:\Python312\Lib\asyncio\events.py", StandardLibrary),
            (r"C:\v\Lib\site-packages\rest_framework\views.py", Package),
            ("<frozen importlib._bootstrap>", StandardLibrary),
            ("<stdin>", Application),
            ("<string>", Application),
            ("<attrs generated init app.Thing>", Package),
            ("/usr/bin/python3.11", Application),
            ("", Application),
        ] {
            assert_eq!(Category::of_file(file, ""), expected, "{file}");
        }
    }

    #[test]
    fn what_stands_for_something_missing_is_nobodys_code() {
        for (kind, expected) in [
            (FrameKind::Structure, Category::Structure),
            (FrameKind::Python, Category::Application),
        ] {
            assert_eq!(Category::of_function(kind, "", ""), expected);
        }
    }

    #[test]
    fn a_well_known_package_is_one_wherever_it_lies() {
        use Category::{Application, Database, Package};
        for (file, short_file, expected) in [
            (
                "/app/vendor/django/db/models/query.py",
                "django/db/models/query.py",
                Database,
            ),
            (
                "/app/vendor/rest_framework/views.py",
                "rest_framework/views.py",
                Package,
            ),
            (
                "/srv/django/recipes/views.py",
                "recipes/views.py",
                Application,
            ),
            ("/srv/django/manage.py", "manage.py", Application),
        ] {
            assert_eq!(Category::of_file(file, short_file), expected, "{file}");
        }
    }
}
