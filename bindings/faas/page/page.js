/* SPDX-License-Identifier: Apache-2.0
 * The page's doings. It finds out what the served models can do, shows that, and asks the routes
 * that any caller asks. */
"use strict";
const words = {
    en: {
        tongue: "中文",
        asking: "Asking what the models here can do …",
        none: "The models here take tensors: programs reach them below /v2.",
        see: "A picture", seeLead: "Show one, and read what the network takes it for.",
        model: "Model", drop: "Drop a picture here, or", choose: "Choose a picture",
        photograph: "Take a photograph", looking: "Looking …",
        picture: "Your picture", seen: (ms, model) => `Seen in ${ms} ms by ${model}.`,
        write: "A poem", writeLead: "Say what it should hold; leave all empty for a surprise.",
        theme: "Theme", themeHint: "Up to 16 characters that shall occur somewhere.",
        chips: "Characters for the theme",
        start: "Beginning", startHint: "The first characters, such as 明月.",
        acrostic: "Acrostic", acrosticHint: "How each line begins, such as 春夏秋冬.",
        upright: "Vertically", simplified: "Simplified characters", go: "Write",
        written: (seed, ms, model) => `Written in ${ms} ms by ${model}; number ${seed}.`,
        foot: "What you show or ask goes to the function that sent you this page, and nowhere else.",
        400: "The model cannot take this.", 404: "The model is not there any more.",
        413: "This is too large.", 415: "This is neither a JPEG nor a PNG picture.",
        429: "Many are waiting already. Ask again in a moment.",
        503: "There is no memory left for this just now.", 504: "It took longer than is allowed.",
        odd: "The answer is not what was asked for.",
        cut: "The connection broke while this was sent. It may be too large.",
        lost: "The server does not answer.", broken: "The poem broke off.",
    },
    zh: {
        tongue: "English",
        asking: "正在询问这里的模型能做什么 ……",
        none: "这里的模型只收张量，程序可由 /v2 使用。",
        see: "观图", seeLead: "给它一张图，看网络认作什么。",
        model: "模型", drop: "把图片拖到这里，或", choose: "选择图片",
        photograph: "拍一张照片", looking: "正在看 ……",
        picture: "你的图片", seen: (ms, model) => `${model} 用 ${ms} 毫秒看完。`,
        write: "作诗", writeLead: "说说诗里要有什么；全空着，便由它写。",
        theme: "意象", themeHint: "至多十六个字，会出现在诗中某处。",
        chips: "可作意象的字",
        start: "起句", startHint: "开头的字，如「明月」。",
        acrostic: "藏头", acrosticHint: "每句首字，如「春夏秋冬」。",
        upright: "竖排", simplified: "简体字", go: "落笔",
        written: (seed, ms, model) => `${model} 用 ${ms} 毫秒写成；第 ${seed} 号。`,
        foot: "你给的图与字只送到发来此页的函数，不去别处。",
        400: "模型不能接受这个。", 404: "这个模型已经不在了。",
        413: "这个太大了。", 415: "这不是 JPEG 或 PNG 图片。",
        429: "已有许多人在等，请稍后再试。",
        503: "眼下内存不够。", 504: "用时超过了限度。",
        odd: "回答不是所问的。",
        cut: "发送途中连接断了，也许是太大。",
        lost: "服务器没有回应。", broken: "诗写到一半断了。",
    },
};
const themes = [["月", "moon"], ["酒", "wine"], ["山", "mountain"], ["江", "river"], ["雪", "snow"],
    ["花", "blossom"], ["秋", "autumn"], ["歸", "homeward"]];

const at = id => document.getElementById(id);
const base = location.pathname.replace(/\/*$/, "/");
const isStill = matchMedia("(prefers-reduced-motion: reduce)");
let tongue = /^zh/i.test(navigator.language) ? "zh" : "en";
const say = (key, ...values) => typeof words[tongue][key] === "function"
    ? words[tongue][key](...values) : words[tongue][key];
/* What is said again when the language changes: id -> how to say it. */
const said = new Map();

function tell(id, make) {
    const now = make ? make() : "";
    said.set(id, make);
    at(id).replaceChildren(...[].concat(now));
}

function translate() {
    document.documentElement.lang = tongue === "zh" ? "zh-Hans" : "en";
    for (const e of document.querySelectorAll("[data-t]"))
        if (e.dataset.t) e.textContent = say(e.dataset.t);
    for (const e of document.querySelectorAll("[data-t-label]"))
        e.setAttribute("aria-label", say(e.dataset.tLabel));
    at("tongue").textContent = say("tongue");
    at("tongue").lang = tongue === "zh" ? "en" : "zh-Hans";
    for (const chip of at("chips").children)
        chip.lastChild.textContent = tongue === "zh" ? "" : " " + chip.dataset.word;
    at("picture").setAttribute("aria-label", say("picture"));
    tell("see-news"); /* heard already */
    for (const [id, make] of said)
        if (make) tell(id, make);
}

function element(name, text, type) {
    const e = document.createElement(name);
    e.textContent = text;
    if (type) e.className = type;
    return e;
}

const number = (value, digits) =>
    new Intl.NumberFormat(tongue, { maximumFractionDigits: digits }).format(value);
const milliseconds = ms => number(ms, ms < 10 ? 1 : 0);

/* ---- Faults ---- */

class Fault extends Error {
    constructor(key, detail) {
        super(detail || "");
        this.key = key;
    }
}

/* A fetch whose failures are Faults, in the handler's words where it had any. */
async function ask(path, options) {
    let response;
    try {
        response = await fetch(base + path, options);
    } catch (e) {
        if (e.name === "AbortError") throw e;
        const isThere = await fetch(base + "livez").then(r => r.ok, () => false);
        throw new Fault(isThere ? "cut" : "lost");
    }
    if (response.ok) return response;
    const json = await response.json().catch(() => ({}));
    const detail = json.body?.error || json.error;
    throw new Fault(words.en[response.status] ? response.status : "odd",
        typeof detail === "string" ? detail : `HTTP ${response.status}`);
}

function blame(id, fault) {
    if (fault.name === "AbortError") return;
    const key = fault instanceof Fault ? fault.key : "odd";
    tell(id, () => {
        const detail = element("small", fault.message);
        detail.lang = "en";
        return fault.message ? [say(key), detail] : [say(key)];
    });
}

/* ---- Pictures ---- */

let looks = 0;

/* Draws a picture whose longer side gets at most `most` pixels. */
function draw(canvas, bitmap, most) {
    const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
    canvas.width = Math.max(1, bitmap.width * scale);
    canvas.height = Math.max(1, bitmap.height * scale);
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}

function jpeg(bitmap, most) {
    const canvas = document.createElement("canvas");
    draw(canvas, bitmap, most);
    return new Promise(done => canvas.toBlob(done, "image/jpeg", 0.95));
}

/* What the handler reads goes as it is; what only the browser reads (WebP, HEIC) as JPEG. */
async function encode(file, bitmap) {
    const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
    const isRead = (head[0] === 0xff && head[1] === 0xd8) || (head[0] === 0x89 && head[1] === 0x50);
    return !isRead && bitmap && await jpeg(bitmap, 4096) || file;
}

/* A photograph for which the platform has no room goes again, smaller. */
async function send(path, file, bitmap) {
    const post = body => ask(path, {
        method: "POST", body, headers: { "Content-Type": "application/octet-stream" },
    });
    try {
        return await post(await encode(file, bitmap));
    } catch (fault) {
        const less = bitmap && (fault.key === 413 || fault.key === "cut") && await jpeg(bitmap, 1024);
        if (!less || less.size >= file.size) throw fault;
        return post(less);
    }
}

function preview(bitmap) {
    at("picture").hidden = !bitmap;
    if (bitmap) draw(at("picture"), bitmap, 1200);
}

const score = (row, isPart) => isPart
    ? new Intl.NumberFormat(tongue, { style: "percent", maximumFractionDigits: row.score < 0.1 ? 1 : 0 })
        .format(row.score) : number(row.score, 2);

function showLabels(rows, ms, model) {
    const isPart = rows.every(row => row.score >= 0 && row.score <= 1);
    const most = isPart ? 1 : Math.max(...rows.map(row => Math.abs(row.score)), 1e-9);
    const seen = () => say("seen", milliseconds(ms), model);
    tell("labels", () => rows.map(row => {
        const li = element("li", "");
        const bar = element("div", "", "bar");
        const part = element("i", "");
        part.style.setProperty("--part", `${Math.max(0, 100 * row.score / most)}%`);
        bar.append(part);
        li.append(element("span", row.label, "label"), " ", element("span", score(row, isPart), "score"), bar);
        return li;
    }));
    tell("see-facts", seen);
    tell("see-news", () => `${rows.slice(0, 3).map(r => `${r.label} ${score(r, isPart)}`).join(", ")}. ${seen()}`);
}

async function look(file) {
    if (!file || at("see").hidden) return;
    const mine = ++looks;
    const model = at("see-model").value;
    tell("see-fault");
    tell("labels");
    tell("see-news");
    tell("see-facts", () => say("looking"));
    try {
        const bitmap = await createImageBitmap(file).catch(() => null);
        if (mine !== looks) return;
        preview(bitmap);
        const response = await send(`models/${encodeURIComponent(model)}?top=5`, file, bitmap);
        const rows = (await response.json()).body;
        if (mine !== looks) return;
        if (!Array.isArray(rows) || !rows.length) throw new Fault("odd");
        showLabels(rows, Number(response.headers.get("Ai-Duration-Ms")), model);
    } catch (fault) {
        if (mine !== looks) return;
        tell("see-facts");
        blame("see-fault", fault);
    }
}

function offerPictures() {
    const drop = at("drop");
    for (const id of ["file", "camera"])
        at(id).addEventListener("change", () => {
            look(at(id).files[0]);
            at(id).value = "";
        });
    document.addEventListener("dragover", e => {
        e.preventDefault();
        drop.classList.add("over");
    });
    document.addEventListener("dragleave", e => e.relatedTarget || drop.classList.remove("over"));
    document.addEventListener("drop", e => {
        e.preventDefault();
        drop.classList.remove("over");
        look(e.dataTransfer.files[0]);
    });
    document.addEventListener("paste", e => look(e.clipboardData.files[0]));
}

/* ---- Poems ---- */

let writing = null;

/* Server-sent events of a response: [name, data] after [name, data]. */
async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        text += value;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
            const field = name => text.slice(0, end).split("\n").filter(l => l.startsWith(name + ": "))
                .map(l => l.slice(name.length + 2)).join("\n");
            yield [field("event"), JSON.parse(field("data"))];
        }
    }
}

function wish() {
    const asked = { seed: 1 + Math.floor(Math.random() * 9999) };
    for (const name of ["start", "acrostic", "theme"])
        if (at(name).value.trim()) asked[name] = at(name).value.trim();
    if (!at("script").hidden && at("simplified").checked) asked.script = "simplified";
    return asked;
}

/* A brush takes its time, and rests at the end of a line; the network has long been done. */
const rest = (piece, signal) => isStill.matches || signal.aborted ? null
    : new Promise(done => setTimeout(done, /[\p{P}\n]/u.test(piece) ? 260 : 90));

function stamp() {
    const e = element("span", "李白", "stamp");
    e.lang = "zh";
    e.setAttribute("aria-hidden", "true");
    return e;
}

async function compose(response, begin, signal) {
    const poem = at("poem");
    const pieces = [];
    let last = null;
    let ms = 0;
    const hear = (async () => {
        for await (const [name, data] of events(response)) {
            if (name) last = [name, data];
            else pieces.push(data.text);
            ms = performance.now() - begin;
        }
    })();
    let isHeard = false;
    hear.finally(() => isHeard = true).catch(() => 0);
    for (let i = 0; !isHeard || i < pieces.length;) {
        if (i < pieces.length) {
            poem.append(element("span", pieces[i]));
            await rest(pieces[i++], signal);
        } else {
            await new Promise(done => setTimeout(done, 5));
        }
        if (signal.aborted) return null;
    }
    await hear;
    if (!last || last[0] !== "end") throw new Fault("broken", last?.[1].error);
    return { seed: last[1].seed, text: last[1].text, ms };
}

async function write() {
    writing?.abort();
    const { signal } = writing = new AbortController();
    const poem = at("poem");
    const model = at("write-model").value;
    const asked = wish();
    tell("write-fault");
    tell("write-facts");
    poem.replaceChildren();
    poem.setAttribute("aria-busy", "true");
    poem.lang = asked.script ? "zh-Hans" : "zh-Hant";
    const begin = performance.now();
    try {
        const response = await ask(`models/${encodeURIComponent(model)}`, {
            method: "POST", body: JSON.stringify(asked), signal,
            headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
        });
        if (signal.aborted) return;
        at("sheet").hidden = false;
        const whole = await compose(response, begin, signal);
        if (!whole) return;
        poem.append(stamp());
        tell("write-facts", () => say("written", whole.seed, milliseconds(whole.ms), model));
    } catch (fault) {
        if (signal.aborted) return;
        at("sheet").hidden = !poem.textContent;
        blame("write-fault", fault instanceof TypeError ? new Fault("broken") : fault);
    }
    if (!signal.aborted) poem.setAttribute("aria-busy", "false");
    poem.toggleAttribute("tabindex", false);
    if (poem.scrollWidth > poem.clientWidth || poem.scrollHeight > poem.clientHeight) poem.tabIndex = 0;
}

function markChips() {
    for (const chip of at("chips").children)
        chip.setAttribute("aria-pressed", at("theme").value.includes(chip.dataset.sign));
}

function offerPoems() {
    for (const [sign, word] of themes) {
        const chip = element("button", "");
        const b = element("b", sign);
        chip.type = "button";
        b.lang = "zh-Hant";
        Object.assign(chip.dataset, { sign, word });
        chip.append(b, "");
        chip.append(document.createTextNode(""));
        chip.addEventListener("click", () => {
            const theme = at("theme");
            theme.value = theme.value.includes(sign) ? theme.value.replaceAll(sign, "")
                : [...theme.value + sign].slice(0, 16).join("");
            markChips();
        });
        at("chips").append(chip);
    }
    at("theme").addEventListener("input", markChips);
    markChips();
    const turn = () => at("poem").classList.toggle("upright", at("upright").checked);
    at("upright").addEventListener("change", turn);
    turn();
    at("wish").addEventListener("submit", e => {
        e.preventDefault();
        write();
    });
}

/* ---- What the models can do ---- */

function offer(id, models) {
    const list = at(`${id}-model`);
    at(id).hidden = !models.length;
    list.replaceChildren(...models.map(model => element("option", model.name)));
    list.closest("p").hidden = models.length < 2;
}

async function find() {
    try {
        const index = await (await ask("v2/repository/index", { method: "POST" })).json();
        const models = await Promise.all(index.map(async ({ name }) =>
            (await ask(`v2/models/${encodeURIComponent(name)}`)).json()));
        const those = task => models.filter(model => model.properties?.task === task);
        const [seers, writers] = [those("classify"), those("write")];
        offer("see", seers);
        offer("write", writers);
        document.querySelector("main").classList.toggle("both", seers.length > 0 && writers.length > 0);
        const chosen = () => {
            const model = writers.find(w => w.name === at("write-model").value);
            at("script").hidden = !/simplified/.test(model?.properties.scripts);
        };
        at("write-model").addEventListener("change", chosen);
        chosen();
        tell("state", seers.length + writers.length ? null : () => say("none"));
    } catch (fault) {
        blame("state", fault);
    }
}

offerPictures();
offerPoems();
at("tongue").addEventListener("click", () => {
    tongue = tongue === "zh" ? "en" : "zh";
    translate();
});
at("state").removeAttribute("data-t");
tell("state", () => say("asking"));
translate();
find();
