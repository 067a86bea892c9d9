/* What a reader has set, in the page's address, so that a link reopens the page as it is:
   #section?part.key=value&… with the section to show and the values of all parts. */
"use strict";
const pageState = (() => {
  const [, query] = location.hash.split("?");
  const kept = new Map(new URLSearchParams(query ?? ""));
  return {
    /* The values of a part; null if the address has none. */
    read(part) {
      const own = [...kept].filter(([key]) => key.startsWith(`${part}.`));
      return own.length ? Object.fromEntries(own.map(
        ([key, value]) => [key.slice(part.length + 1), value])) : null;
    },
    /* Whether the address asks to show a section. */
    asksFor: section => location.hash.split("?")[0] === `#${section}`,
    write(part, values, section = part) {
      for (const key of kept.keys()) if (key.startsWith(`${part}.`)) kept.delete(key);
      for (const [key, value] of Object.entries(values)) kept.set(`${part}.${key}`, value);
      const query = kept.size ? `?${new URLSearchParams([...kept])}` : "";
      history.replaceState(null, "", `#${section}${query}`);
    },
  };
})();
