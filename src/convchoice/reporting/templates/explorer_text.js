/* The explorer's texts about settings and numbers. It does not touch the page. */
const explorerText = (() => {
  const sums = explorerArithmetic;

  /* A number with up to three decimals and a true minus. */
  function number(value) {
    if (value === -Infinity) return "−∞";
    const size = Math.abs(value);
    const decimals = Number.isInteger(value) ? 0 : size < 1 ? 3 : size < 100 ? 2 : 1;
    return String(Number(value.toFixed(decimals)) + 0).replace("-", "−");
  }

  const added = values => values.map((value, index) =>
    `${index ? value < 0 ? " − " : " + " : value < 0 ? "−" : ""}${number(Math.abs(value))}`).join("");

  /* How an output is computed, up to the equals sign. */
  function sentence({ operator, kernel }, cells, { terms, total, present }) {
    const here = cells.filter(cell => cell.exists).map(cell => cell.value);
    const short = kernel < 4;
    return {
      convolution: () => short ? added(terms) : `sum of the ${kernel ** 2} products`,
      max: () => `largest of ${here.length} pixels`,
      average: () => `${short ? `(${added(here)})` : number(total)} / ${present}`,
      weighted: () => `Σ w·x / Σ w = ${number(total)} / ${number(present)}`,
      l2: () => `√ Σ x² = √ ${number(total)}`,
    }[operator]();
  }

  const MODE_HINTS = {
    zeros: "Padding counts as 0.", reflect: "Padding mirrors the image.",
    replicate: "Padding repeats the edge.", circular: "Padding is the image’s other side.",
  };

  /* A hint about the current window. */
  function hint({ operator, mode, weights }, cells) {
    const outside = cells.filter(cell => !cell.inside).length;
    if (operator === "convolution") {
      if (weights.flat().every(weight => weight === 0)) return "All weights are 0. One pixel has no edge.";
      return outside ? MODE_HINTS[mode] : "Weights can be edited.";
    }
    if (outside) {
      return `${outside} of ${cells.length} places are padding`
        + (operator === "max" ? ": −∞, never the largest." : ", and not counted.");
    }
    return {
      max: "The largest pixel is framed.", average: `Each pixel has weight 1/${cells.length}.`,
      weighted: "Weights fall with the distance from the window’s centre.",
      l2: "The root of the sum of squares, not of their mean.",
    }[operator];
  }

  /* The padding of an axis, and the pixels that no window covers. */
  function layout(axis, one) {
    const left = sums.leftOver(axis);
    const padding = axis.before + axis.after
      ? `padding ${axis.before} before, ${axis.after} after` : "no padding";
    return padding + (left ? `; the last ${left === 1 ? one : `${left} ${one}s`} in no window` : "");
  }

  /* Padding before, after and the output's size, of a library that may refuse the stride. */
  const sameCells = made => made ? [made.before, made.after, made.output] : ["refused", "", ""];

  /* The message of a problem, with the value. */
  const refusal = ({ field, text }, value) => field in sums.NAMES && !text.startsWith("a ")
    ? `${sums.NAMES[field]} = ${value || "nothing"}: ${text}` : text[0].toUpperCase() + text.slice(1);

  return { number, sentence, hint, layout, sameCells, refusal };
})();
