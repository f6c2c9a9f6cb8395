//! Django. Looked up in 1.11 to 5.2.

use super::django_mistakes::MISTAKES;
use super::watch::{Reading, Shape, Step, attribute, item, lasting, part, read};
use super::{Framework, ReloadCommand, Role, RoleMark, Watch, WorkFrame};

const RELOADER: Role = Role::reloader("Django autoreloader");
const SERVER: Role = Role::worker("Django server");

/// Where Django answers a request: the object has its route once it was resolved (2.2 on).
const WATCHES: &[Watch] = &[
    Watch::of(HANDLER, HANDLER_FUNCTIONS, "route", ROUTE),
    Watch::of(HANDLER, HANDLER_FUNCTIONS, "method", METHOD),
    Watch::of(HANDLER, HANDLER_FUNCTIONS, "view", VIEW),
    // A synchronous view below an asynchronous server runs in a thread of its own, in which no handler is on
    // the stack.
    Watch::of_argument("request", "route", ROUTE_IF_DJANGO),
    Watch::of_argument("request", "method", METHOD_IF_DJANGO),
    Watch::of_argument("request", "view", VIEW_IF_DJANGO),
    Watch::of(
        "django/db/backends/utils.py",
        &[
            "CursorWrapper.execute",
            "CursorWrapper.executemany",
            "CursorWrapper._execute",
            "CursorWrapper._executemany",
        ],
        "sql",
        &[read(&[part("sql", &[], Shape::Sql)])],
    ),
    Watch::of(
        "django/db/models/sql/compiler.py",
        &["execute_sql"],
        "sql",
        &[read(&[part("sql", &[], Shape::Sql)])],
    ),
    Watch::of(
        "django/db/models/fields/related_descriptors.py",
        &["ForwardManyToOneDescriptor.__get__"],
        "relation",
        &[read(&[
            part("instance", &[Step::Class], Shape::ClassName),
            lasting(
                "self",
                &[attribute("field"), attribute("name")],
                Shape::Plain,
            ),
        ])],
    ),
    Watch::of(
        "django/db/models/fields/related_descriptors.py",
        &["ReverseOneToOneDescriptor.__get__"],
        "relation",
        &[read(&[
            part("instance", &[Step::Class], Shape::ClassName),
            lasting(
                "self",
                &[attribute("related"), attribute("related_model")],
                Shape::ClassName,
            ),
        ])],
    ),
    Watch::of(
        "django/db/models/query_utils.py",
        &["DeferredAttribute.__get__"],
        "relation",
        &[
            read(&[
                part("instance", &[Step::Class], Shape::ClassName),
                lasting(
                    "self",
                    &[attribute("field"), attribute("attname")],
                    Shape::Plain,
                ),
            ]),
            // Before 3.0.
            read(&[
                part("instance", &[Step::Class], Shape::ClassName),
                lasting("self", &[attribute("field_name")], Shape::Plain),
            ]),
        ],
    ),
    // A queryset that a related manager made knows the instance that it belongs to.
    Watch::of(
        QUERY,
        QUERY_FUNCTIONS,
        "relation",
        &[read(&[
            part("self", HINTED_CLASS, Shape::ClassName),
            part("self", &[attribute("model")], Shape::ClassName),
        ])],
    )
    .outermost(),
    Watch::of(
        QUERY,
        &["QuerySet.__bool__", "QuerySet.__nonzero__"],
        "model",
        &[read(&[part(
            "self",
            &[attribute("model")],
            Shape::ClassName,
        )])],
    ),
    Watch::of(
        QUERY,
        QUERY_FUNCTIONS,
        "loop",
        &[read(&[part(
            "self",
            &[attribute("_hints"), item("instance")],
            Shape::LoopOver,
        )])],
    )
    .outermost(),
    Watch::of(
        "django/db/models/fields/related_descriptors.py",
        &["__get__"],
        "loop",
        &[read(&[part("instance", &[], Shape::LoopOver)])],
    ),
    Watch::of(
        "django/db/models/query_utils.py",
        &["__get__"],
        "loop",
        &[read(&[part("instance", &[], Shape::LoopOver)])],
    ),
    Watch::of(
        "django/template/base.py",
        &["Template._render"],
        "template",
        &[read(&[lasting("self", &[attribute("name")], Shape::Plain)])],
    ),
    Watch::of(
        "django/core/management/__init__.py",
        &["ManagementUtility.execute"],
        "command",
        &[read(&[part("subcommand", &[], Shape::Plain)])],
    ),
    Watch::of(
        "django/db/migrations/executor.py",
        &["MigrationExecutor.apply_migration"],
        "migration",
        &[read(&[
            part("migration", &[attribute("app_label")], Shape::Plain),
            part("migration", &[attribute("name")], Shape::Plain),
        ])],
    ),
];

const HANDLER: &str = "django/core/handlers/base.py";
const HANDLER_FUNCTIONS: &[&str] = &[
    "_get_response",
    "_get_response_async",
    "get_response",
    "get_response_async",
];
const QUERY: &str = "django/db/models/query.py";
const QUERY_FUNCTIONS: &[&str] = &[
    "QuerySet._fetch_all",
    "QuerySet.count",
    "QuerySet.exists",
    "QuerySet.aggregate",
];
const HINTED_CLASS: &[Step] = &[attribute("_hints"), item("instance"), Step::Class];

/// The route of the request, or its path as long as the route is not known.
const ROUTE: &[Reading] = &[
    read(&[part(
        "request",
        &[attribute("resolver_match"), attribute("route")],
        Shape::Plain,
    )]),
    read(&[part("request", &[attribute("path_info")], Shape::UrlPath)]),
];
const METHOD: &[Reading] = &[read(&[part(
    "request",
    &[attribute("method")],
    Shape::Plain,
)])];
const VIEW: &[Reading] = &[read(&[part(
    "request",
    &[attribute("resolver_match"), attribute("_func_path")],
    Shape::Plain,
)])];

const IS_DJANGO: Step = Step::OnlyIf(&["WSGIRequest", "ASGIRequest"]);
const ROUTE_IF_DJANGO: &[Reading] = &[
    read(&[part(
        "request",
        &[IS_DJANGO, attribute("resolver_match"), attribute("route")],
        Shape::Plain,
    )]),
    read(&[part(
        "request",
        &[IS_DJANGO, attribute("path_info")],
        Shape::UrlPath,
    )]),
];
const METHOD_IF_DJANGO: &[Reading] = &[read(&[part(
    "request",
    &[IS_DJANGO, attribute("method")],
    Shape::Plain,
)])];
const VIEW_IF_DJANGO: &[Reading] = &[read(&[part(
    "request",
    &[
        IS_DJANGO,
        attribute("resolver_match"),
        attribute("_func_path"),
    ],
    Shape::Plain,
)])];

pub(super) const DJANGO: Framework = Framework {
    packages: &["django"],
    database_paths: &[
        "django/contrib/gis/db/",
        "django/contrib/postgres/",
        "django/db/",
    ],
    role_marks: &[
        RoleMark::function(
            "django/utils/autoreload.py",
            "restart_with_reloader",
            RELOADER,
        ),
        RoleMark::function("django/utils/autoreload.py", "start_django", SERVER),
        // 1.11.
        RoleMark::function("django/utils/autoreload.py", "reloader_thread", SERVER),
        RoleMark::function("django/core/servers/basehttp.py", "run", SERVER).weak(),
    ],
    work_frames: &[
        WorkFrame::new("django/core/handlers/wsgi.py", "__call__"),
        WorkFrame::new("django/core/handlers/base.py", "get_response"),
        WorkFrame::new("django/core/handlers/base.py", "_get_response"),
    ],
    reload_variables: &["RUN_MAIN"],
    reload_command: Some(ReloadCommand {
        word: "runserver",
        off: "--noreload",
        reloader: RELOADER,
        server: SERVER,
    }),
    watches: WATCHES,
    mistakes: MISTAKES,
    ..Framework::NOTHING
};
