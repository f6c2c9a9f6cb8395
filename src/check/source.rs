//! Where a program's own files are, and how reports name them.

use std::path::{Component, Path, PathBuf};

/// Where the program's own files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The directory that the program ran in.
    pub directory: PathBuf,
    /// Paths in reports are relative to this: the repository, so that tools that show reports find the
    /// files.
    pub root: PathBuf,
}

impl Source {
    /// Takes the nearest directory above that is a repository as the root, or else the directory itself.
    #[must_use]
    pub fn of(directory: PathBuf) -> Source {
        let mut above = directory.ancestors();
        let root = above.find(|folder| folder.join(".git").exists());
        Source {
            root: root.unwrap_or(&directory).to_owned(),
            directory,
        }
    }

    /// A file's path relative to the root, with `/`; `None` if it lies elsewhere.
    #[must_use]
    pub fn below_root(&self, file: &str) -> Option<String> {
        let path = match Path::new(file) {
            whole if whole.is_absolute() => whole.to_owned(),
            // A script may be given by a relative path. A name such as `<string>` is not a file.
            part => Some(self.directory.join(part)).filter(|path| path.is_file())?,
        };
        let below = path.strip_prefix(&self.root).ok()?;
        // Drops components such as `.`, and refuses a path that leads out of the root.
        let mut plain = PathBuf::new();
        for part in below.components() {
            match part {
                Component::Normal(name) => plain.push(name),
                Component::CurDir => {}
                _ => return None,
            }
        }
        plain.to_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_from_the_repository() {
        let folder = tempfile::tempdir().expect("a directory");
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("directories");
        std::fs::write(inner.join("bench.py"), "").expect("a file");
        let whole = inner.join("bench.py").display().to_string();
        let source = Source::of(inner.clone());
        assert_eq!(source.below_root("./bench.py").as_deref(), Some("bench.py"));
        std::fs::create_dir(folder.path().join(".git")).expect("a directory");
        let source = Source::of(inner);
        for (file, expected) in [
            (whole.as_str(), Some("a/b/bench.py")),
            ("bench.py", Some("a/b/bench.py")),
            ("./bench.py", Some("a/b/bench.py")),
            ("other.py", None),
            ("<string>", None),
            ("", None),
            ("/usr/lib/python3.11/ast.py", None),
        ] {
            assert_eq!(source.below_root(file).as_deref(), expected, "{file}");
        }
        let out = format!("{}/../x.py", folder.path().display());
        assert_eq!(source.below_root(&out), None);
    }
}
