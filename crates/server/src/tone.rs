//! What the platform's recordings sound like: nobody speaks in a call that is played, so there is a tone.

use bytes::Bytes;

use crate::limits;

const SAMPLES_PER_S: u32 = 8_000;
const TONE_HZ: f64 = 440.0;
/// A quarter of full scale.
const AMPLITUDE: f64 = 32.0;
/// Unsigned 8-bit samples rest here.
const SILENCE: f64 = 128.0;
/// RIFF and format chunks before the samples.
const HEADER_BYTES: u32 = 44;

/// A WAV file, PCM, 8 kHz, 8 bit, mono, as long as asked for but at most [`limits::TONE_MS_MAX`].
pub fn wav(duration_ms: i64) -> Bytes {
    let duration_ms = duration_ms.clamp(0, limits::TONE_MS_MAX);
    let samples = u32::try_from(duration_ms).unwrap_or(0) * (SAMPLES_PER_S / 1_000);
    let mut file = Vec::with_capacity((HEADER_BYTES + samples) as usize);
    file.extend(b"RIFF");
    // Everything after this number.
    file.extend((HEADER_BYTES - 8 + samples).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(SAMPLES_PER_S.to_le_bytes());
    // Bytes a second, bytes a frame, bits a sample.
    file.extend(SAMPLES_PER_S.to_le_bytes());
    file.extend([1, 0, 8, 0]);
    file.extend(b"data");
    file.extend(samples.to_le_bytes());
    let step = std::f64::consts::TAU * TONE_HZ / f64::from(SAMPLES_PER_S);
    file.extend((0..samples).map(|sample| (SILENCE + AMPLITUDE * (f64::from(sample) * step).sin()) as u8));
    file.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_tone_is_a_wav_file_of_a_second() {
        let file = wav(1_000);
        assert_eq!(file.len(), 44 + 8_000);
        assert_eq!((&file[..4], &file[8..16], &file[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        assert_eq!((number(4), number(24), number(40)), (8_036, 8_000, 8_000));
        let (low, high) = (file[44..].iter().min(), file[44..].iter().max());
        assert_eq!((low, high), (Some(&96), Some(&160)));
        assert_eq!(wav(-1).len(), 44);
        assert_eq!(wav(i64::MAX).len() as i64, 44 + limits::TONE_MS_MAX * 8);
    }
}
