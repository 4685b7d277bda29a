//! `gen_params certify`: proof, over every accumulator that can occur, that the hardware's requantization equals an engine's.

use std::io::Write;

use anyhow::{Context, Result, anyhow, bail};
use comfy_table::CellAlignment;
use rayon::prelude::*;
use serde_json::{Value as Json, json};

use gen_params::certify::{Channel, Constant, Difference, Problem, layer_channels, narrowest};
use gen_params::contract::Contract;
use gen_params::ops::Op;
use gen_params::target::Target;

use super::Finding;
use crate::arguments::Certify;
use crate::outputs::ruled;
use crate::simulation::Prepared;
use crate::table::thousands;
use crate::{arithmetic, terminal};

/// What is proven of one layer.
struct Layer {
    name: String,
    channels: usize,
    reachable: u64,
    differing: u64,
    largest: u32,
    differing_channels: usize,
    only_ties: bool,
    /// Bits of the narrowest M0 that is equal in every channel, rounding half up and with a constant per channel; `None`
    /// where a channel has none of 32 bits, or none was looked for.
    narrowest: [Option<u32>; 2],
}

pub(crate) fn run(arguments: &Certify) -> Result<Finding> {
    let contract = Contract::from_name(&arguments.against).ok_or_else(|| {
        let known = Contract::ALL.map(Contract::name).join(", ");
        anyhow!("--against: found {:?}, expected one of: {known}", arguments.against)
    })?;
    let target = arithmetic::target(&arguments.target, &arguments.derivation);
    let prepared = Prepared::open(&arguments.source, &arguments.derivation, &arguments.target)?;
    let layers = certify(&prepared, contract, target, arguments.search)
        .with_context(|| prepared.model.path.display().to_string())?;
    let equal = layers.iter().all(|layer| layer.differing == 0);
    let mut stdout = anstream::stdout();
    if arguments.json {
        let report = json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "contract": contract.name(),
            "target": arithmetic::describe(gen_params::machine::Arithmetic::Target(target)),
            "equal": equal,
            "layers": layers.iter().map(|layer| layer.to_json(arguments.search)).collect::<Vec<_>>(),
        });
        writeln!(stdout, "{report:#}")?;
    } else {
        writeln!(
            stdout,
            "Reachable accumulators at which the hardware's code differs from that of {}:",
            contract.name()
        )?;
        print(&mut stdout, &layers, arguments.search)?;
    }
    let channels: usize = layers.iter().map(|layer| layer.channels).sum();
    if equal {
        terminal::say(format!("proven equal: {} channels, every reachable accumulator", thousands(channels)));
        return Ok(Finding::None);
    }
    let differing: usize = layers.iter().map(|layer| layer.differing_channels).sum();
    terminal::say(format!("not equal: {} of {} channels differ", thousands(differing), thousands(channels)));
    Ok(Finding::Different)
}

fn certify(prepared: &Prepared, contract: Contract, target: Target, search: bool) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for node in &prepared.network.nodes {
        let Op::Layer(layer) = &node.op else { continue };
        let Some(parameters) = prepared.parameters.layers.iter().find(|p| p.name == node.name) else {
            bail!("{}: its parameters were not derived", node.name);
        };
        if layer.saturates_pairs(contract) && parameters.input_range.is_none_or(|range| range.max > 127) {
            bail!(
                "{}: {}'s depthwise kernel saturates for codes above 127, which this layer can reach: its \
                 accumulators are not sums, and nothing can be proven of them",
                node.name,
                contract.name()
            );
        }
        let channels =
            layer_channels(contract, layer, parameters, target).with_context(|| node.name.clone())?;
        let proofs: Vec<Proof> = channels
            .par_iter()
            .map(|channel| Proof::of(channel, target.product_bits, search))
            .collect::<Result<_>>()
            .with_context(|| node.name.clone())?;
        layers.push(Layer::of(&node.name, &proofs));
    }
    Ok(layers)
}

/// What is proven of one channel.
struct Proof {
    difference: Difference,
    only_ties: bool,
    narrowest: [Option<u32>; 2],
}

impl Proof {
    fn of(channel: &Channel, product_bits: u32, search: bool) -> Result<Self> {
        let (reference, hardware) = (channel.reference_steps()?, channel.hardware_steps(product_bits)?);
        let difference = Difference::between(&reference, &hardware).context("has two clamps")?;
        let only_ties = channel.only_ties(&reference, &hardware);
        let narrowest = if search {
            let integer = &channel.hardware;
            let problem =
                Problem::new(&reference, integer.bias, integer.bias_fraction_bits, integer.zero_point);
            [Constant::Half, Constant::Free].map(|constant| narrowest(&problem, constant).map(|n| n.bits()))
        } else {
            [None; 2]
        };
        Ok(Self { difference, only_ties, narrowest })
    }
}

impl Layer {
    fn of(name: &str, proofs: &[Proof]) -> Self {
        let widest = |index: usize| {
            proofs.iter().map(|proof| proof.narrowest[index]).collect::<Option<Vec<u32>>>()?.into_iter().max()
        };
        Self {
            name: name.to_owned(),
            channels: proofs.len(),
            reachable: proofs.iter().map(|p| p.difference.reachable).sum(),
            differing: proofs.iter().map(|p| p.difference.differing).sum(),
            largest: proofs.iter().map(|p| p.difference.largest_distance()).max().unwrap_or(0),
            differing_channels: proofs.iter().filter(|p| !p.difference.is_none()).count(),
            only_ties: proofs.iter().all(|p| p.only_ties),
            narrowest: [widest(0), widest(1)],
        }
    }

    fn parts_per_million(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = self.differing as f64 / self.reachable.max(1) as f64;
        share * 1e6
    }

    fn verdict(&self) -> &'static str {
        match (self.differing, self.only_ties) {
            (0, _) => "proven equal",
            (_, true) => "only at ties",
            (_, false) => "",
        }
    }

    fn to_json(&self, search: bool) -> Json {
        let mut report = json!({
            "name": self.name,
            "channels": self.channels,
            "reachable": self.reachable,
            "differing": self.differing,
            "differing_channels": self.differing_channels,
            "largest": self.largest,
            "only_ties": self.only_ties,
        });
        if search {
            report["narrowest_multiplier_bits"] =
                json!({"half_up": self.narrowest[0], "constant_per_channel": self.narrowest[1]});
        }
        report
    }
}

fn print(out: &mut impl Write, layers: &[Layer], search: bool) -> Result<()> {
    let mut table = ruled();
    let mut header = vec!["layer", "channels", "accumulators", "differing", "ppm", "largest", ""];
    if search {
        header.extend(["equal with M0 of", "with a constant per channel"]);
    }
    table.set_header(header);
    for layer in layers {
        let count = |n: u64| thousands(usize::try_from(n).unwrap_or(usize::MAX));
        let mut row = vec![
            layer.name.clone(),
            layer.channels.to_string(),
            count(layer.reachable),
            count(layer.differing),
            format!("{:.3}", layer.parts_per_million()),
            format!("{} LSB", layer.largest),
            layer.verdict().to_owned(),
        ];
        if search {
            row.extend(layer.narrowest.map(|bits| match bits {
                Some(bits) => format!("{bits} bits"),
                None => "none of 32 bits".to_owned(),
            }));
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{table}")?;
    Ok(())
}
