//! Do cheats fire, and hosts that restart, move or share an address not?

use super::super::testing::{Bench, inside, is_at, who_has};
use super::*;

/// The cheat tells both the victim (.5) and the gateway (.1) that it is the other, every two seconds; both also answer for themselves.
fn cheat(seconds: u32) -> Vec<Arp> {
    let mut all = vec![who_has(0.0, 66, inside(66), inside(1)), is_at(0.1, 1, inside(1), inside(66))];
    for n in 0..seconds / 2 {
        let t = f64::from(n) * 2.0 + 1.0;
        all.push(is_at(t, 66, inside(1), inside(5)));
        all.push(is_at(t + 0.1, 66, inside(5), inside(1)));
        if n % 5 == 4 {
            all.push(who_has(t + 0.2, 5, inside(5), inside(1)));
            all.push(is_at(t + 0.3, 1, inside(1), inside(5)));
        }
    }
    all
}

#[test]
fn who_tells_two_hosts_it_is_the_other_is_found() {
    let found = Bench::new(&META).arps(cheat(60)).end();
    let [a] = &found[..] else { panic!("{found:?}") };
    assert_eq!((a.kind.name, a.src, a.severity.name()), ("arp_spoof", Some(inside(66)), "high"));
    assert!(a.title.starts_with("10.0.0.66 (02:00:00:00:00:42) claims 2 addresses"), "{}", a.title);
    assert!(a.dst == Some(inside(1)) && a.confidence > 0.8, "{a:?}");
    assert!(a.details["others_at"].to_string().contains("10.0.0.1 at 02:00:00:00:00:01"));
}

#[test]
fn one_row_however_long_it_lasts() {
    let found = Bench::new(&META).arps(cheat(600)).end();
    assert_eq!(found.len(), 1);
    assert!(found[0].count > 400 && found[0].packets.len() <= 20);
}

#[test]
fn a_gateway_of_dhcp_is_named() {
    let dhcp = DhcpRecord { from_server: true, routers: vec![inside(1)], ..DhcpRecord::default() };
    let lease = super::super::testing::record(1, 0.0, inside(1), inside(5), 68, dhcp);
    let found = Bench::new(&META).records([lease]).arps(cheat(60)).end();
    assert!(found[0].title.contains("the gateway's, 10.0.0.1"), "{}", found[0].title);
}

#[test]
fn two_hosts_with_one_address_are_a_conflict() {
    let all = (0..6).flat_map(|n| {
        let t = f64::from(n) * 5.0;
        [
            who_has(t, 9, inside(9), inside(7)),
            is_at(t + 0.01, 1, inside(7), inside(9)),
            is_at(t + 0.02, 2, inside(7), inside(9)),
        ]
    });
    let found = Bench::new(&META).arps(all).end();
    let [a] = &found[..] else { panic!("{found:?}") };
    assert_eq!((a.kind.name, a.severity.name(), a.dst), ("address_conflict", "low", Some(inside(7))));
}

#[test]
fn a_lease_that_moves_and_a_restart_are_silent() {
    // A host restarts and announces itself; later another gets its address; a third changes its own.
    let mut all: Vec<Arp> = (0..3).map(|n| who_has(f64::from(n), 1, inside(7), inside(7))).collect();
    all.extend((0..3).map(|n| who_has(f64::from(n) + 100.0, 2, inside(7), inside(7))));
    all.extend((0..9).map(|n| who_has(f64::from(n) + 200.0, 3, inside(20 + n), inside(1))));
    all.extend((0..50).map(|n| is_at(f64::from(n) + 300.0, 4, inside(8), inside(8))));
    assert!(Bench::new(&META).arps(all).end().is_empty());
}

#[test]
fn routers_that_take_over_by_a_virtual_address_are_silent() {
    let vrrp = Mac([0, 0, 0x5e, 0, 1, 9]);
    let all = (0..40).map(|n| {
        let arp = is_at(f64::from(n), 1, inside(1), inside(5));
        if n % 2 == 0 { Arp { sender_mac: vrrp, ..arp } } else { arp }
    });
    let asked = (0..40).map(|n| who_has(f64::from(n) - 0.1, 5, inside(5), inside(1)));
    let mut all: Vec<Arp> = all.chain(asked).collect();
    all.sort_by_key(|a| a.ts);
    assert!(Bench::new(&META).arps(all).end().is_empty());
}

#[test]
fn one_host_with_two_cards_is_no_cheat() {
    let all = (0..20).flat_map(|n| {
        let t = f64::from(n);
        [
            who_has(t, 9, inside(9), inside(7)),
            is_at(t + 0.01, 1, inside(7), inside(9)),
            is_at(t + 0.02, 2, inside(7), inside(9)),
            who_has(t + 0.1, 9, inside(9), inside(8)),
            is_at(t + 0.11, 1, inside(8), inside(9)),
            is_at(t + 0.12, 2, inside(8), inside(9)),
        ]
    });
    let found = Bench::new(&META).arps(all).end();
    assert!(found.iter().all(|a| a.kind.name == "address_conflict"), "{found:?}");
}

#[test]
fn neighbours_of_version_6_are_watched_too() {
    let six = |n: u8| Ip([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]);
    let all = (0..10).flat_map(|n| {
        let t = f64::from(n) * 3.0;
        [1, 2, 3].into_iter().flat_map(move |of| {
            [
                who_has(t, 9, six(9), six(of)),
                is_at(t + 0.01, of, six(of), six(9)),
                is_at(t + 0.02, 66, six(of), six(9)),
            ]
        })
    });
    let found = Bench::new(&META).arps(all).end();
    let [a] = &found[..] else { panic!("{found:?}") };
    assert_eq!(a.kind.name, "arp_spoof");
}

#[test]
fn a_flood_of_addresses_stays_inside_its_cap() {
    let mut bench = Bench::new(&META);
    bench.arps((0..MAX_ADDRESSES as u32 * 2).map(|n| {
        let [_, a, b, c] = n.to_be_bytes();
        who_has(0.0, 66, Ip::v4([10, a, b, c]), inside(1))
    }));
    assert!(bench.detector.evicted() > 0);
    assert!(bench.end().is_empty());
}
#[test]
fn one_between_two_hosts_is_found_at_any_pace() {
    let both = |n: u32| {
        let t = f64::from(n) * 10.0;
        [is_at(t, 66, inside(1), inside(5)), is_at(t + 0.01, 66, inside(5), inside(1))]
    };
    let found = Bench::new(&META).arps((0..6).flat_map(both)).end();
    let [a] = &found[..] else { panic!("{found:?}") };
    assert!(a.kind.name == "arp_spoof" && a.reasons.iter().any(|r| r.name == "between_two_hosts"), "{a:?}");
    assert!(Bench::new(&META).arps((0..2).flat_map(both)).end().is_empty(), "twice may be a mistake");
}

#[test]
fn one_wrong_address_after_the_other_is_no_cheat() {
    let all = (0..6u8).flat_map(|of| {
        (0..3).flat_map(move |n| {
            let t = f64::from(of) * 300.0 + f64::from(n) * 9.0;
            [
                is_at(t, 66, inside(10 + of), inside(10 + of)),
                is_at(t + 1.0, of, inside(10 + of), inside(10 + of)),
            ]
        })
    });
    let found = Bench::new(&META).arps(all).end();
    assert!(!found.is_empty() && found.iter().all(|a| a.kind.name == "address_conflict"), "{found:?}");
}

#[test]
fn a_short_capture_of_a_one_way_cheat() {
    // The gateway is known; then another, who has an address, tells one victim every ten seconds that it is the gateway. It never speaks up.
    let mut all = vec![
        who_has(0.0, 5, inside(5), inside(1)),
        is_at(0.01, 1, inside(1), inside(5)),
        who_has(1.0, 66, inside(66), inside(1)),
        is_at(1.01, 1, inside(1), inside(66)),
    ];
    let told = |n: u32| is_at(10.0 + f64::from(n) * 10.0, 66, inside(1), inside(5));
    all.extend((0..4).map(told));
    let found = Bench::new(&META).arps(all.clone()).end();
    let [a] = &found[..] else { panic!("{found:?}") };
    assert_eq!((a.kind.name, a.src, a.dst), ("arp_spoof", Some(inside(66)), Some(inside(1))));
    // Two answers may be a stack that repeats itself.
    assert!(Bench::new(&META).arps(all[..6].to_vec()).end().is_empty());
    // A machine that takes over for another has no other address, or says it to all.
    let take_over = all[..2].iter().copied().chain((0..6).map(told));
    assert!(Bench::new(&META).arps(take_over).end().is_empty());
    let announced =
        all[..4].iter().copied().chain((0..6).map(|n| is_at(10.0 + f64::from(n), 66, inside(1), inside(1))));
    assert!(Bench::new(&META).arps(announced).end().is_empty());
}

#[test]
fn one_address_in_two_virtual_networks_is_two_hosts() {
    let trunk = |lan: u32| {
        (0..20).flat_map(move |n| {
            let t = f64::from(n) * 5.0;
            [
                who_has(t, 9, inside(9), inside(1)),
                is_at(t + 0.01, 1, inside(1), inside(9)),
                Arp { lan, ..who_has(t + 0.02, 8, inside(8), inside(1)) },
                Arp { lan, ..is_at(t + 0.03, 2, inside(1), inside(8)) },
            ]
        })
    };
    assert!(Bench::new(&META).arps(trunk(20)).end().is_empty());
    assert_eq!(Bench::new(&META).arps(trunk(0)).kinds(), ["address_conflict"]);
}
