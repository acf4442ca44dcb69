//! How do the wanted packets get from the files into one pcapng?
//!
//! Capture after capture, stretch after stretch, in the order of the capture; every interface keeps its link type and name. Comments
//! name flow and finding on every packet, so that Wireshark can filter for them (`frame.comment contains "flow 7"`). Refuses to
//! decode anything itself: that is the carver's.

use super::{CaptureEvidence, EvidenceError, Plan};
use crate::capture::save::PcapngWriter;
use crate::capture::{self, Options, Polled, Progress, Source};
use crate::engine::carve::{Carved, Carver, Reason};
use crate::model::ids::FlowId;
use crate::model::ledger::Interface;
use crate::model::packet::LinkType;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// What was taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Packets written.
    pub packets: u64,
    /// Bytes they had on the wire.
    pub bytes: u64,
    /// Flows of which at least one packet was found.
    pub flows: u64,
    /// Flows whose packets are not as many as they should be: id, found, expected.
    pub incomplete: Vec<(FlowId, u64, u64)>,
}

/// Read the files and write the packets. `files`: for each capture of the plan, its files by number.
pub fn take<W: Write>(
    plan: &Plan,
    files: &[Vec<Option<PathBuf>>],
    decode: &crate::decode::Config,
    vlan_in_key: bool,
    options: &Options,
    out: W,
) -> Result<(Taken, W), EvidenceError> {
    let mut writing = Writing {
        writer: PcapngWriter::new(out, &plan.about)?,
        interfaces: BTreeMap::new(),
        taken: Taken::default(),
    };
    for (capture, files) in plan.captures.iter().zip(files) {
        writing.interfaces.clear();
        let mut carver = Carver::new(capture.wanted.clone(), capture.order, decode, vlan_in_key);
        if capture.merged {
            let all: Vec<PathBuf> = files.iter().flatten().cloned().collect();
            let mut source = capture::open_merged(&all, options, &Progress::new())?;
            writing.read(&mut *source, capture, &mut carver, None)?;
            writing.finish(&mut *source, capture, &mut carver)?;
        } else {
            writing.sequence(capture, files, &mut carver, options)?;
        }
        for (flow, found) in capture.wanted.flows.iter().zip(carver.found()) {
            writing.taken.flows += u64::from(*found > 0);
            if *found != flow.packets {
                writing.taken.incomplete.push((flow.id, *found, flow.packets));
            }
        }
        if options.stop.load(Ordering::Relaxed) {
            return Err(EvidenceError::Interrupted);
        }
    }
    let out = writing.writer.finish()?;
    Ok((writing.taken, out))
}

struct Writing<W: Write> {
    writer: PcapngWriter<W>,
    /// Numbers in the result, by file, interface and link type of the capture.
    interfaces: BTreeMap<(u16, u16, LinkType), u32>,
    taken: Taken,
}

impl<W: Write> Writing<W> {
    /// Files one after the other: the stretches, or everything.
    fn sequence(
        &mut self,
        capture: &CaptureEvidence,
        files: &[Option<PathBuf>],
        carver: &mut Carver,
        options: &Options,
    ) -> Result<(), EvidenceError> {
        let whole = [super::Stretch { from: (0, 0), until: (u16::MAX, u64::MAX) }];
        let all = capture.stretches.is_empty();
        for stretch in if all { &whole[..] } else { &capture.stretches[..] } {
            let mut number = 1;
            let mut last: Option<Box<dyn Source>> = None;
            for (no, path) in (0..=u16::MAX).zip(files) {
                if !(stretch.from.0..=stretch.until.0).contains(&no) {
                    continue;
                }
                let Some(path) = path else { continue };
                let from = if no == stretch.from.0 { stretch.from.1 } else { 0 };
                let mut source = capture::open_at(path, (from, number), no, options)?;
                self.read(&mut *source, capture, carver, Some(stretch.until))?;
                number += source.ledger().packets();
                last = Some(source);
            }
            if let Some(mut source) = last {
                self.finish(&mut *source, capture, carver)?;
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        source: &mut dyn Source,
        capture: &CaptureEvidence,
        carver: &mut Carver,
        until: Option<(u16, u64)>,
    ) -> Result<(), EvidenceError> {
        loop {
            let mut batch = match source.poll() {
                Polled::Packets(batch) => batch,
                Polled::Tick(_) => continue,
                Polled::End => return Ok(()),
            };
            let mut over = false;
            if let Some(until) = until {
                let end = batch.packets.partition_point(|p| (p.file_no, p.file_offset) <= until);
                over = end < batch.packets.len();
                batch.packets.truncate(end);
            }
            let mut taken = Vec::new();
            carver.batch(&batch, &mut |c| {
                taken.push(c);
                Ok::<(), EvidenceError>(())
            })?;
            self.write(taken, source, capture)?;
            if over {
                return Ok(());
            }
        }
    }

    fn finish(
        &mut self,
        source: &mut dyn Source,
        capture: &CaptureEvidence,
        carver: &mut Carver,
    ) -> Result<(), EvidenceError> {
        let mut taken = Vec::new();
        carver.finish(&mut |c| {
            taken.push(c);
            Ok::<(), EvidenceError>(())
        })?;
        self.write(taken, source, capture)
    }

    fn write(
        &mut self,
        taken: Vec<Carved>,
        source: &dyn Source,
        capture: &CaptureEvidence,
    ) -> Result<(), EvidenceError> {
        for carved in taken {
            let meta = carved.meta;
            let key = (meta.file_no, meta.interface, meta.link);
            let number = match self.interfaces.get(&key) {
                Some(number) => *number,
                None => {
                    let number = self.interface(&carved, source, capture)?;
                    self.interfaces.insert(key, number);
                    number
                }
            };
            let comments: Vec<String> = carved
                .reasons
                .iter()
                .filter_map(|reason| match reason {
                    Reason::Flow(i) => capture.flow_words.get(*i as usize),
                    Reason::Hosts(i) => capture.host_words.get(*i as usize),
                })
                .cloned()
                .collect();
            self.writer.packet(number, meta.ts, meta.original, &carved.data, &comments)?;
            self.taken.packets += 1;
            self.taken.bytes += u64::from(meta.original);
        }
        Ok(())
    }

    /// Declare the interface of a packet as its file describes it.
    fn interface(
        &mut self,
        carved: &Carved,
        source: &dyn Source,
        capture: &CaptureEvidence,
    ) -> Result<u32, EvidenceError> {
        let meta = carved.meta;
        let ledger = source.ledger();
        let no = usize::from(meta.file_no);
        let file = if capture.merged { ledger.files.get(no) } else { ledger.files.first() };
        let described = file.and_then(|f| f.interfaces.get(usize::from(meta.interface)));
        let unknown = Interface::default();
        let known = described.unwrap_or(&unknown);
        let path = capture.files.get(no).map(|f| f.path.display().to_string());
        Ok(self.writer.interface(meta.link, known.snaplen, known.name.as_deref(), path.as_deref())?)
    }
}
