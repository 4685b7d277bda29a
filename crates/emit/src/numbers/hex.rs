//! Hexadecimal files for `$readmemh`: lower case, two's complement, no prefix, one value a line, no comments.

use std::io::{self, Write};

/// Values that are formatted between two calls of `write_all`.
const BLOCK: usize = 1 << 14;

/// Both digits of every byte, most significant first.
const DIGITS: [[u8; 2]; 256] = {
    let digits = *b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// Writes 8-bit values with two digits each.
pub fn write_i8(out: &mut (impl Write + ?Sized), values: &[i8]) -> io::Result<()> {
    write_lines(out, values, |line: &mut [u8; 3], value| {
        let [high, low] = DIGITS[usize::from(value.cast_unsigned())];
        *line = [high, low, b'\n'];
    })
}

/// Writes unsigned 8-bit values with two digits each.
pub fn write_u8(out: &mut (impl Write + ?Sized), values: &[u8]) -> io::Result<()> {
    let values: Vec<i8> = values.iter().map(|value| value.cast_signed()).collect();
    write_i8(out, &values)
}

/// Writes signed 16-bit values with four digits each.
pub fn write_i16(out: &mut (impl Write + ?Sized), values: &[i16]) -> io::Result<()> {
    write_lines(out, values, |line: &mut [u8; 5], value| {
        for (digits, byte) in line.chunks_exact_mut(2).zip(value.to_be_bytes()) {
            digits.copy_from_slice(&DIGITS[usize::from(byte)]);
        }
        line[4] = b'\n';
    })
}

/// Writes 32-bit values with eight digits each.
pub fn write_u32(out: &mut (impl Write + ?Sized), values: &[u32]) -> io::Result<()> {
    write_lines(out, values, |line: &mut [u8; 9], value| {
        for (digits, byte) in line.chunks_exact_mut(2).zip(value.to_be_bytes()) {
            digits.copy_from_slice(&DIGITS[usize::from(byte)]);
        }
        line[8] = b'\n';
    })
}

/// Writes signed 32-bit values with eight digits each.
pub fn write_i32(out: &mut (impl Write + ?Sized), values: &[i32]) -> io::Result<()> {
    let values: Vec<u32> = values.iter().map(|value| value.cast_unsigned()).collect();
    write_u32(out, &values)
}

/// Writes signed 64-bit values with sixteen digits each.
pub fn write_i64(out: &mut (impl Write + ?Sized), values: &[i64]) -> io::Result<()> {
    write_lines(out, values, |line: &mut [u8; 17], value| {
        for (digits, byte) in line.chunks_exact_mut(2).zip(value.to_be_bytes()) {
            digits.copy_from_slice(&DIGITS[usize::from(byte)]);
        }
        line[16] = b'\n';
    })
}

/// Writes `values`, each in the `N` bytes that `format` fills, newline included.
fn write_lines<T: Copy, const N: usize>(
    out: &mut (impl Write + ?Sized),
    values: &[T],
    format: impl Fn(&mut [u8; N], T),
) -> io::Result<()> {
    let mut lines = vec![[0; N]; values.len().min(BLOCK)];
    for block in values.chunks(BLOCK) {
        for (line, &value) in lines.iter_mut().zip(block) {
            format(line, value);
        }
        out.write_all(lines[..block.len()].as_flattened())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_two_s_complement() {
        let mut text = Vec::new();
        write_i8(&mut text, &[0, 1, -1, 127, -128, 10]).unwrap();
        assert_eq!(text, b"00\n01\nff\n7f\n80\n0a\n");

        text.clear();
        write_i16(&mut text, &[1, -2, i16::MIN, i16::MAX]).unwrap();
        assert_eq!(text, b"0001\nfffe\n8000\n7fff\n");

        text.clear();
        write_i32(&mut text, &[0, -1, i32::MIN, i32::MAX, -559_038_737]).unwrap();
        assert_eq!(text, b"00000000\nffffffff\n80000000\n7fffffff\ndeadbeef\n");

        text.clear();
        write_u32(&mut text, &[u32::MAX, 0x0123_4567]).unwrap();
        assert_eq!(text, b"ffffffff\n01234567\n");

        text.clear();
        write_u8(&mut text, &[0, 255, 128]).unwrap();
        write_i64(&mut text, &[-2, i64::MAX]).unwrap();
        assert_eq!(text, b"00\nff\n80\nfffffffffffffffe\n7fffffffffffffff\n");
    }

    #[test]
    fn blocks_join_without_a_seam() {
        let values: Vec<i8> = (-128..=127).cycle().take(2 * BLOCK + 77).collect();
        let mut text = Vec::new();
        write_i8(&mut text, &values).unwrap();
        let expected: String = values.iter().map(|value| format!("{value:02x}\n")).collect();
        assert!(text == expected.as_bytes());
    }
}
