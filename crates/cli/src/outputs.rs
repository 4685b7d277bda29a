//! The codes that leave a network, for people and machines.

use std::io::{self, Write};

use anyhow::{Result, bail};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value as Json, json};

use gen_params::parameters::Activation;
use gen_params::tensor::Tensor;

use crate::input::Input;

/// More images than this are printed one a line without a table, and not at all beside an accuracy.
pub(crate) const FEW_IMAGES: usize = 20;

/// More classes than this are not all printed.
const FEW_CLASSES: usize = 12;

/// One output of the network, for all images.
#[derive(Debug)]
pub(crate) struct Output {
    name: String,
    activation: Activation,
    /// Sizes of one image's values.
    shape: Vec<usize>,
    codes: Vec<i32>,
    /// Number of values of one image.
    pub(crate) values_per_image: usize,
}

impl Output {
    pub(crate) fn new(name: String, activation: Activation) -> Self {
        Self { name, activation, shape: Vec::new(), codes: Vec::new(), values_per_image: 1 }
    }

    /// Adds the codes of more images.
    pub(crate) fn append(&mut self, codes: &Tensor<i32>) {
        self.shape = codes.shape().get(1..).unwrap_or_default().to_vec();
        self.values_per_image = self.shape.iter().product::<usize>().max(1);
        self.codes.extend_from_slice(codes.elements());
    }

    /// S * (code - Z), to the last digit that binary32 has.
    fn real(&self, code: i32) -> f64 {
        self.activation.scale * f64::from(code - self.activation.zero_point)
    }

    /// For each image, the class with the largest code, the first of several.
    pub(crate) fn classes(&self) -> Result<Vec<usize>> {
        if self.shape.len() != 1 {
            bail!(
                "--labels: the output {} has shape {:?} per image, expected (classes,)",
                self.name,
                self.shape
            );
        }
        Ok(self.codes.chunks(self.values_per_image).map(largest).collect())
    }

    /// One line per image.
    pub(crate) fn print(
        &self,
        out: &mut impl Write,
        input: &Input,
        labels: Option<&[usize]>,
        several_outputs: bool,
    ) -> io::Result<()> {
        if several_outputs {
            writeln!(out, "{}:", self.name)?;
        }
        let name = |image: usize| match &input.names {
            Some(names) => names.get(image).cloned().unwrap_or_default(),
            None => image.to_string(),
        };
        let is_classifier = self.shape.len() == 1;
        if input.images() > FEW_IMAGES || !is_classifier {
            for (image, codes) in self.codes.chunks(self.values_per_image).enumerate() {
                let class = if is_classifier { format!("{}\t", largest(codes)) } else { String::new() };
                writeln!(out, "{}\t{class}{}", name(image), join(codes))?;
            }
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        let all = self.values_per_image <= FEW_CLASSES;
        let what = if all {
            "code, and real = S*(code - Z), of each class"
        } else {
            "class: code = real, largest first"
        };
        let mut header = vec!["image".to_owned(), "class".into()];
        header.extend(labels.map(|_| "label".to_owned()));
        if all {
            header.extend((0..self.values_per_image).map(|class| class.to_string()));
        } else {
            header.push(what.into());
        }
        table.set_header(header);
        for (image, codes) in self.codes.chunks(self.values_per_image).enumerate() {
            let mut row = vec![name(image), largest(codes).to_string()];
            row.extend(labels.and_then(|labels| labels.get(image)).map(ToString::to_string));
            if all {
                row.extend(codes.iter().map(|&code| format!("{code}\n{:.3}", self.real(code))));
            } else {
                row.push(self.best(codes));
            }
            table.add_row(row);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(out, "{what}; S = {}, Z = {}", self.activation.scale, self.activation.zero_point)?;
        writeln!(out, "{table}")
    }

    /// The five largest codes.
    fn best(&self, codes: &[i32]) -> String {
        let mut order: Vec<(usize, i32)> = codes.iter().copied().enumerate().collect();
        order.sort_by_key(|&(class, code)| (std::cmp::Reverse(code), class));
        let best =
            order.iter().take(5).map(|&(class, code)| format!("{class}: {code} = {:.3}", self.real(code)));
        best.collect::<Vec<_>>().join("   ")
    }

    /// Codes by image.
    pub(crate) fn to_json(&self) -> Json {
        json!({
            "name": self.name,
            "scale": self.activation.scale,
            "zero_point": self.activation.zero_point,
            "dtype": self.activation.code_type.name(),
            "shape": self.shape,
            "codes": self.codes.chunks(self.values_per_image).collect::<Vec<_>>(),
        })
    }
}

/// The index of the largest code, the first of several.
pub(crate) fn largest(codes: &[i32]) -> usize {
    let best = codes.iter().enumerate().max_by_key(|&(index, &code)| (code, std::cmp::Reverse(index)));
    best.map_or(0, |(index, _)| index)
}

fn join(codes: &[i32]) -> String {
    codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
