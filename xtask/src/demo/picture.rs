//! The ring, drawn with letters.

use std::f64::consts::TAU;

/// More servers than this do not fit around a ring of this size.
const AT_MOST: usize = 12;
const WIDTH: usize = 48;
const HEIGHT: usize = 11;

/// The ring clockwise from the top, each server followed by its first buddy. Below it are the servers that are away.
pub fn of(order: &[String], away: &[String]) -> String {
    let mut text = if order.len() > AT_MOST || order.is_empty() { chain(order) } else { ellipse(order) };
    if !away.is_empty() {
        text.push_str(&format!("    not on the ring: {}\n", away.join(", ")));
    }
    text
}

fn chain(order: &[String]) -> String {
    let Some(first) = order.first() else { return "    the ring is empty\n".to_owned() };
    format!("    {} -> {first}\n", order.join(" -> "))
}

fn ellipse(order: &[String]) -> String {
    let mut grid = vec![vec![' '; WIDTH]; HEIGHT];
    for step in 0..200 {
        let (row, column) = place(f64::from(step) / 200.0);
        grid[row][column] = '.';
    }
    for (index, name) in order.iter().enumerate() {
        let share = u32::try_from(index).map_or(0.0, f64::from) / u32::try_from(order.len()).map_or(1.0, f64::from);
        let (row, column) = place(share);
        let label = format!(" {name} ");
        let begin = column.saturating_sub(label.chars().count() / 2).min(WIDTH - label.chars().count().min(WIDTH));
        for (offset, letter) in label.chars().enumerate().take(WIDTH - begin) {
            grid[row][begin + offset] = letter;
        }
    }
    grid.iter().map(|row| format!("    {}\n", row.iter().collect::<String>().trim_end())).collect()
}

/// The cell at this share of the way round, clockwise from the top.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the grid's size by construction"
)]
fn place(share: f64) -> (usize, usize) {
    let (sine, cosine) = (share * TAU).sin_cos();
    let (rows, columns) = ((HEIGHT - 1) as f64, (WIDTH - 9) as f64);
    (((1.0 - cosine) / 2.0 * rows).round() as usize, ((1.0 + sine) / 2.0 * columns).round() as usize + 4)
}

#[cfg(test)]
mod tests {
    use super::of;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("s{n}")).collect()
    }

    #[test]
    fn every_server_is_on_the_picture() {
        for count in 1..=14 {
            let picture = of(&names(count), &[]);
            for name in names(count) {
                assert!(picture.contains(&format!(" {name} ")) || picture.contains(&format!(" {name}\n")), "{picture}");
            }
        }
    }

    #[test]
    fn who_is_away_is_named() {
        assert!(of(&names(2), &["s3 (crashed)".to_owned()]).ends_with("not on the ring: s3 (crashed)\n"));
    }
}
