//! Targets that come with the tool, each a commented TOML file to start from.

use super::{TargetFile, TargetFileError};

/// A target that comes with the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The word that selects it.
    pub name: &'static str,
    /// Its file.
    pub toml: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        [$(Preset { name: $name, toml: include_str!(concat!("presets/", $name, ".toml")) }),*]
    };
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 8] =
        presets!["global-shift", "q31", "cmsis-nn", "tflite", "dsp18", "dsp27", "pow2", "threshold"];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name == name)
    }

    /// Reads it.
    ///
    /// # Errors
    /// None for those of [`Preset::ALL`], which a test reads.
    pub fn read(self) -> Result<TargetFile, TargetFileError> {
        TargetFile::parse(self.toml)
    }
}
