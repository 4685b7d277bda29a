//! Numbers of which nothing can be proven.

use super::own_channels;
use gen_params_core::certify::*;
use gen_params_core::parameters::Range;

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
