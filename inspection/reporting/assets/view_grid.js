// Second part: a grid that holds only what can be seen.
// The grid: cells are moved and refilled, never more than a screenful and a bit.
const grid = find("grid");
const space = find("space");
const FRAME_SHARE = 8; // ms
const CAPTION = 20;
const PAD = 5;
let active = 0;
let layout = { across: 1, cell: 1, row: 1, side: 1 };
const cells = new Map();
const spare = [];
let incomplete = false;

// Names of one line differ at their ends.
const shortened = (name) => {
  const room = Math.max(8, Math.floor(layout.side / 6.6) - 3);
  const letters = [...name];
  if (letters.length <= room) return name;
  const tail = Math.ceil(room * 0.62);
  return `${letters.slice(0, room - tail - 1).join("")}…${letters.slice(-tail).join("")}`;
};
const blank = () => {
  const cell = element("div", "cell");
  cell.setAttribute("role", "option");
  const pic = element("div", "pic");
  const caption = element("div", "caption");
  caption.append(element("i"), element("span"));
  cell.append(pic, caption);
  return cell;
};
const fill = (cell, position, hurried) => {
  const i = matches[position];
  cell.dataset.image = i;
  cell.id = `cell-${position}`;
  const [pic, caption] = cell.children;
  const parts = [];
  let complete = true;
  if (data.sizes[i]) {
    const source = hurried ? null : picture(i);
    if (source) {
      const image = element("img");
      image.alt = "";
      image.decoding = "async";
      image.src = source;
      parts.push(image);
      const marks = outlines(i);
      if (marks) parts.push(marks);
    } else complete = false;
  } else parts.push(element("span", "why", data.missing[i] || ""));
  const wrong = faultsOf(i);
  if (wrong.length) {
    const kinds = wrong.map((f) => data.faults[f].kind);
    const worst = ["bad", "warn", "mark"].find((kind) => kinds.includes(kind));
    parts.push(element("span", `flag ${worst}`, wrong.length > 1 ? String(wrong.length) : "!"));
  }
  pic.className = data.sizes[i] ? "pic" : "pic void";
  pic.replaceChildren(...parts);
  const path = data.paths[i];
  caption.children[0].style.setProperty("--c", classOf[i] ? data.colours[classOf[i]] : "transparent");
  caption.children[1].textContent = shortened(visible(path.slice(path.lastIndexOf("/") + 1)));
  const names = wrong.map((f) => visible(data.faults[f].name));
  cell.title = [visible(path), visible(classOf[i]), splitOf[i], ...names].filter(Boolean).join("\n");
  cell.setAttribute("aria-label", cell.title.replaceAll("\n", ", "));
  cell.setAttribute("aria-setsize", matches.length);
  cell.setAttribute("aria-posinset", position + 1);
  cell.dataset.complete = complete;
};
const place = (cell, position) => {
  const { across, cell: width, row, side } = layout;
  cell.style.transform = `translate(${12 + (position % across) * width}px, ${8 + Math.floor(position / across) * row}px)`;
  cell.style.width = `${width}px`;
  cell.firstChild.style.height = `${side}px`;
  cell.setAttribute("aria-selected", String(position === active));
};
const render = () => {
  const { across, row } = layout;
  const first = Math.max(0, Math.floor((grid.scrollTop - 8) / row) - 1) * across;
  const last = Math.min(matches.length, (Math.ceil((grid.scrollTop + grid.clientHeight) / row) + 1) * across);
  for (const [position, cell] of cells) {
    if (position < first || position >= last) {
      cells.delete(position);
      spare.push(cell);
    }
  }
  // Beyond its share of a frame a picture waits for the next one, and scrolling stays smooth.
  const began = performance.now();
  const hurried = () => performance.now() - began > FRAME_SHARE;
  incomplete = false;
  let late = false;
  for (let position = first; position < last; position += 1) {
    let cell = cells.get(position);
    const old = Boolean(cell);
    if (!cell) {
      cell = spare.pop() || blank();
      cells.set(position, cell);
      if (!cell.isConnected) space.append(cell);
    }
    if (!old || cell.dataset.complete === "false") {
      const skip = hurried();
      if (!old || !skip) fill(cell, position, skip);
      late ||= skip;
    }
    place(cell, position);
    if (cell.dataset.complete === "false") incomplete = true;
  }
  if (late) soon();
  while (spare.length > across * 2) spare.pop().remove();
  for (const cell of spare) cell.style.transform = "translate(0, -9999px)";
  if (cells.has(active)) grid.setAttribute("aria-activedescendant", `cell-${active}`);
  else grid.removeAttribute("aria-activedescendant");
};
const measure = () => {
  const room = Math.max(1, grid.clientWidth - 24);
  const wished = SIZES[state.size] + 2 * PAD;
  const across = Math.max(1, Math.floor(room / wished));
  const cell = Math.floor(room / across);
  const side = cell - 2 * PAD;
  layout = { across, cell, side, row: side + CAPTION + 2 * PAD };
  space.style.height = `${Math.ceil(matches.length / across) * layout.row + 16}px`;
};
const redraw = () => {
  for (const cell of cells.values()) spare.push(cell);
  cells.clear();
  measure();
  render();
};
let asked = false;
const soon = () => {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; render(); });
};
grid.addEventListener("scroll", soon, { passive: true });
new ResizeObserver(() => {
  const before = layout.across;
  const top = Math.floor(grid.scrollTop / layout.row) * before;
  measure();
  if (layout.across !== before) grid.scrollTop = Math.floor(top / layout.across) * layout.row;
  render();
}).observe(grid);
const waiting = setInterval(() => {
  if (incomplete) render();
  if (document.readyState !== "loading" && !incomplete) clearInterval(waiting);
}, 60);

const show = (position) => {
  active = Math.max(0, Math.min(matches.length - 1, position));
  const top = Math.floor(active / layout.across) * layout.row;
  if (top < grid.scrollTop) grid.scrollTop = top;
  const bottom = top + layout.row + 16;
  if (bottom > grid.scrollTop + grid.clientHeight) grid.scrollTop = bottom - grid.clientHeight;
  render();
};
grid.addEventListener("keydown", (event) => {
  const page = Math.max(1, Math.floor(grid.clientHeight / layout.row)) * layout.across;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -layout.across, ArrowDown: layout.across, PageUp: -page, PageDown: page };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in steps) {
    const to = active + steps[event.key];
    if (!event.key.startsWith("Arrow") || (to >= 0 && to < matches.length)) show(to);
  } else if (event.key === "Home") show(0);
  else if (event.key === "End") show(matches.length - 1);
  else if ((event.key === "Enter" || event.key === " ") && matches.length) open(active);
  else return;
  event.preventDefault();
});
grid.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell) open(Number(cell.id.slice(5)));
});
