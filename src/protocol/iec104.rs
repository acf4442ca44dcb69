//! Which station was measured or commanded over IEC 60870-5-104?
//!
//! IEC 60870-5-104 (frames, section 5) and IEC 60870-5-101 (type identifications and causes, section 7). One row is one application
//! message, or the start or stop of data transfer; equal measurements are counted (see [`super::polling`]), commands never. Refuses the values of
//! measurements and of commands: their scale is the operator's.

use super::clues::{Clue, HOST_CLUES};
use super::polling::{self, Polls, Repeated, Repeats, address};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::weird::{Detail, WeirdKind};
use memchr::memchr;

/// Largest frame in bytes: the start, the length, and the 253 that it may say.
const MAX_FRAME: usize = 255;

/// The usual port.
const PORTS: &[u16] = &[2404];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "iec104",
    about: "Telecontrol by IEC 60870-5-104; told by the start of data transfer or a test frame, or another frame on its port.",
    transports: &[Transport::Tcp],
    ports: PORTS,
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_FRAME,
    probe,
    parser: Some(|| Box::<Iec104>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    match d {
        // STARTDT, STOPDT and TESTFR, request and confirmation.
        [0x68, 4, 0x07 | 0x0b | 0x13 | 0x23 | 0x43 | 0x83, 0, 0, 0, ..] => Verdict::Mine(90),
        [0x68, 4..=253, control, ..] if p.on_port(PORTS) && control & 3 != 3 => Verdict::Mine(70),
        [] | [0x68] | [0x68, 4..=253] => Verdict::NeedMore,
        [0x68, 4, 0x07 | 0x0b | 0x13 | 0x23 | 0x43 | 0x83, ..] if d.len() < 6 => Verdict::NeedMore,
        _ => Verdict::NotMine,
    }
}

/// Type identifications by the names of IEC 60870-5-101 section 7.2.1.1, lower case.
fn type_name(id: u8) -> Option<&'static str> {
    Some(match id {
        1 => "m_sp_na_1",
        2 => "m_sp_ta_1",
        3 => "m_dp_na_1",
        4 => "m_dp_ta_1",
        5 => "m_st_na_1",
        6 => "m_st_ta_1",
        7 => "m_bo_na_1",
        8 => "m_bo_ta_1",
        9 => "m_me_na_1",
        10 => "m_me_ta_1",
        11 => "m_me_nb_1",
        12 => "m_me_tb_1",
        13 => "m_me_nc_1",
        14 => "m_me_tc_1",
        15 => "m_it_na_1",
        16 => "m_it_ta_1",
        20 => "m_ps_na_1",
        21 => "m_me_nd_1",
        30 => "m_sp_tb_1",
        31 => "m_dp_tb_1",
        32 => "m_st_tb_1",
        33 => "m_bo_tb_1",
        34 => "m_me_td_1",
        35 => "m_me_te_1",
        36 => "m_me_tf_1",
        37 => "m_it_tb_1",
        38 => "m_ep_td_1",
        39 => "m_ep_te_1",
        40 => "m_ep_tf_1",
        45 => "c_sc_na_1",
        46 => "c_dc_na_1",
        47 => "c_rc_na_1",
        48 => "c_se_na_1",
        49 => "c_se_nb_1",
        50 => "c_se_nc_1",
        51 => "c_bo_na_1",
        58 => "c_sc_ta_1",
        59 => "c_dc_ta_1",
        60 => "c_rc_ta_1",
        61 => "c_se_ta_1",
        62 => "c_se_tb_1",
        63 => "c_se_tc_1",
        64 => "c_bo_ta_1",
        70 => "m_ei_na_1",
        100 => "c_ic_na_1",
        101 => "c_ci_na_1",
        102 => "c_rd_na_1",
        103 => "c_cs_na_1",
        104 => "c_ts_na_1",
        105 => "c_rp_na_1",
        106 => "c_cd_na_1",
        107 => "c_ts_ta_1",
        110 => "p_me_na_1",
        111 => "p_me_nb_1",
        112 => "p_me_nc_1",
        113 => "p_ac_na_1",
        120 => "f_fr_na_1",
        121 => "f_sr_na_1",
        122 => "f_sc_na_1",
        123 => "f_ls_na_1",
        124 => "f_af_na_1",
        125 => "f_sg_na_1",
        126 => "f_dr_ta_1",
        127 => "f_sc_nb_1",
        _ => return None,
    })
}

/// Causes of transmission (section 7.2.3).
fn cause_name(cause: u8) -> Option<&'static str> {
    Some(match cause {
        1 => "periodic",
        2 => "background_scan",
        3 => "spontaneous",
        4 => "initialized",
        5 => "request",
        6 => "activation",
        7 => "activation_confirmation",
        8 => "deactivation",
        9 => "deactivation_confirmation",
        10 => "activation_termination",
        11 => "return_remote_command",
        12 => "return_local_command",
        13 => "file_transfer",
        20 => "interrogated_by_station",
        21..=36 => "interrogated_by_group",
        37..=41 => "counter_interrogation",
        44 => "unknown_type",
        45 => "unknown_cause",
        46 => "unknown_common_address",
        47 => "unknown_object_address",
        _ => return None,
    })
}

/// Names of the frames that only control the transfer.
fn control_name(control: u8) -> Option<&'static str> {
    Some(match control {
        0x07 => "startdt_act",
        0x0b => "startdt_con",
        0x13 => "stopdt_act",
        0x23 => "stopdt_con",
        0x43 => "testfr_act",
        0x83 => "testfr_con",
        _ => return None,
    })
}

/// Does the type change something in the station: commands, set points, clock, reset, parameters? Interrogations and reads do not.
fn is_command(id: u8) -> bool {
    matches!(id, 45..=51 | 58..=64 | 103 | 105 | 110..=113)
}

/// One application message, or a control frame.
#[derive(Clone, Debug)]
pub struct Iec104Record {
    /// Did the originator of the flow send it?
    pub from_orig: bool,
    /// `i` or `u`.
    pub frame: &'static str,
    /// Type identification; `None` for a control frame.
    pub type_id: Option<u8>,
    /// Name of the type or the control frame.
    pub function: Option<&'static str>,
    /// Cause of transmission.
    pub cause: Option<u8>,
    /// Negative confirmation?
    pub negative: Option<bool>,
    /// Sent as a test?
    pub test: Option<bool>,
    /// Originator address.
    pub originator: Option<u8>,
    /// Common address: the station.
    pub common_address: Option<u16>,
    /// Address of the first information object.
    pub object_address: Option<u32>,
    /// Information objects in the message.
    pub objects: Option<u8>,
    /// How often.
    pub repeats: Repeats,
}

impl Iec104Record {
    /// Is it a command on its way to the station (not its confirmation)?
    pub fn is_write(&self) -> bool {
        self.type_id.is_some_and(is_command) && matches!(self.cause, Some(6 | 8))
    }
}

impl Repeated for Iec104Record {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Messages.
pub static TABLE: Table = Table::record(
    "iec104",
    "One row is one message of IEC 60870-5-104, a start or stop of data transfer, or many equal measurements of one flow.",
    &[
        col("from_orig", T::Bool, "", "Was it sent by the originator of the flow?"),
        col(
            "frame",
            T::Text,
            "",
            "i (with an application message) or u (start, stop or test of the transfer).",
        ),
        col("type_id", T::U8, "", "Type identification; NULL for a frame without a message."),
        col("function", T::Text, "", "Name of the type, or of the control frame; NULL for an unknown one."),
        polling::IS_WRITE,
        col("cause_code", T::U8, "", "Cause of transmission, 0 to 63; NULL for a frame without a message."),
        col(
            "cause",
            T::Text,
            "",
            "Name of the cause; NULL for an unknown one and for a frame without a message.",
        ),
        col("negative", T::Bool, "", "Is it a negative confirmation? NULL for a frame without a message."),
        col("test", T::Bool, "", "Is it marked as a test? NULL for a frame without a message."),
        col(
            "originator",
            T::U8,
            "",
            "Address of the controlling station; NULL for a frame without a message.",
        ),
        col("common_address", T::U16, "", "Address of the station; NULL for a frame without a message."),
        col(
            "object_address",
            T::U32,
            "",
            "Address of the first information object; NULL when there is none.",
        ),
        col(
            "objects",
            T::U8,
            "objects",
            "Information objects in the message; NULL for a frame without a message.",
        ),
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for Iec104Record {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.from_orig)
            .text(self.frame)
            .opt_u8(self.type_id)
            .opt_text(self.function)
            .bool(self.is_write())
            .opt_u8(self.cause)
            .opt_text(self.cause.and_then(cause_name))
            .opt_bool(self.negative)
            .opt_bool(self.test)
            .opt_u8(self.originator)
            .opt_u16(self.common_address)
            .opt_u32(self.object_address)
            .opt_u8(self.objects)
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// What makes two messages equal.
type Key = (bool, Option<&'static str>, Option<u8>, Option<u8>, Option<u16>, Option<u32>);

/// The state of one connection.
#[derive(Default)]
struct Iec104 {
    polls: Polls<Key, Iec104Record>,
    frames: u32,
    lost: bool,
    told_role: bool,
}

impl Iec104 {
    /// Take the four control bytes and what follows them.
    fn frame(&mut self, side: Side, apdu: &[u8], out: &mut Output<'_>) -> Option<()> {
        let mut c = Cursor::new(apdu);
        let [control, ..] = c.array::<4>()?;
        let mut row = Iec104Record {
            from_orig: side == Side::Orig,
            frame: "u",
            type_id: None,
            function: None,
            cause: None,
            negative: None,
            test: None,
            originator: None,
            common_address: None,
            object_address: None,
            objects: None,
            repeats: Repeats::once(out.at),
        };
        if control & 3 == 3 {
            row.function = Some(control_name(control)?);
        } else if control & 1 == 0 {
            let (id, number, cause) = (c.u8()?, c.u8()?, c.u8()?);
            row.frame = "i";
            (row.type_id, row.function) = (Some(id), type_name(id));
            (row.cause, row.negative, row.test) =
                (Some(cause & 0x3f), Some(cause & 0x40 != 0), Some(cause & 0x80 != 0));
            row.originator = Some(c.u8()?);
            row.common_address = Some(c.u16_le()?);
            row.objects = Some(number & 0x7f);
            row.object_address = c.array::<3>().map(|[a, b, d]| u32::from_le_bytes([a, b, d, 0]));
            // Measurements come from the station; so do confirmations.
            if id < 45 {
                self.role(side, out);
            }
        } else {
            // Acknowledgements alone say nothing.
            return Some(());
        }
        if row.is_write() {
            out.record(out.at, row);
        } else {
            let key =
                (row.from_orig, row.function, row.type_id, row.cause, row.common_address, row.object_address);
            self.polls.reading(key, out.at, row, out);
        }
        Some(())
    }

    fn role(&mut self, station: Side, out: &mut Output<'_>) {
        if !self.told_role {
            self.told_role = true;
            let tuple = out.flow.tuple;
            out.clue(address(&tuple, station), Clue::Role, "plc", "iec104");
            out.clue(address(&tuple, station.other()), Clue::Role, "hmi", "iec104");
        }
    }
}

impl Parser for Iec104 {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        loop {
            match rest {
                [] | [0x68] => break,
                [0x68, len @ 4..=253, behind @ ..] => {
                    let Some((apdu, next)) = behind.split_at_checked(usize::from(*len)) else { break };
                    if self.frame(side, apdu, out).is_none() {
                        if self.frames == 0 && !self.lost {
                            return Fed::NotMine;
                        }
                        out.weird(WeirdKind::Iec104Malformed, Detail::Number(u64::from(*len)));
                    }
                    self.frames = self.frames.saturating_add(1);
                    self.lost = false;
                    rest = next;
                }
                _ => {
                    if self.frames == 0 && !self.lost {
                        return Fed::NotMine;
                    }
                    if !self.lost {
                        out.weird(WeirdKind::Iec104Malformed, Detail::Text("no start byte".into()));
                    }
                    self.lost = true;
                    let from = rest.get(1..).and_then(|r| memchr(0x68, r)).map_or(rest.len(), |i| i + 1);
                    rest = rest.get(from..).unwrap_or(&[]);
                }
            }
        }
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        self.lost = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.polls.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, lost, orig, resp};

    const START: &[u8] = &[0x68, 4, 7, 0, 0, 0];
    /// Single command, activation, station 5, object 1000.
    const COMMAND: &[u8] = &[0x68, 14, 0, 0, 0, 0, 45, 1, 6, 0, 5, 0, 0xe8, 3, 0, 1];
    /// Its negative confirmation.
    const REFUSED: &[u8] = &[0x68, 14, 0, 0, 2, 0, 45, 1, 0x47, 0, 5, 0, 0xe8, 3, 0, 1];
    /// Single point, spontaneous.
    const POINT: &[u8] = &[0x68, 14, 2, 0, 2, 0, 1, 1, 3, 0, 5, 0, 1, 0, 0, 1];

    #[test]
    fn commands_confirmations_and_measurements() {
        let mut sent = vec![orig(START), orig(COMMAND), resp(REFUSED), orig(COMMAND)];
        sent.extend([resp(POINT); 9]);
        let run = Bench::tcp(4242).run(&sent);
        let rows = run.records::<Iec104Record>();
        let writes: Vec<_> = rows.iter().filter(|r| r.is_write()).collect();
        assert_eq!((run.service, run.faults, writes.len()), (Some("iec104"), 0, 2));
        assert_eq!(
            (writes[0].function, writes[0].common_address, writes[0].object_address),
            (Some("c_sc_na_1"), Some(5), Some(1000))
        );
        assert_eq!(rows[0].function, Some("startdt_act"));
        assert_eq!((rows[2].negative, rows[2].is_write()), (Some(true), false));
        let points: Vec<_> = rows.iter().filter(|r| r.type_id == Some(1)).map(|r| r.repeats.count).collect();
        assert_eq!(points, [1, 1, 1, 6]);
    }

    #[test]
    fn byte_by_byte_prefixes_and_loss() {
        let talk = [START, COMMAND, COMMAND].concat();
        let bytes: Vec<_> = talk.chunks(1).map(orig).collect();
        assert_eq!(Bench::tcp(4242).run(&bytes).records::<Iec104Record>().len(), 3);
        for end in 0..talk.len() {
            assert_eq!(Bench::tcp(2404).run(&[orig(&talk[..end])]).faults, 0);
        }
        let run =
            Bench::tcp(2404).run(&[orig(START), lost(Side::Orig, 9), orig(&COMMAND[5..]), orig(COMMAND)]);
        assert_eq!((run.records::<Iec104Record>().len(), run.weirds.len()), (2, 0));
        let run = Bench::tcp(2404).run(&[orig(START), orig(b"noise"), orig(COMMAND)]);
        assert_eq!((run.records::<Iec104Record>().len(), run.weirds), (2, vec![WeirdKind::Iec104Malformed]));
    }
}
