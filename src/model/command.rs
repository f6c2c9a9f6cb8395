//! The part of a command line that may be shown and kept. Its other words may hold secrets.

use super::TargetStr;

/// What a command line runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Program {
    /// The script or module with its subcommand, without the interpreter, its options and anything else.
    pub name: TargetStr,
    /// The words of the command line up to there that may be kept, with the interpreter and its options.
    /// [`Program::of`] makes the same program of these words alone.
    pub words: Vec<TargetStr>,
}

/// Programs whose first plain argument says what they do. Other arguments are never shown: they
/// may hold secrets.
const HAS_SUBCOMMAND: &[&str] = &[
    "manage.py",
    "django-admin",
    "django-admin.py",
    "flask",
    "django",
];

/// A longer argument, in bytes, is not taken for a subcommand.
const LONGEST_SUBCOMMAND: usize = 40;

/// Options of the interpreter that take no argument, of all versions.
const FLAGS: &str = "bBdEhiIOPqRsStuUvVx3?";

/// Long options that take the next argument.
const TAKES_ARGUMENT: &[&str] = &["--check-hash-based-pycs"];

impl Program {
    /// What this command line runs.
    #[must_use]
    pub fn of(command: &[TargetStr]) -> Program {
        let Some((first, arguments)) = command.split_first() else {
            return Program::default();
        };
        // A process may set its own title, which then stands in the first argument with blanks in it.
        let first = first.untrusted().split(' ').next().unwrap_or_default();
        let executable = base_name(first.trim_end_matches(':'));
        let mut walk = Walk {
            rest: arguments,
            words: vec![TargetStr::new(first)],
        };
        let mut name = match is_interpreter(executable) {
            true => walk.script(executable),
            false => executable.to_owned(),
        };
        let known = HAS_SUBCOMMAND.contains(&name.trim_start_matches("-m "));
        let subcommand = walk.rest.first().map_or("", TargetStr::untrusted);
        let is_word = !subcommand.starts_with('-') && subcommand.len() <= LONGEST_SUBCOMMAND;
        if known && is_word && !walk.rest.is_empty() {
            walk.keep(subcommand);
            name = format!("{name} {subcommand}");
        }
        Program {
            name: TargetStr::new(name),
            words: walk.words,
        }
    }
}

/// Goes through a command line and collects the words that may be kept.
struct Walk<'a> {
    rest: &'a [TargetStr],
    words: Vec<TargetStr>,
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(word.untrusted())
    }

    fn keep(&mut self, word: &str) {
        self.words.push(TargetStr::new(word));
    }

    fn keep_next(&mut self) -> &'a str {
        let word = self.next();
        if let Some(word) = word {
            self.keep(word);
        }
        word.unwrap_or_default()
    }

    /// The name of what the interpreter was told to run.
    fn script(&mut self, interpreter: &str) -> String {
        while let Some(word) = self.next() {
            let Some(option) = word.strip_prefix('-').filter(|option| !option.is_empty()) else {
                self.keep(word);
                return base_name(word).to_owned();
            };
            if TAKES_ARGUMENT.contains(&word) {
                self.keep(word);
                self.keep_next();
                continue;
            }
            let Some((at, letter)) = option.char_indices().find(|(_, c)| !FLAGS.contains(*c))
            else {
                self.keep(word);
                continue;
            };
            let attached = &option[at + letter.len_utf8()..];
            match letter {
                // Code is never shown, wherever it stands.
                'c' => {
                    self.keep(&word[..word.len() - attached.len()]);
                    self.rest = &[];
                    return "-c".to_owned();
                }
                'm' => {
                    self.keep(word);
                    let module = match attached {
                        "" => self.keep_next(),
                        module => module,
                    };
                    return format!("-m {module}").trim_end().to_owned();
                }
                'W' | 'X' | 'Q' => {
                    self.keep(word);
                    if attached.is_empty() {
                        self.keep_next();
                    }
                }
                // An option that we do not know is not kept: what is attached to it may be anything.
                _ => {}
            }
        }
        interpreter.to_owned()
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `python`, `python3`, `python3.13t`, `pypy3`
fn is_interpreter(executable: &str) -> bool {
    ["python", "pypy"].iter().any(|name| {
        executable.strip_prefix(name).is_some_and(|version| {
            version
                .trim_end_matches(['t', 'd'])
                .chars()
                .all(|c| c.is_ascii_digit() || c == '.')
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(line: &str) -> Vec<TargetStr> {
        line.split('|').map(TargetStr::new).collect()
    }

    #[test]
    fn no_secret_of_a_command_line_is_kept() {
        for (line, name, words) in [
            (
                "/usr/bin/python3.11|-X|dev|-u|./manage.py|runserver|0:80",
                "manage.py runserver",
                "/usr/bin/python3.11|-X|dev|-u|./manage.py|runserver",
            ),
            (
                "python|manage.py|--settings=x|runserver",
                "manage.py",
                "python|manage.py",
            ),
            (
                "python3|/srv/job.py|hunter2",
                "job.py",
                "python3|/srv/job.py",
            ),
            (
                "python3.13t|-m|flask|run|--debug",
                "-m flask run",
                "python3.13t|-m|flask|run",
            ),
            (
                "python|-uBmflask|run|--debug",
                "-m flask run",
                "python|-uBmflask|run",
            ),
            ("python|-c|import secret; go('key')", "-c", "python|-c"),
            ("python|-uc|import secret", "-c", "python|-uc"),
            ("python|-cimport secret", "-c", "python|-c"),
            ("python|--token=secret|a.py", "a.py", "python|a.py"),
            (
                "python|-Wignore|-W|error|-",
                "-",
                "python|-Wignore|-W|error|-",
            ),
            ("python|-m", "-m", "python|-m"),
            ("uwsgi|--ini|app.ini", "uwsgi", "uwsgi"),
            ("gunicorn: worker [app] secret", "gunicorn", "gunicorn:"),
            ("sh|-c|secret", "sh", "sh"),
        ] {
            let program = Program::of(&command(line));
            assert_eq!(program.name.untrusted(), name, "{line}");
            assert_eq!(program.words, command(words), "{line}");
        }
        assert_eq!(Program::of(&[]), Program::default());
    }

    proptest! {
        #[test]
        fn the_words_that_are_kept_tell_the_same_program(
            words in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(vec![
                        "python3", "/usr/bin/python3.13t", "pypy3: a b", "gunicorn: worker", "flask",
                        "-c", "-uc", "-m", "-mflask", "-um", "-X", "-Xdev", "-W", "-u", "-", "--",
                        "--check-hash-based-pycs", "--check-hash-based-pycs=x", "manage.py", "django",
                        "./manage.py", "runserver", "-Z", "-é", "", "/srv/a b.py", "-m flask",
                    ]).prop_map(str::to_owned),
                    ".{0,50}",
                ],
                0..8,
            ),
        ) {
            let command: Vec<_> = words.into_iter().map(TargetStr::new).collect();
            let program = Program::of(&command);
            prop_assert_eq!(Program::of(&program.words), program);
        }
    }
}
