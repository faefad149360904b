//! Morton codes of colours: the bits of red, green and blue interleaved, so that similar colours have
//! codes close together, in memory as in an octree.

/// Spreads the 8 bits of a byte over every third of 24 bits.
const SPREAD: [u32; 256] = {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[x] |= ((x as u32 >> bit) & 1) << (3 * bit);
            bit += 1;
        }
        x += 1;
    }
    table
};

/// The Morton code of a colour, below 2^24.
pub fn morton([r, g, b]: [u8; 3]) -> u32 {
    SPREAD[r as usize] << 2 | SPREAD[g as usize] << 1 | SPREAD[b as usize]
}

/// The colour of a Morton code.
pub fn morton_colour(code: u32) -> [u8; 3] {
    let gather = |code: u32| (0..8).fold(0, |x, bit| x | ((code >> (3 * bit)) as u8 & 1) << bit);
    [gather(code >> 2), gather(code >> 1), gather(code)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_comes_back_from_its_code() {
        for rgb in [[0, 0, 0], [255, 255, 255], [1, 2, 3], [200, 17, 99], [128, 127, 64]] {
            assert_eq!(morton_colour(morton(rgb)), rgb);
        }
        assert!(morton([255; 3]) < 1 << 24);
    }
}
