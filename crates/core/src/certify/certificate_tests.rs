//! Certificates that are proven again, and some that cannot be.

use std::io::Write;
use std::process::{Command, Stdio};

use gen_params_test_support::{needs, root};

use super::tests::own_channels;
use super::*;
use crate::parameters::Range;

/// Exit code and output of the checker that is not ours in any line.
fn independent_checker(certificate: &Certificate) -> (Option<i32>, String) {
    let script = root().join("tools/check_certificate.py");
    let mut checker = Command::new("python3")
        .arg(script)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = serde_json::to_string(certificate).unwrap();
    checker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = checker.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[needs(python3)]
fn certificates_are_proven_again_by_another_program() {
    // Every kind of reference with every rounding that the fixtures bring together, a few channels of each.
    let mut taken = std::collections::HashMap::new();
    let chosen = own_channels().into_iter().filter(|channel| {
        let kind = std::mem::discriminant(channel.reference.arithmetic());
        let count = taken.entry((kind, channel.hardware.rounding)).or_insert(0);
        *count += 1;
        *count <= 3
    });
    let channels: Vec<_> = chosen.filter_map(|channel| CertifiedChannel::new(channel, 64).ok()).collect();
    assert!(channels.len() >= 20, "only {} channels", channels.len());
    let certificate = Certificate {
        schema: Certificate::SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        contract: "several".into(),
        product_bits: 64,
        parameters_sha256: String::new(),
        layers: vec![CertifiedLayer { name: "all".into(), channels }],
    };
    let text = serde_json::to_string(&certificate).unwrap();
    let again: Certificate = serde_json::from_str(&text).unwrap();
    assert_eq!(again, certificate);
    assert_eq!(again.check(), []);
    let (code, said) = independent_checker(&certificate);
    assert_eq!(code, Some(0), "{said}");

    let differs = certificate.layers[0].channels.iter().position(|c| c.difference.differing > 0).unwrap();
    let alter = |change: fn(&mut CertifiedChannel)| {
        let mut altered = certificate.clone();
        altered.layers[0].channels.truncate(differs + 1);
        change(&mut altered.layers[0].channels[differs]);
        altered
    };
    let lies: [fn(&mut CertifiedChannel); 4] = [
        |channel| channel.difference.differing -= 1,
        |channel| channel.difference.first = None,
        |channel| channel.only_ties = !channel.only_ties,
        |channel| channel.channel.hardware.zero_point += 1,
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        let altered = alter(lie);
        assert_eq!(altered.check().len(), 1, "lie {index}");
        let (code, said) = independent_checker(&altered);
        assert_eq!(code, Some(1), "lie {index}: {said}");
    }
}

/// Numbers that no channel has are refused by name, and none of them makes the check fail in another way.
#[test]
fn unsound_certificates_are_refused() {
    let channel = own_channels().into_iter().find(|channel| channel.difference(64).is_ok()).unwrap();
    let sound = CertifiedChannel::new(channel, 64).unwrap();
    let changes: [fn(&mut Channel); 8] = [
        |channel| channel.hardware.clamp = Range { min: 3, max: 2 },
        |channel| channel.hardware.clamp = Range { min: i32::MIN, max: i32::MAX },
        |channel| channel.accumulator = Range { min: 1, max: 0 },
        |channel| channel.hardware.bias_fraction_bits = u32::MAX,
        |channel| channel.hardware.shift = i32::MIN,
        |channel| channel.hardware.zero_point = i32::MAX,
        |channel| channel.hardware.bias = i64::MIN,
        |channel| channel.hardware.constant = Some(i64::MAX),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut altered = sound.clone();
        change(&mut altered.channel);
        if index == 7 {
            // The largest constant fits in 64 bits beside any product below 0.
            altered.channel.accumulator = Range { min: 0, max: 1 };
            altered.channel.hardware.bias = 1;
        }
        let refusal = CertifiedChannel::new(altered.channel, 64);
        assert!(refusal.is_err(), "change {index}: {refusal:?}");
    }
}
