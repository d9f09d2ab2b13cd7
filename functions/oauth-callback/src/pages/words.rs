//! Every word that a person reads on a page. A language is one folder: another one has the same files and items as
//! `en`, and takes its place here.

mod en;

pub(crate) use en::*;
