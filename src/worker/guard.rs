//! Turns a panic into an error with a sentence, without the panic hook's noise.

use crate::{Error, Result};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The payload of [`give_up`].
struct GivenUp;

/// Does the work; a panic in it becomes an error that begins with `what`, as in "Making the picture".
///
/// What the work had borrowed must still be usable after it broke off half-way.
pub fn guarded<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    install_hook();
    let before = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    done.unwrap_or_else(|payload| {
        if payload.is::<GivenUp>() {
            return Err(Error::cancelled());
        }
        let place = PLACE.take();
        Err(Error::failed(format!(
            "{what} broke off because of a fault in Kiln: {}{place}. Try other settings, and please report it if it \
             comes again.",
            words(payload.as_ref())
        )))
    })
}

/// Leaves work under [`guarded`] that knows no other way to be cancelled; it then answers with a cancelled error.
pub fn give_up() -> ! {
    // Unlike panic!, this does not call the hook.
    resume_unwind(Box::new(GivenUp))
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason was given").trim_end_matches('.').to_string()
}

/// Replaces the hook, once a program, by one that keeps quiet on a thread under [`guarded`].
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                return usual(info);
            }
            let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
            PLACE.set(place);
        }));
    });
}
