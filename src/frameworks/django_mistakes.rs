//! How mistakes show in the use of Django's object mapper and its tests. Stacks looked up in 2.2 to 5.2.

use super::{Called, FramePattern, Mistake};

const QUERY: &str = "django/db/models/query.py";
const DESCRIPTORS: &str = "django/db/models/fields/related_descriptors.py";

const FETCH: FramePattern = FramePattern::new(QUERY, &["_fetch_all"]);

/// What is done for each object of a loop.
const EACH: Mistake = Mistake {
    rule: "n-plus-one",
    // What is fetched ahead for all.
    without: &[FramePattern::new(
        QUERY,
        &[
            "_prefetch_related_objects",
            "prefetch_related_objects",
            "prefetch_one_level",
        ],
    )],
    labels: &["relation", "loop"],
    subject: Some("relation"),
    verb: "fetches",
    remedy: "fetch it with the objects: select_related() or, where there are several for each, \
             prefetch_related()",
    ..Mistake::NOTHING
};

pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        frames: &[FramePattern::new(DESCRIPTORS, &["__get__"]), FETCH],
        ..EACH
    },
    Mistake {
        frames: &[
            FramePattern::new("django/db/models/query_utils.py", &["__get__"]),
            FETCH,
        ],
        verb: "fetches the deferred",
        remedy: "name the field in only(), or leave it out of defer()",
        ..EACH
    },
    Mistake {
        frames: &[FramePattern::new(QUERY, &["count"])],
        verb: "counts",
        remedy: "let the database count with the objects: annotate(n=Count(...)); of what was prefetched, take len()",
        ..EACH
    },
    Mistake {
        frames: &[FramePattern::new(QUERY, &["exists"])],
        verb: "asks for the existence of",
        remedy: "let the database tell with the objects: annotate(has=Exists(...)); of what was prefetched, test the list",
        ..EACH
    },
    Mistake {
        frames: &[FramePattern::new(QUERY, &["aggregate"])],
        verb: "sums up",
        remedy: "let the database sum up with the objects: annotate(...)",
        ..EACH
    },
    Mistake {
        frames: &[FETCH],
        ..EACH
    },
    Mistake {
        rule: "queryset-truth",
        frames: &[
            FramePattern::new(QUERY, &["__bool__", "__nonzero__"]),
            FETCH,
        ],
        called: Called::ForTruth,
        verb: "fetches all rows of",
        subject: Some("model"),
        remedy: "ask with .exists(), or test `is not None` if that is meant",
        ..Mistake::NOTHING
    },
    Mistake {
        rule: "queryset-length",
        frames: &[FramePattern::new(QUERY, &["__len__"]), FETCH],
        called: Called::ForLength,
        verb: "fetches all rows",
        remedy: "ask with .count()",
        ..Mistake::NOTHING
    },
    Mistake {
        rule: "slow-test-passwords",
        frames: &[FramePattern::new(
            "django/contrib/auth/hashers.py",
            &["encode"],
        )],
        labels: &["test"],
        verb: "hashes a password",
        remedy: "in the settings for tests: PASSWORD_HASHERS = [\"django.contrib.auth.hashers.MD5PasswordHasher\"]",
        ..Mistake::NOTHING
    },
    Mistake {
        rule: "test-migrations",
        frames: &[
            FramePattern::new("django/db/backends/base/creation.py", &["create_test_db"]),
            FramePattern::new("django/db/migrations/executor.py", &["apply_migration"]),
        ],
        verb: "applies all migrations",
        remedy: "keep the database between runs (--keepdb, pytest --reuse-db), or leave migrations out \
                 (pytest --nomigrations)",
        ..Mistake::NOTHING
    },
];
