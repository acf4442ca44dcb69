//! Who made this network card?
//!
//! The IEEE registry of address blocks (MA-L, MA-M, MA-S and IAB: 24, 28 and 36 bits), as `scripts/oui.py` writes it: one
//! line a block, sorted. Addresses that their owner chose (IEEE 802 section 8.4: the second bit of the first byte) name no
//! maker and say so. Refuses to guess: an unknown block has no maker.

use std::cmp::Ordering;

/// `prefix` TAB `name` LF, sorted by prefix.
static BLOCKS: &str = include_str!("oui.txt");

/// What is shown for an address that no registry gave out: phones change it from network to network, virtual machines and
/// containers make it up.
const CHOSEN: &str = "locally administered (randomised or virtual)";

/// Prefixes that their users agreed on without the registry.
const AGREED: &[(&str, &str)] = &[("0242", "Docker (by default)"), ("525400", "QEMU/KVM (by default)")];

/// Digits of the three sizes of blocks, the most exact first.
const SIZES: [usize; 3] = [9, 7, 6];

/// The maker of `aa:bb:cc:dd:ee:ff`.
pub(super) fn maker(mac: &str) -> Option<&'static str> {
    let digits: String =
        mac.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).collect();
    if digits.len() != 12 {
        return None;
    }
    let first = u8::from_str_radix(digits.get(..2)?, 16).ok()?;
    if first & 1 != 0 || digits.bytes().all(|b| b == b'0') {
        return None; // a group, or no address at all
    }
    if first & 2 != 0 {
        // Before 2006 some blocks were given out with this bit; what is registered holds.
        let agreed = AGREED.iter().find(|(prefix, _)| digits.starts_with(prefix)).map(|(_, name)| *name);
        return agreed.or_else(|| find(&digits)).or(Some(CHOSEN));
    }
    find(&digits)
}

fn find(digits: &str) -> Option<&'static str> {
    SIZES.iter().find_map(|n| block(digits.get(..*n)?))
}

/// The holder of exactly this block.
fn block(prefix: &str) -> Option<&'static str> {
    let (mut low, mut high) = (0, BLOCKS.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = BLOCKS.as_bytes().get(..middle)?.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = BLOCKS.get(start..)?.lines().next()?;
        let (own, name) = line.split_once('\t')?;
        match own.cmp(prefix) {
            Ordering::Equal => return Some(name),
            Ordering::Less => low = start + line.len() + 1,
            Ordering::Greater => high = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_found_and_the_table_is_sorted() {
        let prefixes: Vec<&str> = BLOCKS.lines().map(|l| l.split_once('\t').unwrap().0).collect();
        assert!(prefixes.len() > 40_000 && prefixes.is_sorted_by(|a, b| a < b));
        for line in BLOCKS.lines().step_by(97) {
            let (prefix, name) = line.split_once('\t').unwrap();
            assert_eq!(block(prefix), Some(name));
        }
        assert_eq!((block("0000"), block("zzzzzz"), block("")), (None, None, None));
    }

    #[test]
    fn addresses_have_makers() {
        assert_eq!(maker("00:00:0C:12:34:56"), Some("Cisco Systems"));
        assert_eq!(maker("b8:27:eb:00:00:01"), Some("Raspberry Pi Foundation"));
        assert_eq!(maker("00:55:da:1f:ff:ff"), Some("KoolPOS"), "a block of 28 bits");
        assert_eq!(maker("da:a1:19:00:00:01"), Some(CHOSEN));
        assert_eq!(maker("02:42:ac:11:00:02"), Some("Docker (by default)"));
        for none in ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "00:00:00:00:00:00", "", "00:00:0c"] {
            assert_eq!(maker(none), None, "{none}");
        }
    }
}
