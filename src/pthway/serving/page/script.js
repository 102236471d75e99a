"use strict";
// Made from GET /models. Texts of models become text nodes, never markup.

const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
};

let models = [];
let model = null;
let editors = [];
let lastAnswer = null;

// --- inputs: each editor gives {file} or {value}, or throws an Error that says what is wrong -----------------------------

const shapeText = (input) => `${input.dtype} ${JSON.stringify(input.shape.slice(1)).replaceAll('"', "")}`;

function imageEditor(input) {
  let file = null;
  const preview = make("img", { alt: "the chosen image", hidden: true });
  const chooser = make("input", { type: "file", accept: "image/*", id: `file-${input.name}`, "aria-label": `Image for ${input.name}` });
  const area = make("div", { class: "drop" }, make("p", { text: "Drop an image here, paste it, or choose a file." }), chooser, preview);
  const take = (candidate) => {
    if (!candidate) return;
    file = candidate;
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(candidate);
    preview.hidden = false;
    refreshCode();
  };
  chooser.addEventListener("change", () => take(chooser.files[0]));
  area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => { event.preventDefault(); area.classList.remove("over"); take(event.dataTransfer.files[0]); });
  const paste = (event) => take([...event.clipboardData.files].find((each) => each.type.startsWith("image/")));
  return {
    element: area,
    paste,
    read() {
      if (!file) throw new Error(`Choose an image for ${input.name}.`);
      return { file };
    },
  };
}

function drawingEditor(input) {
  const [, rows, columns] = input.shape.slice(1);
  const pixels = new Float32Array(rows * columns);
  const past = [];
  const canvas = make("canvas", { class: "draw", width: columns, height: rows, tabindex: "0", role: "img", "aria-label": `Drawing for ${input.name}, ${rows} by ${columns} pixels. Arrow keys move the brush, space paints.` });
  const context = canvas.getContext("2d");
  const brush = make("input", { type: "range", min: "0.4", max: "3", step: "0.1", value: String(Math.max(0.7, columns / 20)), "aria-label": "Brush size" });
  let cursor = [rows / 2, columns / 2];
  let last = null;
  const show = () => {
    const image = context.createImageData(columns, rows);
    pixels.forEach((value, index) => { image.data.set([value * 255, value * 255, value * 255, 255], index * 4); });
    context.putImageData(image, 0, 0);
  };
  const dab = (row, column) => {
    const radius = Number(brush.value);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const distance = Math.hypot(r + 0.5 - row, c + 0.5 - column);
      pixels[r * columns + c] = Math.max(pixels[r * columns + c], Math.min(1, Math.max(0, radius + 0.5 - distance)));
    }
  };
  const stroke = (event) => {
    const box = canvas.getBoundingClientRect();
    const to = [((event.clientY - box.top) / box.height) * rows, ((event.clientX - box.left) / box.width) * columns];
    const from = last ?? to;
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * 2));
    for (let step = 1; step <= steps; step++) dab(from[0] + ((to[0] - from[0]) * step) / steps, from[1] + ((to[1] - from[1]) * step) / steps);
    last = to;
    show();
  };
  const remember = () => { past.push(pixels.slice()); if (past.length > 50) past.shift(); };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); remember(); last = null; stroke(event); event.preventDefault(); });
  canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) stroke(event); });
  canvas.addEventListener("pointerup", () => { last = null; refreshCode(); });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (moves[event.key]) {
      cursor = [Math.min(rows - 0.5, Math.max(0.5, cursor[0] + moves[event.key][0])), Math.min(columns - 0.5, Math.max(0.5, cursor[1] + moves[event.key][1]))];
      if (event.shiftKey) { dab(...cursor); show(); }
    } else if (event.key === " ") { remember(); dab(...cursor); show(); refreshCode(); } else return;
    event.preventDefault();
  });
  const set = (values) => { pixels.set(values); show(); refreshCode(); };
  const chooser = make("input", { type: "file", accept: "image/*", "aria-label": `Image for ${input.name}` });
  let file = null;
  chooser.addEventListener("change", () => { file = chooser.files[0] ?? null; refreshCode(); });
  show();
  return {
    element: make("div", {},
      make("p", { class: "quiet", text: "Draw: white on black, sent as numbers from 0 to 1. Or choose an image file, which the server prepares." }),
      canvas,
      make("div", { class: "tools" },
        make("label", { text: "Brush " }, brush),
        make("button", { type: "button", text: "Undo", onclick: () => past.length && set(past.pop()) }),
        make("button", { type: "button", text: "Clear", onclick: () => { remember(); set(new Float32Array(rows * columns)); chooser.value = ""; file = null; } }),
        chooser)),
    read() {
      if (file) return { file };
      const value = [];
      for (let r = 0; r < rows; r++) value.push(Array.from(pixels.slice(r * columns, (r + 1) * columns), (number) => Math.round(number * 1e4) / 1e4));
      return { value: [[value]] };
    },
  };
}

function fieldsEditor(input) {
  const sides = input.shape.slice(1);
  const count = sides.reduce((product, side) => product * side, 1);
  const whole = input.dtype === "int64";
  const places = Array.from({ length: count }, (_, index) => {
    const place = [];
    for (let axis = sides.length - 1, rest = index; axis >= 0; axis--) { place.unshift(rest % sides[axis]); rest = Math.floor(rest / sides[axis]); }
    return place.join(",");
  });
  const fields = places.map((place) => make("input", {
    type: input.dtype === "bool" ? "checkbox" : "number", step: whole ? "1" : "any", value: "0",
    "aria-label": `${input.name}[${place}]`, oninput: () => refreshCode(),
  }));
  fields.forEach((field, index) => field.addEventListener("paste", (event) => {
    const row = event.clipboardData.getData("text").trim().split(/[\s,;]+/);
    if (row.length < 2) return;
    event.preventDefault();
    row.slice(0, count - index).forEach((text, offset) => { fields[index + offset].value = text; });
    refreshCode();
  }));
  const nested = (flat, [side, ...rest]) => {
    if (!rest.length) return flat;
    const size = flat.length / side;
    return Array.from({ length: side }, (_, index) => nested(flat.slice(index * size, (index + 1) * size), rest));
  };
  return {
    element: make("div", {},
      count > 1 ? make("p", { class: "quiet", text: "A row of a table can be pasted into the first field." }) : "",
      make("div", { class: "fields" }, ...fields.map((field, index) => make("label", {}, make("span", { text: places[index] || input.name }), field)))),
    read() {
      const numbers = fields.map((field, index) => {
        if (field.type === "checkbox") return field.checked;
        const number = Number(field.value);
        if (field.value.trim() === "" || !Number.isFinite(number) || (whole && !Number.isInteger(number)))
          throw new Error(`${input.name}[${places[index]}] is ${JSON.stringify(field.value)}, no ${whole ? "whole " : ""}number.`);
        return number;
      });
      return { value: [nested(numbers, sides.length ? sides : [1])] };
    },
  };
}

function jsonEditor(input) {
  const build = ([side, ...rest]) => Array.from({ length: typeof side === "number" ? side : 4 }, () => (rest.length ? build(rest) : input.dtype === "bool" ? false : 0));
  const sides = input.shape.slice(1);
  const count = sides.reduce((product, side) => product * (typeof side === "number" ? side : 4), 1);
  const example = count <= 4096 ? JSON.stringify([sides.length ? build(sides) : 0]) : "";
  const editor = make("textarea", { id: `json-${input.name}`, spellcheck: "false", "aria-label": `${input.name} as JSON, a batch of samples`, oninput: () => refreshCode() });
  editor.value = example;
  const chooser = make("input", { type: "file", "aria-label": `File for ${input.name}: .npy, .npz, CSV, JSON or an image` });
  chooser.addEventListener("change", () => refreshCode());
  return {
    element: make("div", {}, make("p", { class: "quiet", text: "A batch of samples as nested lists, or a file: .npy, .npz, CSV, JSON." }), editor, make("div", { class: "tools" }, chooser)),
    read() {
      if (chooser.files[0]) return { file: chooser.files[0] };
      try { return { value: JSON.parse(editor.value) }; } catch (error) { throw new Error(`${input.name} is no JSON: ${error.message}`); }
    },
  };
}

const EDITORS = { image: imageEditor, drawing: drawingEditor, fields: fieldsEditor, json: jsonEditor };

// --- the request --------------------------------------------------------------------------------------------------------

const path = () => (models.length === 1 ? "predict" : `models/${encodeURIComponent(model.name)}/predict`);

/** What is sent: {kind: "file", file} | {kind: "form", parts} | {kind: "json", text}. */
function request() {
  const parts = model.inputs.map((input, index) => [input.name, editors[index].read()]);
  if (parts.length === 1 && parts[0][1].file) return { kind: "file", file: parts[0][1].file };
  if (parts.some(([, part]) => part.file)) return { kind: "form", parts };
  const inputs = parts.length === 1 ? parts[0][1].value : Object.fromEntries(parts.map(([name, part]) => [name, part.value]));
  return { kind: "json", text: JSON.stringify({ inputs }) };
}

async function ask() {
  const asked = request();
  const headers = {};
  if ($("key").value) headers.authorization = `Bearer ${$("key").value}`;
  let body;
  if (asked.kind === "file") { body = asked.file; headers["content-type"] = "application/octet-stream"; }
  else if (asked.kind === "form") {
    body = new FormData();
    for (const [name, part] of asked.parts) body.append(name, part.file ?? new Blob([JSON.stringify(part.value)], { type: "application/json" }), part.file?.name ?? `${name}.json`);
  } else { body = asked.text; headers["content-type"] = "application/json"; }
  const begin = performance.now();
  const response = await fetch(path(), { method: "POST", headers, body });
  const text = await response.text();
  const milliseconds = performance.now() - begin;
  let answer;
  try { answer = JSON.parse(text); } catch { answer = { error: text.slice(0, 1000) || `The server answered ${response.status}.` }; }
  if (response.status === 401) { $("key-field").hidden = false; $("key").focus(); }
  return { answer, ok: response.ok, milliseconds, timing: response.headers.get("server-timing") ?? "" };
}

// --- the answer ---------------------------------------------------------------------------------------------------------

const digits = (number) => (Number.isInteger(number) ? String(number) : Number(number.toPrecision(6)).toString());

function bars(ranking) {
  return make("ol", { class: "bars" }, ...ranking.map(({ label, probability }) => make("li", {},
    make("span", { class: "name", text: String(label), title: String(label) }),
    make("meter", { min: "0", max: "1", value: String(probability ?? 0), "aria-hidden": "true" }),
    make("span", { class: "number", text: probability === null ? "–" : `${(probability * 100).toFixed(1)} %` }))));
}

const shapeOf = (value) => (Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : []);

function table(name, rows) {
  const flat = rows.map((row) => (Array.isArray(row) ? row.flat(Infinity) : [row]));
  const width = Math.min(flat[0]?.length ?? 0, 50);
  const head = make("tr", {}, make("th", { scope: "col", text: "sample" }), ...Array.from({ length: width }, (_, index) => make("th", { scope: "col", text: flat[0].length === 1 ? name : String(index) })));
  const lines = flat.slice(0, 200).map((row, index) => make("tr", {}, make("td", { text: String(index) }), ...row.slice(0, width).map((number) => make("td", { text: number === null ? "NaN" : typeof number === "number" ? digits(number) : String(number) }))));
  const csv = () => [["sample", ...flat[0].map((_, index) => `${name}[${index}]`)], ...flat.map((row, index) => [index, ...row])].map((row) => row.join(",")).join("\n");
  return [
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Numbers of ${name}` }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines))),
    flat[0]?.length > width || flat.length > 200 ? make("p", { class: "quiet", text: `Shown are ${width} of ${flat[0].length} numbers of ${lines.length} of ${flat.length} samples; the CSV has all.` }) : "",
    make("p", {}, make("button", { type: "button", text: "Download CSV", onclick: () => download(`${name}.csv`, csv()) })),
  ];
}

/** An output of 1 or 3 channels as a picture, its range stretched to black and white. */
function picture(channels) {
  const [count, rows, columns] = shapeOf(channels);
  const numbers = channels.flat(Infinity).map((number) => number ?? 0);
  let least = Infinity, largest = -Infinity;
  for (const number of numbers) { least = Math.min(least, number); largest = Math.max(largest, number); }
  const canvas = make("canvas", { class: "pixels", width: columns, height: rows, role: "img", "aria-label": `Output as a picture of ${rows} by ${columns}` });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const scale = largest > least ? 255 / (largest - least) : 0;
  for (let index = 0; index < rows * columns; index++)
    for (let channel = 0; channel < 4; channel++)
      image.data[index * 4 + channel] = channel === 3 ? 255 : (numbers[(count === 1 ? 0 : channel) * rows * columns + index] - least) * scale;
  context.putImageData(image, 0, 0);
  return make("figure", {}, canvas, make("figcaption", { class: "quiet", text: `stretched from ${digits(least)} (black) to ${digits(largest)} (white)` }));
}

function classes(answer) {
  const parts = answer.predictions.slice(0, 20).flatMap((prediction, index) => [
    answer.predictions.length > 1 ? make("h3", { text: `Sample ${index}` }) : "", bars(prediction.top)]);
  return [...parts, make("p", { class: "quiet", text: answer.reading ?? "" })];
}

function outputs(answer) {
  return Object.entries(answer.outputs).flatMap(([name, rows]) => {
    const shape = shapeOf(rows);
    const pictured = shape.length === 4 && (shape[1] === 1 || shape[1] === 3) && shape[2] * shape[3] > 16;
    return [make("h3", { text: `${name} (${shape.join(" × ")})` }), ...(pictured ? rows.slice(0, 4).map(picture) : []), ...(shape.length && shape[0] ? table(name, rows) : [])];
  });
}

function showAnswer({ answer, ok, milliseconds, timing }) {
  const place = $("answer");
  if (!ok) { place.replaceChildren(make("p", { class: "bad", role: "alert", text: answer.error ?? "The server gave no reason." })); return; }
  lastAnswer = answer;
  const numbers = outputs(answer);
  const scored = Array.isArray(answer.predictions);
  place.replaceChildren(
    ...(scored ? classes(answer) : numbers),
    ...(scored ? [make("details", {}, make("summary", { text: "All numbers" }), ...numbers)] : []),
    make("details", {}, make("summary", { text: "JSON" }), make("pre", { tabindex: "0", text: JSON.stringify(answer, null, 1).slice(0, 200000) })),
    make("p", { class: "quiet", id: "latency", text: `${milliseconds.toFixed(1)} ms from here; in the server: ${timing.replaceAll(";dur=", " ").replaceAll(",", " ms,")} ms` }));
}

function download(name, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text])), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

// --- the same request as code -------------------------------------------------------------------------------------------

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const CODE = {
  curl(asked, url, key) {
    const header = key ? ` -H ${shell("Authorization: Bearer YOUR_KEY")}` : "";
    if (asked.kind === "file") return `curl ${shell(url)}${header} -T ${shell(asked.file.name)}`;
    if (asked.kind === "form") return `curl ${shell(url)}${header} ${asked.parts.map(([name, part]) => `-F ${shell(`${name}=@${part.file?.name ?? `${name}.json`}`)}`).join(" ")}`;
    return `curl ${shell(url)}${header} -H 'Content-Type: application/json' \\\n  -d ${shell(asked.text)}`;
  },
  Python(asked, url, key) {
    const header = key ? `, "Authorization": "Bearer YOUR_KEY"` : "";
    const data = asked.kind === "file" ? `open(${JSON.stringify(asked.file.name)}, "rb").read()` : asked.kind === "json" ? `json.dumps(json.loads(${JSON.stringify(asked.text)})).encode()` : null;
    if (data === null) return "# several inputs, some of them files: send them as a form, as curl does";
    const type = asked.kind === "file" ? "application/octet-stream" : "application/json";
    return `import json\nfrom urllib.request import Request, urlopen\n\ndata = ${data}\nrequest = Request(${JSON.stringify(url)}, data, {"Content-Type": "${type}"${header}})\nwith urlopen(request) as response:\n    print(json.load(response))`;
  },
  tritonclient(asked, url, key) {
    const base = new URL(url);
    const arrays = asked.kind === "json" ? JSON.parse(asked.text).inputs : null;
    const lines = model.inputs.map((input) => {
      const value = arrays === null ? null : model.inputs.length === 1 ? arrays : arrays[input.name];
      const numbers = value === null ? `np.load(${JSON.stringify(`${input.name}.npy`)})` : `json.loads(${JSON.stringify(JSON.stringify(value))})`;
      const types = { float32: "FP32", int64: "INT64", bool: "BOOL" };
      return `array = np.array(${numbers}, np.${input.dtype === "bool" ? "bool_" : input.dtype})\ninputs.append(triton.InferInput(${JSON.stringify(input.name)}, array.shape, "${types[input.dtype]}"))\ninputs[-1].set_data_from_numpy(array)`;
    });
    const outputsNamed = model.outputs.filter((output) => output.shape.includes("batch")).map((output) => `print(answer.as_numpy(${JSON.stringify(output.name)}))`);
    const header = key ? `, headers={"Authorization": "Bearer YOUR_KEY"}` : "";
    const note = arrays === null ? "# an image file is prepared by /predict; here the numbers themselves are sent\n" : "";
    return `${note}import json\n\nimport numpy as np\nimport tritonclient.http as triton\n\nclient = triton.InferenceServerClient(${JSON.stringify(base.host)})\ninputs = []\n${lines.join("\n")}\nanswer = client.infer(${JSON.stringify(model.name)}, inputs${header})\n${outputsNamed.join("\n")}`;
  },
};
let language = "curl";

function refreshCode() {
  if (!model || !$("code").open) return;
  let text;
  try { text = CODE[language](request(), new URL(path(), document.baseURI).href, $("key").value); } catch (error) { text = `# ${error.message}`; }
  const shown = make("pre", { tabindex: "0", id: "code-text", text });
  $("snippet").replaceChildren(shown, make("p", {}, make("button", { type: "button", text: "Copy", onclick: async (event) => {
    try { await navigator.clipboard.writeText(text); event.target.textContent = "Copied"; }
    catch { getSelection().selectAllChildren(shown); event.target.textContent = "Selected: copy with the keyboard"; }
  } })));
}

function languages() {
  const tabs = Object.keys(CODE).map((name) => make("button", { type: "button", role: "tab", "aria-selected": String(name === language), tabindex: name === language ? "0" : "-1", text: name, onclick: () => choose(name) }));
  const choose = (name) => { language = name; languages(); refreshCode(); };
  tabs.forEach((tab, index) => tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    choose(Object.keys(CODE)[(index + step + tabs.length) % tabs.length]);
    $("languages").querySelector('[aria-selected="true"]').focus();
  }));
  $("languages").replaceChildren(...tabs);
}

// --- the page -----------------------------------------------------------------------------------------------------------

function show(chosen) {
  model = chosen;
  $("title").textContent = model.name;
  document.title = `${model.name} · pthway`;
  $("about").textContent = model.description || `Takes ${model.inputs.map((input) => `${input.name}: ${shapeText(input)}`).join(", ")}.`;
  editors = model.inputs.map((input) => EDITORS[input.form](input));
  $("inputs").replaceChildren(...model.inputs.map((input, index) => make("fieldset", {}, make("legend", { text: `${input.name} · ${shapeText(input)}` }), editors[index].element)));
  const facts = { version: model.version, runtime: model.runtime, "largest batch": model.largest_batch, licence: model.licence || "not told", digest: model.digest, classes: model.labels?.length ?? "not named" };
  $("facts-list").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: String(value) })]));
  $("answer").replaceChildren(make("p", { class: "quiet", text: "Nothing has been asked yet." }));
  $("predict").disabled = false;
  $("state").textContent = "";
  languages();
  refreshCode();
}

async function load() {
  const headers = $("key").value ? { authorization: `Bearer ${$("key").value}` } : {};
  const response = await fetch("models", { headers });
  const found = await response.json();
  if (!response.ok) {
    if (response.status === 401) { $("key-field").hidden = false; $("predict").disabled = false; }
    $("state").textContent = found.error;
    if (response.status === 503) setTimeout(load, 1000);
    return;
  }
  models = found;
  $("model").replaceChildren(...models.map((each, index) => make("option", { value: String(index), text: `${each.name} ${each.version}` })));
  $("chooser").hidden = models.length < 2;
  show(models[0]);
}

$("model").addEventListener("change", () => show(models[Number($("model").value)]));
$("code").addEventListener("toggle", refreshCode);
$("key").addEventListener("change", refreshCode);
document.addEventListener("paste", (event) => { const editor = editors.find((each) => each.paste); if (editor && event.target.tagName !== "TEXTAREA") editor.paste(event); });
$("scheme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme !== "dark";
  document.documentElement.dataset.scheme = dark ? "dark" : "light";
  $("scheme").textContent = dark ? "Light" : "Dark";
});
$("scheme").textContent = matchMedia("(prefers-color-scheme: dark)").matches ? "Light" : "Dark";
$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!model) { await load(); return; }
  $("predict").disabled = true;
  $("state").textContent = "Asking …";
  try { showAnswer(await ask()); } catch (error) { showAnswer({ answer: { error: error.message }, ok: false }); }
  $("predict").disabled = false;
  $("state").textContent = "";
});
load().catch((error) => { $("state").textContent = `The server cannot be reached: ${error.message}`; });
