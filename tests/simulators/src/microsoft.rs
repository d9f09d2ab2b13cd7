//! Microsoft's side: Entra, Graph and Exchange's mail protocols on the wire, and the directory that all look into.

pub mod directory;
pub mod entra;
pub mod exchange;
pub mod graph;
