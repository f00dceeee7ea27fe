// SPDX-License-Identifier: Apache-2.0
// Takes the page's pictures for screenshot.py: shots.mjs LIGHT.png DARK.png
import { isReady, launch, missing, models, open, photo, serve, show, write } from "./harness.mjs";

if (missing) throw new Error(missing);
const browser = await launch();
const server = await serve([models.pictures, models.poems]);
const isBefore = page => page.addInitScript(() => { Math.random = () => 0.00025; }); // poem number 3
for (const [i, colorScheme] of ["light", "dark"].entries()) {
    const page = await open(browser, server.url,
        { colorScheme, isBefore, viewport: { width: 1180, height: 1250 } });
    await isReady(page);
    await show(page, photo("chelsea.png"));
    await page.click("#chips button:nth-child(1)");
    await page.click("#chips button:nth-child(2)");
    await write(page);
    await page.mouse.move(0, 0);
    await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
    await page.screenshot({ path: process.argv[2 + i] });
}
await browser.close();
await server.stop();
