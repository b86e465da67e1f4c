"use strict";
const $ = (id) => document.getElementById(id);

// Text that cannot be seen, or turns its surroundings around, is spelled out: a command is read before it is run.
const UNSEEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const spelled = (text) => text.replace(UNSEEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = spelled(text);
  if (kind) made.className = kind;
  return made;
}

const noAnswer = (fault) =>
  $("answer").replaceChildren(element("p", `No answer that can be read: ${fault.message}. Is the service still running?`, "state bad"));

function start(key) {
  const model = JSON.parse($("model").textContent);
  const inputs = model.columns.map((_, place) => $(`c${place}`));
  const touched = new Set();
  const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
  const MOST_CLASSES = 20;

  const quoted = (text) => spelled(JSON.stringify(text));
  const keyHeader = () => ($("key").value.trim() ? { "x-api-key": $("key").value.trim() } : {});

  // JSON is written as text: numbers of 64 bits are more than JavaScript's numbers hold.
  function valueOf(place) {
    const { kind, nullable, zoned, example } = model.columns[place];
    const input = inputs[place];
    if (input.tagName === "SELECT") return input.value || "null";
    if (kind === "boolean") return String(input.checked);
    if (kind === "string") {
      if (!touched.has(place) && example !== undefined) return quoted(example);
      return nullable && input.value === "" ? "null" : quoted(input.value);
    }
    const text = input.value.trim();
    if (text === "") return "null";
    if (kind === "text") return quoted(input.value);
    if (kind === "datetime") return quoted(zoned && input.type !== "text" ? `${text}Z` : text);
    if (NUMBER.test(text)) return text;
    return text !== "" && Number.isFinite(Number(text)) ? String(Number(text)) : quoted(text);
  }

  function body() {
    const row = `{${model.columns.map(({ name }, place) => `${quoted(name)}: ${valueOf(place)}`).join(", ")}}`;
    return model.envelope ? `{"rows": [${row}]}` : row;
  }

  const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

  function showCommand() {
    const key = $("keys").hidden ? "" : ' \\\n  -H "x-api-key: $API_KEY"';
    const url = new URL("predict", location.href).href;
    $("command").textContent = `curl ${shell(url)} \\\n  -H 'content-type: application/json'${key} \\\n  -d ${shell(body())}`;
    $("copied").textContent = "";
  }

  const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

  function bars(probabilities) {
    const all = probabilities.map((share, place) => [plain(model.classes[place] ?? place), share]);
    const shown = all.length > MOST_CLASSES ? all.sort((one, other) => other[1] - one[1]).slice(0, MOST_CLASSES) : all;
    const table = element("table");
    table.append(element("caption", all.length > MOST_CLASSES ? `Probabilities, the ${MOST_CLASSES} highest of ${all.length}` : "Probabilities", "soft"));
    for (const [name, share] of shown) {
      const row = table.insertRow();
      const head = element("th");
      head.scope = "row";
      head.append(element("bdi", name));
      const bar = element("td", undefined, "bar");
      bar.setAttribute("aria-hidden", "true");
      bar.append(element("div"));
      bar.firstChild.style.width = `${100 * Math.min(1, Math.max(0, share ?? 0))}%`;
      row.append(head, bar, element("td", share === null ? "unknown" : `${(100 * share).toFixed(1)}%`, "n"));
    }
    return table;
  }

  function clearFaults() {
    for (const [place, input] of inputs.entries()) {
      input.removeAttribute("aria-invalid");
      $(`f${place}`)?.remove();
    }
  }

  function showFaults(faults) {
    for (const { column, problem, expected } of faults) {
      const place = model.columns.findIndex(({ name }) => name === column);
      if (place < 0 || $(`f${place}`)) continue;
      inputs[place].setAttribute("aria-invalid", "true");
      const note = element("span", ` ${problem}, expected ${expected}`, "fault");
      note.id = `f${place}`;
      $(`d${place}`).append(note);
    }
    inputs.find((input) => input.getAttribute("aria-invalid"))?.focus();
  }

  function show(status, content, milliseconds) {
    const parts = [];
    const error = content?.error;
    if (error) {
      parts.push(element("p", `${status} ${error.code}: ${error.message}`, "state bad"));
      showFaults(error.details?.faults ?? []);
      if (status === 401) {
        $("keys").hidden = false;
        $("key").focus();
        showCommand();
      }
    } else {
      const line = element("p", undefined, "answer");
      line.append(element("bdi", plain(content.predictions[0])));
      parts.push(line);
      if (content.probabilities?.[0]) parts.push(bars(content.probabilities[0]));
    }
    const id = error?.request_id ?? content?.request_id;
    parts.push(element("p", `${milliseconds.toFixed(1)} ms to here and back, request id ${id}`, "soft"));
    $("answer").replaceChildren(...parts);
  }

  async function ask(event) {
    event.preventDefault();
    clearFaults();
    $("send").disabled = true;
    try {
      const started = performance.now();
      const answer = await fetch("predict", { method: "POST", headers: { "content-type": "application/json", ...keyHeader() }, body: body() });
      const text = await answer.text();
      const milliseconds = performance.now() - started;
      show(answer.status, JSON.parse(text), milliseconds);
    } catch (fault) {
      noAnswer(fault);
    } finally {
      $("send").disabled = false;
    }
  }

  async function showState() {
    const line = $("state");
    let again = true;
    try {
      const state = await (await fetch("readyz", { cache: "no-store" })).json();
      const golden = state.golden ? ` ${state.golden.rows} golden rows reproduced, ${state.golden.bit_equal} of them bit by bit.` : "";
      line.textContent = state.ready ? `Ready.${golden}` : `Not ready (${state.code}): ${state.reason}`;
      line.className = `state ${state.ready ? "good" : "bad"}`;
      again = !state.ready && !state.final;
    } catch {
      line.textContent = "The service does not answer.";
      line.className = "state bad";
    }
    if (again) setTimeout(showState, 2000);
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText($("command").textContent);
      $("copied").textContent = "Copied.";
    } catch {
      // Without https a browser has no clipboard for pages, except of this machine.
      getSelection().selectAllChildren($("command"));
      $("copied").textContent = document.execCommand("copy") ? "Copied." : "Selected: copy it with the keyboard.";
    }
  }

  // A link that is followed sends no key.
  async function read(event) {
    if (!$("key").value) return;
    event.preventDefault();
    try {
      const answer = await fetch(event.target.getAttribute("href"), { headers: keyHeader() });
      $("read").textContent = spelled(await answer.text());
      $("read").hidden = false;
    } catch (fault) {
      noAnswer(fault);
    }
  }

  for (const [place, input] of inputs.entries()) {
    input.addEventListener("input", () => {
      touched.add(place);
      showCommand();
    });
  }
  for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", read);
  $("form").addEventListener("submit", ask);
  $("form").addEventListener("reset", () => {
    touched.clear();
    clearFaults();
    setTimeout(showCommand);
  });
  $("copy").addEventListener("click", copy);
  if (key) {
    $("key").value = key;
    $("keys").hidden = false;
  }
  showCommand();
  showState();
}

// Where a key is needed, the page comes without anything of the model first, and is asked for again with the key.
async function unlock(event) {
  event.preventDefault();
  const key = $("key").value.trim();
  try {
    const answer = await fetch(location.pathname, { headers: { "x-api-key": key }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.getElementById("model")) {
      $("answer").replaceChildren(element("p", "This key is not known to the service.", "state bad"));
      $("key").select();
      return;
    }
    document.body.replaceWith(page.body);
    start(key);
  } catch (fault) {
    noAnswer(fault);
  }
}

if ($("model")) start();
else $("unlock").addEventListener("submit", unlock);
