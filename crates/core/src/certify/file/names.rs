//! Closed sets of words, as the file has them.

use crate::parameters::LayerKind;

/// The kind of a layer by the name of its operation.
pub(super) fn layer_kind(op: &str) -> Option<LayerKind> {
    let convolutions = (1..=3).flat_map(|axes| [LayerKind::Conv(axes), LayerKind::ConvTranspose(axes)]);
    convolutions.chain([LayerKind::Linear]).find(|kind| kind.name() == op)
}

/// Element types.
pub(super) mod code_type {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::parameters::CodeType;

    pub(in super::super) fn serialize<S: Serializer>(
        code_type: &CodeType,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(code_type.name())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<CodeType, D::Error> {
        let name = String::deserialize(deserializer)?;
        let all = [CodeType::U8, CodeType::I8, CodeType::I16, CodeType::I32];
        all.into_iter()
            .find(|known| known.name() == name)
            .ok_or_else(|| de::Error::custom(format!("found {name:?}, expected uint8, int8, int16 or int32")))
    }
}

/// What stands outside of the input.
pub(super) mod padding_mode {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::ops::PaddingMode;

    pub(in super::super) fn serialize<S: Serializer>(
        mode: &PaddingMode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.name())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PaddingMode, D::Error> {
        let name = String::deserialize(deserializer)?;
        PaddingMode::from_name(&name).ok_or_else(|| de::Error::custom(format!("no padding is {name:?}")))
    }
}
