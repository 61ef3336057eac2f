// An animated GIF of pictures of one size: encodeGif([{image: ImageData, wait: milliseconds}, ...]).
// Colours are those of a fixed table: 6 x 7 x 6 of red, green and blue, and 4 greys between.
(function () {
  "use strict";
  const table = [];
  for (let r = 0; r < 6; r++) for (let g = 0; g < 7; g++) for (let b = 0; b < 6; b++) {
    table.push([Math.round(r * 51), Math.round(g * 42.5), Math.round(b * 51)]);
  }
  [25, 76, 128, 179].forEach((grey) => table.push([grey, grey, grey]));

  // The nearest of the table: of the cube, or of the greys where that is nearer.
  const known = new Map();
  const nearest = function (r, g, b) {
    const key = (r << 16) | (g << 8) | b;
    if (known.has(key)) return known.get(key);
    let best = 0, least = Infinity;
    table.forEach(function (one, at) {
      const off = (one[0] - r) ** 2 + (one[1] - g) ** 2 + (one[2] - b) ** 2;
      if (off < least) [best, least] = [at, off];
    });
    known.set(key, best);
    return best;
  };

  // Lempel-Ziv-Welch with codes of 9 to 12 bits, in blocks of at most 255 bytes.
  const compress = function (pixels, out) {
    const clear = 256, end = 257, block = [];
    let bits = 0, held = 0, size = 9, next = 258, codes = new Map();
    const flush = function (all) {
      while (block.length >= 255 || (all && block.length)) {
        const part = block.splice(0, 255);
        out.push(part.length, ...part);
      }
    };
    const emit = function (code) {
      held |= code << bits;
      bits += size;
      while (bits >= 8) {
        block.push(held & 255);
        held >>>= 8;
        bits -= 8;
      }
      flush(false);
    };
    out.push(8);
    emit(clear);
    let prefix = pixels[0];
    for (let at = 1; at < pixels.length; at++) {
      const key = prefix * 256 + pixels[at];
      if (codes.has(key)) {
        prefix = codes.get(key);
        continue;
      }
      emit(prefix);
      if (next === 4096) {
        emit(clear);
        [size, next, codes] = [9, 258, new Map()];
      } else {
        if (next === 1 << size) size++;
        codes.set(key, next++);
      }
      prefix = pixels[at];
    }
    emit(prefix);
    emit(end);
    if (bits) block.push(held & 255);
    flush(true);
    out.push(0);
  };

  window.encodeGif = function (film) {
    const { width, height } = film[0].image, out = [];
    const word = (value) => out.push(value & 255, value >> 8);
    const text = (words) => out.push(...[...words].map((one) => one.charCodeAt(0)));
    text("GIF89a");
    word(width);
    word(height);
    out.push(0xf7, 0, 0);
    for (let at = 0; at < 256; at++) out.push(...(table[at] || [0, 0, 0]));
    out.push(0x21, 0xff, 11);
    text("NETSCAPE2.0");
    out.push(3, 1, 0, 0, 0);
    film.forEach(function (one) {
      out.push(0x21, 0xf9, 4, 4);
      word(Math.round(one.wait / 10));
      out.push(0, 0, 0x2c);
      [0, 0, width, height].forEach(word);
      out.push(0);
      const data = one.image.data, pixels = new Uint8Array(width * height);
      for (let at = 0; at < pixels.length; at++) {
        pixels[at] = nearest(data[4 * at], data[4 * at + 1], data[4 * at + 2]);
      }
      compress(pixels, out);
    });
    out.push(0x3b);
    return new Uint8Array(out);
  };
})();
