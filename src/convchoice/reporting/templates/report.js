/* The page: folding, arms on and off, the study in view, figures as files. It makes no request. */
(() => {
  const root = document.documentElement, body = document.body;
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  root.classList.add("scripted");

  // Folding. A printed page shows all parts.
  const parts = all("details.part");
  for (const button of all("[data-fold]")) {
    button.addEventListener("click", () => {
      for (const part of parts) part.open = button.dataset.fold === "open";
    });
  }
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = parts.filter(part => !part.open);
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });

  // Arms, in all figures of a study.
  for (const switches of all(".switches")) {
    switches.addEventListener("change", ({ target }) => {
      for (const drawn of all(`figure svg .${target.value}`, switches.closest(".study"))) {
        if (target.checked) drawn.removeAttribute("display");
        else drawn.setAttribute("display", "none");
      }
    });
  }

  // The list of studies names the one in view.
  const contents = document.querySelector(".contents");
  const links = new Map(all("a", contents).map(link => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      const link = links.get(target.id);
      link.toggleAttribute("aria-current", isIntersecting);
      if (isIntersecting) contents.scrollTo({ left: link.offsetLeft - 16 });
    }
  }, { rootMargin: "-20% 0px -79% 0px" });
  for (const name of links.keys()) seen.observe(document.getElementById(name));

  // A figure by itself: on white, in the colours of the light scheme, with its title.
  const light = [...document.styleSheets[0].cssRules].find(rule => rule.selectorText === ":root").style;
  const lines = (title, longest) => title.split(" ").reduce((made, word) => {
    const last = made[made.length - 1];
    if (last && last.length + word.length < longest) made[made.length - 1] = `${last} ${word}`;
    else made.push(word);
    return made;
  }, []);

  function alone(figure) {
    const svg = figure.querySelector("svg").cloneNode(true);
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    const add = (name, values, text = "") => {
      const made = document.createElementNS(svg.namespaceURI, name);
      for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
      made.textContent = text;
      return made;
    };
    const title = lines(figure.querySelector("h4").textContent, 45);
    const head = 17 * title.length + 14, size = [width, head + height + 8];
    const drawing = add("g", { transform: `translate(0 ${head})` });
    drawing.append(...svg.childNodes);
    svg.append(add("rect", { width: "100%", height: "100%", fill: "#ffffff" }));
    title.forEach((line, number) => svg.append(add("text",
      { x: 8, y: 17 * (number + 1), "font-size": 12.5, "font-weight": 600 }, line)));
    svg.append(drawing);
    const values = {
      viewBox: `0 0 ${size.join(" ")}`, width: 1.5 * size[0], height: 1.5 * size[1], "font-size": 10,
      "font-family": "system-ui, sans-serif", fill: "#1c2128", color: "#1c2128",
      "stroke-linejoin": "round", "image-rendering": "pixelated",
    };
    for (const [key, value] of Object.entries(values)) svg.setAttribute(key, value);
    const text = new XMLSerializer().serializeToString(svg)
      .replace(/var\((--[\w-]+)\)/g, (_, name) => light.getPropertyValue(name).trim());
    return { text, size };
  }

  function save(blob, name) {
    const link = Object.assign(document.createElement("a"),
      { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const SVG = "image/svg+xml", PIXELS_A_POINT = 4;
  const WRITERS = {
    svg: ({ text }, name) => save(new Blob([text], { type: SVG }), `${name}.svg`),
    png({ text, size }, name) {
      const image = new Image();
      image.onload = () => {
        const [width, height] = size.map(points => Math.round(PIXELS_A_POINT * points));
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        canvas.getContext("2d").drawImage(image, 0, 0, width, height);
        canvas.toBlob(blob => save(blob, `${name}.png`), "image/png");
      };
      image.src = `data:${SVG};charset=utf-8,${encodeURIComponent(text)}`;
    },
    // The browser's own PDF: a page as large as the figure is printed, with its text as text.
    pdf({ text, size }, name) {
      const sheet = Object.assign(document.createElement("div"), { className: "sheet" });
      const style = document.createElement("style"), before = document.title;
      style.textContent = `@page { size: ${size[0]}pt ${size[1]}pt; margin: 0; }`;
      sheet.append(new DOMParser().parseFromString(text, SVG).documentElement);
      body.append(style, sheet);
      body.classList.add("one-figure");
      document.title = name;
      addEventListener("afterprint", () => {
        style.remove();
        sheet.remove();
        body.classList.remove("one-figure");
        document.title = before;
      }, { once: true });
      print();
    },
  };
  for (const button of all("[data-save]")) {
    const figure = button.closest("figure");
    button.addEventListener("click", () => WRITERS[button.dataset.save](alone(figure), figure.dataset.name));
  }
})();
