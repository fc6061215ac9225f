//! Plots as SVG: bars for sizes, curves for growth.

use std::fmt::Write;

use crate::figures::octets;
use crate::parts::{DISKS, GROWTH, GROWTH_WAYS, HOSTS, LOAD_WAYS, MATCH_WAYS};
use crate::results::{Record, Results};
use crate::tables::label;
use crate::trees::PAIRS;

const WIDTH: f64 = 760.0;
/// One bar with its gap.
const BAR: f64 = 22.0;
/// Room for names.
const LEFT: f64 = 240.0;
const OURS: &str = "#1a6fb0";
const PEER: &str = "#9aa5b1";
/// Curves, told apart by hue and by the name at their end.
const COLOURS: [&str; 10] = [
    "#1a6fb0", "#0b3c61", "#4fa3df", "#2a9d8f", "#12625a", "#b5651d", "#8d8d8d", "#d4a017", "#c0392b",
    "#7d5ba6",
];

/// What a curve shows of a record.
type Value<'a> = &'a dyn Fn(&Record) -> Option<f64>;

/// One line of a plot: what it is called, its colour, its points.
type Curve = (String, &'static str, Vec<(f64, f64)>);

/// All plots with their file names; none where nothing was measured.
pub fn all(results: &Results) -> Vec<(String, String)> {
    let mut plots = Vec::new();
    for pair in PAIRS {
        let name = pair.name();
        let mut records: Vec<&Record> =
            results.case("delta", &name).filter(|record| record.bytes.is_some()).collect();
        records.sort_by_key(|record| record.bytes);
        if !records.is_empty() {
            let title = format!("Bytes of {} → {}: {}", pair.from, pair.to, pair.what);
            plots.push((format!("delta-{name}.svg"), bars(&title, &records)));
        }
    }
    let time = |record: &Record| record.wall().map(|wall| wall.median);
    let memory = |record: &Record| record.peak().map(|peak| peak / 1_048_576.0);
    let files: Vec<(String, u32)> = GROWTH
        .iter()
        .filter(|case| case.files > 1 && !case.kernel)
        .map(|case| (case.name.to_owned(), case.files))
        .collect();
    let numbers = |of: &[usize]| of.iter().map(|n| (n.to_string(), *n as u32)).collect::<Vec<_>>();
    let (hosts, disks) = (numbers(&HOSTS), numbers(&DISKS));
    let by_files = |value: Value<'_>| along(results, "growth", &files, &GROWTH_WAYS, value);
    let by_disks = |value: Value<'_>| along(results, "match", &disks, &MATCH_WAYS, value);
    let by_hosts = |value: Value<'_>| along(results, "load", &hosts, &LOAD_WAYS, value);
    for (name, title, drawn) in [
        ("growth-time.svg", "Seconds, by files of 1 kB", by_files(&time)),
        ("growth-memory.svg", "Peak MiB, by files of 1 kB", by_files(&memory)),
        ("load.svg", "Seconds until the last has upgraded, by hosts at once", by_hosts(&time)),
        ("match.svg", "Seconds until it is answered and explained, by disks that are alike", by_disks(&time)),
    ] {
        plots.extend(curves(title, &drawn).map(|plot| (name.to_owned(), plot)));
    }
    plots
}

/// What was measured of each way, by the size of the case.
fn along(
    results: &Results,
    part: &str,
    cases: &[(String, u32)],
    ways: &[&str],
    value: Value<'_>,
) -> Vec<Curve> {
    let curve = |(way, colour): (&&str, &&'static str)| {
        let point =
            |(case, size): &(String, u32)| Some((f64::from(*size), value(results.of(part, case, way)?)?));
        (plain(way), *colour, cases.iter().filter_map(point).collect::<Vec<_>>())
    };
    ways.iter().zip(&COLOURS).map(curve).filter(|(_, _, points)| !points.is_empty()).collect()
}

/// Horizontal bars, the shortest first.
fn bars(title: &str, records: &[&Record]) -> String {
    let height = 40.0 + BAR * records.len() as f64;
    let most = records.iter().filter_map(|record| record.bytes).max().unwrap_or(1) as f64;
    let mut svg = begin(title, height);
    for (n, record) in records.iter().enumerate() {
        let bytes = record.bytes.unwrap_or(0) as f64;
        let (y, length) = (34.0 + BAR * n as f64, (bytes / most * (WIDTH - LEFT - 110.0)).max(1.0));
        let colour = if record.way.starts_with("ours") { OURS } else { PEER };
        text(&mut svg, LEFT - 8.0, y + 13.0, "end", &plain(&record.way));
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{:.0}\" fill=\"{colour}\"/>",
            BAR - 5.0
        );
        text(&mut svg, LEFT + length + 6.0, y + 13.0, "start", &octets(bytes));
    }
    svg + "</svg>\n"
}

/// Curves over a size; both scales logarithmic.
fn curves(title: &str, curves: &[Curve]) -> Option<String> {
    let points = || curves.iter().flat_map(|(_, _, points)| points);
    let (low, high) = decades(points().map(|point| point.1))?;
    let (first, last) = (points().map(|p| p.0).reduce(f64::min)?, points().map(|p| p.0).reduce(f64::max)?);
    let (top, bottom, left, right) = (40.0, 380.0, 60.0, WIDTH - 250.0);
    let x = |size: f64| left + (size / first).ln() / (last / first).ln().max(0.1) * (right - left);
    let y = |value: f64| bottom - (value.max(0.001).log10() - low) / (high - low) * (bottom - top);
    let mut svg = begin(title, 420.0);
    let mut sizes: Vec<f64> = points().map(|point| point.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    for size in sizes {
        line(&mut svg, &[(x(size), top), (x(size), bottom)], "#dddddd");
        text(&mut svg, x(size), bottom + 18.0, "middle", &octets(size));
    }
    for power in low as i32..=high as i32 {
        let at = y(10f64.powi(power));
        line(&mut svg, &[(left, at), (right, at)], "#dddddd");
        text(&mut svg, left - 6.0, at + 4.0, "end", &format!("{}", 10f64.powi(power)));
    }
    for (n, (name, colour, points)) in curves.iter().enumerate() {
        let beside = top + 12.0 + 18.0 * n as f64;
        let places: Vec<_> = points.iter().map(|(size, value)| (x(*size), y(*value))).collect();
        line(&mut svg, &places, colour);
        for (x, y) in &places {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        line(&mut svg, &[(right + 16.0, beside - 4.0), (right + 34.0, beside - 4.0)], colour);
        text(&mut svg, right + 40.0, beside, "start", name);
    }
    Some(svg + "</svg>\n")
}

/// The powers of ten that some values lie between; `None` where there are none.
fn decades(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let low = values.clone().reduce(f64::min)?.max(0.001).log10().floor();
    Some((low, values.reduce(f64::max)?.max(0.001).log10().ceil().max(low + 1.0)))
}

fn begin(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(&mut svg, 10.0, 20.0, "start", title);
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222222\">{text}</text>"
    );
}

fn line(svg: &mut String, points: &[(f64, f64)], colour: &str) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let points = points.join(" ");
    let _ = writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
    );
}

/// A label without Markdown.
fn plain(way: &str) -> String {
    label(way).replace(['*', '`'], "").replace('&', "&amp;").replace('<', "&lt;")
}
