//! How do rows get into the file, fast and wholly or not at all?

use super::StoreError;
use crate::engine::sink::{CaptureStart, CaptureSummary, Sink, Stored};
use crate::model::ids::CaptureNo;
use crate::model::rows::Rows;

/// The engine's sink.
#[derive(Debug)]
pub struct Writer {}

impl Sink for Writer {
    type Error = StoreError;

    fn begin(&mut self, _start: &CaptureStart) -> Result<CaptureNo, StoreError> {
        Err(StoreError::NotBuilt)
    }

    fn rows(&mut self, _rows: Rows) -> Result<(), StoreError> {
        Err(StoreError::NotBuilt)
    }

    fn commit(&mut self, _summary: &CaptureSummary) -> Result<Stored, StoreError> {
        Err(StoreError::NotBuilt)
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        Err(StoreError::NotBuilt)
    }
}
