//! What QEMU hands over as a picture, as PNG. It comes from a process that a guest may have taken over, so nothing of it is
//! passed on as it is.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Transformations};

/// The longest side that is taken, in pixels.
const SIDE: u32 = 4096;
/// Bytes that reading one may take.
const MEMORY: usize = 64 * 1024 * 1024;

/// A picture in memory, eight bits a channel.
struct Picture {
    width: u32,
    height: u32,
    colour: ColorType,
    pixels: Vec<u8>,
}

/// A picture as PNG, from what QEMU writes: PPM before 7.1 and where it is built without libpng, else PNG. Nothing where it
/// is neither, cut, or larger than any screen.
pub fn png(bytes: &[u8]) -> Option<Vec<u8>> {
    let picture = if bytes.starts_with(b"P6") {
        of_ppm(bytes)?
    } else {
        of_png(bytes)?
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, picture.width, picture.height);
    encoder.set_color(picture.colour);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&picture.pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}

fn fits(width: u32, height: u32) -> bool {
    (1..=SIDE).contains(&width) && (1..=SIDE).contains(&height)
}

/// `P6`, width, height and the brightest value, parted by white space and with comments; then a byte for red, green and
/// blue each (ppm(5)).
fn of_ppm(bytes: &[u8]) -> Option<Picture> {
    let mut rest = bytes.strip_prefix(b"P6")?;
    let mut number = || {
        let mut digits = 0_u32;
        let mut value = 0_u32;
        loop {
            let (&byte, after) = rest.split_first()?;
            match byte {
                b'0'..=b'9' if digits < 6 => {
                    value = value * 10 + u32::from(byte - b'0');
                    digits += 1;
                }
                b'#' if digits == 0 => {
                    let end = after.iter().position(|&byte| byte == b'\n')?;
                    rest = after.get(end..)?;
                    continue;
                }
                byte if byte.is_ascii_whitespace() && digits > 0 => {
                    rest = after;
                    return Some(value);
                }
                byte if byte.is_ascii_whitespace() => {}
                _ => return None,
            }
            rest = after;
        }
    };
    let (width, height, brightest) = (number()?, number()?, number()?);
    if !fits(width, height) || brightest != 255 {
        return None;
    }
    let length = usize::try_from(u64::from(width) * u64::from(height) * 3).ok()?;
    Some(Picture {
        width,
        height,
        colour: ColorType::Rgb,
        pixels: rest.get(..length)?.to_vec(),
    })
}

fn of_png(bytes: &[u8]) -> Option<Picture> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MEMORY });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    if !fits(reader.info().width, reader.info().height) {
        return None;
    }
    let mut pixels = vec![0; reader.output_buffer_size().filter(|&size| size <= MEMORY)?];
    let frame = reader.next_frame(&mut pixels).ok()?;
    pixels.truncate(frame.buffer_size());
    Some(Picture {
        width: frame.width,
        height: frame.height,
        colour: frame.color_type,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PPM: &[u8] = b"P6\n# a screen\n2 1\n255\n\x00\x01\x02\xfd\xfe\xff";

    fn pixels(file: &[u8]) -> Vec<u8> {
        of_png(file).expect("a PNG").pixels
    }

    #[test]
    fn what_qemu_writes_becomes_a_png_of_the_same_pixels() {
        let made = png(PPM).expect("a picture");
        assert_eq!(pixels(&made), [0, 1, 2, 253, 254, 255]);
        let again = png(&made).expect("a picture");
        assert_eq!(pixels(&again), pixels(&made));
        // What stands behind the picture, or beside it in the file, is not passed on.
        let with_more = [&made[..], b"more"].concat();
        assert_eq!(png(&with_more), Some(again));
    }

    #[test]
    fn what_is_no_picture_or_too_large_for_a_screen_is_refused() {
        let made = png(PPM).expect("a picture");
        for bytes in [
            &b""[..],
            b"P6",
            b"P6\n2 1\n255\n\x00\x01",
            b"P6\n0 1\n255\n",
            b"P6\n99999 99999\n255\n",
            b"P6\n1 1\n65535\n\x00\x00\x00\x00\x00\x00",
            b"P6 -1 1 255 xxx",
            b"P6 9999999999 1 255 xxx",
            b"GIF89a",
            b"<svg/>",
            &made[..made.len() / 2],
            &made[..8],
        ] {
            assert_eq!(png(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        use proptest::prelude::*;
        proptest!(|(bytes: Vec<u8>)| { let _ = png(&bytes); });
        proptest!(|(text in "P6[0-9# \n]{0,30}")| { let _ = png(text.as_bytes()); });
        let made = png(PPM).expect("a picture");
        proptest!(|(at in 0..made.len(), byte: u8)| {
            let mut changed = made.clone();
            changed[at] = byte;
            let _ = png(&changed);
        });
    }
}
