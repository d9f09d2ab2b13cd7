//! The pages: the frame around each, and one file a screen. Their words are in `words`.

pub(crate) mod frame;
pub(crate) mod hand_over_done;
pub(crate) mod outcome;
mod parts;
pub(crate) mod proving;
mod standing;
pub(crate) mod start;
pub(crate) mod task;
pub(crate) mod words;
