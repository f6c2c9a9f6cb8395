//! What code is at that makes an answer: by the beginnings of its files' paths, from the package on.

/// What a request's time is spent on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Activity {
    /// Making, sending and fetching queries, and making objects of rows.
    Database,
    Template,
    /// Serializers, forms and models of what comes in and goes out.
    Serialization,
    Json,
    /// Everything else.
    Other,
}

impl Activity {
    /// All, in the order in which they are told.
    pub const ALL: [Activity; 5] = [
        Activity::Database,
        Activity::Template,
        Activity::Serialization,
        Activity::Json,
        Activity::Other,
    ];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Activity::Database => "database",
            Activity::Template => "template",
            Activity::Serialization => "serializing",
            Activity::Json => "JSON",
            Activity::Other => "other",
        }
    }
}

const TEMPLATE: &[&str] = &["django/template/", "jinja2/", "mako/", "chameleon/"];
const SERIALIZATION: &[&str] = &[
    "rest_framework/fields.py",
    "rest_framework/relations.py",
    "rest_framework/serializers.py",
    "marshmallow/",
    "pydantic/",
    "django/forms/",
];
const JSON: &[&str] = &["json/", "simplejson/", "rest_framework/utils/encoders.py"];

/// What the code of a file is at, if it tells.
#[must_use]
pub fn activity(short_file: &str) -> Option<Activity> {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|it| short_file.starts_with(it));
    if super::is_database_path(short_file) {
        return Some(Activity::Database);
    }
    [
        (TEMPLATE, Activity::Template),
        (SERIALIZATION, Activity::Serialization),
        (JSON, Activity::Json),
    ]
    .into_iter()
    .find_map(|(beginnings, activity)| begins(beginnings).then_some(activity))
}
