//! "Did you mean ...?"

/// The word of `words` that was most likely meant by `typed`: at most a third of its letters are wrong.
#[must_use]
pub fn nearest(typed: &str, words: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let typed: Vec<char> = typed.to_lowercase().replace('-', "_").chars().collect();
    let mut best: Option<(usize, &'static str)> = None;
    for word in words {
        let far = distance(&typed, &word.replace('-', "_").chars().collect::<Vec<_>>());
        if far <= word.chars().count().div_ceil(3) && best.is_none_or(|(least, _)| far < least) {
            best = Some((far, word));
        }
    }
    best.map(|(_, word)| word)
}

/// How many letters to insert, delete, replace or swap with their neighbour to turn `a` into `b` (optimal string
/// alignment; Damerau, CACM 7(3), 1964).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
