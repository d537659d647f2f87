//! Turns among the tabs of a browser, by its Web Locks.
//!
//! Whoever holds one of the named locks has the turn until it gives it back, is closed or crashes; the
//! browser then gives it to the next that waits. Where there are no locks (an address without TLS that is
//! not this machine) each tab has a turn of its own.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Function, Object, Promise, Reflect};
use leptos::{prelude::window, task::spawn_local};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

use super::complain;

/// How a turn stands.
enum Stage {
    Waiting,
    /// What gives the lock back.
    Held(Function),
    Over,
}

/// A turn that was asked for, and perhaps had; given back when it is dropped.
pub struct Turn {
    stage: Rc<RefCell<Stage>>,
    waiting: Option<AbortController>,
}

impl Turn {
    /// Whether it is still to come.
    pub fn waits(&self) -> bool {
        self.waiting.is_some() && matches!(*self.stage.borrow(), Stage::Waiting)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(waiting) = &self.waiting {
            waiting.abort();
        }
        if let Stage::Held(release) = self.stage.replace(Stage::Over) {
            // The function of a promise takes any value and never throws.
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Asks for one of the locks, and calls `begins` once when it has one.
pub fn turn(names: &[&str], begins: impl Fn() + 'static) -> Turn {
    let stage = Rc::new(RefCell::new(Stage::Waiting));
    let (Some((locks, request)), Ok(waiting)) = (locks(), AbortController::new()) else {
        begins();
        let waiting = None;
        return Turn { stage, waiting };
    };
    let begins: Rc<dyn Fn()> = Rc::new(begins);
    let options = Object::new();
    // A new object takes every member.
    let _ = Reflect::set(&options, &"signal".into(), &waiting.signal());
    for name in names {
        let granted = granted(&stage, &begins, &waiting);
        let asked = request.call3(&locks, &JsValue::from_str(name), &options, &granted);
        let (stage, begins) = (Rc::clone(&stage), Rc::clone(&begins));
        spawn_local(async move {
            let outcome = match asked {
                Ok(promise) => JsFuture::from(promise.unchecked_into::<Promise>()).await,
                Err(error) => Err(error),
            };
            // A lock that is not wanted any more ends in an error, too.
            let wanted = matches!(*stage.borrow(), Stage::Waiting);
            if let (Err(error), true) = (outcome, wanted) {
                complain("this tab waits for no other", &error);
                begins();
            }
        });
    }
    let waiting = Some(waiting);
    Turn { stage, waiting }
}

/// Whether tabs take turns here at all.
pub fn are_taken() -> bool {
    locks().is_some()
}

fn locks() -> Option<(JsValue, Function)> {
    let locks = Reflect::get(&window().navigator(), &"locks".into()).ok()?;
    let request = Reflect::get(&locks, &"request".into()).ok()?;
    Some((locks, request.dyn_into().ok()?))
}

/// What the browser calls with a lock; the lock is held until the promise that it returns is kept.
fn granted(
    stage: &Rc<RefCell<Stage>>,
    begins: &Rc<dyn Fn()>,
    waiting: &AbortController,
) -> JsValue {
    let (stage, begins, waiting) = (Rc::clone(stage), Rc::clone(begins), waiting.clone());
    Closure::once_into_js(move |_: JsValue| {
        if !matches!(*stage.borrow(), Stage::Waiting) {
            return JsValue::UNDEFINED;
        }
        let held = Promise::new(&mut |release, _| {
            stage.replace(Stage::Held(release));
        });
        // One lock is enough.
        waiting.abort();
        begins();
        held.into()
    })
}
