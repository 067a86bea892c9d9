/* The explorer's arithmetic: sizes, windows, filters, validation. It does not touch the page.

The rules and messages are those of config/validation.py and of networks/conv_arithmetic.py,
networks/layers.py and networks/pooling.py; tests/reporting/test_explorer.py compares both. An image is a
list of rows of numbers. Settings:
  operator       convolution, max, average, weighted or l2
  height, width  pixels of the input
  kernel, stride pixels, the same for both axes
  padding        valid, pixels, and for a convolution same and full
  pixels         added on each side if padding is "pixels"
  mode           padding mode of a convolution: zeros, reflect, replicate or circular
  sigma          of the Gaussian of weighted pooling, pixels
  weights        rows of a convolution's weights
*/
"use strict";
const explorerArithmetic = (() => {
  const LIMITS = {
    height: [1, 28], width: [1, 28], kernel: [1, 7], stride: [1, 4], pixels: [0, 6],
  };
  const NAMES = {
    height: "input height", width: "input width", kernel: "window", stride: "stride",
    pixels: "padding", sigma: "sigma",
  };
  const FALLBACK = { kernel: 3, stride: 1, padding: "valid", height: 28, width: 28, sigma: 1 };
  const MODES = ["zeros", "reflect", "replicate", "circular"];
  const PADDINGS = { convolution: ["valid", "same", "full", "pixels"], other: ["valid", "pixels"] };
  const range = count => Array.from({ length: count }, (_, index) => index);
  /* Base64 as bytes. */
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const sum = values => values.reduce((total, value) => total + value, 0);
  const convolves = settings => settings.operator === "convolution";
  const paddings = settings => convolves(settings) ? PADDINGS.convolution : PADDINGS.other;

  /* Padding before and after for Keras's "same": ⌈n/s⌉ outputs, an odd pixel goes after. */
  function samePadding(size, kernel, stride) {
    const total = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  }

  /* What libraries make of "same" for an axis: [library, { before, after, output }], or null where
     they refuse it. PyTorch's padding="same" is for stride 1 alone. In Caffe, and with a number in
     PyTorch, padding is ⌊f/2⌋ pixels on each side. */
  function sameElsewhere({ size, kernel, stride, before, after, output }) {
    const pixels = Math.floor(kernel / 2);
    return [
      ["Keras, and the networks here", { before, after, output }],
      ["PyTorch, padding=\"same\"", stride === 1 ? { before, after, output } : null],
      [`Caffe, PyTorch, padding=${pixels}`, {
        before: pixels, after: pixels,
        output: Math.floor((size + 2 * pixels - kernel) / stride) + 1,
      }],
    ];
  }

  /* The window along one axis, with output = ⌊(n + before + after − f)/s⌋ + 1 positions. */
  function axis(size, { kernel, stride, padding, pixels }) {
    let [before, after] = [0, 0];
    if (padding === "same") [before, after] = samePadding(size, kernel, stride);
    if (padding === "full") before = after = kernel - 1;
    if (padding === "pixels") before = after = pixels;
    const output = Math.floor((size + before + after - kernel) / stride) + 1;
    return { size, kernel, stride, before, after, output };
  }

  /* The window along the height and along the width. */
  const layOut = settings => [axis(settings.height, settings), axis(settings.width, settings)];

  /* The size formula with the numbers of an axis. */
  const formula = ({ size, kernel, stride, before, after, output }) =>
    `⌊(${size} + ${before + after} − ${kernel})/${stride}⌋ + 1 = ${output}`;

  /* Pixels at the end of an axis that no window covers. */
  const leftOver = ({ size, kernel, stride, before, output }) =>
    Math.max(size + before - (output - 1) * stride - kernel, 0);

  /* The first setting that is not a number, or out of range. */
  function numberRefusal(settings) {
    for (const [field, [least, most]] of Object.entries(LIMITS)) {
      const value = settings[field];
      const used = field !== "pixels" || settings.padding === "pixels";
      if (used && !(Number.isInteger(value) && value >= least && value <= most)) {
        return { field, text: `must be a whole number from ${least} to ${most}.` };
      }
    }
    const { operator, sigma } = settings;
    if (operator === "weighted" && !(sigma >= 0.2 && sigma <= 9)) {
      return { field: "sigma", text: "must be a number from 0.2 to 9." };
    }
    return null;
  }

  /* Rules for combinations of settings (config/validation.py). */
  function ruleRefusal(settings) {
    const { operator, kernel, padding, pixels } = settings;
    const padded = padding === "pixels" ? pixels : 0;
    if (convolves(settings)) {
      return padded < kernel ? null : {
        field: "pixels",
        text: `may be at most the kernel size less 1 (${kernel - 1} for a kernel of ${kernel}),`
          + " or an output would see padding alone.",
      };
    }
    if (operator === "weighted" && kernel < 3) {
      return {
        field: "kernel",
        text: "all pixels of a window this small lie at the same distance from its centre, so that"
          + " weighting by distance is exactly average pooling.",
      };
    }
    const half = Math.floor(kernel / 2);
    return padded <= half ? null : {
      field: "pixels",
      text: `may be at most half the window (${half} for a window of ${kernel}), or a window could`
        + " lie wholly on padding.",
    };
  }

  /* Windows and paddings that do not fit the input (networks/conv_arithmetic.py). */
  function fitRefusal(settings) {
    const axes = layOut(settings);
    const [height, width] = axes;
    const { kernel, mode } = settings;
    const window = `a ${kernel}×${kernel}`, input = `${height.size}×${width.size} input`;
    for (const [index, laid] of axes.entries()) {
      if (laid.output < 1) {
        const along = height.size === width.size ? "" : ` along the ${["height", "width"][index]}`;
        return {
          field: "kernel",
          text: `${window} window does not fit its ${input}${along}: ${formula(laid)}, and a size`
            + " must be at least 1.",
        };
      }
    }
    if (!convolves(settings)) return null;
    for (const { size, before, after } of axes) {
      const pad = Math.max(before, after);
      const most = { reflect: size - 1, circular: size }[mode] ?? pad;
      if (pad > most) {
        return {
          field: "mode",
          text: `padding_mode=${mode} can add at most ${most} pixels to an axis of ${size}, but`
            + ` ${window} kernel on a ${input} needs ${pad}.`,
        };
      }
    }
    return null;
  }

  /* Why settings are invalid, as { field, text }; null if they are valid. */
  const refusal = settings =>
    numberRefusal(settings) ?? ruleRefusal(settings) ?? fitRefusal(settings);

  /* Valid settings near invalid ones: for each setting the nearest value that helps alone. */
  function suggestions(settings) {
    const { kernel, height, width, padding } = settings;
    const near = (field, value) => {
      const [least, most] = LIMITS[field];
      const from = Number.isFinite(value) ? value : 3;
      return range(most - least + 1).map(index => index + least)
        .sort((one, other) => Math.abs(one - from) - Math.abs(other - from) || one - other);
    };
    const tries = [
      near("kernel", kernel).map(value => [`window ${value}×${value}`, { kernel: value }]),
      [...(padding === "pixels" ? near("pixels", settings.pixels) : [])].map(
        value => [`padding ${value}`, { padding: "pixels", pixels: value }]),
      paddings(settings).filter(name => name !== "pixels").map(
        name => [`padding ${name}`, { padding: name }]),
      MODES.map(mode => [`padding mode ${mode}`, { mode }]),
      near("height", height).map(value => [`input height ${value}`, { height: value }]),
      near("width", width).map(value => [`input width ${value}`, { width: value }]),
      near("height", Math.max(height, width)).map(
        value => [`input ${value}×${value}`, { height: value, width: value }]),
      near("stride", settings.stride).map(value => [`stride ${value}`, { stride: value }]),
      [["average pooling", { operator: "average" }]],
      [["sigma 1", { sigma: 1 }]],
    ];
    const fits = ([, changes]) => refusal({ ...settings, ...changes }) === null;
    const found = tries.map(candidates => candidates.find(fits)).filter(Boolean).slice(0, 4);
    // No single change helps.
    if (!found.length) found.push(["a 3×3 window on a 28×28 input", FALLBACK]);
    return found.map(([label, changes]) => ({ label, changes }));
  }

  /* The pixel at a place of an axis, which may lie in the padding; −1 if there is none. */
  function pixelAt(place, size, mode) {
    if (place >= 0 && place < size) return place;
    if (mode === "reflect") return place < 0 ? -place : 2 * (size - 1) - place;
    if (mode === "replicate") return place < 0 ? 0 : size - 1;
    if (mode === "circular") return (place + size) % size;
    return -1;
  }

  /* The cell at a place that may lie in the padding: { value, inside, exists }. */
  function cellAt(image, settings, row, column) {
    const inside = row >= 0 && column >= 0 && row < image.length && column < image[0].length;
    const mode = convolves(settings) ? settings.mode : "none";
    const from = [pixelAt(row, image.length, mode), pixelAt(column, image[0].length, mode)];
    const value = Math.min(...from) < 0 ? 0 : image[from[0]][from[1]];
    return { value, inside, exists: inside || convolves(settings) };
  }

  /* The cells of an output's window, row by row. */
  function windowAt(image, axes, settings, row, column) {
    const [height, width] = axes;
    return range(height.kernel * width.kernel).map(index => cellAt(
      image,
      settings,
      row * height.stride - height.before + Math.floor(index / width.kernel),
      column * width.stride - width.before + index % width.kernel,
    ));
  }

  /* wᵢ = exp(−dᵢ²/2σ²), dᵢ the distance to the window's centre, normalised to a sum of 1. */
  function gaussian(kernel, sigma) {
    const squared = index => (index - (kernel - 1) / 2) ** 2;
    const raw = range(kernel * kernel).map(index => Math.exp(
      -(squared(Math.floor(index / kernel)) + squared(index % kernel)) / (2 * sigma ** 2)));
    return raw.map(weight => weight / sum(raw));
  }

  /* One output: { value, weights, terms, total, present, winner }.
     A cell that does not exist is in no term, sum, count or maximum. */
  function outputOf(cells, settings) {
    const { operator, kernel, sigma } = settings;
    const here = cells.map(cell => cell.exists);
    if (operator === "max") {
      const values = cells.map(cell => cell.exists ? cell.value : -Infinity);
      const value = Math.max(...values);
      return { value, winner: values.indexOf(value), present: here.filter(Boolean).length };
    }
    const weights = {
      convolution: () => settings.weights.flat(),
      weighted: () => gaussian(kernel, sigma),
      average: () => cells.map(() => 1),
      l2: () => cells.map(cell => cell.value),
    }[operator]();
    const terms = cells.map((cell, index) => cell.exists ? weights[index] * cell.value : 0);
    const total = sum(terms);
    const present = sum(weights.filter((_, index) => here[index]));
    const value = operator === "convolution" ? total
      : operator === "l2" ? Math.sqrt(total) : total / present;
    return { value, weights, terms, total, present, winner: -1 };
  }

  /* All outputs, as rows. */
  function outputMap(image, settings) {
    const axes = layOut(settings);
    return range(axes[0].output).map(row => range(axes[1].output).map(column =>
      outputOf(windowAt(image, axes, settings, row, column), settings).value));
  }

  /* An image averaged down to height × width: each new pixel is the mean of the area it covers,
     rounded to a whole number. */
  function averagedDown(image, height, width) {
    const shares = (from, to) => range(to).map(place => range(from).map(index => Math.max(0,
      Math.min((index + 1) * to, (place + 1) * from) - Math.max(index * to, place * from))));
    const down = shares(image.length, height), across = shares(image[0].length, width);
    return down.map(rows => across.map(columns => Math.round(
      sum(rows.map((row, y) => row && row * sum(columns.map((part, x) => part * image[y][x]))))
        / (image.length * image[0].length))));
  }

  /* Binomial coefficients, such as [1, 2, 1]. */
  const binomial = size => range(size).reduce(
    row => row.length ? [1, ...row.slice(1).map((value, index) => value + row[index]), 1] : [1], []);

  /* A smoothed difference along a line: [−1, 1], [−1, 0, 1], [−1, −1, 1, 1] … */
  function difference(size) {
    const smooth = binomial(size - 1);
    return range(size).map(index => (smooth[index - 1] ?? 0) - (smooth[index] ?? 0));
  }

  /* Filters by name, as rows of weights; an even filter's centre is the pixel before the middle. */
  const FILTERS = {
    identity: size => spot(size, 1, 0),
    "vertical edges": size => outer(binomial(size), difference(size)),
    "horizontal edges": size => outer(difference(size), binomial(size)),
    outline: size => spot(size, size * size - 1, -1),
    sharpen: size => spot(size, size * size, -1),
    blur: size => outer(binomial(size), binomial(size)).map(
      row => row.map(weight => weight / 4 ** (size - 1))),
    mean: size => spot(size, 1 / size ** 2, 1 / size ** 2),
  };
  const outer = (down, across) => down.map(one => across.map(other => one * other));
  function spot(size, centre, around) {
    const middle = Math.floor((size - 1) / 2);
    return range(size).map(row => range(size).map(
      column => row === middle && column === middle ? centre : around));
  }

  return {
    NAMES, MODES, FILTERS, FALLBACK, range, convolves, paddings, layOut, sameElsewhere, formula, leftOver, refusal,
    suggestions, bytes, binomial, pixelAt, cellAt, windowAt, gaussian, outputOf, outputMap, averagedDown,
  };
})();
