//! A digest of JSON that does not depend on how it is laid out.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256, as lower-case hex, of everything in a certificate but its `sha256`.
///
/// What is hashed: of an object `{`, then for each key in the order of its bytes the key as a string and its value, then `}`;
/// of a list `[`, its values, `]`; of a string `"`, its length in bytes, `:` and its bytes in UTF-8; of an integer `i`, its
/// decimal digits and `;`; of another number `d` and the 16 hexadecimal digits of its binary64; `t`, `f` and `n` for true,
/// false and null.
pub fn digest_of(certificate: &Value) -> String {
    let mut hash = Sha256::new();
    match certificate {
        Value::Object(fields) => object(&mut hash, fields.iter().filter(|(key, _)| *key != "sha256")),
        other => add(&mut hash, other),
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn object<'a>(hash: &mut Sha256, fields: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut fields: Vec<(&String, &Value)> = fields.collect();
    fields.sort_by_key(|(key, _)| *key);
    hash.update("{");
    for (key, value) in fields {
        string(hash, key);
        add(hash, value);
    }
    hash.update("}");
}

fn string(hash: &mut Sha256, text: &str) {
    hash.update(format!("\"{}:", text.len()));
    hash.update(text);
}

fn add(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update("n"),
        Value::Bool(true) => hash.update("t"),
        Value::Bool(false) => hash.update("f"),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(real) => hash.update(format!("d{:016x}", real.to_bits())),
            None => hash.update(format!("i{number};")),
        },
        Value::String(text) => string(hash, text),
        Value::Array(values) => {
            hash.update("[");
            values.iter().for_each(|value| add(hash, value));
            hash.update("]");
        }
        Value::Object(fields) => object(hash, fields.iter()),
    }
}
