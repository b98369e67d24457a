// All images of an index, first part: what the page holds, and which of it is asked for.
// The three parts are one function, in the order data, grid, page. Data becomes text and attributes, never markup.
const find = (id) => document.getElementById(id);
const element = (name, kind, words) => {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (words !== undefined) made.textContent = words;
  return made;
};
const button = (words, act, kind) => {
  const made = element("button", kind, words);
  made.type = "button";
  made.addEventListener("click", () => act(made));
  return made;
};
// Letters that cannot be seen, or that turn the line around, are spelt out.
const visible = (text) => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
const grouped = (number) => number.toLocaleString("en");

const data = JSON.parse(find("data").textContent);
const total = data.paths.length;
const lower = data.paths.map((path) => path.toLowerCase());
const none = [];
const NONE = "(none)";

// Pictures: base64 in blocks, read when first shown, which may be before the whole page has arrived.
const starts = new Array(total);
for (let i = 0, at = 0; i < total; i += 1) {
  if (i % data.block === 0) at = 0;
  starts[i] = at;
  at += data.sizes[i];
}
const blocks = [];
const picture = (i) => {
  const number = Math.floor(i / data.block);
  if (blocks[number] === undefined) {
    const next = find(`pictures-${number + 1}`) || find("facts");
    if (!next && document.readyState === "loading") return null;
    blocks[number] = find(`pictures-${number}`).textContent;
  }
  return `data:image/jpeg;base64,${blocks[number].substr(starts[i], data.sizes[i])}`;
};
let told = null;
const facts = () => {
  if (!told && document.readyState !== "loading") told = JSON.parse(find("facts").textContent);
  return told || {};
};

// Outlines, as vectors in the small picture's pixels.
const SVG = "http://www.w3.org/2000/svg";
const outlines = (i) => {
  const marks = data.marks[i];
  if (!marks) return null;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${data.width[i]} ${data.height[i]}`);
  svg.setAttribute("class", "marks");
  svg.setAttribute("aria-hidden", "true");
  const under = document.createElementNS(SVG, "g");
  const over = document.createElementNS(SVG, "g");
  under.setAttribute("class", "under");
  for (const [kind, label, ...points] of marks) {
    const shape = document.createElementNS(SVG, "polygon");
    shape.setAttribute("points", points.map((value) => value / 10).join(" "));
    under.append(shape.cloneNode());
    const colour = data.colours[data.drawn[label]];
    shape.setAttribute("stroke", colour);
    if (kind === 1) {
      shape.setAttribute("class", "mask");
      shape.style.fill = colour;
    }
    over.append(shape);
  }
  svg.append(under, over);
  return svg;
};

// What is asked for: names, so that an address still means the same on another day's page.
const SIZES = { S: 88, M: 124, L: 196 };
const fresh = () => ({ words: "", class: new Set(), split: new Set(), fault: new Set(), size: "M", marks: true, open: null });
let state = fresh();
const splitOf = data.split.map((number) => (number < 0 ? "" : data.splits[number]));
const classOf = data.label.map((number) => (number < 0 ? "" : data.labels[number]));
const faultsOf = (i) => data.fault[i] || none;
const SOUND = "";
const facets = [
  { key: "class", title: "Class", names: [...data.labels, ""], of: (i) => [classOf[i]] },
  { key: "split", title: "Split", names: [...data.splits, ""], of: (i) => [splitOf[i]] },
  { key: "fault", title: "Fault", names: [...new Set(data.faults.map((fault) => fault.name)), SOUND],
    of: (i) => (data.fault[i] ? data.fault[i].map((f) => data.faults[f].name) : [SOUND]) },
];
for (const facet of facets) {
  facet.place = new Map(facet.names.map((name, place) => [name, place]));
  facet.rows = new Array(total);
  for (let i = 0; i < total; i += 1) facet.rows[i] = [...new Set(facet.of(i))].map((name) => facet.place.get(name));
}

// The rail.
const faultKind = (name) => (data.faults.find((fault) => fault.name === name) || {}).kind || "bare";
for (const facet of facets) {
  const used = facet.names.filter((name, place) => facet.rows.some((row) => row.includes(place)));
  const box = element("section", "facet");
  const head = element("h2", "", facet.title);
  head.id = `facet-${facet.key}`;
  const list = element("ul");
  list.setAttribute("aria-labelledby", head.id);
  facet.buttons = new Map();
  for (const name of used) {
    const made = button("", () => {
      const chosen = state[facet.key];
      if (!chosen.delete(name)) chosen.add(name);
      changed();
    });
    const sign = element("i", facet.key === "fault" ? faultKind(name) : "");
    if (facet.key === "class" && name) sign.style.setProperty("--c", data.colours[name]);
    if (!name) sign.className = "bare";
    const shown = element("span", "name", name ? visible(name) : facet.key === "fault" ? "(no fault)" : NONE);
    shown.title = shown.textContent;
    const many = element("span", "many");
    if (facet.key === "split") sign.hidden = true;
    made.append(...(facet.key === "split" ? [element("span")] : [sign]), shown, many);
    const item = element("li");
    item.append(made);
    list.append(item);
    facet.buttons.set(name, { made, many });
  }
  facet.counts = new Int32Array(facet.names.length);
  box.append(head, list);
  if (used.length > 1 || (used[0] && facet.key !== "fault")) find("facets").append(box);
}

// Filtering: one pass; an image that fails one facet alone still counts for that facet's own numbers.
let matches = new Int32Array(0);
const filter = () => {
  const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = facets.map((facet) => {
    const chosen = new Uint8Array(facet.names.length);
    for (const name of state[facet.key]) if (facet.place.has(name)) chosen[facet.place.get(name)] = 1;
    facet.counts.fill(0);
    return state[facet.key].size ? chosen : null;
  });
  const found = new Int32Array(total);
  let many = 0;
  for (let i = 0; i < total; i += 1) {
    if (!words.every((word) => lower[i].includes(word))) continue;
    let failed = -1;
    let fails = 0;
    for (let f = 0; f < 3 && fails < 2; f += 1) {
      const chosen = wanted[f];
      if (chosen && !facets[f].rows[i].some((place) => chosen[place])) { fails += 1; failed = f; }
    }
    if (fails > 1) continue;
    for (let f = 0; f < 3; f += 1) {
      if (fails === 0 || failed === f) for (const place of facets[f].rows[i]) facets[f].counts[place] += 1;
    }
    if (fails === 0) found[many++] = i;
  }
  matches = found.subarray(0, many);
};
