// SPDX-License-Identifier: Apache-2.0
// The page in Chromium, by `ai serve` with the zoo's networks: pictures, poems, faults, both
// languages, both colour schemes, the keyboard alone.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { request, createServer } from "node:http";
import { after, before, test } from "node:test";

import { findings, isReady, launch, lines, models, open, photo, serve, show, write }
    from "./harness.mjs";

let browser;
let server;

before(async () => {
    browser = await launch();
    server = await serve([models.pictures, models.poems]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const texts = (page, selector) => page.$$eval(selector, list => list.map(e => e.textContent));
const text = (page, selector) => page.textContent(selector);

/* Nothing on the console, nothing asked of others, nothing by other paths than the page's. */
function isQuiet(page, url = server.url) {
    assert.deepEqual(page.said, []);
    assert.deepEqual(page.asked.filter(address => !address.startsWith(url) && !/^data:/.test(address)), []);
}

/* A browser itself says on the console that a request failed. */
function saysOnlyFailures(page) {
    assert.deepEqual(page.said.filter(said => !said.startsWith("Failed to load resource")), []);
}

test("the whole way", async () => {
    const page = await open(browser, server.url, { reducedMotion: "no-preference" });
    await isReady(page);
    await show(page, photo("chelsea.png"));
    const labels = await texts(page, "#labels .label");
    assert.equal(labels.length, 5);
    assert.equal(labels[0], "tiger cat");
    assert.match((await texts(page, "#labels .score"))[0], /^\d\d%$/);
    const widths = await page.$$eval("#labels .bar i", bars => bars.map(bar => parseFloat(
        getComputedStyle(bar).getPropertyValue("--part"))));
    assert.deepEqual(widths, [...widths].sort((a, b) => b - a));
    assert.ok(widths[0] > 30 && widths[0] < 60);
    assert.match(await text(page, "#see-facts"), /^Seen in [\d.]+ ms by efficientnet-lite0\.$/);
    assert.match(await text(page, "#see-news"), /^tiger cat \d\d%, .* Seen in /);
    assert.ok(await page.$eval("#picture", canvas => canvas.width > 100 && !canvas.hidden));

    await page.fill("#acrostic", "春夏秋冬");
    await page.$eval("#poem", poem => {
        globalThis.lengths = [];
        new MutationObserver(() => globalThis.lengths.push([...poem.children]
            .filter(child => child.className !== "stamp").length)).observe(poem, { childList: true });
    });
    await write(page);
    const lengths = await page.evaluate(() => globalThis.lengths.filter(length => length));
    assert.deepEqual([...new Set(lengths)], lengths.slice(0, -1).map((_, i) => i + 1));
    assert.ok(lengths.length > 20, `seen at ${lengths.length} lengths, not character by character`);
    assert.deepEqual((await lines(page)).map(line => line[0]), [..."春夏秋冬"]);
    assert.match(await text(page, "#write-facts"), /^Written in [\d.,]+ ms by charrnn; number \d+\.$/);
    isQuiet(page);
});

/* Drops or pastes a file. */
async function give(page, how, bytes, type) {
    await page.evaluate(([kind, base64, mime]) => {
        const data = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([data], "picture", { type: mime }));
        const options = { bubbles: true, cancelable: true };
        const event = kind === "paste"
            ? new ClipboardEvent(kind, { ...options, clipboardData: transfer })
            : new DragEvent(kind, { ...options, dataTransfer: transfer });
        document.body.dispatchEvent(event);
    }, [how, Buffer.from(bytes).toString("base64"), type]);
}

/* The same; the best label. */
async function label(page, ...given) {
    await give(page, ...given);
    await page.waitForSelector("#see-facts:has-text('Seen')");
    return (await texts(page, "#labels .label"))[0];
}

test("pictures dropped, pasted, and of kinds that only the browser reads", async () => {
    const page = await open(browser, server.url);
    await isReady(page);
    assert.equal(await label(page, "drop", readFileSync(photo("coffee.png")), "image/png"), "espresso");
    const webp = await page.$eval("#picture", canvas => canvas.toDataURL("image/webp", 0.9));
    assert.match(webp, /^data:image\/webp/);
    assert.equal(await label(page, "paste", readFileSync(photo("chelsea.png")), "image/png"), "tiger cat");
    const bytes = Buffer.from(webp.split(",")[1], "base64");
    assert.equal(await label(page, "drop", bytes, "image/webp"), "espresso");
    isQuiet(page);
});

test("photographs, where there is a finger", async () => {
    const page = await open(browser, server.url, { isMobile: true, hasTouch: true, viewport: { width: 390, height: 800 } });
    await isReady(page);
    assert.ok(await page.isVisible(".camera"));
    assert.equal(await page.getAttribute("#camera", "capture"), "environment");
    await page.setInputFiles("#camera", photo("coffee.png"));
    await page.waitForSelector("#labels li");
    assert.equal((await texts(page, "#labels .label"))[0], "espresso");
    const other = await open(browser, server.url);
    assert.equal(await other.isVisible(".camera"), false);
    isQuiet(page);
});

test("poems: vertical or not, simplified, by theme and beginning", async () => {
    const page = await open(browser, server.url);
    await isReady(page);
    const mode = () => page.$eval("#poem", poem => getComputedStyle(poem).writingMode);
    await page.click("#chips button:first-child");
    assert.equal(await page.inputValue("#theme"), "月");
    assert.equal(await page.getAttribute("#chips button", "aria-pressed"), "true");
    await write(page, { start: "明" });
    assert.equal(await mode(), "vertical-rl");
    assert.equal(await page.getAttribute("#poem", "lang"), "zh-Hant");
    const whole = (await lines(page)).join("");
    assert.ok(whole.startsWith("明") && whole.includes("月"), whole);
    await page.uncheck("#upright");
    assert.equal(await mode(), "horizontal-tb");
    await page.check("#simplified");
    await write(page, { start: "", theme: "", acrostic: "東風" + "萬里" });
    assert.deepEqual((await lines(page)).map(line => line[0]), [..."东风万里"]);
    assert.equal(await page.getAttribute("#poem", "lang"), "zh-Hans");
    isQuiet(page);
});

test("it shows only what the models can do", async () => {
    const isShown = async page => [await page.isVisible("#see"), await page.isVisible("#write")];
    for (const [served, shown] of [[[models.pictures], [true, false]], [[models.poems], [false, true]]]) {
        const other = await serve(served);
        const page = await open(browser, other.url);
        await isReady(page);
        assert.deepEqual(await isShown(page), shown);
        assert.equal(await page.isVisible(".which"), false);
        const asked = page.asked.length;
        if (!shown[0]) await give(page, "drop", "x", "image/png"); // is left alone
        assert.equal(page.asked.length, asked);
        isQuiet(page, other.url);
        await other.stop();
    }
    const given = tasks => ({ isBefore: async page => {
        await page.route("**/v2/repository/index", route => route.fulfill({ json: tasks.map((_, i) => ({ name: `m/${i}` })) }));
        await page.route("**/v2/models/*", route => {
            const index = Number(/(\d)$/.exec(route.request().url())[1]);
            return route.fulfill({ json: { name: `m/${index}`, properties: { task: tasks[index] } } });
        });
    } });
    const tensors = await open(browser, server.url, given(["infer", undefined]));
    await tensors.waitForSelector("#state:has-text('tensors')");
    assert.deepEqual(await isShown(tensors), [false, false]);
    const several = await open(browser, server.url, given(["classify", "classify", "write"]));
    await isReady(several);
    assert.deepEqual(await texts(several, "#see-model option"), ["m/0", "m/1"]);
    assert.ok(await several.isVisible("#see-model") && !await several.isVisible("#write-model"));
    assert.equal(await several.isVisible("#simplified"), false);
});

test("a photograph that is too large for the platform goes again, smaller", async () => {
    const small = await serve([models.pictures], { AI_MOST_BYTES: "150000" });
    const page = await open(browser, small.url);
    await isReady(page);
    assert.ok(statSync(photo("chelsea.png")).size > 150000);
    await show(page, photo("chelsea.png"));
    assert.equal(await text(page, "#see-fault"), "");
    assert.equal((await texts(page, "#labels .label"))[0], "tiger cat");
    assert.equal(page.asked.filter(address => address.includes("?top=")).length, 2);
    assert.equal(page.said.length, 1);
    saysOnlyFailures(page);
    await small.stop();
});

test("faults are told in words", async () => {
    const small = await serve([models.pictures, models.poems], { AI_MOST_BYTES: "150000" });
    const page = await open(browser, small.url);
    await isReady(page);
    await show(page, { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") });
    assert.match(await text(page, "#see-fault"), /neither a JPEG nor a PNG|cannot take this/);
    await show(page, { name: "a.jpg", mimeType: "image/jpeg", buffer: Buffer.alloc(150001) });
    assert.match(await text(page, "#see-fault"), /too large/);
    assert.equal(await text(page, "#see-facts"), "");
    await show(page, photo("rocket.jpg"));
    assert.equal(await text(page, "#see-fault"), "");
    assert.equal((await texts(page, "#labels li")).length, 5);

    await write(page, { acrostic: "春" });
    assert.match(await text(page, "#write-fault"), /cannot take this.*acrostic/);
    await page.click("#tongue");
    assert.match(await text(page, "#write-fault"), /不能接受/);
    await write(page, { acrostic: "春夏秋冬" });
    assert.equal(await text(page, "#write-fault"), "");

    await small.stop();
    await write(page);
    assert.match(await text(page, "#write-fault"), /没有回应/);
    await page.click("#tongue");
    await show(page, photo("rocket.jpg"));
    assert.match(await text(page, "#see-fault"), /does not answer/);
    saysOnlyFailures(page);
});

test("a poem that breaks off says so", async () => {
    const page = await open(browser, server.url);
    await isReady(page);
    const broken = 'data: {"text":"春"}\n\nevent: error\ndata: {"error":"time is over"}\n\n';
    for (const [body, words] of [[broken, /broke off.*time is over/], ['data: {"text":"春"}\n\n', /broke off/]]) {
        await page.route("**/models/charrnn", route => route.fulfill({ body, contentType: "text/event-stream" }));
        await write(page);
        assert.match(await text(page, "#write-fault"), words);
        assert.deepEqual(await lines(page), ["春"]);
    }
    isQuiet(page);
});

for (const colorScheme of ["light", "dark"])
    for (const locale of ["en-GB", "zh-CN"])
        test(`axe finds nothing: ${colorScheme}, ${locale}`, async () => {
            const page = await open(browser, server.url, { colorScheme, locale });
            await isReady(page);
            assert.equal(await page.getAttribute("html", "lang"), locale === "zh-CN" ? "zh-Hans" : "en");
            assert.deepEqual(await findings(page), []);
            await show(page, photo("astronaut.png"));
            await page.click("#chips button:first-child");
            await write(page);
            assert.deepEqual(await findings(page), []);
            isQuiet(page);
            await show(page, { name: "x", mimeType: "", buffer: Buffer.from("x") });
            await write(page, { acrostic: "春" });
            assert.deepEqual(await findings(page), []);
            await page.setViewportSize({ width: 320, height: 640 });
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320));
        });

test("the language can be chosen", async () => {
    const page = await open(browser, server.url, { locale: "zh-TW" });
    await isReady(page);
    await show(page, photo("chelsea.png"));
    assert.match(await text(page, "#see-facts"), /毫秒/);
    const words = () => page.$eval("body", body => body.innerText);
    await page.click("#tongue");
    assert.match(await text(page, "#see-facts"), /^Seen in/);
    assert.equal(await page.getAttribute("html", "lang"), "en");
    assert.ok(!/[。，的]/.test((await words()).replace(/李白|清水出芙蓉|天然去雕飾/g, "")));
    await page.click("#tongue");
    assert.match(await text(page, "h2"), /观图/);
    isQuiet(page);
});

test("by the keyboard alone", async () => {
    const page = await open(browser, server.url);
    await isReady(page);
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className
        || document.activeElement.dataset.sign);
    const order = [];
    const go = async wanted => {
        for (let i = 0; i < 30 && await focused() !== wanted; i++) {
            await page.keyboard.press("Tab");
            order.push(await focused());
            const outline = await page.evaluate(() => getComputedStyle(document.activeElement.closest(".way")
                || document.activeElement).outlineStyle);
            assert.equal(outline, "solid", `${await focused()} shows no focus`);
        }
        assert.equal(await focused(), wanted);
    };
    const chooser = page.waitForEvent("filechooser"); // early: the browser is told of it in passing
    await go("file");
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(photo("chelsea.png"));
    await page.waitForSelector("#labels li");
    await go("theme");
    await page.keyboard.insertText("山");
    await go("月");
    await page.keyboard.press("Space");
    assert.equal(await page.inputValue("#theme"), "山月");
    await go("upright");
    await page.keyboard.press("Space");
    await go("go");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#poem .stamp");
    assert.equal(await page.$eval("#poem", poem => poem.className), "");
    const places = ["tongue", "file", "theme", "月", "酒", "山", "江", "雪", "花", "秋", "歸", "start",
        "acrostic", "upright", "simplified", "go"];
    assert.deepEqual(order, places);
    isQuiet(page);
});

test("who wants no motion gets none", async () => {
    const page = await open(browser, server.url, { isBefore: p => p.addInitScript(() => {
        const real = globalThis.setTimeout;
        globalThis.delays = [];
        globalThis.setTimeout = (call, ms) => globalThis.delays.push(ms) && real(call, ms);
    }) });
    await isReady(page);
    await show(page, photo("chelsea.png"));
    await write(page);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    assert.deepEqual(await page.evaluate(() => globalThis.delays.filter(ms => ms > 50)), []);
});

test("the first paint waits for nothing but the page itself", async () => {
    const page = await open(browser, server.url, { isBefore: async p => {
        await p.route("**/v2/**", () => { /* never answered */ });
    } });
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length);
    assert.ok(await page.isVisible("h1"));
    assert.match(await text(page, "#state"), /what the models here can do/);
    assert.equal(await page.evaluate(() => document.querySelectorAll("link[rel=stylesheet], script[src], img").length), 0);
    await page.context().close();
});

test("below a gateway's path", async t => {
    const gateway = createServer((asked, answer) => {
        if (!asked.url.startsWith("/function/cats")) return answer.writeHead(404).end();
        const forward = request({ host: "127.0.0.1", port: server.port, method: asked.method, headers: asked.headers,
            path: asked.url.slice("/function/cats".length) || "/" }, got => {
            answer.writeHead(got.statusCode, got.headers);
            got.pipe(answer);
        });
        return asked.pipe(forward);
    });
    t.after(() => {
        gateway.closeAllConnections();
        gateway.close();
    });
    await new Promise(done => gateway.listen(0, "127.0.0.1", done));
    for (const path of ["/function/cats", "/function/cats/"]) {
        const page = await open(browser, `http://127.0.0.1:${gateway.address().port}${path}`);
        await isReady(page);
        await show(page, photo("chelsea.png"));
        assert.equal((await texts(page, "#labels .label"))[0], "tiger cat");
        await write(page);
        assert.equal((await lines(page)).length, 4);
        isQuiet(page, `http://127.0.0.1:${gateway.address().port}/function/cats`);
        await page.context().close();
    }
});
