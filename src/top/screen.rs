//! The terminal: taken over when there is something to show, and given back whatever happens.

use std::io::{self, Stdout, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, TryLockError};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};

use super::app::{App, Effect};
use super::feed::{Incoming, Message};
use super::views;
use crate::sys::linux::terminal_input::{TerminalInput, Waited};

/// How long a key is waited for before it is asked for messages.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether it is not to be drawn to any more.
static OVER: AtomicBool = AtomicBool::new(false);

/// Held while something is drawn.
static DRAWING: Mutex<()> = Mutex::new(());

/// Gives the terminal back, if it is ours, and keeps others from drawing to it. May be called in any thread
/// and more than once.
pub fn restore_terminal() {
    const TRIES: u32 = 20;
    const TRY: Duration = Duration::from_millis(5);
    OVER.store(true, Ordering::SeqCst);
    // A frame that is half drawn would be finished after the restoring. But who draws may be the one who
    // panicked, or hang: so it is waited for only that long.
    let mut drawing = None;
    for _ in 0..TRIES {
        match DRAWING.try_lock() {
            Ok(guard) => drawing = Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => drawing = Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(TRY);
                continue;
            }
        }
        break;
    }
    if TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs nothing.
        let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
    drop(drawing);
}

/// Has a panic in whatever thread give the terminal back before it is told.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore_terminal();
            before(panic);
        }));
    });
}

/// A terminal that is taken over, until this is dropped.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    input: TerminalInput,
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore_terminal();
    }
}

impl Screen {
    /// Shows a recording from its beginning to its end. Before it begins, the terminal is left alone.
    ///
    /// # Errors
    /// When the terminal cannot be drawn to, or no key be read.
    pub fn show(incoming: &Incoming, app: &mut App) -> io::Result<()> {
        let mut news = Vec::new();
        loop {
            match incoming.next() {
                Message::Begins(recording) => {
                    app.begins = Some(*recording);
                    break;
                }
                Message::News(text) => news.push(text),
                Message::Update(_) => break,
                Message::Over => return Ok(()),
            }
        }
        if let Some(text) = news.last() {
            app.tell(text);
        }
        Screen::open()?.run(incoming, app)
    }

    fn open() -> io::Result<Screen> {
        restore_on_panic();
        let input = TerminalInput::open()?;
        TAKEN.store(true, Ordering::SeqCst);
        let result = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, cursor::Hide))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match result {
            Ok(terminal) => Ok(Screen { terminal, input }),
            Err(error) => {
                restore_terminal();
                Err(error)
            }
        }
    }

    fn run(&mut self, incoming: &Incoming, app: &mut App) -> io::Result<()> {
        // An update is held back while the screen is paused; then no more come.
        let mut held = None;
        let mut is_changed = true;
        loop {
            if is_changed {
                self.draw(app)?;
            }
            is_changed = false;
            // Not by `event::poll`, which never comes back from a terminal that was closed.
            if self.input.wait(PAUSE)? == Waited::Gone {
                return Ok(());
            }
            // Asked without a key, too: a change of the terminal's size is an event.
            while event::poll(Duration::ZERO)? {
                is_changed = true;
                match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => match app.key(key) {
                        Effect::Nothing => {}
                        Effect::Forget => incoming.forget(),
                        Effect::Quit => return Ok(()),
                    },
                    _ => {}
                }
                if self.input.wait(Duration::ZERO)? == Waited::Gone {
                    return Ok(());
                }
            }
            if !app.is_paused
                && let Some(update) = held.take()
            {
                app.update(update);
                incoming.shown();
                is_changed = true;
            }
            while let Some(message) = incoming.try_next() {
                is_changed = true;
                match message {
                    Message::Begins(recording) => app.begins = Some(*recording),
                    Message::Update(update) if app.is_paused => held = Some(*update),
                    Message::Update(update) => {
                        app.update(*update);
                        incoming.shown();
                    }
                    Message::News(text) => app.tell(&text),
                    Message::Over => return Ok(()),
                }
            }
        }
    }

    fn draw(&mut self, app: &mut App) -> io::Result<()> {
        let Ok(_drawing) = DRAWING.lock() else {
            return Ok(());
        };
        if OVER.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.terminal.draw(|frame| views::draw(frame, app))?;
        Ok(())
    }
}
