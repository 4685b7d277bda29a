//! The integers of operators without weights.

use gen_params_core::parameters::{OperatorArithmetic, Scale};

/// The integers of an operator without weights, as files list them.
#[derive(Default)]
pub(crate) struct Integers {
    pub(crate) multiplier: Vec<Option<i64>>,
    pub(crate) shift: Vec<Option<i32>>,
    pub(crate) offset: Option<Vec<i32>>,
    pub(crate) divisor: Option<Vec<i64>>,
}

impl Integers {
    /// Those of one form; `None` where it has none, or is a table.
    pub(crate) fn of(arithmetic: &OperatorArithmetic) -> Option<Self> {
        let one = |scale: Scale| (Some(i64::from(scale.multiplier)), Some(scale.shift));
        let lists = |scales: Vec<(Option<i64>, Option<i32>)>| {
            let (multiplier, shift) = scales.into_iter().unzip();
            Self { multiplier, shift, ..Self::default() }
        };
        Some(match arithmetic {
            OperatorArithmetic::Sum { multipliers, shift } => Self {
                multiplier: multipliers.iter().map(|&m| Some(i64::from(m))).collect(),
                shift: vec![Some(*shift)],
                ..Self::default()
            },
            OperatorArithmetic::Product(scale) | OperatorArithmetic::MatrixProduct(scale) => {
                lists(vec![one(*scale)])
            }
            OperatorArithmetic::Concatenation(scales) => {
                lists(scales.iter().map(|scale| scale.map_or((None, None), one)).collect())
            }
            OperatorArithmetic::Mean(scales) => Self {
                divisor: Some(scales.iter().map(|&(divisor, _)| divisor).collect()),
                ..lists(scales.iter().map(|&(_, scale)| one(scale)).collect())
            },
            OperatorArithmetic::ChannelScale { multipliers, offsets, shift } => Self {
                multiplier: multipliers.iter().map(|&m| Some(i64::from(m))).collect(),
                shift: vec![Some(*shift)],
                offset: Some(offsets.clone()),
                divisor: None,
            },
            OperatorArithmetic::Clamp => Self::default(),
            OperatorArithmetic::Table(_) | OperatorArithmetic::Largest | OperatorArithmetic::Selection => {
                return None;
            }
        })
    }
}
