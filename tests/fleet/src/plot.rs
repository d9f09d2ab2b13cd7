//! Seconds over mailboxes, both by powers of ten, as an SVG.

use std::fmt::Write;

use crate::check::Measured;
use crate::scenario::{Look, Scenario};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 60.0;

/// Powers of ten at the ends of the axes.
const MAILBOXES: (i32, i32) = (2, 5);
const SECONDS: (i32, i32) = (-1, 3);

/// What is drawn, and in which colour: one that those see apart who see no difference of red and green (Okabe and Ito,
/// *Color Universal Design*).
const LINES: [(Look, Scenario, &str, &str); 5] = [
    (
        Look::SixHourly,
        Scenario::Healthy,
        "every six hours",
        "#0072B2",
    ),
    (
        Look::SixHourly,
        Scenario::HundredWait,
        "every six hours, 100 wait",
        "#56B4E9",
    ),
    (
        Look::SixHourly,
        Scenario::GraphHangs,
        "every six hours, one hangs",
        "#CC79A7",
    ),
    (Look::Deep, Scenario::Healthy, "every look deep", "#009E73"),
    (Look::Deep, Scenario::First, "the first check", "#D55E00"),
];

pub(crate) fn plot(all: &[Measured]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Seconds of a check over mailboxes</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    axes(&mut svg);
    for (row, (look, scenario, name, colour)) in LINES.into_iter().enumerate() {
        let of_line = all
            .iter()
            .filter(|one| one.case.look == look && one.case.scenario == scenario);
        line(&mut svg, of_line, row, name, colour);
    }
    svg.push_str("</svg>\n");
    svg
}

fn x(mailboxes: f64) -> f64 {
    place(mailboxes, MAILBOXES, (LEFT, WIDTH - RIGHT))
}

fn y(seconds: f64) -> f64 {
    place(seconds, SECONDS, (HEIGHT - BOTTOM, TOP))
}

fn place(value: f64, (first, last): (i32, i32), (from, to): (f64, f64)) -> f64 {
    let (first, last) = (f64::from(first), f64::from(last));
    from + (value.log10() - first) / (last - first) * (to - from)
}

fn axes(svg: &mut String) {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for power in MAILBOXES.0..=MAILBOXES.1 {
        let at = x(10_f64.powi(power));
        let number = 10_u32.pow(power.unsigned_abs());
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{number}</text>",
            bottom + 20.0
        );
    }
    for power in SECONDS.0..=SECONDS.1 {
        let (seconds, at) = (10_f64.powi(power), y(10_f64.powi(power)));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{seconds} s</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">mailboxes</text>",
        f64::midpoint(LEFT, right),
        bottom + 44.0
    );
}

fn line<'m>(
    svg: &mut String,
    of_line: impl Iterator<Item = &'m Measured>,
    row: usize,
    name: &str,
    colour: &str,
) {
    let points: Vec<(f64, f64)> = of_line
        .map(|one| {
            let mailboxes = u32::try_from(one.case.size).unwrap_or(u32::MAX);
            (x(f64::from(mailboxes)), y(one.seconds().max(0.1)))
        })
        .collect();
    let path: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let path = path.join(" ");
    let _ = writeln!(
        svg,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    for (x, y) in points {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
        );
    }
    let (at, down) = (
        WIDTH - RIGHT + 20.0,
        TOP + 16.0 + 24.0 * f64::from(u32::try_from(row).unwrap_or_default()),
    );
    let _ = writeln!(
        svg,
        "<circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{down:.1}\">{name}</text>",
        down - 4.0,
        at + 14.0
    );
}
