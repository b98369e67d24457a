// Third part: one image large, the bar above the grid, and all of it in the address.
// One image, large.
const large = find("large");
const pairs = (i) => {
  const found = [["class", classOf[i]], ["split", splitOf[i]]].filter(([, value]) => value);
  for (const [name, values] of Object.entries(facts())) if (values[i] !== null) found.push([name, values[i]]);
  return found;
};
const words = (value) => visible(typeof value === "number" ? String(value) : value);
const panel = (i) => {
  const box = element("div", "told");
  const path = data.paths[i];
  const cut = path.lastIndexOf("/") + 1;
  box.append(element("h2", "", visible(path.slice(cut))), element("p", "folder", visible(path.slice(0, cut))));
  if (faultsOf(i).length) {
    const list = element("ul", "wrong");
    for (const f of faultsOf(i)) list.append(element("li", data.faults[f].kind, visible(data.faults[f].name)));
    box.append(list);
  }
  const drawn = [...new Set((data.marks[i] || none).map((mark) => data.drawn[mark[1]]))];
  if (drawn.length) {
    const legend = element("p", "legend");
    for (const name of drawn) {
      const key = element("span");
      const sign = element("i");
      sign.style.setProperty("--c", data.colours[name]);
      key.append(sign, visible(name));
      legend.append(key);
    }
    box.append(legend);
  }
  const list = element("dl");
  for (const [name, value] of pairs(i)) {
    const held = element("dd");
    if (Array.isArray(value)) for (const each of value) held.append(element("div", "", words(each)));
    else held.textContent = words(value);
    list.append(element("dt", "", name), held);
  }
  box.append(list);
  return box;
};
const control = (kind, sign, label, act) => {
  const made = button(sign, act, kind);
  made.setAttribute("aria-label", label);
  return made;
};
const draw = () => {
  const i = matches[active];
  const stage = element("div", "stage");
  const frame = element("div", "frame");
  const source = data.sizes[i] ? picture(i) : null;
  if (source) {
    const image = element("img", Math.max(data.width[i], data.height[i]) < 64 ? "tiny" : "");
    image.src = source;
    image.alt = visible(data.paths[i]);
    frame.append(image, ...[outlines(i)].filter(Boolean));
  } else frame.append(element("p", "why", data.missing[i] || "still loading"));
  const position = element("p", "place", `${grouped(active + 1)} of ${grouped(matches.length)}`);
  stage.append(frame, position, control("close", "×", "Close", () => large.close()));
  stage.append(control("back", "‹", "Previous image", () => turn(-1)), control("on", "›", "Next image", () => turn(1)));
  const focused = large.contains(document.activeElement) ? document.activeElement.className : "";
  large.replaceChildren(stage, panel(i));
  if (focused) (stage.querySelector(`button.${focused.split(" ")[0]}`) || large).focus();
  state.open = data.paths[i];
  remember();
};
const turn = (step) => {
  show((active + step + matches.length) % matches.length);
  draw();
};
const open = (position) => {
  show(position);
  draw();
  if (!large.open) large.showModal();
};
large.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") turn(-1);
  else if (event.key === "ArrowRight") turn(1);
  else return;
  event.preventDefault();
});
large.addEventListener("click", (event) => { if (event.target.matches(".stage, .frame")) large.close(); });
large.addEventListener("close", () => {
  state.open = null;
  remember();
  grid.focus({ preventScroll: true });
});

// The bar.
const tools = find("tools");
const clear = button("Clear filters", () => {
  state = { ...fresh(), size: state.size, marks: state.marks };
  changed();
});
const sizes = element("span", "sizes");
sizes.setAttribute("role", "group");
sizes.setAttribute("aria-label", "Size of the pictures");
for (const size of Object.keys(SIZES)) {
  const made = button(size, () => {
    const top = Math.floor(grid.scrollTop / layout.row) * layout.across;
    state.size = size;
    pressed();
    redraw();
    grid.scrollTop = Math.floor(top / layout.across) * layout.row;
    remember();
  });
  made.dataset.size = size;
  sizes.append(made);
}
const marks = button("Outlines", () => {
  state.marks = !state.marks;
  pressed();
  remember();
});
const night = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (document.documentElement.dataset.theme || (night.matches ? "dark" : "light")) === "dark";
const theme = button(dark() ? "Light" : "Dark", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  theme.textContent = dark() ? "Light" : "Dark";
});
tools.append(clear, ...(Object.keys(data.marks).length ? [marks] : []), sizes, theme);

const pressed = () => {
  for (const made of sizes.children) made.setAttribute("aria-pressed", String(made.dataset.size === state.size));
  marks.setAttribute("aria-pressed", String(state.marks));
  document.body.classList.toggle("bare", !state.marks);
  for (const facet of facets) {
    for (const [name, { made, many }] of facet.buttons) {
      const count = facet.counts[facet.place.get(name)];
      made.setAttribute("aria-pressed", String(state[facet.key].has(name)));
      made.classList.toggle("none", count === 0);
      many.textContent = grouped(count);
    }
  }
};

// The address.
const remember = () => {
  const asks = new URLSearchParams();
  if (state.words) asks.set("q", state.words);
  for (const facet of facets) for (const name of state[facet.key]) asks.append(facet.key, name);
  if (state.size !== "M") asks.set("size", state.size);
  if (!state.marks) asks.set("outlines", "off");
  if (state.open !== null) asks.set("open", state.open);
  const hash = asks.toString();
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
};
const recall = () => {
  const asks = new URLSearchParams(location.hash.slice(1));
  state = fresh();
  state.words = asks.get("q") || "";
  for (const facet of facets) for (const name of asks.getAll(facet.key)) if (facet.place.has(name)) state[facet.key].add(name);
  if (asks.get("size") in SIZES) state.size = asks.get("size");
  state.marks = asks.get("outlines") !== "off";
  return asks.get("open");
};
const search = find("words");
const changed = (wanted) => {
  filter();
  const counted = find("count");
  const narrowed = matches.length !== total;
  counted.replaceChildren(element("b", "", grouped(matches.length)), element("span", "", narrowed ? ` of ${grouped(total)} images` : total === 1 ? " image" : " images"));
  if (search.value !== state.words) search.value = state.words;
  clear.hidden = !(state.words || facets.some((facet) => state[facet.key].size));
  find("empty").hidden = matches.length > 0;
  grid.hidden = matches.length === 0;
  active = 0;
  grid.scrollTop = 0;
  pressed();
  redraw();
  const at = wanted ? matches.findIndex((i) => data.paths[i] === wanted) : -1;
  if (at >= 0) open(at);
  else remember();
};
search.addEventListener("input", () => {
  state.words = search.value;
  changed();
});
addEventListener("hashchange", () => {
  const wanted = recall();
  if (large.open && !wanted) large.close();
  changed(wanted);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !large.open && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  }
});
const first = recall();
if (first && document.readyState === "loading") {
  changed();
  addEventListener("DOMContentLoaded", () => changed(first));
} else changed(first);
