//! Every entry of the registry keeps the rules, whatever it is.

use super::testing::{Bench, lost, orig, resp};
use super::*;
use proptest::prelude::*;

#[test]
fn names_are_unique_and_lower_case() {
    let mut names: Vec<_> = ALL.iter().map(|p| p.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|w| w[0] != w[1]), "a name twice in {names:?}");
    for p in ALL {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(!p.name.is_empty() && p.name.chars().all(good), "{}: name", p.name);
        assert!(p.about.ends_with('.') && p.about.len() > 20, "{}: about is not a sentence", p.name);
        assert!(!p.transports.is_empty(), "{}: no transport", p.name);
        assert!(p.parser.is_some() || p.tables.is_empty(), "{}: tables without a parser", p.name);
        assert!(p.parser.is_none() || p.buffer_cap > 0, "{}: a parser without a buffer cap", p.name);
        assert!(p.buffer_cap <= 1 << 20, "{}: a cap over 1 MiB a side is no cap", p.name);
    }
}

#[test]
fn tables_explain_themselves() {
    for table in ALL.iter().flat_map(|p| p.tables) {
        assert!(table.is_record && table.meaning.ends_with('.'), "{}", table.name);
        let mut names: Vec<_> = table.all_columns().map(|c| c.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]), "{}: a column twice", table.name);
        for c in table.columns {
            assert!(c.meaning.ends_with(['.', '?']), "{}.{}: meaning is not a sentence", table.name, c.name);
        }
    }
}

#[test]
fn one_transport_has_room_for_all() {
    for t in [Transport::Tcp, Transport::Udp] {
        let n = ALL.iter().filter(|p| p.transports.contains(&t)).count();
        assert!(n <= dispatch::MAX_PROTOCOLS, "{n} protocols over {t:?}: widen the set of candidates");
    }
}

#[test]
fn nobody_claims_nothing() {
    for p in ALL {
        for &transport in p.transports {
            let ports = (40_000, p.ports.first().copied().unwrap_or(9));
            let empty = Probe { orig: &[], resp: &[], transport, ports };
            assert!(!matches!((p.probe)(&empty), Verdict::Mine(_)), "{} claims an empty flow", p.name);
        }
    }
}

fn benches(p: &Protocol) -> impl Iterator<Item = Bench> {
    let port = p.ports.first().copied().unwrap_or(9);
    p.transports.iter().map(move |t| match t {
        Transport::Tcp => Bench::tcp(port),
        Transport::Udp => Bench::udp(port),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random bytes on every protocol's port: no panic, no hang, nothing kept.
    #[test]
    fn random_bytes_survive(
        pieces in prop::collection::vec((0..5_u8, prop::collection::vec(any::<u8>(), 0..200)), 0..12)
    ) {
        let sent: Vec<_> = pieces
            .iter()
            .map(|(what, data)| match what {
                0 | 1 => orig(data),
                2 | 3 => resp(data),
                _ => lost(Side::Resp, data.len() as u64 + 1),
            })
            .collect();
        for p in ALL {
            for bench in benches(p) {
                bench.run(&sent);
            }
        }
    }

    /// Random bytes straight into every parser, past its probe.
    #[test]
    fn parsers_survive_without_their_probe(
        pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..100)), 0..8)
    ) {
        fn always(_: &Probe<'_>) -> Verdict {
            Verdict::Mine(100)
        }
        let sent: Vec<_> = pieces.iter().map(|(o, data)| if *o { orig(data) } else { resp(data) }).collect();
        for p in ALL.iter().filter(|p| p.parser.is_some()) {
            let forced: &'static Protocol = Box::leak(Box::new(Protocol { probe: always, ..copy(p) }));
            for bench in benches(p) {
                let run = bench.only(&[forced]).run(&sent);
                prop_assert_eq!(run.faults, 0);
            }
        }
    }
}

fn copy(p: &Protocol) -> Protocol {
    Protocol {
        name: p.name,
        about: p.about,
        transports: p.transports,
        ports: p.ports,
        tables: p.tables,
        buffer_cap: p.buffer_cap,
        probe: p.probe,
        parser: p.parser,
    }
}
