//! One lab at a time: labs measure, and two would disturb each other on a small machine.

use std::sync::{Condvar, Mutex, PoisonError};

static BUSY: Mutex<bool> = Mutex::new(false);
static FREE: Condvar = Condvar::new();

/// The right to run a lab, until this is dropped.
#[derive(Debug)]
pub struct Turn(());

impl Turn {
    /// Waits until nobody else has it.
    #[must_use]
    pub fn wait() -> Self {
        let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let mut busy = FREE.wait_while(busy, |busy| *busy).unwrap_or_else(PoisonError::into_inner);
        *busy = true;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *BUSY.lock().unwrap_or_else(PoisonError::into_inner) = false;
        FREE.notify_one();
    }
}
