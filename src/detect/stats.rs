//! Pure maths that detectors share: entropy, median, spread.
//!
//! Every function takes plain numbers and says what it does with none. Nothing here knows what the numbers mean.

/// Bits per byte of the values, 0 (all equal, or none) to 8.
pub fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for b in bytes {
        if let Some(c) = counts.get_mut(usize::from(*b)) {
            *c += 1;
        }
    }
    entropy_of(counts.iter().copied(), bytes.len())
}

/// Bits per item, from how often each occurs among `total`.
pub fn entropy_of(counts: impl Iterator<Item = u32>, total: usize) -> f64 {
    let n = total as f64;
    if total == 0 {
        return 0.0;
    }
    let sum: f64 = counts.filter(|c| *c > 0).map(|c| f64::from(c) / n).map(|p| -p * p.log2()).sum();
    sum.max(0.0)
}

/// The middle value; the mean of both middle ones; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let upper = v.get(v.len() / 2).copied().unwrap_or(0.0);
    if v.len() % 2 == 1 || v.is_empty() {
        return upper;
    }
    let lower = v.get(v.len() / 2 - 1).copied().unwrap_or(upper);
    f64::midpoint(lower, upper)
}

/// Median of the distances from the median; 0 of none.
pub fn mad(values: &[f64]) -> f64 {
    let m = median(values);
    let distances: Vec<f64> = values.iter().map(|v| (v - m).abs()).collect();
    median(&distances)
}

/// Mean; 0 of none.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Standard deviation of the population over the mean; 0 of none or of mean 0.
pub fn variation(values: &[f64]) -> f64 {
    let m = mean(values);
    if m == 0.0 {
        return 0.0;
    }
    let spread = values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / values.len() as f64;
    spread.sqrt() / m.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(entropy(b""), 0.0);
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abab"), 1.0);
        let all: Vec<u8> = (0..=255).collect();
        assert!((entropy(&all) - 8.0).abs() < 1e-9);
        assert_eq!((median(&[]), median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (0.0, 2.0, 2.5));
        assert_eq!(mad(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]), 1.0);
        assert!((variation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) - 0.4).abs() < 1e-9);
        assert_eq!(variation(&[]), 0.0);
    }
}
