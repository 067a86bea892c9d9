/* The laboratory's arithmetic: the forward pass of trained networks. It does not touch the page.

The layers are those of analysis/trained_networks.py and compute what networks/layers.py computes;
tests/reporting/test_laboratory.py compares both. Response maps are { shape: [C, H, W], values }, row
by row; an image is one of them with pixels from 0 to 1. Needs explorerArithmetic.
*/
"use strict";
const laboratoryArithmetic = (() => {
  const { range, pixelAt, gaussian, binomial, bytes } = explorerArithmetic;
  const SIDE = 28;

  /* Bytes as base64 that an address may hold. */
  const base64 = values => btoa(String.fromCharCode(...values));

  /* A packed array's values: a signed byte q is largest · q / 127. */
  const unpacked = ({ largest, values_base64 }) => Float32Array.from(
    new Int8Array(bytes(values_base64).buffer), step => largest * step / 127);

  /* A layer whose packed weights are numbers. */
  const readable = layer => layer.weight ? { ...layer, values: unpacked(layer.weight) } : layer;

  /* Maps with their padding, or without the cropped pixels; padding outside `mode` is 0. */
  function padded({ shape: [channels, height, width], values }, { before, after, mode }) {
    if (![...before, ...after].some(Boolean)) return { shape: [channels, height, width], values };
    const places = (size, axis) => {
      const kept = size + Math.min(after[axis], 0);
      const length = before[axis] + kept + Math.max(after[axis], 0);
      return range(length).map(place => pixelAt(place - before[axis], kept, mode));
    };
    const rows = places(height, 0), columns = places(width, 1);
    const made = new Float32Array(channels * rows.length * columns.length);
    let to = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (const row of rows) {
        for (const column of columns) {
          const from = (channel * height + row) * width + column;
          made[to++] = row < 0 || column < 0 ? 0 : values[from];
        }
      }
    }
    return { shape: [channels, rows.length, columns.length], values: made };
  }

  /* A convolution, or a depthwise one, of padded maps. */
  function convolved(maps, { kernel: [high, wide], stride: [down, across], output, values, bias }, depthwise) {
    const [channels, height, width] = maps.shape, [filters, rows, columns] = output;
    const made = new Float32Array(filters * rows * columns), area = high * wide;
    const read = depthwise ? 1 : channels;
    for (let filter = 0; filter < filters; filter++) {
      const start = filter * rows * columns;
      if (bias) made.fill(bias[filter], start, start + rows * columns);
      for (let part = 0; part < read * area; part++) {
        const weight = values[filter * read * area + part];
        const channel = depthwise ? filter : Math.floor(part / area);
        const place = part % area, y = Math.floor(place / wide), x = place % wide;
        for (let row = 0; row < rows; row++) {
          let from = (channel * height + row * down + y) * width + x, to = start + row * columns;
          for (const end = to + columns; to < end; to++, from += across) made[to] += weight * maps.values[from];
        }
      }
    }
    return { shape: output, values: made };
  }

  /* Pooling, window by window, over the pixels that exist. */
  function pooled({ shape: [, height, width], values }, { kind, kernel, stride, before, output, operator, sigma }) {
    const [channels, rows, columns] = output, [high, wide] = kernel;
    const weights = kind === "blur" ? binomial(high).flatMap(one => binomial(wide).map(other => one * other))
      : operator === "weighted" ? gaussian(high, sigma) : range(high * wide).map(() => 1);
    const made = new Float32Array(channels * rows * columns);
    let to = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          let sum = 0, share = 0, largest = -Infinity, squares = 0;
          for (let y = 0; y < high; y++) {
            const line = row * stride[0] - before[0] + y;
            if (line < 0 || line >= height) continue;
            for (let x = 0; x < wide; x++) {
              const place = column * stride[1] - before[1] + x;
              if (place < 0 || place >= width) continue;
              const value = values[(channel * height + line) * width + place];
              sum += weights[y * wide + x] * value;
              share += weights[y * wide + x];
              squares += value * value;
              largest = Math.max(largest, value);
            }
          }
          made[to++] = operator === "max" ? largest : operator === "l2" ? Math.sqrt(squares) : sum / share;
        }
      }
    }
    return { shape: output, values: made };
  }

  const DETECTORS = { relu: value => Math.max(value, 0), tanh: Math.tanh };
  const LAYERS = {
    convolution: (maps, layer) => convolved(padded(maps, layer), layer, false),
    "depthwise convolution": (maps, layer) => convolved(padded(maps, layer), layer, true),
    detector: ({ shape, values }, { activation }) => ({ shape, values: values.map(DETECTORS[activation]) }),
    pooling: pooled,
    blur: pooled,
    maxout({ shape: [channels, height, width], values }, { output }) {
      const pieces = channels / output[0], area = height * width;
      const largest = (filter, place) => Math.max(
        ...range(pieces).map(piece => values[(filter * pieces + piece) * area + place]));
      return { shape: output, values: Float32Array.from(
        { length: output[0] * area }, (_, at) => largest(Math.floor(at / area), at % area)) };
    },
    flatten: ({ values }, { output }) => ({ shape: output, values }),
    "global average": ({ shape: [channels, height, width], values }, { output }) => ({
      shape: output,
      values: Float32Array.from(range(channels), channel => values
        .subarray(channel * height * width, (channel + 1) * height * width)
        .reduce((total, value) => total + value, 0) / (height * width)),
    }),
    dense: ({ values: inputs }, { output, values, bias }) => ({
      shape: output,
      values: Float32Array.from(bias, (start, unit) => {
        let total = start;
        for (let input = 0, at = unit * inputs.length; input < inputs.length; input++, at++) {
          total += values[at] * inputs[input];
        }
        return total;
      }),
    }),
  };

  /* The output of each layer; the last one's values are the logits.
     Layers are `readable`, pixels are numbers from 0 to 255. */
  function outputs(layers, pixels) {
    let maps = { shape: [1, SIDE, SIDE], values: Float32Array.from(pixels, value => value / 255) };
    return layers.map(layer => maps = LAYERS[layer.kind](maps, layer));
  }

  /* Probabilities of logits. */
  function softmax(logits) {
    const largest = Math.max(...logits), raw = [...logits].map(value => Math.exp(value - largest));
    return raw.map(value => value / raw.reduce((total, other) => total + other));
  }

  /* An image turned about its centre by degrees, clockwise, bilinear, then moved by whole pixels. */
  function moved(pixels, degrees, down, across) {
    const angle = degrees * Math.PI / 180, [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const middle = (SIDE - 1) / 2;
    const at = (row, column) => row < 0 || column < 0 || row >= SIDE || column >= SIDE
      ? 0 : pixels[row * SIDE + column];
    return Uint8ClampedArray.from({ length: SIDE * SIDE }, (_, index) => {
      const y = Math.floor(index / SIDE) - down - middle, x = index % SIDE - across - middle;
      const row = middle + cos * y - sin * x, column = middle + sin * y + cos * x;
      const [top, left] = [Math.floor(row), Math.floor(column)], [v, u] = [row - top, column - left];
      return (1 - v) * ((1 - u) * at(top, left) + u * at(top, left + 1))
        + v * ((1 - u) * at(top + 1, left) + u * at(top + 1, left + 1));
    });
  }

  /* How far maps are from having moved along with the image, by a column of `jump` pixels: the norm
     of the difference over the norm of the maps, without the columns at the borders. Of a column
     that is wider than a pixel the maps may also stay. */
  function unexplained({ shape: [channels, height, width], values }, after, jump) {
    const distance = by => {
      let squares = 0, norm = 0;
      for (let line = 0; line < channels * height; line++) {
        for (let column = 1; column < width - 1; column++) {
          const at = line * width + column;
          squares += (after.values[at] - values[at - by]) ** 2;
          norm += after.values[at] ** 2;
        }
      }
      return Math.sqrt(squares / (norm || 1));
    };
    return jump === 1 ? distance(1) : Math.min(distance(0), distance(1));
  }

  /* The image pixels that a cell of a layer sees, without borders: { row, column, rows, columns }. */
  function field(layers, number, row, column) {
    let [top, bottom, left, right] = [row, row, column, column];
    for (const { kernel, stride, before } of layers.slice(0, number + 1).reverse()) {
      if (!kernel) continue;
      [top, left] = [top * stride[0] - before[0], left * stride[1] - before[1]];
      bottom = bottom * stride[0] - before[0] + kernel[0] - 1;
      right = right * stride[1] - before[1] + kernel[1] - 1;
    }
    return { row: top, column: left, rows: bottom - top + 1, columns: right - left + 1 };
  }

  return { SIDE, bytes, base64, readable, outputs, softmax, moved, unexplained, field };
})();
