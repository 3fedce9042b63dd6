//! Pictures of simulations.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::Run;
use ringmon_core::Word as _;

/// One line of a picture.
type Line = (String, Vec<(f64, f64)>);

const SIZE: (u32, u32) = (800, 480);
const COLOURS: [RGBColor; 6] = [BLUE, RED, GREEN, MAGENTA, CYAN, BLACK];

/// Draws every possible picture into this folder.
pub fn draw(folder: &Path, runs: &[Run]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut scenarios: Vec<_> = runs.iter().map(|r| r.setup.scenario).collect();
    scenarios.dedup();
    let mut detection: Vec<Line> = Vec::new();
    for scenario in scenarios {
        let its: Vec<&Run> = runs.iter().filter(|r| r.setup.scenario == scenario).collect();
        for (name, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
            let at = |r: &&Run| r.report.detected(percent).map(|d| (count(r.setup.servers).log10(), ms(d)));
            let points: Vec<(f64, f64)> = its.iter().filter_map(at).collect();
            if !points.is_empty() {
                detection.push((format!("{} {name}", scenario.word()), points));
            }
        }
        let rings: Vec<Line> = its.iter().map(|r| (format!("{} servers", r.setup.servers), ring(r))).collect();
        let name = format!("ring-{}.svg", scenario.word());
        let title = format!("{}: ring size over time", scenario.word());
        picture(&folder.join(name), &title, ["ms since it began", "per cent of the servers"], &rings)?;
    }
    if !detection.is_empty() {
        let axes = ["servers, as a power of ten", "ms from death to suspicion"];
        picture(&folder.join("detection.svg"), "detection time against pool size", axes, &detection)?;
    }
    Ok(())
}

/// The ring's size as steps, in per cent of the pool.
fn ring(run: &Run) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (at, size) in &run.report.ring {
        if let Some((_, before)) = points.last().copied() {
            points.push((ms(*at), before));
        }
        points.push((ms(*at), 100.0 * count(*size) / count(run.setup.servers)));
    }
    if let Some((_, last)) = points.last().copied() {
        points.push((ms(run.report.span), last));
    }
    points
}

fn picture(file: &Path, title: &str, axes: [&str; 2], lines: &[Line]) -> anyhow::Result<()> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    paint(&area, title, axes, lines)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .with_context(|| format!("cannot draw {}", file.display()))
}

fn paint(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    [x, y]: [&str; 2],
    lines: &[Line],
) -> Result<(), Box<dyn std::error::Error>> {
    let all = || lines.iter().flat_map(|(_, points)| points);
    let (right, top) = all().fold((1.0_f64, 1.0_f64), |(a, b), (c, d)| (a.max(*c), b.max(*d)));
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..right * 1.02, 0.0..top * 1.05)?;
    chart.configure_mesh().x_desc(x).y_desc(y).draw()?;
    for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour))?
            .label(name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], *colour));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn count(many: usize) -> f64 {
    u32::try_from(many).map_or(f64::MAX, f64::from)
}
