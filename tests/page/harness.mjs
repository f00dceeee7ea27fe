// SPDX-License-Identifier: Apache-2.0
// What the tests of the page share: `ai serve`, Debian's Chromium, and what a page must never do.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const source = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const build = process.env.AI_BUILD || path.join(source, "build");
const ai = process.env.AI_BIN || path.join(build, "bindings/cli/ai");
const zoo = path.join(build, "models/zoo");
const photos = path.join(source, "models/zoo/cache/photos");
const chromiumPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);

export const models = {
    pictures: path.join(zoo, "efficientnet-lite0.lai"),
    poems: path.join(zoo, "charrnn.lai"),
};
export const photo = name => path.join(photos, name);

const packages = ["playwright-core", "axe-core"].map(
    name => path.join(source, "tests/page/node_modules", name, "package.json"));
const needed = [[chromiumPath, "chromium is not installed"],
    [packages.every(existsSync), "tests/page/node_modules is not there: npm ci makes it"],
    [existsSync(models.pictures), "the zoo's EfficientNet-Lite0 is not there"],
    [existsSync(photo("chelsea.png")), "the zoo's photographs are not there"]];
/* Why nothing can be tested here; or undefined. */
export const missing = needed.find(([isThere]) => !isThere)?.[1];

export async function launch() {
    const { chromium } = await import("playwright-core");
    return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/* Starts `ai serve` on a free port. */
export async function serve(served, env = {}) {
    const child = spawn(ai, ["serve", ...served],
        { env: { ...process.env, PORT: "0", ...env }, stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    const port = await new Promise((done, fail) => {
        child.stderr.on("data", data => {
            text += data;
            const found = /port (\d+)/.exec(text);
            if (found) done(Number(found[1]));
        });
        child.on("exit", () => fail(new Error(`ai serve: ${text}`)));
    });
    const ended = new Promise(done => child.on("exit", done));
    return {
        port,
        url: `http://127.0.0.1:${port}/`,
        stop: () => child.kill("SIGKILL") && ended,
    };
}

/* Opens the page in a browser of its own settings. page.said is what stood on the console,
 * page.asked the addresses of all requests. */
export async function open(browser, url, options = {}) {
    const { isBefore, ...rest } = options;
    const context = await browser.newContext({ locale: "en-GB", reducedMotion: "reduce", ...rest });
    const page = await context.newPage();
    page.setDefaultTimeout(120000);
    page.said = [];
    page.asked = [];
    page.on("console", message => page.said.push(message.text()));
    page.on("pageerror", error => page.said.push(String(error)));
    page.on("request", request => page.asked.push(request.url()));
    if (isBefore) await isBefore(page);
    await page.goto(url);
    return page;
}

export const isReady = page => page.waitForSelector("#state:empty", { state: "attached" });

export async function show(page, file) {
    await page.setInputFiles("#file", file);
    await page.waitForSelector("#labels li, #see-fault:not(:empty)");
}

export async function write(page, wishes = {}) {
    for (const [name, value] of Object.entries(wishes)) await page.fill(`#${name}`, value);
    await page.click(".go");
    await page.waitForSelector("#poem[aria-busy=false] .stamp, #write-fault:not(:empty)");
}

/* The poem's lines, without the seal at its end. */
export const lines = page => page.$eval("#poem", poem => {
    const copy = poem.cloneNode(true);
    copy.querySelector(".stamp")?.remove();
    return copy.textContent.trim().split("\n");
});

/* What axe-core finds: a list of texts. */
export async function findings(page) {
    const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
    await page.evaluate(readFileSync(axe, "utf8"));
    const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
    return violations.map(v => `${v.id}: ${v.nodes.map(node => node.html).join(" ")}`);
}
