//! Width of M0 against differing accumulators, as SVG.

use std::io::{Result, Write};

use gen_params_core::certify::{Freedom, Summary};
use gen_params_core::contract::Contract;

use super::search::{Search, WIDTHS};

/// Widths of multipliers in hardware: 8 and 16 bits of small processors, 18, 25 and 27 of FPGAs' DSP blocks (18x18, 25x18,
/// 27x18), 32 of processors.
pub const MARKS: [u32; 6] = [8, 16, 18, 25, 27, 32];

/// The powers of ten between which shares are drawn.
pub fn decades() -> (i32, i32) {
    (-9, 0)
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 60.0;

/// Room below the smallest power for those that are equal.
const EQUAL: f64 = 28.0;

const SERIES: [(&str, &str); 4] = [
    ("M0 = round(M*2^n)", "#777777"),
    ("M0 chosen", "#0072b2"),
    ("M0 and bias chosen", "#e69f00"),
    ("M0 and rounding constant chosen", "#009e73"),
];

impl Search {
    /// Draws the whole network's curves: width of M0 against the share of accumulators whose code differs from the engine's.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn plot(&self, out: &mut dyn Write, model: &str, contract: Contract) -> Result<()> {
        write(out, model, contract, self)
    }
}

fn write(out: &mut dyn Write, model: &str, contract: Contract, search: &Search) -> Result<()> {
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="20" font-size="14">{}: accumulators at which the code differs from that of {}, {}</text>"##,
        escape(model),
        contract.name(),
        search.sharing.describe()
    )?;
    let (low, high) = decades();
    for decade in low..=high {
        let y = height_of(10f64.powi(decade));
        line(out, (LEFT, y), (WIDTH - RIGHT, y), r##"stroke="#dddddd""##)?;
        let label = if decade == 0 { "1".to_owned() } else { format!("1e{decade}") };
        text(out, (LEFT - 6.0, y + 4.0), "end", &label)?;
    }
    text(out, (LEFT - 6.0, height_of_equal() + 4.0), "end", "equal")?;
    line(out, (LEFT, height_of_equal()), (WIDTH - RIGHT, height_of_equal()), r##"stroke="#dddddd""##)?;
    for bits in WIDTHS {
        let x = place_of(bits);
        if MARKS.contains(&bits) {
            line(out, (x, TOP), (x, HEIGHT - BOTTOM), r##"stroke="#bbbbbb" stroke-dasharray="4 3""##)?;
        }
        if MARKS.contains(&bits) || bits % 4 == 0 {
            text(out, (x, HEIGHT - BOTTOM + 16.0), "middle", &bits.to_string())?;
        }
    }
    text(out, ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM + 34.0), "middle", "bits of M0")?;
    for (index, (freedom, (name, colour))) in Freedom::ALL.into_iter().zip(SERIES).enumerate() {
        let points: Vec<(f64, f64)> = WIDTHS
            .zip(search.network(freedom))
            .map(|(bits, width)| (place_of(bits), height_of_summary(&width.summary)))
            .collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(
            out,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.join(" ")
        )?;
        for (x, y) in points {
            writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="2.5" fill="{colour}"/>"#)?;
        }
        let x = LEFT + [0.0, 150.0, 250.0, 405.0][index];
        writeln!(out, r#"<circle cx="{:.1}" cy="35" r="4" fill="{colour}"/>"#, x + 5.0)?;
        text(out, (x + 14.0, 39.0), "start", name)?;
    }
    writeln!(out, "</svg>")?;
    Ok(())
}

fn place_of(bits: u32) -> f64 {
    let (first, last) = (f64::from(*WIDTHS.start()), f64::from(*WIDTHS.end()));
    LEFT + 10.0 + (f64::from(bits) - first) / (last - first) * (WIDTH - RIGHT - LEFT - 20.0)
}

fn height_of_equal() -> f64 {
    HEIGHT - BOTTOM - 6.0
}

fn height_of(share: f64) -> f64 {
    let (low, high) = decades();
    let part = (share.log10() - f64::from(low)) / f64::from(high - low);
    let bottom = HEIGHT - BOTTOM - EQUAL;
    bottom - part.clamp(0.0, 1.0) * (bottom - TOP)
}

fn height_of_summary(summary: &Summary) -> f64 {
    if summary.differing == 0 { height_of_equal() } else { height_of(summary.share()) }
}

fn line(out: &mut dyn Write, from: (f64, f64), to: (f64, f64), style: &str) -> Result<()> {
    writeln!(
        out,
        r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" {style}/>"#,
        from.0, from.1, to.0, to.1
    )?;
    Ok(())
}

fn text(out: &mut dyn Write, at: (f64, f64), anchor: &str, text: &str) -> Result<()> {
    writeln!(out, r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#, at.0, at.1, escape(text))?;
    Ok(())
}

/// Text for XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
