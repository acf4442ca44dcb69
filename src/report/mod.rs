//! How does a stored answer reach a person or another program?
//!
//! Saved questions (`header`, `catalog`), detections in SQL (`detection`, `detections`), their parameters (`params`), the forms in which rows are written (`cell`,
//! `render`) and the packets behind rows (`evidence`). Never opens a database and never prints: it gets SQL text and Arrow batches, or
//! a reader, and writes to what it is handed. Read `header` first.

pub mod catalog;
pub mod cell;
pub mod conversation;
pub mod detection;
pub mod detections;
pub mod evidence;
pub mod export;
pub mod figures;
pub mod fold;
pub mod header;
pub mod indicators;
pub mod params;
pub mod render;
pub mod security;
pub mod suggest;
pub mod traffic;
