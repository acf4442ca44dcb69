//! Which addresses are ours?
