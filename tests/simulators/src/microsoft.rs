//! Microsoft's side: Entra and Graph on the wire, and the directory that both look into.

pub mod directory;
pub mod entra;
pub mod graph;
