//! SQLAlchemy, and SQLModel on top of it.

use super::watch::{Shape, Step, attribute, lasting, part, read};
use super::{FramePattern, Framework, Mistake, Watch};

const WATCHES: &[Watch] = &[
    Watch::of(
        "sqlalchemy/engine/default.py",
        &[
            "DefaultDialect.do_execute",
            "DefaultDialect.do_executemany",
            "DefaultDialect.do_execute_no_params",
        ],
        "sql",
        &[read(&[part("statement", &[], Shape::Sql)])],
    ),
    Watch::of(
        "sqlalchemy/orm/attributes.py",
        &["InstrumentedAttribute.__get__"],
        "relation",
        &[read(&[
            part("instance", &[Step::Class], Shape::ClassName),
            lasting("self", &[attribute("key")], Shape::Plain),
        ])],
    ),
    Watch::of(
        "sqlalchemy/orm/attributes.py",
        &["InstrumentedAttribute.__get__"],
        "loop",
        &[read(&[part("instance", &[], Shape::LoopOver)])],
    ),
];

const MISTAKES: &[Mistake] = &[Mistake {
    rule: "n-plus-one",
    frames: &[
        FramePattern::new("sqlalchemy/orm/attributes.py", &["__get__"]),
        FramePattern::new(
            "sqlalchemy/orm/strategies.py",
            &["_load_for_state", "_emit_lazyload"],
        ),
    ],
    // What is fetched ahead for all.
    without: &[FramePattern::new(
        "sqlalchemy/orm/strategies.py",
        &["_load_for_path"],
    )],
    labels: &["relation", "loop"],
    verb: "fetches",
    subject: Some("relation"),
    remedy: "fetch it with the objects: .options(selectinload(...)) or joinedload(...)",
    ..Mistake::NOTHING
}];

pub(super) const SQLALCHEMY: Framework = Framework {
    packages: &["sqlalchemy"],
    database_paths: &["sqlalchemy/", "sqlmodel/"],
    watches: WATCHES,
    mistakes: MISTAKES,
    ..Framework::NOTHING
};
