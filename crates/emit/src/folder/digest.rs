//! SHA-256 as the manifest lists it, in lower-case hex.

use std::fs::File;
use std::io::{self, Read, Seek};

use sha2::{Digest, Sha256};

/// Size and SHA-256 of a file.
pub(crate) fn digest(file: &mut File) -> io::Result<(u64, String)> {
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((bytes, lower_hex(&hash.finalize())));
        }
        hash.update(&buffer[..length]);
        bytes += length as u64;
    }
}

/// SHA-256 of `bytes`, 64 lower-case hex digits.
pub(crate) fn hex_digest(bytes: &[u8]) -> String {
    lower_hex(&Sha256::digest(bytes))
}

fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
