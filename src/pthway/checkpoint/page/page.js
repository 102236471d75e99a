
"use strict";
// The page stands without this script. It moves what is drawn, and never makes markup out of a text.

const percent = (value) => `${value.toFixed(6)}%`;

for (const map of document.querySelectorAll(".treemap")) {
  const drawing = map.querySelector(".map");
  if (!drawing) continue;
  const crumbs = map.querySelector(".crumbs");
  const pointed = map.querySelector(".pointed");
  const home = crumbs.firstElementChild;
  const idle = "Hover over a tensor to see what it is; click a module to look inside, Escape leads back.";
  const nodes = Array.from(drawing.children, (element) => ({
    element,
    within: Number(element.dataset.in),
    number: Number(element.dataset.module ?? -1),
    path: element.dataset.path,
    label: element.querySelector("text"),
    short: element.querySelector("text").textContent,
    box: ["x", "y", "width", "height"].map((side) => parseFloat(element.getAttribute(side))),
  }));
  const modules = new Map(nodes.filter((node) => node.number > 0).map((node) => [node.number, node]));
  const whole = { number: 0, within: -1, path: drawing.dataset.path, box: [0, 0, 100, 100] };
  const at = (number) => modules.get(number) ?? whole;
  const byElement = new Map(nodes.map((node) => [node.element, node]));
  let current = whole;

  const chain = (node) => {
    const path = [];
    for (let one = node; one !== whole; one = at(one.within)) path.unshift(one);
    return path;
  };

  /** The module, directly in the one that is shown, that holds a node; undefined if none does. */
  const moduleOf = (node) => {
    const path = chain(node);
    const step = path[current === whole ? 0 : path.indexOf(current) + 1];
    return step && step.number > 0 ? step : undefined;
  };

  const draw = () => {
    const [left, top, width, height] = current.box;
    const inside = new Set([current.number]);
    const pixels = drawing.getBoundingClientRect();
    for (const number of modules.keys()) if (current === whole || chain(at(number)).includes(current)) inside.add(number);
    for (const node of nodes) {
      const { element, within, number, box, label, path, short } = node;
      const visible = number > 0 ? within === current.number || at(within).within === current.number : inside.has(within);
      element.toggleAttribute("hidden", !visible);
      if (!visible) continue;
      const wide = (box[2] / width) * 100;
      const high = (box[3] / height) * 100;
      element.setAttribute("x", percent(((box[0] - left) / width) * 100));
      element.setAttribute("y", percent(((box[1] - top) / height) * 100));
      element.setAttribute("width", percent(wide));
      element.setAttribute("height", percent(high));
      const letters = ((wide / 100) * pixels.width - 8) / 6.6;
      if (number > 0) {
        const deeper = within !== current.number;
        element.classList.toggle("deeper", deeper);
        element.tabIndex = deeper ? -1 : 0;
        label.classList.toggle("tight", short.length > letters || (high / 100) * pixels.height < 22);
      } else {
        const holder = moduleOf(node) ?? current;
        const long = holder.path ? path.slice(holder.path.length + 1) : path;
        label.textContent = long.length <= letters ? long : short;
        label.classList.toggle("tight", label.textContent.length > letters || (high / 100) * pixels.height < 44);
        element.classList.toggle("inside", within !== current.number);
      }
    }
  };

  const show = (node) => {
    current = node;
    crumbs.replaceChildren(home, ...chain(node).map((one) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = one.short;
      button.addEventListener("click", () => show(one));
      return button;
    }));
    for (const button of crumbs.children) button.disabled = button === crumbs.lastElementChild;
    pointed.textContent = idle;
    draw();
  };

  const point = (node) => {
    const module = node && (node.number > 0 ? node : moduleOf(node));
    for (const one of modules.values()) one.element.classList.toggle("under", one === module);
    pointed.textContent = node ? node.element.querySelector("title").textContent : idle;
  };

  const enter = (node) => {
    const module = node.number > 0 ? node : moduleOf(node);
    if (module) {
      show(module);
    } else if (node.element.classList.contains("tensor")) {
      const filter = map.parentElement.querySelector(".filter");
      filter.value = node.path;
      filter.dispatchEvent(new Event("input"));
    }
  };

  const nodeOf = (target) => byElement.get(target.closest("[data-in]"));
  home.addEventListener("click", () => show(whole));
  drawing.addEventListener("click", (event) => { const node = nodeOf(event.target); if (node) enter(node); });
  drawing.addEventListener("pointermove", (event) => point(nodeOf(event.target)));
  drawing.addEventListener("pointerleave", () => point(undefined));
  drawing.addEventListener("focusin", (event) => point(nodeOf(event.target)));
  map.addEventListener("keydown", (event) => {
    const node = nodeOf(event.target);
    if (node && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      enter(node);
      (nodes.find((one) => one.number > 0 && one.within === current.number)?.element ?? home).focus();
    } else if (event.key === "Escape" && current !== whole) {
      const left = current;
      show(at(current.within));
      left.element.focus();
    }
  });
  new ResizeObserver(draw).observe(drawing);
  show(whole);
}

for (const listing of document.querySelectorAll(".listing")) {
  const atOnce = Number(listing.dataset.atOnce);
  const body = listing.querySelector("tbody");
  const filter = listing.querySelector(".filter");
  const count = listing.querySelector(".count");
  const more = listing.querySelector(".more");
  const heads = Array.from(listing.querySelectorAll("thead th"));
  const rows = [...body.rows, ...listing.querySelector("template").content.children].map((element) => ({
    element,
    text: Array.from(element.cells).slice(0, 3).map((cell) => cell.textContent).join(" ").toLowerCase(),
  }));
  let order = rows;
  let limit = atOnce;

  const render = () => {
    const wanted = filter.value.trim().toLowerCase();
    const found = order.filter((row) => row.text.includes(wanted));
    body.replaceChildren(...found.slice(0, limit).map((row) => row.element));
    const shown = Math.min(limit, found.length).toLocaleString("en");
    count.textContent = `${shown} of ${found.length.toLocaleString("en")} tensors` + (wanted ? ` that match, ${rows.length.toLocaleString("en")} in all` : "");
    more.hidden = found.length <= limit;
  };

  /** What a row is sorted by in a column: a number if the column has numbers, else its text; undefined where there is none. */
  const key = (row, column) => {
    const cell = row.element.cells[column];
    if (!heads[column].classList.contains("number")) return cell.textContent;
    return cell.dataset.value === undefined ? undefined : Number(cell.dataset.value);
  };

  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));

  const sort = (column) => {
    const head = heads[column];
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const now = head.getAttribute("aria-sort");
    const next = now === null ? first : now === first ? second : null;
    for (const one of heads) one.removeAttribute("aria-sort");
    if (next) head.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const keyed = rows.map((row) => ({ row, value: key(row, column) }));
    const known = keyed.filter((one) => one.value !== undefined).sort((a, b) => sign * compare(a.value, b.value));
    order = next ? [...known, ...keyed.filter((one) => one.value === undefined)].map((one) => one.row) : rows;
    limit = atOnce;
    render();
  };

  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sort(column)));
  filter.addEventListener("input", () => { limit = atOnce; render(); });
  more.addEventListener("click", () => { limit += atOnce; render(); });
  render();
}
