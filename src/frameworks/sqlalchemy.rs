//! SQLAlchemy, and SQLModel on top of it.

use super::Framework;

pub(super) const SQLALCHEMY: Framework = Framework {
    packages: &["sqlalchemy"],
    database_paths: &["sqlalchemy/", "sqlmodel/"],
    ..Framework::NOTHING
};
