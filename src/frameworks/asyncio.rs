//! asyncio of the standard library. Looked up in CPython 3.8 to 3.15.

use super::{FramePattern, Framework, Mistake, WorkFrame};

/// What waits without giving control back, below a callback of the event loop.
const BLOCKED: Mistake = Mistake {
    rule: "event-loop-blocked",
    within: Some(FramePattern::new("asyncio/events.py", &["_run"])),
    ..Mistake::NOTHING
};

pub(super) const ASYNCIO: Framework = Framework {
    // While a callback waits, so does all else that the loop has to do.
    work_frames: &[WorkFrame::new("asyncio/events.py", "_run")],
    mistakes: &[
        Mistake {
            frames: &[FramePattern::new(
                "requests/sessions.py",
                &["request", "send"],
            )],
            verb: "waits for an HTTP answer with requests",
            remedy: "await an asynchronous client (httpx, aiohttp), or call it by asyncio.to_thread()",
            ..BLOCKED
        },
        Mistake {
            frames: &[FramePattern::new("urllib/request.py", &["urlopen", "open"])],
            verb: "waits for an HTTP answer with urllib",
            remedy: "await an asynchronous client (httpx, aiohttp), or call it by asyncio.to_thread()",
            ..BLOCKED
        },
        Mistake {
            frames: &[FramePattern::new(
                "subprocess.py",
                &["communicate", "wait", "_communicate", "_wait"],
            )],
            verb: "waits for a program",
            remedy: "await asyncio.create_subprocess_exec(), or call it by asyncio.to_thread()",
            ..BLOCKED
        },
        Mistake {
            frames: &[FramePattern::new(
                "django/db/backends/utils.py",
                &["execute", "executemany"],
            )],
            verb: "waits for the database with Django's synchronous queries",
            remedy: "use the asynchronous methods (aget, async for), or call it by sync_to_async()",
            ..BLOCKED
        },
        Mistake {
            frames: &[FramePattern::new(
                "pymysql/connections.py",
                &["query", "_read_bytes"],
            )],
            verb: "waits for the database with PyMySQL",
            remedy: "await an asynchronous driver, or call it by asyncio.to_thread()",
            ..BLOCKED
        },
    ],
    ..Framework::NOTHING
};
