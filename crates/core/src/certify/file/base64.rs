//! Base64 of RFC 4648 with padding: weights in 4 characters for each 3 bytes.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The characters of some bytes.
pub(super) fn encode(bytes: impl ExactSizeIterator<Item = u8>) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    let bytes: Vec<u8> = bytes.collect();
    for group in bytes.chunks(3) {
        let word =
            group.iter().zip([16, 8, 0]).fold(0, |word, (&byte, place)| word | u32::from(byte) << place);
        for index in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The bytes of a text; `None` for a text that [`encode`] does not give.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut values = [u8::MAX; 256];
    for (value, &digit) in (0..).zip(ALPHABET) {
        values[usize::from(digit)] = value;
    }
    let (groups, []) = text.as_bytes().as_chunks::<4>() else { return None };
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|&&digit| digit == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups.len()) {
            return None;
        }
        let mut word = 0_u32;
        for &digit in &group[..4 - padding] {
            let value = values[usize::from(digit)];
            word = word << 6 | u32::from((value < 64).then_some(value)?);
        }
        word <<= 6 * padding;
        let [_, whole @ ..] = word.to_be_bytes();
        let (kept, dropped) = whole.split_at(3 - padding);
        if dropped.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend(kept);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn vectors_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for refused in ["Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm9 ", "Zm9\u{e9}", "=m9v"]
        {
            assert_eq!(decode(refused), None, "{refused}");
        }
    }
}
