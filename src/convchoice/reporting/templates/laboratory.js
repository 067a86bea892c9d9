/* The laboratory's controls: an image, two networks, their answers and maps. */
"use strict";
(() => {
  const lab = laboratoryArithmetic, { SIDE } = lab, { range } = explorerArithmetic;
  const section = document.getElementById("laboratory"), root = section.querySelector(".laboratory");
  const given = JSON.parse(document.getElementById("laboratory-networks").textContent);
  const { images } = given, arms = Object.fromEntries(given.arms.map(arm => [arm.name, arm]));
  const find = selector => root.querySelector(selector);
  const field = name => find(`[name="${name}"]`);
  const SIDES = ["left", "right"], DRAWN = "drawn", CHANNELS = 8, SHOWN_CHANGE = 0.01;
  const networks = Object.fromEntries(Object.entries(arms).map(
    ([arm, { layers }]) => [arm, layers.map(lab.readable)]));
  const names = Object.keys(arms);
  const sheet = find(".sheet"), pen = find(".pen");
  const element = (tag, values = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), values);
    made.append(...children);
    return made;
  };

  const state = { left: names[0], right: names[1], image: "0", down: 0, across: 0, turn: 0 };
  let drawing = new Uint8Array(SIDE * SIDE), pixels = drawing, place = [14, 14];

  /* An image whose pixel (row, column) has the colour [red, green, blue]. */
  function painted(height, width, colour) {
    const canvas = element("canvas", { width, height });
    const data = new ImageData(width, height);
    range(height * width).forEach(index => data.data.set([...colour(index), 255], 4 * index));
    canvas.getContext("2d").putImageData(data, 0, 0);
    return canvas;
  }

  const base = () => state.image === DRAWN ? drawing : lab.bytes(images[Number(state.image)].pixels);

  /* A map's value as a colour: white up to the layer's largest value, blue below 0. */
  const shade = (value, largest) => {
    const part = Math.min(255, 255 * Math.abs(value) / (largest || 1));
    return value < 0 ? [0.2 * part, 0.55 * part, part] : [part, part, part];
  };

  function showField(layers, number, row, column) {
    const seen = number === null ? null : lab.field(layers, number, row, column);
    for (const mark of sheet.querySelectorAll(".mark")) {
      mark.toggleAttribute("hidden", !seen);
      if (seen) {
        for (const [key, value] of Object.entries({ x: seen.column, y: seen.row, width: seen.columns,
          height: seen.rows })) mark.setAttribute(key, value);
      }
    }
  }

  /* The first channels of a layer, which show the pixels that a cell sees. */
  function mapsOf(layers, number, { shape: [channels, height, width], values }) {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const area = height * width;
    const shown = range(Math.min(channels, CHANNELS)).map(channel => painted(height, width,
      index => shade(values[channel * area + index], largest)));
    const cell = [Math.floor(height / 2), Math.floor(width / 2)];
    const maps = element("div", { className: "maps", tabIndex: 0 }, ...shown);
    maps.setAttribute("role", "application");
    maps.setAttribute("aria-label", `Maps of ${layers[number].label}`);
    const show = () => showField(layers, number, ...cell);
    maps.addEventListener("pointermove", ({ target, offsetX, offsetY }) => {
      if (target.tagName !== "CANVAS") return;
      cell[0] = Math.min(height - 1, Math.floor(offsetY / target.clientHeight * height));
      cell[1] = Math.min(width - 1, Math.floor(offsetX / target.clientWidth * width));
      show();
    });
    maps.addEventListener("keydown", event => {
      const step = STEPS[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      cell[0] = Math.max(0, Math.min(height - 1, cell[0] + step[0]));
      cell[1] = Math.max(0, Math.min(width - 1, cell[1] + step[1]));
      show();
    });
    maps.addEventListener("focus", show);
    for (const leave of ["pointerleave", "blur"]) maps.addEventListener(leave, () => showField(null, null));
    return maps;
  }
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  function showAnswer(side, arm, logits) {
    const panel = find(`[data-side=${side}]`), chances = lab.softmax(logits);
    const digit = chances.indexOf(Math.max(...chances));
    panel.querySelector(".says").replaceChildren(
      element("b", { textContent: digit }), ` ${(100 * chances[digit]).toFixed(1)} %`);
    panel.querySelector(".chances").replaceChildren(...chances.map((chance, number) => {
      const bar = element("span");
      bar.style.width = `${100 * chance}%`;
      return element("li", { value: number, className: number === digit ? "chosen" : "" }, bar);
    }));
    const { seed, test_accuracy, train_images, epochs } = arms[arm];
    panel.querySelector(".trained").textContent = `seed ${seed}, ${epochs} `
      + `${epochs === 1 ? "epoch" : "epochs"} of ${train_images.toLocaleString("en")} images, `
      + `test accuracy ${(100 * test_accuracy).toFixed(2)} %`;
  }

  function showLayers(side, layers, now, shifted) {
    let found = false;
    const spatial = layers.map((layer, number) => ({ layer, number })).filter(
      ({ layer }) => layer.output.length === 3);
    find(`[data-layers=${side}]`).replaceChildren(...spatial.map(({ layer, number }) => {
      const change = lab.unexplained(now[number], shifted[number], layer.jump);
      const first = !found && change > SHOWN_CHANGE;
      found ||= first;
      const [channels, ...size] = layer.output;
      return element("div", { className: first ? "layer first" : "layer" },
        element("p", {},
          element("b", { textContent: layer.label }), ` ${channels} × ${size.join(" × ")} `,
          element("span", { className: "quiet", textContent: `changed ${(100 * change).toFixed(0)} %`
            + (first ? ": the first layer that does not move along" : "") })),
        mapsOf(layers, number, now[number]));
    }));
  }

  function show() {
    pixels = lab.moved(base(), state.turn, state.down, state.across);
    const shifted = lab.moved(base(), state.turn, state.down, state.across + 1);
    sheet.querySelector("image").setAttribute("href", painted(SIDE, SIDE,
      index => [pixels[index], pixels[index], pixels[index]]).toDataURL());
    for (const side of SIDES) {
      const arm = state[side], layers = networks[arm];
      const now = lab.outputs(layers, pixels);
      showAnswer(side, arm, now.at(-1).values);
      showLayers(side, layers, now, lab.outputs(layers, shifted));
      field(side).value = arm;
    }
    field("image").value = state.image;
    field("turn").value = state.turn;
    find(".degrees").textContent = `${state.turn}°`;
  }

  let asked = false;
  /* Show the state once for several changes, and keep it in the address. */
  function change(values) {
    Object.assign(state, values);
    if (asked) return;
    asked = true;
    setTimeout(() => {
      asked = false;
      show();
      const { image, ...rest } = state;
      const own = image === DRAWN ? { drawing: lab.base64(drawing) } : { test: images[image].number };
      pageState.write(section.id, { ...rest, ...own });
    }, 0);
  }

  /* Take what is shown as the drawing, so that a drawing goes on where the image is. */
  function startDrawing() {
    if (state.image === DRAWN && !state.turn && !state.down && !state.across) return;
    drawing = Uint8Array.from(pixels);
    Object.assign(state, { image: DRAWN, turn: 0, down: 0, across: 0 });
  }

  /* A soft dot: full within half a pixel of the point, less up to a pixel and a half. */
  function dot(y, x) {
    startDrawing();
    range(SIDE * SIDE).forEach(index => {
      const distance = Math.hypot(Math.floor(index / SIDE) + 0.5 - y, index % SIDE + 0.5 - x);
      const ink = 255 * Math.min(1, Math.max(0, 1.9 - distance));
      drawing[index] = Math.max(drawing[index], ink);
    });
    change({});
  }

  const pointOf = event => {
    const box = sheet.getBoundingClientRect();
    return [(event.clientY - box.top) / box.height * SIDE, (event.clientX - box.left) / box.width * SIDE];
  };
  sheet.addEventListener("pointerdown", event => {
    sheet.setPointerCapture(event.pointerId);
    dot(...pointOf(event));
  });
  sheet.addEventListener("pointermove", event => {
    if (event.buttons) for (const each of event.getCoalescedEvents?.() ?? [event]) dot(...pointOf(each));
  });
  const showPen = () => {
    pen.setAttribute("y", place[0]);
    pen.setAttribute("x", place[1]);
    pen.removeAttribute("hidden");
  };
  sheet.addEventListener("focus", () => { if (sheet.matches(":focus-visible")) showPen(); });
  sheet.addEventListener("blur", () => pen.setAttribute("hidden", ""));
  sheet.addEventListener("keydown", event => {
    const step = STEPS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !(step || event.key === " ")) return;
    event.preventDefault();
    if (step) place = place.map((at, axis) => Math.max(0, Math.min(SIDE - 1, at + step[axis])));
    else dot(place[0] + 0.5, place[1] + 0.5);
    showPen();
  });

  root.addEventListener("click", ({ target }) => {
    if (target.dataset.move) {
      const [down, across] = target.dataset.move.split(",").map(Number);
      change({ down: state.down + down, across: state.across + across });
    }
    if (target.dataset.do === "reset") change({ down: 0, across: 0, turn: 0 });
    if (target.dataset.do === "clear") {
      drawing = new Uint8Array(SIDE * SIDE);
      change({ image: DRAWN, down: 0, across: 0, turn: 0 });
    }
  });
  root.addEventListener("input", ({ target: { name, value } }) => {
    change(name === "turn" ? { turn: Number(value) } : { [name]: value });
  });

  /* What the address holds; anything that does not fit is left as it is. */
  function restore() {
    const saved = pageState.read(section.id);
    if (!saved) return;
    for (const side of SIDES) if (saved[side] in arms) state[side] = saved[side];
    for (const name of ["down", "across", "turn"]) {
      if (Math.abs(Number(saved[name])) <= 90) state[name] = Math.round(Number(saved[name]));
    }
    const test = images.findIndex(({ number }) => String(number) === saved.test);
    if (test >= 0) state.image = String(test);
    try {
      const drawn = lab.bytes(saved.drawing ?? "");
      if (drawn.length === drawing.length) [drawing, state.image] = [drawn, DRAWN];
    } catch { /* not base64 */ }
    if (pageState.asksFor(section.id)) section.scrollIntoView();
  }

  for (const side of SIDES) {
    field(side).replaceChildren(...names.map(arm => new Option(arms[arm].label, arm)));
  }
  field("image").replaceChildren(...images.map(
    ({ number }, at) => new Option(`test image ${number}`, at)), new Option("drawn", DRAWN));
  if (!images.length) state.image = DRAWN;
  root.hidden = false;
  restore();
  show();
})();
