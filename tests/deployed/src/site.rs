//! What a test needs that only deploys.

use std::sync::Arc;

use crate::checkout::Checkout;
use crate::mini_stack::{Access, MiniStack};
use crate::programs::Programs;
use crate::templates::Templates;
use crate::terminal::Terminal;

/// What is deployed into, and somebody at a terminal.
pub struct Site {
    /// Where everybody may do everything.
    pub mini_stack: Arc<MiniStack>,
    /// Where the terminal is.
    pub checkout: Checkout,
    /// The terminal.
    pub terminal: Terminal,
}

impl Site {
    /// Nothing is deployed yet; none where a program is missing.
    pub async fn start_or_say() -> Option<Self> {
        let programs = Programs::or_say()?;
        let mini_stack = Arc::new(MiniStack::start(&programs, Access::Open).await);
        let checkout = Checkout::new(&Templates::for_mini_stack());
        let terminal = Terminal::new(&checkout, &programs, &mini_stack);
        Some(Self {
            mini_stack,
            checkout,
            terminal,
        })
    }
}
